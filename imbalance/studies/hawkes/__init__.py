"""Events that call forth events: Hawkes processes of any dimension, and how near they are to 1."""
