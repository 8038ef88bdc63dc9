"""Writes preprocessing.json: what Keras computes for preprocessing_cases.py. Needs Keras."""

from __future__ import annotations

import json
import pathlib

import keras
import preprocessing_cases

PATH = pathlib.Path(__file__).with_name("preprocessing.json")


def main() -> None:
    """Computes every case."""
    found = {}
    for text in preprocessing_cases.cases():
        try:
            result = eval(text, preprocessing_cases.names(keras))
        except Exception as failure:
            raise SystemExit(f"{text}: {failure}") from failure
        found[text] = preprocessing_cases.plain(result)
    PATH.write_text(json.dumps(found, separators=(",", ":")).replace('},"', '},\n"') + "\n")
    print(len(found), "cases,", PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
