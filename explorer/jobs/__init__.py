"""Work in processes: the spool, the worker with torch, its heartbeat, signed requests."""
