"""Config: named values that are attributes and items alike, and that can be frozen."""

from __future__ import annotations

import json
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any

from ebb.keras._missing import near


class Config:
    """Named values, as attributes and as items.

    Keras's ``keras.utils.Config``.

    Parameters
    ----------
    **kwargs
        The values.

    Examples
    --------
    >>> config = ebb.keras.utils.Config(rate=0.1)
    >>> config.epochs = 3
    >>> config["rate"], config.epochs
    (0.1, 3)
    """

    _config: dict[str, Any]
    _frozen: bool

    def __init__(self, **kwargs: Any) -> None:
        object.__setattr__(self, "_config", kwargs)
        object.__setattr__(self, "_frozen", False)

    @property
    def frozen(self) -> bool:
        """Whether values can no longer be changed."""
        return self._frozen

    def freeze(self) -> None:
        """Refuses changes from now on."""
        object.__setattr__(self, "_frozen", True)

    def unfreeze(self) -> None:
        """Allows changes again."""
        object.__setattr__(self, "_frozen", False)

    def _open(self) -> dict[str, Any]:
        if self._frozen:
            raise ValueError("Cannot mutate attribute(s) because the config is frozen.")
        return self._config

    def as_dict(self) -> dict[str, Any]:
        """Give the values as a new dict."""
        return dict(self._config)

    def to_json(self) -> str:
        """Give the values as JSON."""
        return json.dumps(self._config)

    def keys(self) -> KeysView[str]:
        """Give the names."""
        return self._config.keys()

    def values(self) -> ValuesView[Any]:
        """Give the values."""
        return self._config.values()

    def items(self) -> ItemsView[str, Any]:
        """Give names and values."""
        return self._config.items()

    def get(self, keyname: str, value: Any = None) -> Any:
        """Give a value, or another one where there is none."""
        return self._config.get(keyname, value)

    def pop(self, *args: Any) -> Any:
        """Take a value out; a second argument is given where there is none."""
        return self._open().pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set values, as ``dict.update`` does."""
        self._open().update(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        config = object.__getattribute__(self, "__dict__").get("_config", {})
        if name in config:
            return config[name]
        found = near(name, config)
        hint = f" Did you mean {' or '.join(map(repr, found))}?" if found else ""
        raise AttributeError(f"Unknown attribute: '{name}'.{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(f"'{name}' belongs to Config itself; use another name")
        self._open()[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self._open():
            raise AttributeError(f"Unknown attribute: '{name}'.")
        del self._config[name]

    def __getitem__(self, key: str) -> Any:
        return self._config[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._open()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._open()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._config

    def __iter__(self) -> Iterator[str]:
        return iter(self._config)

    def __len__(self) -> int:
        return len(self._config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self._config == other._config

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Config {self._config}>"
