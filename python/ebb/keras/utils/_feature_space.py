"""FeatureSpace: columns of a table as numbers for a model. It is made of preprocessing layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ebb._dataset import Dataset
from ebb.keras import _naming, layers
from ebb.keras._host_layer import HOSTS
from ebb.keras._object import deserialize, serialize
from ebb.keras._symbolic import any_symbolic
from ebb.keras._variable import to_numpy


class Cross:
    """Features that are hashed together.

    Parameters
    ----------
    feature_names : sequence of str
        Which ones.
    crossing_dim : int
        How many numbers there are.
    output_mode : {"one_hot", "int"}
        Form of the result.
    """

    _keras_name = ("keras.src.layers.preprocessing.feature_space", "Cross")

    def __init__(self, feature_names: Any, crossing_dim: int, output_mode: str = "one_hot") -> None:
        _check_mode(output_mode, ("int", "one_hot"))
        self.feature_names = tuple(feature_names)
        self.crossing_dim, self.output_mode = crossing_dim, output_mode

    @property
    def name(self) -> str:
        """The names of the features, with ``_X_`` between them."""
        return "_X_".join(self.feature_names)

    def get_config(self) -> dict[str, Any]:
        """Give what makes a cross like this one."""
        return {
            "feature_names": self.feature_names,
            "crossing_dim": self.crossing_dim,
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Cross:
        """Make a cross of what ``get_config()`` gave."""
        return cls(**config)


class Feature:
    """One column: its type, the layer that it goes through, and the form of the result.

    Parameters
    ----------
    dtype : str
        Of the column.
    preprocessor : Layer or function
        What it goes through.
    output_mode : {"int", "one_hot", "float"}
        Form of the result.
    """

    _keras_name = ("keras.src.layers.preprocessing.feature_space", "Feature")

    def __init__(self, dtype: str, preprocessor: Any, output_mode: str) -> None:
        _check_mode(output_mode, ("int", "one_hot", "float"))
        self.dtype, self.output_mode = dtype, output_mode
        is_entry = isinstance(preprocessor, dict)
        self.preprocessor = deserialize(preprocessor) if is_entry else preprocessor

    def get_config(self) -> dict[str, Any]:
        """Give what makes a feature like this one."""
        return {
            "dtype": self.dtype,
            "preprocessor": serialize(self.preprocessor),
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Feature:
        """Make a feature of what ``get_config()`` gave."""
        return cls(**config)


def _check_mode(mode: str, known: tuple[str, ...]) -> None:
    if mode not in known:
        raise ValueError(
            f"Invalid value for argument `output_mode`. Expected one of {set(known)}. Received: "
            f"output_mode={mode}"
        )


class TFDIdentity(layers.Identity):
    """A column as it is."""

    _keras_name = ("keras.src.layers.preprocessing.feature_space", "TFDIdentity")

    def _native_entry(self, *args: Any, **kwargs: Any) -> Any:
        return {**super()._native_entry(*args, **kwargs), "class_name": "Identity"}


class _Makers:
    """What makes features, by the kind of the column."""

    @classmethod
    def cross(cls, feature_names: Any, crossing_dim: int, output_mode: str = "one_hot") -> Cross:
        """Make a cross of several features.

        Parameters
        ----------
        feature_names : sequence of str
        crossing_dim : int
            How many numbers there are.
        output_mode : {"one_hot", "int"}
        """
        return Cross(feature_names, crossing_dim, output_mode=output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Any, output_mode: str) -> Feature:
        """Make a feature of any layer."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Make a feature of numbers as they are."""
        name = name or _naming.auto_name("float")
        layer = TFDIdentity(dtype="float32", name=f"{name}_preprocessor")
        return Feature("float32", layer, "float")

    @classmethod
    def float_rescaled(
        cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None
    ) -> Feature:
        """Make a feature of numbers times ``scale`` plus ``offset``."""
        name = name or _naming.auto_name("float_rescaled")
        layer = layers.Rescaling(scale, offset, name=f"{name}_preprocessor")
        return Feature("float32", layer, "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Make a feature of numbers brought to mean 0 and deviation 1."""
        name = name or _naming.auto_name("float_normalized")
        layer = layers.Normalization(axis=-1, name=f"{name}_preprocessor")
        return Feature("float32", layer, "float")

    @classmethod
    def float_discretized(
        cls,
        num_bins: int,
        bin_boundaries: Any = None,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Make a feature of the range that numbers lie in."""
        name = name or _naming.auto_name("float_discretized")
        layer = layers.Discretization(
            num_bins=num_bins, bin_boundaries=bin_boundaries, name=f"{name}_preprocessor"
        )
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Make a feature of integers that stand for something."""
        name = name or _naming.auto_name("integer_categorical")
        layer = layers.IntegerLookup(
            name=f"{name}_preprocessor", max_tokens=max_tokens, num_oov_indices=num_oov_indices
        )
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Make a feature of words."""
        name = name or _naming.auto_name("string_categorical")
        layer = layers.StringLookup(
            name=f"{name}_preprocessor", max_tokens=max_tokens, num_oov_indices=num_oov_indices
        )
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(
        cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Make a feature of words that are hashed."""
        name = name or _naming.auto_name("string_hashed")
        layer = layers.Hashing(name=f"{name}_preprocessor", num_bins=num_bins)
        return Feature("string", layer, output_mode)

    @classmethod
    def integer_hashed(
        cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Make a feature of integers that are hashed."""
        name = name or _naming.auto_name("integer_hashed")
        layer = layers.Hashing(name=f"{name}_preprocessor", num_bins=num_bins)
        return Feature("int32", layer, output_mode)


class FeatureSpace(_Makers):
    """Columns of a table as numbers: one vector, or a dict of encoded columns.

    Keras's ``keras.utils.FeatureSpace``.

    Parameters
    ----------
    features : dict of str to str or Feature
        Name of a column to its kind: "float", "float_normalized", "float_rescaled",
        "float_discretized", "integer_categorical", "string_categorical", "integer_hashed",
        "string_hashed", or what the methods of these names give.
    output_mode : {"concat", "dict"}
        One vector, or each column for itself.
    crosses : list of tuple of str or Cross, optional
        Columns that are hashed together.
    crossing_dim, hashing_dim, num_discretization_bins : int
        How many numbers crosses, hashed columns and ranges have.
    name : str, optional
        Of the space.
    """

    _keras_name = ("keras.utils", "FeatureSpace")

    def __init__(
        self,
        features: dict[str, Any],
        output_mode: str = "concat",
        crosses: Any = None,
        crossing_dim: int = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ) -> None:
        if not features:
            raise ValueError("The `features` argument cannot be None or empty.")
        _check_mode(output_mode, ("dict", "concat"))
        self.name = name or _naming.auto_name("feature_space")
        self.crossing_dim, self.hashing_dim = crossing_dim, hashing_dim
        self.num_discretization_bins, self.output_mode = num_discretization_bins, output_mode
        self.features = {key: self._feature(key, kind) for key, kind in features.items()}
        self.crosses = [self._cross(cross) for cross in crosses or ()]
        self.inputs = {
            key: layers.Input(shape=(1,), dtype=feature.dtype, name=key)
            for key, feature in self.features.items()
        }
        self.preprocessors = {key: one.preprocessor for key, one in self.features.items()}
        self.crossers = {
            cross.name: layers.HashedCrossing(cross.crossing_dim, name=cross.name)
            for cross in self.crosses
        }
        self.one_hot_encoders: dict[str, Any] = {}
        self.encoded_features: Any = None
        self._is_adapted = False
        self.built = False

    def _feature(self, name: str, kind: Any) -> Feature:
        if isinstance(kind, Feature):
            return kind
        if isinstance(kind, dict):
            made: Feature = deserialize(kind)
            return made
        if kind in ("integer_hashed", "string_hashed"):
            hashed: Feature = getattr(self, kind)(self.hashing_dim, name=name)
            return hashed
        if kind == "float_discretized":
            return self.float_discretized(self.num_discretization_bins, name=name)
        plain = ("float", "float_normalized", "float_rescaled")
        if kind in (*plain, "integer_categorical", "string_categorical"):
            usual: Feature = getattr(self, kind)(name=name)
            return usual
        raise ValueError(f"Invalid feature type: {kind}")

    def _cross(self, cross: Any) -> Cross:
        if isinstance(cross, dict):
            cross = deserialize(cross)
        if isinstance(cross, Cross):
            return cross
        if not self.crossing_dim:
            raise ValueError("When specifying `crosses`, `crossing_dim` should be given as well.")
        if any(key not in self.features for key in cross):
            raise ValueError(
                "All features referenced in the `crosses` argument should be present in the "
                f"`features` dict. Received unknown features: {cross}"
            )
        return Cross(cross, crossing_dim=self.crossing_dim)

    # -- learning from data ----------------------------------------------------------------------

    def _adaptable(self) -> list[str]:
        """Columns whose layers learn from data."""
        found = []
        for name, layer in self.preprocessors.items():
            given = (
                isinstance(layer, layers.Normalization) and layer._given_values["mean"] is not None
            ) or (
                isinstance(layer, layers.TextVectorization) and getattr(layer, "_is_static", False)
            )
            if hasattr(layer, "adapt") and not given:
                found.append(name)
        return found

    def adapt(self, dataset: Any) -> None:
        """Lets all layers learn what they have to know.

        Parameters
        ----------
        dataset : Dataset, or dict of str to array_like
            Rows, or batches of rows, as dicts; no labels.

        Raises
        ------
        ValueError
            Neither.
        """
        if isinstance(dataset, dict):
            dataset = Dataset.from_tensor_slices(dataset)
        if not isinstance(dataset, Dataset):
            raise ValueError(
                "`adapt()` can only be called on a tf.data.Dataset or a dict of arrays/lists. "
                f"Received instead: {dataset} (of type {type(dataset)})"
            )
        for name in self._adaptable():
            layer = self.preprocessors[name]
            if isinstance(layer, layers.Discretization) and layer._is_given:
                continue
            layer.adapt(_Column(dataset, name))
        self._is_adapted = True
        self.get_encoded_features()

    def _check(self) -> None:
        waits = [
            name
            for name in self._adaptable()
            if not isinstance(self.preprocessors[name], layers.Discretization)
            or not self.preprocessors[name]._is_given
        ]
        if not self._is_adapted and waits:
            raise ValueError(
                "You need to call `.adapt(dataset)` on the FeatureSpace before you can start "
                f"using it: {', '.join(waits)}"
            )
        self._is_adapted = True

    # -- use -------------------------------------------------------------------------------------

    def get_inputs(self) -> dict[str, Any]:
        """Give the symbolic inputs of a model that begins with the columns themselves."""
        self.get_encoded_features()
        return self.inputs

    def get_encoded_features(self) -> Any:
        """Give what becomes of the symbolic inputs: a tensor, or a dict of tensors."""
        self._check()
        if self.encoded_features is None:
            self.encoded_features = self._encode(self.inputs)
            self.built = True
        return self.encoded_features

    def _encode(self, data: dict[str, Any]) -> Any:
        made = {name: self.preprocessors[name](data[name]) for name in data}
        crossed = {
            cross.name: self.crossers[cross.name]([made[name] for name in cross.feature_names])
            for cross in self.crosses
        }
        modes = {name: feature.output_mode for name, feature in self.features.items()}
        modes.update({cross.name: cross.output_mode for cross in self.crosses})
        encoded = {}
        for name in (*sorted(made), *sorted(crossed)):
            x = made[name] if name in made else crossed[name]
            encoded[name] = self._encoder(name)(x) if modes[name] == "one_hot" else x
        if self.output_mode == "dict":
            return encoded
        for name, x in encoded.items():
            kind = str(getattr(x.dtype, "name", x.dtype))
            if not kind.startswith(("float", "bfloat")):
                raise ValueError(
                    f"Cannot concatenate features because feature '{name}' has not been encoded "
                    f"(it has dtype {kind}). Consider using `output_mode='dict'`."
                )
        if len(encoded) == 1:
            return next(iter(encoded.values()))
        return layers.Concatenate(axis=-1)(list(encoded.values()))

    def _encoder(self, name: str) -> Any:
        """The layer that makes a row of zeros and a one of a number."""
        if name not in self.one_hot_encoders:
            layer = self.preprocessors.get(name) or self.crossers.get(name)
            if isinstance(layer, (layers.IntegerLookup, layers.StringLookup)):
                count = layer.vocabulary_size()
            elif isinstance(layer, layers.CategoryEncoding):
                count = layer.num_tokens
            elif isinstance(layer, (layers.Discretization, layers.Hashing, layers.HashedCrossing)):
                count = layer.num_bins
            else:
                raise ValueError(
                    f"Feature '{name}' has `output_mode='one_hot'`. However it isn't a standard "
                    "feature and the dimensionality of its output space is not known, thus it "
                    "cannot be one-hot encoded. Try using `output_mode='int'`."
                )
            if isinstance(layer, layers.Discretization) and count is None:
                count = len(layer.bin_boundaries) + 1
            made = layers.CategoryEncoding(num_tokens=count, output_mode="multi_hot")
            self.one_hot_encoders[name] = made
        return self.one_hot_encoders[name]

    def __call__(self, data: dict[str, Any]) -> Any:
        """Encode rows.

        Parameters
        ----------
        data : dict of str to array_like
            ``(n,)`` or ``(n, 1)`` each; single values for one row.

        Returns
        -------
        Tensor, or dict of Tensor
            ``(n, numbers)``, or ``(numbers,)`` for one row.

        Raises
        ------
        ValueError
            No dict, or ``adapt`` has not been called.
        """
        return self.call(data)

    def call(self, data: dict[str, Any]) -> Any:
        """Encode rows: the same."""
        self.get_encoded_features()
        if not isinstance(data, dict):
            raise ValueError(
                f"A FeatureSpace can only be called with a dict. Received: data={data} (of type "
                f"{type(data)}"
            )
        if any_symbolic(data):
            return self._encode(data)
        arrays = {name: _rows(data[name], self.features, name) for name in data}
        made = self._encode({name: array for name, (array, _) in arrays.items()})
        if not any(is_one for _, is_one in arrays.values()):
            return made
        return {key: x[0] for key, x in made.items()} if isinstance(made, dict) else made[0]

    # -- files -----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Give what makes a space like this one; not what was learned.

        Returns
        -------
        dict
        """
        return {
            "features": serialize(self.features),
            "output_mode": self.output_mode,
            "crosses": serialize(self.crosses),
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FeatureSpace:
        """Make a space of what ``get_config()`` gave."""
        return cls(**config)

    def get_build_config(self) -> dict[str, Any]:
        """Give the shapes that the layers were built for, by column."""
        return {name: layer.get_build_config() for name, layer in self.preprocessors.items()}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build the layers for the shapes that ``get_build_config()`` gave."""
        for name, shapes in config.items():
            layer = self.preprocessors[name]
            if shapes and not layer.built:
                layer.build_from_config(shapes)
                layer.get_weights()  # makes them: files are read into them
        self._is_adapted = True

    def save(self, filepath: Any) -> None:
        """Save the space with what it learned; ``load_model()`` gives it back.

        Parameters
        ----------
        filepath : path
            Ends with ``.keras``.

        Raises
        ------
        ValueError
            Another ending.
        """
        from ebb.keras.saving import _save  # it imports the layers that this module imports

        path = str(filepath)
        if not path.endswith(".keras"):
            raise ValueError(f"expected a file name that ends with .keras, found {path}")
        self.get_encoded_features()
        _save._save_in_python(self, path, ".keras", False)


HOSTS.add("FeatureSpace")  # files of it are loaded in Python


class _Column:
    """One column of a dataset of dicts, in batches ``(n, 1)``."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        self.dataset, self.name = dataset, name

    def __iter__(self) -> Iterator[Any]:
        single: list[Any] = []
        for row in self.dataset:
            array = to_numpy(row[self.name])
            if array.ndim:
                yield array[:, None] if array.ndim == 1 else array
                continue
            single.append(array)
            if len(single) == 32:
                yield np.stack(single)[:, None]
                single = []
        if single:
            yield np.stack(single)[:, None]


def _rows(x: Any, features: dict[str, Feature], name: str) -> tuple[Any, bool]:
    """A column as ``(n, 1)``, and whether it was a single value."""
    if name not in features:
        raise ValueError(f"no feature is called '{name}'; there are {', '.join(features)}")
    kind = features[name].dtype
    array = np.asarray(x, object) if isinstance(x, (str, bytes)) else to_numpy(x)
    if kind != "string" and array.dtype.kind not in "OUS":
        array = array.astype(kind)
    is_one = array.ndim == 0
    return (array.reshape(-1, 1) if array.ndim < 2 else array), is_one
