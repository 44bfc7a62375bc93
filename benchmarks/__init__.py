"""The main job against named peers, on one file, in one run, on the product's own code.

Nothing here is part of the product, and nothing of the product is written for it.
"""
