"""A question and its key, what is stored of its answer, what it takes, the job that answers it."""
