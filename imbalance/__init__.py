"""Order-flow imbalance features and studies from raw exchange captures.

Importing this package is cheap: everything heavy is imported by the module which uses it.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from imbalance.training.frames import connect, load

__all__ = ["connect", "load"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from imbalance.training import frames

        return getattr(frames, name)
    raise AttributeError(f"module 'imbalance' has no attribute {name!r}")
