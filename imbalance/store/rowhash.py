"""A hash of the logical rows of a table, whatever their order and however they are cut into files.

Two tables hold the same rows exactly when their hashes agree (but for chance, 2⁻⁶⁴ a pair). It is
computed here, over Arrow buffers, and not by an engine, so that a new version of the engine cannot
change it. It tells equal data from different data; bytes on disk are guarded by SHA-256 (see
`files`), which this does not replace.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imbalance.store import rowhash_kernels as kernels

if TYPE_CHECKING:
    import pyarrow as pa

Words = NDArray[np.uint64]

_WORD_MASK = 0xFFFFFFFFFFFFFFFF
# Texts repeat in runs (instruments, names of measures): a block at a time keeps the dictionary
# small where they do not repeat, and costs nothing where they do.
_BLOCK_ROWS = 65_536


def _digest_word(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def _text_words(array: pa.Array) -> Words:
    import pyarrow as pa

    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    words = np.array([_digest_word(text.encode()) for text in texts] or [0], dtype=np.uint64)
    indices = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
    return words[indices]


def _list_words(array: pa.Array) -> Words:
    """Word of a list: its values mixed with their places, summed, and its length."""
    array = array.fill_null([]) if array.null_count else array
    offsets = array.offsets.to_numpy().astype(np.int64)
    values = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    return kernels.list_words(_value_words(values), offsets - offsets[0])


def _value_words(array: pa.Array) -> Words:
    """One 64-bit word a value; nulls get a word of their own."""
    import pyarrow as pa

    kind = array.type
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    words: Words
    if pa.types.is_float64(kind):
        floats = array.to_numpy(zero_copy_only=False)  # nulls become NaN, overwritten below
        words = kernels.float_words(floats)
    elif pa.types.is_string(kind) or pa.types.is_dictionary(kind):
        words = _text_words(array)
    elif pa.types.is_list(kind):
        words = _list_words(array)
    elif pa.types.is_boolean(kind):
        filled = array.fill_null(False) if array.null_count else array
        words = filled.to_numpy(zero_copy_only=False).astype(np.uint64)
    elif pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        whole = array.view(pa.int64()) if pa.types.is_timestamp(kind) else array
        whole = whole.fill_null(0) if whole.null_count else whole
        words = whole.to_numpy().astype(np.int64, copy=False).view(np.uint64)
    else:
        raise TypeError(f"rows of Arrow type {kind} are not hashed")
    return words if missing is None else np.where(missing, kernels.NULL_WORD, words)


class RowHasher:
    """Accumulates batches of rows; the digest does not depend on their order or their cutting.

    Parameters
    ----------
    schema : names and types of the columns. The order of the columns does not matter, their
        names and types do. Texts may come as dictionaries of them.

    Notes
    -----
    Row hash = mix(Σ_c mix(word(value_c) ⊕ seed(name_c))), table hash = (Σ row, Σ mix(row ⊕ k)),
    all modulo 2⁶⁴, with mix the finaliser of SplitMix64 (Steele, Lea, Flood 2014). 2 M rows by
    12 columns take 0.06 s on the machine on which writing them takes 0.4 s.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._seeds = {name: np.uint64(_digest_word(name.encode())) for name in schema.names}
        self._lanes = [0, 0]
        self.row_count = 0

    def update(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Add rows of the schema."""
        import pyarrow as pa

        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        for batch in table.to_batches(max_chunksize=_BLOCK_ROWS):
            self._update_block(batch)

    def _update_block(self, batch: pa.RecordBatch) -> None:
        total = np.zeros(batch.num_rows, dtype=np.uint64)
        for name, seed in self._seeds.items():
            kernels.add_mixed(total, _value_words(batch.column(name)), seed)
        first, second = kernels.sum_rows(total)
        self._lanes[0] = (self._lanes[0] + int(first)) & _WORD_MASK
        self._lanes[1] = (self._lanes[1] + int(second)) & _WORD_MASK
        self.row_count += batch.num_rows

    def hexdigest(self) -> str:
        """32 hexadecimal digits over rows, row count, column names and types."""
        shape = sorted((field.name, str(field.type)) for field in self._schema)
        text = f"{self._lanes[0]:016x}{self._lanes[1]:016x}{self.row_count}{shape}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
