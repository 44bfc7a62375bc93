"""Levels of books in a format of the user's own, some to a message. No fixtures, no tests."""

import json

from imbalance.config_file import load_config

START = 1_704_103_200_000
NAMES = ("t", "whole", "s", "p", "q")
SETTINGS = """
[formats.mine]
table = "book_levels"
venue = "lab"
symbol = "X"
exchange_time = "t"
[formats.mine.columns]
is_snapshot = "whole"
side = "s"
price = "p"
size = "q"
"""


def config(folder):
    """The settings with the format."""
    path = folder / "settings.toml"
    path.write_text(SETTINGS)
    return load_config(path)


def row(message, level=0, **other):
    """A level of a message; the first one is a snapshot."""
    return {
        "t": START + message, "whole": message == 0, "s": "ask" if level % 2 else "bid",
        "p": 9_000.5 + level if level % 2 else 9_000 - level / 2, "q": level + 1,
    } | other  # fmt: skip


def rows(*sizes):
    """Levels of messages of these sizes."""
    return [row(message, level) for message, size in enumerate(sizes) for level in range(size)]


def as_json(values):
    return json.dumps(values).encode() + b"\n"


def as_csv(values):
    return ",".join(str(values[name]).lower() for name in NAMES).encode() + b"\n"


HEADER = ",".join(NAMES).encode() + b"\n"
KINDS = {"json": (b"", as_json), "csv": (HEADER, as_csv)}
"""By kind of file: what it begins with, and how a row is written."""
