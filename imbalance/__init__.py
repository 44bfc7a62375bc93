"""Order-flow imbalance features and studies from raw exchange captures.

Importing this package is cheap: everything heavy is imported by the module which uses it.
"""

import os
from typing import TYPE_CHECKING, Any

# Arrow's allocator gives memory back ten milliseconds after its use, and the next batch faults it
# in again page by page: a twentieth of a build. It reads this when Arrow is loaded, not later.
os.environ.setdefault("MIMALLOC_PURGE_DELAY", "1000")
# Pages of 2 MB, which it asks for, are zeroed whole for however little is put into them: a quarter
# of a book's build.
os.environ.setdefault("MIMALLOC_ALLOW_THP", "0")

__version__ = "0.1.0"

if TYPE_CHECKING:
    from imbalance.training.frames import connect, load

__all__ = ["connect", "load"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from imbalance.training import frames

        return getattr(frames, name)
    raise AttributeError(f"module 'imbalance' has no attribute {name!r}")
