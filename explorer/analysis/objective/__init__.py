"""Model, data and loss at a point: parameters, batches, the evaluator, memory, devices."""
