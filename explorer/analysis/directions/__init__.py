"""Directions from a point: random, the gradient's, eigenvectors of the Hessian."""
