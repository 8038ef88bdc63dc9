"""What a model says about itself and how it gets into files: a part of ``Model``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Callable

from ebb.keras import _summary


class Saveable:
    """Table, files, JSON and shrinking of a model. The engine's ``Model`` derives from it."""

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[..., Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print the table of layers, as Keras prints it.

        Parameters
        ----------
        line_length : int, optional
            Of a line; 88, or 108 with a column "Connected to", or what the terminal has room for.
        positions : list of float, optional
            Where columns end, as parts of a line.
        print_fn : callable, optional
            Given the whole table as one text.
        expand_nested : bool
            Layers of models inside the model get rows too.
        show_trainable : bool
            A column that says Y or N.
        layer_range : two str, optional
            Names, or regular expressions, of the first and the last layer to show.

        Raises
        ------
        ValueError
            Columns too narrow; no layer of such a name.
        """
        _summary.print_summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Save configuration, weights, and if the model is compiled its training.

        Parameters
        ----------
        filepath : path
            ``.keras``, or ``.h5``/``.hdf5``.
        overwrite : bool
            Replace a file of that name.
        zipped : bool, optional
            Only True, or None.
        include_optimizer : bool
            With the optimizer's state.

        Raises
        ------
        ValueError
            Another ending.
        FileExistsError
            ``overwrite=False`` and there is one.
        OSError
            It cannot be written.
        """
        from ebb.keras.saving import _save

        _save.save_model(self, filepath, overwrite, zipped, **kwargs)

    def save_weights(
        self, filepath: str | os.PathLike[str], overwrite: bool = True, **kwargs: Any
    ) -> None:
        """Save the weights alone, to a name that ends with ``.weights.h5``.

        Parameters
        ----------
        filepath : path
        overwrite : bool
            Replace a file of that name.

        Raises
        ------
        ValueError
            Another ending.
        FileExistsError
            ``overwrite=False`` and there is one.
        """
        from ebb.keras.saving import _save

        _save.save_weights(self, filepath, overwrite, **kwargs)

    def load_weights(
        self, filepath: str | os.PathLike[str], skip_mismatch: bool = False, **kwargs: Any
    ) -> None:
        """Set the weights from a file; its own configuration is not looked at.

        Parameters
        ----------
        filepath : path
            ``.keras``, ``.weights.h5``, or ``.h5`` of a whole model or of weights alone.
        skip_mismatch : bool
            Layers whose weights do not fit keep theirs.
        by_name : bool
            Only layers of the same names; for ``.h5``.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            The weights do not fit.
        """
        from ebb.keras.saving import _save

        _save.load_weights(self, filepath, skip_mismatch, **kwargs)

    def export(
        self, filepath: str | os.PathLike[str], format: str = "tf_saved_model", **kwargs: Any
    ) -> None:
        """Write a SavedModel folder, for TensorFlow and TensorFlow Serving.

        Parameters
        ----------
        filepath : path
            The folder; one that is a SavedModel, or empty, is replaced.
        format : {"tf_saved_model"}
        verbose : bool, optional
            Prints what was written.

        Raises
        ------
        UnsupportedError
            Another format; an operation that TensorFlow has not.
        """
        from ebb.keras.saving import _save

        _save.export(self, filepath, format, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """Give the configuration as text, for ``model_from_json``.

        Parameters
        ----------
        **kwargs
            For ``json.dumps``.

        Returns
        -------
        str
        """
        from ebb.keras.saving import _save

        return _save.to_json(self, **kwargs)

    def to_keras(self, **kwargs: Any) -> Any:
        """Give a model of Keras with the same weights: ``ebb.to_keras``; Keras must be installed.

        Parameters
        ----------
        **kwargs
            As for ``ebb.to_keras``.

        Returns
        -------
        keras.Model
        """
        from ebb._interop import to_keras

        return to_keras(self, **kwargs)

    def _repr_html_(self) -> str:
        """For notebooks: the table."""
        from html import escape

        text = _summary.summary_text(self, line_length=88 if _is_narrow(self) else 108)
        return f'<pre style="line-height:1.2">{escape(text)}</pre>'


def _is_narrow(model: Any) -> bool:
    """Has its table three columns?"""
    return not _summary.is_functional(model) or _summary.is_chain(_summary.graph_nodes(model))
