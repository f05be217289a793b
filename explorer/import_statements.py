"""What a Python file imports, and where it changes the search path, read off its text."""

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache

_LONGEST = 200  # characters of a text that may name a folder
ImportStatement = tuple[int, str, tuple[str, ...]]  # dots before it, module, names taken from it


def module_names(imports: Iterable[ImportStatement], package: str) -> Iterator[str]:
    """Dotted names of all modules that these imports may load."""
    for level, module, names in imports:
        base = module
        if level:
            above = package.split(".") if package else []
            if level > len(above):
                continue  # fails when it is run
            base = ".".join([*above[: len(above) - level + 1], *([module] if module else [])])
        yield base
        yield from (f"{base}.{name}" for name in names)


@lru_cache(maxsize=2048)
def _tree(content: bytes) -> ast.Module | None:
    """The parsed file without what never runs on import; None where it is no Python."""
    try:
        return _ImportTimeOnly().visit(ast.parse(content))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # running it says what is wrong


class _ImportTimeOnly(ast.NodeTransformer):
    """Leaves out what stands under `if __name__ == "__main__"` and `if TYPE_CHECKING`."""

    def visit_If(self, node: ast.If) -> ast.AST:
        test = ast.unparse(node.test)
        if test in ("TYPE_CHECKING", "typing.TYPE_CHECKING") or (
            "__name__" in test and "__main__" in test and "==" in test
        ):
            node.body = [ast.Pass()]
        return self.generic_visit(node)


@lru_cache(maxsize=2048)
def imports_of(content: bytes) -> tuple[ImportStatement, ...]:
    """What a file imports."""
    return tuple(_imports_in(ast.walk(tree))) if (tree := _tree(content)) else ()


def _imports_in(nodes: Iterable[ast.AST]) -> Iterator[ImportStatement]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", tuple(alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            name = ast.unparse(node.func).rpartition(".")[2]
            text = getattr(node.args[0], "value", None)
            if name in ("import_module", "__import__") and isinstance(text, str) and text:
                module = text.lstrip(".")
                yield len(text) - len(module), module, ()


@lru_cache(maxsize=2048)
def folder_names(content: bytes) -> tuple[str, ...]:
    """Texts of a file that may name a folder that it adds to sys.path; none if it adds none."""
    tree = _tree(content)
    if tree is None or not any(map(_is_sys_path, ast.walk(tree))):
        return ()
    constants = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return ("", *sorted({c for c in constants if isinstance(c, str) and _may_be_path(c)}))


def _is_sys_path(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "sys" and any(alias.name == "path" for alias in node.names)
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path"


def _may_be_path(text: str) -> bool:
    return 0 < len(text) < _LONGEST and text.isprintable()
