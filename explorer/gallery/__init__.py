"""The gallery: phenomena as the catalog has them, and having them computed."""
