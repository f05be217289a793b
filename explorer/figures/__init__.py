"""Figures of stored answers: what they show, how they are laid out, what is said of them."""
