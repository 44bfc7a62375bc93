"""The library that makes writes fail, for the programs of these tests."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def failing_writes(tmp_path_factory):
    """The library that makes writes fail, built with the C compiler of the machine."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("writes are made to fail by a preloaded library: needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("shim") / "failing_writes.so"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(HERE / "failing_writes.c"),
         "-ldl"], check=True,
    )
    return library
