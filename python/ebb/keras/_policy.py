"""Types in which layers compute and keep their weights, and settings of all of ebb.keras."""

from __future__ import annotations

from typing import Any

FLOATS = ("bfloat16", "float16", "float32", "float64")


class DTypePolicy:
    """In which type a layer computes, and in which it keeps its weights.

    Parameters
    ----------
    name : str
        A type, or ``"mixed_float16"``, ``"mixed_bfloat16"``: computes in 16 bits, keeps float32.
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        self._name = getattr(name, "name", name) or settings.policy.name
        self.source_name = kwargs.get("source_name")
        base = self._name.rsplit("_from_", 1)[-1]
        mixed = base.startswith("mixed_")
        self.compute_dtype = base[6:] if mixed else base
        self.variable_dtype = "float32" if mixed else base
        self._kind = "QuantizedDTypePolicy" if "_from_" in self._name else "DTypePolicy"

    @property
    def name(self) -> str:
        """As given."""
        return str(self._name)

    @property
    def quantization_mode(self) -> str | None:
        """``"int8"`` ... for layers that are quantized."""
        return self._name.split("_from_")[0] if "_from_" in self._name else None

    def get_config(self) -> dict[str, Any]:
        """Name."""
        if self._kind == "QuantizedDTypePolicy":
            mode, source = self._name.split("_from_")
            return {"mode": mode, "source_name": source}
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """Of what ``get_config()`` gave."""
        if "mode" in config:
            return cls(f"{config['mode']}_from_{config['source_name']}")
        return cls(config["name"])

    def entry(self) -> dict[str, Any]:
        """As Keras serializes it."""
        return {
            "module": "keras" if self._kind == "DTypePolicy" else "keras.dtype_policies",
            "class_name": self._kind,
            "config": self.get_config(),
            "registered_name": None,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


class _Settings:
    """What holds until it is changed."""

    def __init__(self) -> None:
        self.floatx = "float32"
        self.epsilon = 1e-7
        self.image_data_format = "channels_last"
        self.chosen: DTypePolicy | None = None

    @property
    def policy(self) -> DTypePolicy:
        """Of layers that are given none."""
        return self.chosen if self.chosen is not None else DTypePolicy(self.floatx)


settings = _Settings()


def policy_get(value: Any) -> Any:
    """A policy of a name, a type, a configuration or None; other policies as they are."""
    if value is None:
        return settings.policy
    if isinstance(value, DTypePolicy):
        return value
    if isinstance(value, dict):
        if value.get("class_name") in ("DTypePolicy", "QuantizedDTypePolicy", "Policy"):
            return DTypePolicy.from_config(value["config"])
        return RawPolicy(value)
    return DTypePolicy(str(getattr(value, "name", value)))


class RawPolicy(DTypePolicy):
    """A policy that Python only hands on: maps, and those of quantized layers."""

    def __init__(self, entry: dict[str, Any]) -> None:
        config = entry.get("config") or {}
        name = config.get("name") or config.get("source_name") or "float32"
        super().__init__(name if isinstance(name, str) else "float32")
        self._entry = entry

    def entry(self) -> dict[str, Any]:
        """As it came."""
        return self._entry

    def get_config(self) -> dict[str, Any]:
        """As it came."""
        return dict(self._entry.get("config") or {})


def set_policy(policy: str | DTypePolicy | None) -> None:
    """Make a policy that of all layers made from now on."""
    settings.chosen = None if policy is None else policy_get(policy)


def set_floatx(value: str) -> None:
    """Make a type that of all layers and inputs made from now on."""
    if value not in FLOATS:
        raise ValueError(f"Unknown `floatx` value: {value}. Expected one of {FLOATS}")
    settings.floatx = value


def set_epsilon(value: float) -> None:
    """Set the small number that keeps divisors away from 0."""
    settings.epsilon = float(value)


def set_image_data_format(data_format: str) -> None:
    """Set where images have their channels, for layers that are not told."""
    data_format = str(data_format).lower()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            "The `data_format` argument must be one of {'channels_first', 'channels_last'}. "
            f"Received: data_format={data_format}"
        )
    settings.image_data_format = data_format
