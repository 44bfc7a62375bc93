"""Lines of recorded connections that are like one understood before, but for their values."""
