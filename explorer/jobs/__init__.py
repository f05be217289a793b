"""Who answers: question and key, the spool, the supervisor in the app, the worker with torch."""
