"""Writes the package ``ebb._generated``: a class for every object in the tables of libebb.

Usage: tables.py TABLES OUTPUT_FOLDER

TABLES is the program of tables.c: names, order, kinds and defaults come from it, meanings from
meanings.py.
"""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import textwrap
from typing import Any

import meanings

COLUMNS = 100

# kind: module, base class, where that is, what the base's own constructor takes
KINDS = {
    "layer": ("layers", "Layer", "ebb.keras._layer", ("name", "dtype")),
    "optimizer": ("optimizers", "Optimizer", "ebb.keras._optimizer", ("name",)),
    "schedule": ("schedules", "LearningRateSchedule", "ebb.keras._schedule", ()),
    "loss": ("losses", "Loss", "ebb.keras._loss", ("reduction", "name", "dtype")),
    "metric": ("metrics", "Metric", "ebb.keras._metric", ("name", "dtype")),
    "callback": ("callbacks", "Callback", "ebb.keras._callback", ()),
    "initializer": ("initializers", "Initializer", "ebb.keras._initializer", ()),
    "regularizer": ("regularizers", "Regularizer", "ebb.keras._regularizer", ()),
    "constraint": ("constraints", "Constraint", "ebb.keras._constraint", ()),
}
KEYWORDS = {
    "layer": "``name``, ``dtype``, ``trainable`` and whatever else every layer takes.",
    "optimizer": "Whatever else every optimizer takes.",
    "callback": "Further functions or values by name.",
}
# kind of a parameter: annotation, the same when None is allowed, in words
TYPES = {
    "integer": ("int", "int | None", "int"),
    "number": ("float", "float | None", "float"),
    "bool": ("bool", "bool | None", "bool"),
    "text": ("str", "str | None", "str"),
    "list": ("IntOrList", "IntOrList | None", "int or sequence of int"),
    "numbers": ("FloatOrList", "FloatOrList | None", "float or sequence of float"),
    "activation": ("ActivationLike", "ActivationLike", "str or callable"),
    "initializer": ("InitializerLike", "InitializerLike", "str, Initializer or callable"),
    "regularizer": ("RegularizerLike", "RegularizerLike", "str, Regularizer or callable"),
    "constraint": ("ConstraintLike", "ConstraintLike", "str, Constraint or callable"),
    "dtype": ("DTypeLike", "DTypeLike", "str or dtype policy"),
    "seed": ("SeedLike", "SeedLike", "int or SeedGenerator"),
    "rate": ("RateLike", "RateLike", "float, LearningRateSchedule or callable"),
    "layer": ("LayerLike", "LayerLike | None", "Layer"),
    "layers": ("Sequence[LayerLike]", "Sequence[LayerLike] | None", "sequence of Layer"),
    "optimizer": ("OptimizerLike", "OptimizerLike | None", "Optimizer"),
    "function": ("Callable[..., Any]", "Callable[..., Any] | None", "callable"),
    "any": ("Any", "Any", "object"),
}
INIT = '''"""Classes made from the tables of libebb when it is built."""

# Their base classes are there: whoever imports a module of this package first gets them whole.
import ebb.keras  # noqa: F401
'''
PATHS = {"filename", "filepath", "log_dir", "backup_dir"}


def python_text(value: Any) -> str:
    """A default as Python writes it; lists are tuples."""
    if isinstance(value, list):
        inner = ", ".join(python_text(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def type_of(parameter: dict[str, Any]) -> tuple[str, str]:
    """Annotation and words."""
    name, kind = parameter["name"], parameter["kind"]
    optional = "default" in parameter and parameter["default"] is None
    if kind == "choice":
        choices = parameter["choices"].split("|")
        literal = ", ".join(json.dumps(choice) for choice in choices)
        words = "{" + ", ".join(json.dumps(choice) for choice in choices) + "}"
        return f"Literal[{literal}] | str" + (" | None" if optional else ""), words
    plain, nullable, words = TYPES[kind]
    if name in PATHS:
        return "PathLike", "str or path"
    return (nullable if optional else plain), words


def words_of(parameter: dict[str, Any]) -> str:
    """The line of a parameter in a numpy-style docstring."""
    words = type_of(parameter)[1]
    if "default" not in parameter:
        return f"{parameter['name']} : {words}"
    default = parameter["default"]
    if default is None:
        return f"{parameter['name']} : {words}, optional"
    return f"{parameter['name']} : {words}, default {python_text(default)}"


def wrapped(text: str, indent: int) -> list[str]:
    """Lines of a docstring."""
    pad = " " * indent
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=pad,
        subsequent_indent=pad,
        break_long_words=False,
        break_on_hyphens=False,
    )


def docstring(kind: str, item: dict[str, Any]) -> list[str]:
    """Meaning and parameters, numpy style."""
    name, module = item["name"], KINDS[kind][0]
    path = f"optimizers.{module}" if kind == "schedule" else module
    if name not in meanings.CLASSES[kind]:
        raise SystemExit(f"the {kind} {name} has no meaning in {meanings.__file__}")
    lines = [
        f'    """{meanings.CLASSES[kind][name]}',
        "",
        *wrapped(f"Keras's ``keras.{path}.{name}``.", 4),
    ]
    if item["parameters"] or item["takes_keywords"]:
        lines += ["", "    Parameters", "    ----------"]
        for parameter in item["parameters"]:
            lines += wrapped(words_of(parameter), 4)
            lines += wrapped(meanings.parameter_meaning(name, parameter["name"]), 8)
        if item["takes_keywords"]:
            lines += ["    **kwargs", *wrapped(KEYWORDS[kind], 8)]
    return [*lines, '    """']


def call(head: str, arguments: list[str], indent: int) -> list[str]:
    """A call in one line where it fits, else one argument a line."""
    pad = " " * indent
    line = f"{pad}{head}({', '.join(arguments)})"
    if len(line) <= COLUMNS:
        return [line]
    return [f"{pad}{head}(", *(f"{pad}    {argument}," for argument in arguments), f"{pad})"]


def signature(item: dict[str, Any]) -> list[str]:
    """The first lines of ``__init__``."""
    arguments = ["self"]
    has_star = False
    for parameter in item["parameters"]:
        if parameter["by_name"] and not has_star:
            arguments.append("*")
            has_star = True
        text = f"{parameter['name']}: {type_of(parameter)[0]}"
        if "default" in parameter:
            text += f" = {python_text(parameter['default'])}"
        arguments.append(text)
    if item["takes_keywords"]:
        arguments.append("**kwargs: Any")
    line = f"    def __init__({', '.join(arguments)}) -> None:"
    if len(line) <= COLUMNS:
        return [line]
    lines = ["    def __init__("]
    for argument in arguments:
        text = f"        {argument},"
        if len(text) <= COLUMNS:
            lines.append(text)
        else:
            lines += split_literal(argument)
    return [*lines, "    ) -> None:"]


def split_literal(argument: str) -> list[str]:
    """``name: Literal[...] | str = default`` over several lines."""
    found = re.fullmatch(r"(\w+): Literal\[(.*?)\](.*?)( = .*)?", argument)
    if found is None:
        raise SystemExit(f"too long for a line: {argument}")
    name, choices, rest, default = found.groups()
    return [
        f"        {name}: Literal[",
        *(f"            {choice}," for choice in choices.split(", ")),
        "        ]",
        f"        {rest.strip()}{default or ''},",
    ]


def class_text(kind: str, item: dict[str, Any]) -> list[str]:
    """One class."""
    base, base_takes = KINDS[kind][1], KINDS[kind][3]
    lines = [f"class {item['name']}({base}):", *docstring(kind, item), ""]
    names = [parameter["name"] for parameter in item["parameters"]]
    of_base = [f"{name}={name}" for name in names if name in base_takes]
    own = [f"{name}={name}" for name in names if name not in base_takes]
    if item["takes_keywords"]:
        (own if kind == "callback" else of_base).append("**kwargs")
    lines += signature(item)
    lines += call("super().__init__", of_base, 8)
    if own:
        lines += call("self._configure", own, 8)
    return lines


def other_names(kind: str, item: dict[str, Any]) -> list[str]:
    """Names under which Keras's module has the class besides its own."""
    aliases = (item["aliases"] or "").split("|") if item["aliases"] else []
    if kind == "layer":
        return [name for name in aliases if not re.search(r"V\d$", name)]
    names = [item["symbol"]] if kind in ("initializer", "regularizer", "constraint") else []
    return names + [n for n in aliases if kind == "initializer" and n[0].isupper()]


def imports(lines: list[str], kind: str) -> list[str]:
    """What a module needs of typing, of the aliases, and its base class."""
    text = "\n".join(lines)
    module, base = KINDS[kind][2], KINDS[kind][1]
    standard = []
    if re.search(r"\bSequence\[", text):
        standard.append("from collections.abc import Sequence")
    typing = [name for name in ("Any", "Callable", "Literal") if re.search(rf"\b{name}\b", text)]
    if typing:
        standard.append(f"from typing import {', '.join(typing)}")
    likes = sorted(set(re.findall(r"\b(\w+Like|IntOrList|FloatOrList)\b", text)))
    own = [f"from {module} import {base}"]
    if likes:
        line = f"from ebb.keras._types import {', '.join(likes)}"
        if len(line) > COLUMNS:
            line = (
                "from ebb.keras._types import (\n"
                + "".join(f"    {name},\n" for name in likes)
                + ")"
            )
        own.append(line)
    return ["from __future__ import annotations", "", *standard, *([""] if standard else []), *own]


def module_text(kind: str, items: list[dict[str, Any]]) -> str:
    """One module: classes in the order of the table, then their other names."""
    body: list[str] = []
    aliases: list[str] = []
    exported = []
    for item in items:
        body += ["", "", *class_text(kind, item)]
        exported.append(item["name"])
        for name in other_names(kind, item):
            aliases.append(f"{name} = {item['name']}")
            exported.append(name)
    if aliases:
        body += ["", "", *aliases]
    words = {"schedule": "learning rate schedule"}.get(kind, kind)
    head = [
        f'"""Every {words} of Keras that ebb knows, with Keras\'s signatures.',
        "",
        "Made from the tables of libebb by python/build/tables.py: changes go there.",
        '"""',
        "",
        *imports(body, kind),
    ]
    names = ["", "__all__ = [", *(f'    "{name}",' for name in sorted(exported)), "]"]
    return "\n".join([*head, *names, *body]) + "\n"


def names_text(tables: dict[str, Any]) -> str:
    """names.py: what each string that names an object means."""
    lines = [
        '"""Which object each of its names means, as strings of Keras name them.',
        "",
        "Made from the tables of libebb by python/build/tables.py: changes go there.",
        '"""',
        "",
        "from __future__ import annotations",
    ]
    for kind, items in tables.items():
        lines += ["", f"{'LOSSES' if kind == 'loss' else kind.upper() + 'S'} = {{"]
        known: set[str] = set()
        for item in items:
            aliases = item["aliases"].split("|") if item["aliases"] else []
            for name in dict.fromkeys([item["name"], item["symbol"], *aliases]):
                if name not in known:
                    lines.append(f'    "{name}": "{item["name"]}",')
                    known.add(name)
        lines += ["}"]
    return "\n".join(lines) + "\n"


def activations_text(items: list[dict[str, Any]]) -> str:
    """activations.py: names of functions alone."""
    lines = [
        '"""Names of the activations that ebb computes; ``ebb.keras.activations`` has them.',
        "",
        "Made from the tables of libebb by python/build/tables.py: changes go there.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        '__all__ = ["ALIASES", "NAMES"]',
        "",
        "NAMES = (",
        *(f'    "{item["name"]}",' for item in items),
        ")",
        "# Other names that Keras and its files use.",
        "ALIASES = {",
    ]
    lines += [
        f'    "{alias}": "{item["name"]}",'
        for item in items
        if item["aliases"]
        for alias in item["aliases"].split("|")
    ]
    return "\n".join([*lines, "}"]) + "\n"


def main() -> None:
    """Reads the command line and writes the package."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    done = subprocess.run([sys.argv[1]], capture_output=True, text=True, check=True)
    tables = json.loads(done.stdout)
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "__init__.py": INIT,
        "names.py": names_text(tables),
        "activations.py": activations_text(tables["activation"]),
    }
    for kind, (module, *_) in KINDS.items():
        files[f"{module}.py"] = module_text(kind, tables[kind])
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
