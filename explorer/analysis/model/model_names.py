"""The names of a model's state, as they are looked for in a file."""

from torch import nn

from explorer.extra_state import is_extra_state

COUNTER = "num_batches_tracked"  # of BatchNorm; evaluation does not use it, and many leave it out
WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


class ModelNames:
    """The names of a model's state, as they are looked for in a file."""

    def __init__(self, model: nn.Module) -> None:
        """Names without what wrappers put between them, and which of them are of one tensor."""
        state = model.state_dict(keep_vars=True)
        kept_names = [name for name in state if not is_counter(name)]
        outer = "module." if kept_names and all(n.startswith("module.") for n in kept_names) else ""
        names = [without_wrappers(name).removeprefix(outer) for name in state]
        self.unwraps = len(set(map(without_parallel_wrapper, names))) == len(names)
        own = map(without_parallel_wrapper, names) if self.unwraps else names
        self.own = dict(zip(own, state, strict=True))
        self.values = {name: state[own] for name, own in self.own.items()}
        first: dict[int, str] = {}
        self.group = {
            name: name if is_extra_state(name) else first.setdefault(id(value), name)
            for name, value in self.values.items()
        }
        self.groups = {group for name, group in self.group.items() if not is_counter(name)}

    def __contains__(self, name: str) -> bool:
        """Whether the model has this name."""
        return name in self.values


def without_wrappers(name: str) -> str:
    """A name without what compiling, sharding or checkpointing put into it."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def without_parallel_wrapper(name: str) -> str:
    """A name without what making a part of a model parallel puts into it."""
    first, *rest = name.split(".")
    return ".".join([first, *(part for part in rest if part != "module")])


def is_counter(name: str) -> bool:
    """Whether a name is that of BatchNorm's counter, which evaluation does not use."""
    return name.endswith(COUNTER)
