"""Asking whoever sits at the terminal."""

import sys


def user_answer(prompt: str) -> str:
    """What is typed, in lower case; empty, with the option that says yes named, where nobody can.

    Args:
        prompt: the question, with the possible answers.
    """
    try:
        return input(prompt).strip().lower()
    except EOFError:
        print("\nnobody is here to answer; give --yes to say yes", file=sys.stderr)
        return ""
