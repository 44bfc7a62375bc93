"""The version of a study: what makes figures made by other code out of date.

It follows from the code: the module that builds the study, every module of the library which that
one imports, and so on; the queries they name; and what the study's tables declare. So an edit of
one study leaves the others alone, and an edit of what they share makes those out of date that use
it. Not here: the settings of the families, which are parameters of the tasks.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from imbalance.store.sqlfiles import read_sql
from imbalance.studies.study import Study

_LIBRARY = Path(__file__).resolve().parent.parent

_NOT_COMPUTING = (
    "imbalance.catalog", "imbalance.config", "imbalance.contracts", "imbalance.errors",
    "imbalance.progress", "imbalance.store", "imbalance.tasks", "imbalance.captures.venues.venue",
    "imbalance.studies.columns", "imbalance.studies.registry", "imbalance.studies.study",
)
"""What carries and declares but estimates nothing; what it declares counts as such."""

_QUERY = re.compile(r"[\w/]+\.sql")


@cache
def definition_version(study: Study, library: Path = _LIBRARY) -> str:
    """Version of what computes a study: changes with its tables or the code of its estimators.

    Parameters
    ----------
    library : directory of the package `imbalance`.
    """
    parts = [table.definition_hash().encode() for table in study.tables]
    for name, path in sorted(computing_modules(study.build.partition(":")[0], library).items()):
        source = path.read_bytes()
        parts += [name.encode(), source]
        parts += [read_sql(query).encode() for query in _named(source).queries]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def computing_modules(root: str, library: Path = _LIBRARY) -> dict[str, Path]:
    """Modules of the library that a module imports, at its head or inside a function; and itself.

    Parameters
    ----------
    root : dotted name of the module.
    library : directory of the package `imbalance`.
    """
    found: dict[str, Path] = {}
    ahead = [root]
    while ahead:
        name = ahead.pop()
        path = _path(name, library)
        if name in found or path is None or _carries(name):
            continue
        found[name] = path
        ahead += _named(path.read_bytes()).modules
    return found


def _carries(name: str) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in _NOT_COMPUTING)


@cache
def _path(name: str, library: Path) -> Path | None:
    package, *rest = name.split(".")
    if package != library.name:
        return None
    place = library.joinpath(*rest)
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


@dataclass(frozen=True)
class _Named:
    """What the source of a module names: what may be modules, and queries."""

    modules: tuple[str, ...]
    queries: tuple[str, ...]


@cache
def _named(source: bytes) -> _Named:
    tree = ast.parse(source)
    modules: list[str] = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.append(node.module)
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    queries = [value for value in constants if isinstance(value, str) and _QUERY.fullmatch(value)
               ] if b".sql" in source else []
    return _Named(tuple(modules), tuple(queries))


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements, those inside of others too: a tenth of the nodes of a tree."""
    ahead: list[ast.AST] = [*tree.body]
    while ahead:
        node = ahead.pop()
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            ahead += getattr(node, block, ())
