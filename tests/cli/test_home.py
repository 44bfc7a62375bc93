"""The commands on a filled home: what they answer, in text and in JSON."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

from imbalance.store.store import Store

from conftest import imbalance  # noqa: I001 - tests/cli/conftest.py


@pytest.fixture
def ask(filled):
    """Run a command on the filled home and return its output; it must succeed."""

    def call(*arguments, code=0):
        done = imbalance(*arguments, home=filled.home, config=filled.config)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return call
