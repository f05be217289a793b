"""Functions of one and two variables and what optimisers do on them. NumPy; computed at once."""
