"""Connectionist temporal classification: loss and decoding, on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebb._errors import UnsupportedError
from ebb.keras.ops._operation import eager
from ebb.keras.ops._promotion import Array


def _loss(labels: Array, logs: Array, blank: int) -> float:
    """Minus the log probability of all paths that spell the labels, by the forward rule."""
    path = np.full(2 * len(labels) + 1, blank)
    path[1::2] = labels
    skips = np.zeros(len(path), bool)
    skips[3::2] = labels[1:] != labels[:-1]
    alpha = np.full(len(path), -np.inf)
    alpha[:2] = logs[0, path[:2]]
    for step in logs[1:]:
        one = np.concatenate([[-np.inf], alpha])[:-1]
        two = np.where(skips, np.concatenate([[-np.inf, -np.inf], alpha])[: len(path)], -np.inf)
        alpha = np.logaddexp(np.logaddexp(alpha, one), two) + step[path]
    return -float(np.logaddexp.reduce(alpha[-2:]))


@eager("target output target_length output_length")
def ctc_loss(
    target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0
) -> Any:
    """Loss of each sample: labels ``(n, labels)`` against logits ``(n, steps, classes)``."""
    high = output.max(-1, keepdims=True)
    logs = output - high - np.log(np.exp(output - high).sum(-1, keepdims=True))
    losses = [
        _loss(target[i, : target_length[i]], logs[i, : output_length[i]], mask_index)
        for i in range(len(target))
    ]
    return np.asarray(losses, output.dtype)


@eager("inputs sequence_lengths")
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> Any:
    """The best labels at each step, without repetitions and blanks.

    Parameters
    ----------
    inputs : tensor
        Logits ``(n, steps, classes)``.
    sequence_lengths : tensor of int
        ``(n,)``
    strategy : {"greedy"}
        "beam_search" is not supported.
    beam_width, top_paths
        Of "beam_search".
    merge_repeated : bool
        Whether equal labels that follow each other are one.
    mask_index : int
        The blank.

    Returns
    -------
    tuple of Tensor
        Labels ``(1, n, steps)``, filled with -1, and minus the sum of the best logits ``(n, 1)``.

    Raises
    ------
    UnsupportedError
        Another strategy.
    """
    if strategy != "greedy":
        raise UnsupportedError(f"ctc_decode: strategy {strategy!r}: only 'greedy' is supported")
    best = inputs.argmax(-1)
    labels = np.full((1, *best.shape), -1, np.int32)
    scores = np.zeros((len(inputs), 1), inputs.dtype)
    for i, length in enumerate(sequence_lengths):
        row = best[i, : int(length)]
        scores[i] = -inputs[i, : int(length)].max(-1).sum()
        if merge_repeated and len(row):
            row = row[np.concatenate([[True], row[1:] != row[:-1]])]
        row = row[row != mask_index]
        labels[0, i, : len(row)] = row
    return labels, scores
