"""Texts of partition files as dictionaries: one word each, and a number per row that names it.

Names of instruments, kinds and captures are the same in row after row. As dictionaries they are
neither copied, compared nor hashed a row at a time on their way into a file. What a file holds is
plain text: its readers need not know.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance.kernels import jit

if TYPE_CHECKING:
    import pyarrow as pa


@cache
def with_dictionaries(schema: pa.Schema) -> pa.Schema:
    """A schema with its texts as dictionaries."""
    import pyarrow as pa

    texts = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [field.with_type(texts) if pa.types.is_string(field.type) else field for field in schema]
    )


def same_word(word: str, rows: int) -> pa.DictionaryArray:
    """One word in every row."""
    import pyarrow as pa

    # zeros that are kept: of as many as are asked for, or somewhat more
    zeros = _zeros(1 << max(rows - 1, 0).bit_length())
    return pa.DictionaryArray.from_arrays(zeros.slice(0, rows), pa.array([word]), safe=False)


@lru_cache(maxsize=32)
def _zeros(rows: int) -> pa.Array:
    import pyarrow as pa

    return pa.array(np.zeros(rows, np.int32))


def in_order_of_use(texts: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same texts with a dictionary of those which are used, in the order of their first use:
    it depends on the texts alone, not on how they came about.
    """
    import pyarrow as pa

    codes = texts.indices.fill_null(-1) if texts.null_count else texts.indices
    numbers, used = _in_order_of_use(codes.to_numpy(), len(texts.dictionary))
    missing = numbers < 0 if texts.null_count else None
    return pa.DictionaryArray.from_arrays(
        pa.array(numbers, mask=missing), texts.dictionary.take(pa.array(used))
    )


@jit
def _in_order_of_use(codes: Any, size: int) -> Any:
    numbers = np.empty(len(codes), np.int32)
    number_of = np.full(size, -1, np.int32)
    used = np.empty(size, np.int32)
    count = 0
    for row in range(len(codes)):
        code = codes[row]
        if code < 0:
            numbers[row] = -1
            continue
        if number_of[code] < 0:
            number_of[code] = count
            used[count] = code
            count += 1
        numbers[row] = number_of[code]
    return numbers, used[:count]
