"""Dagster assets, one module per layer of the data's way; they bind the library, nothing more."""

import warnings

from dagster import BetaWarning, PreviewWarning

# The design relies on parts which Dagster marks as beta (multi-partition mappings) or preview
# (checks by partition): known, and not for every log.
for category in (BetaWarning, PreviewWarning):
    warnings.filterwarnings("ignore", category=category, module=r"(assets|pipelines)(\..*)?$")
