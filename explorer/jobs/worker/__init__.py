"""The worker: answers jobs of the spool, each problem in a process of its own; it loads torch."""
