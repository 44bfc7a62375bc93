"""Help teaches: every page has examples and, where there is JSON, its shape; it loads fast."""

import subprocess
import sys

import pytest

from imbalance.cli.main import COMMANDS, run


def test_the_list_of_commands_has_all_of_them(capsys):
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in text
    assert "Exit codes:" in text


def test_no_arguments_is_help(capsys):
    assert run([]) == 0
    assert "First steps:" in capsys.readouterr().out


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_page_has_examples_and_the_shape_of_its_json(name, capsys):
    assert run([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert "JSON" in text
    assert f"imbalance {name}" in text or f"--json {name}" in text


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from imbalance.cli.main import run; run(['--help'])\n"
        "heavy = {'duckdb', 'pyarrow', 'numpy', 'pandas', 'numba', 'dagster', 'rich', 'scipy'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded: []\n")


def test_a_query_imports_no_pandas_and_has_comments_where_it_asks_for_them(tmp_path, capsys):
    from imbalance.store import Home, Store

    home = str(Store(Home.open(tmp_path / "home", create=True)).home.root)
    code = (
        f"import sys; from imbalance.cli.main import run; run(['--home', {home!r}, 'sql', "
        "'select count(*) from catalog.features'])\nprint('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n"), done
    for source, column in (("duckdb_columns()", "comment"),
                           ("information_schema.columns", '"COLUMN_COMMENT"')):
        query = f"select {column} is not null as told from {source} where column_name = 'vwap'"
        assert run(["--home", home, "sql", query]) == 0
        assert "true" in capsys.readouterr().out


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("imbalance, version ")
