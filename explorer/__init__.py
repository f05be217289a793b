"""The Loss Surface Explorer: see and measure the loss surfaces of trained networks."""

PROGRAM = "Loss Surface Explorer"
VERSION = "0.11"
