"""Watching the operations that torch carries out in a thread."""

from torch.utils._python_dispatch import TorchDispatchMode


class TorchOperations(TorchDispatchMode):
    """A mode that sees each operation of torch within it, and leaves its compiler alone."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch loads its compiler, 1.2 s of a worker's start, to skip it here

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """No compiler is involved."""
        return False
