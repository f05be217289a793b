"""Permutation symmetry of models: which channels may change places, and how two models match."""
