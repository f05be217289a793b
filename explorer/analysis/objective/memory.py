"""Whether an error says that there is too little memory."""

import torch

# torch's allocator for CPUs and oneDNN raise plain RuntimeErrors; these are their words.
_WORDS = ("can't allocate memory", "not enough memory", "could not create a memory object")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether less memory would have avoided the error."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error).lower() for w in _WORDS)
