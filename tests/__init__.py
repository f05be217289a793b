"""Tests; what holds for every process that they start, before any of them loads torch."""

import os

# Models are tiny: a second thread waits more than it computes, and spins on a core while it does.
os.environ["OMP_NUM_THREADS"] = "1"
