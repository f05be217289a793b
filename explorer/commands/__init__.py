"""The commands of `python -m explorer`, by theme; each is loaded when it is used."""
