"""The Loss Surface Explorer: see and measure the loss surfaces of trained networks."""
