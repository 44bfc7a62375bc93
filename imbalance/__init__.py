"""Order-flow imbalance features and studies from raw exchange captures.

Importing this package is cheap: everything heavy is imported by the module which uses it.
"""

__version__ = "0.1.0"
