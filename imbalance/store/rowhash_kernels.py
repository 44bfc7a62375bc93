"""Compiled inner loops of the row hash. Nothing here knows Arrow; see `rowhash` for the scheme."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbalance.kernels import inline, jit

Words = NDArray[np.uint64]

NULL_WORD = np.uint64(0x9E3779B97F4A7C15)
_NOT_A_NUMBER = np.uint64(0x7FF8000000000000)
_SECOND_LANE = np.uint64(0xD1B54A32D192ED03)
_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)


@inline
def _mix(word: np.uint64) -> np.uint64:
    """Finalise one word as SplitMix64 does."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST_FACTOR
    word = (word ^ (word >> np.uint64(27))) * _SECOND_FACTOR
    return word ^ (word >> np.uint64(31))


@jit
def add_mixed(total: Words, words: Words, seed: np.uint64) -> None:
    """Add mix(word ⊕ seed) to the running word of each row."""
    for row in range(total.shape[0]):
        total[row] += _mix(words[row] ^ seed)


@jit
def sum_rows(total: Words) -> tuple[np.uint64, np.uint64]:
    """Both lanes over rows: Σ mix(total), Σ mix(mix(total) ⊕ constant)."""
    first = np.uint64(0)
    second = np.uint64(0)
    for row in range(total.shape[0]):
        word = _mix(total[row])
        first += word
        second += _mix(word ^ _SECOND_LANE)
    return first, second


@jit
def float_words(values: NDArray[np.float64]) -> Words:
    """Bits of each value, with one word for −0 and 0 and one for every NaN."""
    words = (values + 0.0).view(np.uint64)
    for row in range(words.shape[0]):
        if values[row] != values[row]:
            words[row] = _NOT_A_NUMBER
    return words


@jit
def list_words(words: Words, offsets: NDArray[np.int64]) -> Words:
    """Word of each list from the words of its values: Σ mix(word ⊕ mix(place)) + length."""
    lists = np.empty(offsets.shape[0] - 1, dtype=np.uint64)
    for row in range(lists.shape[0]):
        total = np.uint64(offsets[row + 1] - offsets[row])
        for place in range(offsets[row], offsets[row + 1]):
            total += _mix(words[place] ^ _mix(np.uint64(place - offsets[row])))
        lists[row] = total
    return lists
