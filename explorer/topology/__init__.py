"""The shape of values on a grid: basins, how they join, and for how long each is apart."""
