"""How the bytes of captures are framed: one module per format (or family of formats)."""
