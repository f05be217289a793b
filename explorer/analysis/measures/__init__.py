"""Measures of sharpness, by family, over one point that they share."""
