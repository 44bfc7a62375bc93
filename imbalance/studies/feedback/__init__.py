"""The feedback study: vector autoregressions of order flow and return, and what follows of them."""
