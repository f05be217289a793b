"""Paths between two points: placed in parameter space, evaluated, trained."""
