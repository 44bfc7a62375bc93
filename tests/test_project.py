"""What holds for the project as a whole: cost of an import, pinned locks, length of modules."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

HEAVY = {
    "dagster",
    "duckdb",
    "great_expectations",
    "matplotlib",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "statsmodels",
}


def imported_by(module: str, repository: Path) -> set[str]:
    """The top-level packages in a fresh interpreter after it has imported `module`."""
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, check=True, capture_output=True, text=True
    )
    return set(run.stdout.split())


def requirements(path: Path) -> list[str]:
    """One entry per requirement of a lock file, its continuation lines joined."""
    return path.read_text().replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("module", ["imbalance", "imbalance.cli.main", "imbalance.catalog"])
def test_the_library_starts_light(module: str, repository: Path) -> None:
    assert imported_by(module, repository) & HEAVY == set()


def test_the_code_location_loads_without_the_numerical_stack(repository: Path) -> None:
    heavy = imported_by("pipelines.definitions", repository)
    assert heavy & {"great_expectations", "matplotlib", "pandas", "statsmodels"} == set()


def test_the_library_never_imports_dagster(repository: Path) -> None:
    library = (repository / "imbalance").rglob("*.py")
    foreign = re.compile(r"^\s*(import|from) (dagster|assets|pipelines)\b", re.MULTILINE)
    importing = [path.name for path in library if foreign.search(path.read_text())]
    assert importing == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-duckdb2.lock"])
def test_locks_are_pinned_by_hash_and_name_no_host(lock: str, repository: Path) -> None:
    pinned = re.compile(
        r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==\S+( ;[^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+"
    )
    entries = requirements(repository / lock)
    assert entries
    assert [entry[:80] for entry in entries if not pinned.fullmatch(entry)] == []
    assert "://" not in (repository / lock).read_text()


def test_the_second_lock_replaces_duckdb_alone(repository: Path) -> None:
    entries = requirements(repository / "requirements-duckdb2.lock")
    assert [entry.partition("==")[0] for entry in entries] == ["duckdb"]
    assert entries[0].startswith("duckdb==2.")


def test_no_module_is_longer_than_400_lines(repository: Path) -> None:
    folders = ("imbalance", "assets", "pipelines", "tests", "benchmarks")
    lengths = {
        str(path.relative_to(repository)): len(path.read_text().splitlines())
        for folder in folders
        for path in (repository / folder).rglob("*.py")
    }
    assert {name: count for name, count in lengths.items() if count > 400} == {}
    assert any(name.startswith("imbalance/") for name in lengths)


def test_every_module_says_what_belongs_in_it(repository: Path) -> None:
    silent = [
        str(path.relative_to(repository))
        for folder in ("imbalance", "assets", "pipelines")
        for path in (repository / folder).rglob("*.py")
        if not path.read_text().lstrip().startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_every_direct_dependency_has_its_reason(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    declared = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["application"],
        *project["dependency-groups"]["dev"],
    ]
    page = (repository / "docs/dependencies.md").read_text()
    names = [re.match(r"[A-Za-z0-9_-]+", requirement)[0] for requirement in declared]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_the_command_is_installed_from_this_checkout(repository: Path) -> None:
    assert Path(find_spec("imbalance").origin).is_relative_to(repository)


def test_links_between_pages_lead_somewhere(repository: Path) -> None:
    pages = [repository / "README.md", *(repository / "docs").rglob("*.md")]
    links = [
        (page, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        if "://" not in target
    ]
    assert links
    broken = [f"{page.name}: {to}" for page, to in links if not (page.parent / to).exists()]
    assert broken == []


def test_every_decision_is_in_the_index(repository: Path) -> None:
    folder = repository / "docs/adr"
    records = {path.name for path in folder.glob("0*.md")}
    assert records
    assert set(re.findall(r"\]\((0[^)]+)\)", (folder / "README.md").read_text())) == records


def test_the_wheel_ships_the_library_with_its_queries(repository: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=repository, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    sql = repository / "sql"
    queries = {path.relative_to(sql) for path in sql.rglob("*") if path.is_file()}
    shipped = {name for name in names if name.startswith("imbalance/sql/")}
    assert shipped == {f"imbalance/sql/{query}" for query in queries}
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"imbalance"}


# What another direct dependency is made of, and is the sanctioned way to use it.
PARTS_OF = {"pydantic": "dagster", "llvmlite": "numba"}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    application = project["optional-dependencies"]["application"]
    declared = {
        re.match(r"[A-Za-z0-9_-]+", requirement)[0].replace("-", "_")
        for requirement in (*project["dependencies"], *application)
    }
    imported = {
        PARTS_OF.get(name, name)
        for folder in ("imbalance", "assets", "pipelines")
        for path in (repository / folder).rglob("*.py")
        for name in top_level_imports(path)
    }
    foreign = imported - set(sys.stdlib_module_names) - {"imbalance", "assets", "pipelines"}
    # The web server is started as a program of its own.
    assert foreign | {"dagster_webserver"} == declared


def top_level_imports(path: Path) -> set[str]:
    """Packages which a module imports, at its head or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
