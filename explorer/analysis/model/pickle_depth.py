"""How deeply a pickle nests tuples: hashing one of 100,000 levels overflows the stack of Python."""

import contextlib
import pickletools
from collections.abc import Sequence
from typing import IO

MOST = 1_000  # levels; a checkpoint has a handful
PICKLES = 5  # in a row in a file of the form before archives: numbers, versions, the content, names
_TUPLES = (b"\x85", b"\x86", b"\x87", b"t")
_MARK: object = pickletools.markobject
_PUTS, _GETS = ("PUT", "BINPUT", "LONG_BINPUT"), ("GET", "BINGET", "LONG_BINGET")


def nests_deeply(file: IO[bytes]) -> bool:
    """Whether a pickle, or one of those in a row, nests tuples deeper than `MOST`; none is run."""
    with contextlib.suppress(ValueError, IndexError, KeyError, UnicodeError, EOFError):
        return any(_depth(file) > MOST for _ in range(PICKLES))
    return False  # it is none, or damaged: reading it says so


def _depth(file: IO[bytes]) -> int:
    """Levels of the deepest tuple up to the end of one pickle, or until they are too many."""
    stack: list[int] = []  # levels of what a reader of the pickle would have there; -1: a mark
    memo: dict[object, int] = {}
    deepest = 0
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in _PUTS:
            memo[argument] = stack[-1]
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif opcode.name in _GETS:
            stack.append(memo[argument])
        elif opcode.name == "DUP":
            stack.append(stack[-1])
        else:
            levels = _pop_operands(stack, opcode.stack_before)
            if opcode.code.encode("latin-1") in _TUPLES:
                levels += 1
            deepest = max(deepest, levels)
            if deepest > MOST:
                return deepest
            stack += [-1 if kind is _MARK else levels for kind in opcode.stack_after]
    return deepest


def _pop_operands(stack: list[int], kinds: Sequence[object]) -> int:
    """Take from the stack what an opcode takes; the most levels of it."""
    levels = 0
    if _MARK in kinds:
        while (top := stack.pop()) >= 0:
            levels = max(levels, top)
        kinds = kinds[: kinds.index(_MARK)]
    for _ in kinds:
        levels = max(levels, stack.pop())
    return levels
