"""What holds for every process that tests start, before any of them loads torch."""

import os

import pytest

# Models are tiny: a second thread waits more than it computes, and spins on a core while it does.
os.environ["OMP_NUM_THREADS"] = "1"
pytest.register_assert_rewrite("tests.screen")  # so that its assertions say what they compared
