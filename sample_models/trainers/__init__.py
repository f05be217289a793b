"""Ways to train a sample: each module has `train(sample, problem)`, which yields each step."""
