"""What the messages of each venue mean: one module per venue (or family of venues)."""
