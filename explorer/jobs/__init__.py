"""Who answers: the question and its key, the spool, the supervisor in the app, the worker with torch."""
