"""Second derivatives at a point: products, Lanczos, traces, Fisher matrices, gradient noise."""
