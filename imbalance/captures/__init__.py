"""The raw layer: from capture files to typed events, with every line accounted for."""
