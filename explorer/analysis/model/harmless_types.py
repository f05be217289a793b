"""Types that trainers leave beside weights in a pickle, each read as something that does nothing.

Only tensors and their names are wanted of a checkpoint. So for every type below a stand-in of this
file is made instead of the type itself: `pathlib.PosixPath` in a file never reaches `pathlib`. That
is why each is harmless, whatever arguments and state a hostile file gives it: a stand-in ignores
both, holds nothing, opens nothing and calls nothing. What is on no list is refused by torch.

- `argparse.Namespace`, Lightning's `AttributeDict`, OmegaConf's: the arguments of a script.
- `pathlib`: where it wrote. `datetime`, `uuid`: when, and which run.
- numpy's scalars, arrays and types: best metrics and states of random generators; `_reconstruct`
  could be given any class to make, its stand-in makes none.
- `defaultdict`: its factory would be called on a missing key; a plain dictionary is made, and
  factories are stand-ins too. `deque`, `frozenset`, `range`, `slice`: containers and their kin.
"""

from collections import OrderedDict
from collections.abc import Callable


class StandIn:
    """Nothing, in the place of an object that a file describes."""

    __slots__ = ()

    def __new__(cls, *_: object, **__: object) -> "StandIn":
        """Another one, whatever it is given."""
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        """Keep nothing."""

    def __setstate__(self, state: object) -> None:
        """Keep nothing."""


class PlainDictionary:
    """A dictionary in the place of a subclass: entries are kept, everything else is not."""

    def __new__(cls, *_: object) -> OrderedDict:  # type: ignore[misc]
        """An empty one."""
        return OrderedDict()


class PlainList:
    """A list in the place of a `deque`."""

    def __new__(cls, *_: object) -> list:  # type: ignore[misc]
        """An empty one."""
        return []


_NAMES = {
    "argparse": ("Namespace",),
    "pathlib": (
        "Path",
        "PosixPath",
        "PurePath",
        "PurePosixPath",
        "PureWindowsPath",
        "WindowsPath",
    ),
    "datetime": ("date", "datetime", "time", "timedelta", "timezone"),
    "uuid": ("UUID",),
    "decimal": ("Decimal",),
    "builtins": (
        *("bool", "bytes", "dict", "float", "frozenset", "int", "list", "object"),
        *("range", "slice", "str", "tuple"),
    ),
    "numpy": ("dtype", "ndarray"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy.core.numeric": ("_frombuffer",),
    "numpy._core.numeric": ("_frombuffer",),
    "_io": ("BytesIO",),
    "torch.torch_version": ("TorchVersion",),
    "typing": ("Any",),
    "omegaconf.base": ("ContainerMetadata", "Metadata"),
    "omegaconf.dictconfig": ("DictConfig",),
    "omegaconf.listconfig": ("ListConfig",),
    "omegaconf.nodes": ("AnyNode", "BooleanNode", "FloatNode", "IntegerNode", "StringNode"),
}
_NAMES["pathlib._local"] = _NAMES["pathlib"]  # their module in Python 3.13
_DTYPES = ("Bool", "Int32", "Int64", "UInt8", "Float16", "Float32", "Float64")
_NAMES["numpy.dtypes"] = tuple(f"{name}DType" for name in _DTYPES)
_DICTIONARIES = (
    "collections.defaultdict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning.pytorch.utilities.parsing.AttributeDict",
)

STAND_INS: list[Callable[..., object] | tuple[Callable[..., object], str]] = [
    (type(name, (StandIn,), {"__slots__": ()}), f"{module}.{name}")
    for module, names in _NAMES.items()
    for name in names
]
STAND_INS += [(PlainDictionary, name) for name in _DICTIONARIES]
STAND_INS += [(PlainList, "collections.deque")]
