"""Imports: what is named, in which order, followed while it grows, stored in the catalog."""
