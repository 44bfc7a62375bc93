"""A training set into a file, with the recipe it was made by. Not here: making it (`build`)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from imbalance.errors import UserError
from imbalance.whole_file import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

METADATA = b"imbalance"
"""Key of the recipe in the metadata of a Parquet file."""

SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True)
class Written:
    """What was written, and by column how many rows lack a value for which reason."""

    rows: int
    columns: tuple[str, ...]
    reasons: Mapping[str, Mapping[str, int]]


def write(reader: pa.RecordBatchReader, path: Path, recipe: Mapping[str, Any]) -> Written:
    """Write all batches; the file is whole or not there.

    Raises
    ------
    UserError
        If the file's kind is not known or it cannot be written.
    """
    import pyarrow as pa

    schema = reader.schema.with_metadata({METADATA: json.dumps(recipe, sort_keys=True).encode()})
    counts: dict[str, Counter[str]] = {
        name.removesuffix("_reason"): Counter() for name in schema.names
        if name.endswith("_reason") and name.removesuffix("_reason") in schema.names
    }
    rows = 0
    try:
        with whole_file(path, "--output") as file, _writer(file, path.suffix, schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
                for name, found in counts.items():
                    for one in batch.column(name + "_reason").value_counts().to_pylist():
                        if one["values"] is not None:
                            found[one["values"]] += one["counts"]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UserError(f"{path.suffix} cannot hold these columns: {error}", where="--output",
                        fix="write .parquet") from None
    return Written(rows, tuple(schema.names), {n: dict(c) for n, c in counts.items() if c})


@contextmanager
def _writer(file: BinaryIO, suffix: str, schema: pa.Schema) -> Iterator[Any]:
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            yield writer
    elif suffix == ".csv":
        import pyarrow.csv

        with pyarrow.csv.CSVWriter(file, schema) as writer:
            yield writer
    else:
        raise UserError(f"{suffix or 'no suffix'!r} is no kind of file here", where="--output",
                        allowed=", ".join(SUFFIXES))


def read_recipe(path: Path) -> dict[str, Any]:
    """The recipe in a Parquet file that `write` has made.

    Raises
    ------
    UserError
        If there is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"the training set cannot be read: {error}", where=str(path)) from None
    if METADATA not in metadata:
        raise UserError("the file does not say how it was made", where=str(path),
                        allowed="a Parquet file of `imbalance training-set`")
    recipe: dict[str, Any] = json.loads(metadata[METADATA])
    return recipe
