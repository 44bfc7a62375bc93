"""The report: what was ingested and found, as one self-contained HTML file, and its charts."""
