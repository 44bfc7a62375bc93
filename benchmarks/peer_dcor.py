"""Worker of the dependence benchmark: dcor's distance correlation, in the peers' environment."""

from __future__ import annotations

import sys

import dcor
import numpy as np

from benchmarks.measure import Stopwatch, median, report


def main() -> None:
    """Arguments: file of n × 2 values, rounds."""
    x, y = np.load(sys.argv[1]).T.copy()
    costs, facts = {}, {}
    for method in ("avl", "mergesort"):
        dcor.distance_correlation(x[:1000], y[:1000], method=method)
        found = []
        for _ in range(int(sys.argv[2])):
            watch = Stopwatch()
            with watch:
                facts[method] = float(dcor.distance_correlation(x, y, method=method))
            found.append(watch.cost)
        costs[f"dcor, {method}"] = median(found)
    report(costs, **facts)


if __name__ == "__main__":
    main()
