"""The blocks of the docs: those on training sets are run, the commands of all others are parsed."""

import contextlib
import re
import shlex

import click
import pytest

from imbalance.cli.main import cli, run
from imbalance.store import Home, Store
from imbalance.store.generations import publish
from tests.training.samples import bars, put_bars

GAP = r'(?:\s{3,}|\s+#)(?=[^"]*(?:"[^"]*"[^"]*)*$)'
"""Space or a comment outside of quotes."""

PAGES = ("README.md", "docs/operations.md", "docs/training-sets.md")


def blocks(text):
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text):
    """Command lines of `imbalance` in the blocks that are no program."""
    found = []
    for language, block in blocks(text):
        if language in ("python", "toml", "yaml"):
            continue
        joined = re.sub(r"\\\n", " ", block)
        for line in re.findall(r'^\S*imbalance (?:[^"\n]|"[^"]*")*', joined, re.MULTILINE):
            # What follows after a gap explains the command.
            bare = re.split(GAP, line, maxsplit=1)[0]
            found.append(shlex.split(bare)[1:])
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_docs_can_be_called(page, repository):
    found = commands((repository / page).read_text(encoding="utf-8"))
    assert found
    for arguments in found:
        context = cli.make_context("imbalance", list(arguments))
        words = [*context._protected_args, *context.args]
        name, command, rest = cli.resolve_command(context, words)
        with contextlib.suppress(click.exceptions.Exit):
            command.make_context(name, rest, parent=context)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The bars the page on training sets speaks of, published, and a directory to write in."""
    store = Store(Home.open(tmp_path / "warehouse", create=True))
    put_bars(store, bars())
    put_bars(store, bars("10s", count=20, seed=1), "10s")
    tables = {name: store.table(name) for name in ("features.bars_1s", "features.bars_10s")}
    publish(Store(store.home, tables=tables))
    monkeypatch.chdir(tmp_path)
    return store


def test_the_page_on_training_sets_does_what_it_says(home, repository, monkeypatch, capsys):
    text = (repository / "docs/training-sets.md").read_text(encoding="utf-8")
    for arguments in commands(text):
        assert run(arguments) == 0, (arguments, capsys.readouterr())
    monkeypatch.setenv("IMBALANCE_HOME", str(home.home.root))
    names = {}
    for language, block in blocks(text):
        if language == "python":
            exec(compile(block, "docs/training-sets.md", "exec"), names)  # noqa: S102
    assert len(names["rows"]) == 200
