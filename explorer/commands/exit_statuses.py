"""How commands end."""

FAILED = 1  # or answered with no, or found damage
WRONG_USAGE = 2
INTERRUPTED = 130  # as a shell says it of Ctrl-C
