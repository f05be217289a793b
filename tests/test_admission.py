"""What Python loads in a process that admits agreed files only; each in a process of its own."""

import os
import py_compile
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.tiny import ROOT

SCRIPT = """
import hashlib, importlib, importlib.util, sys
from pathlib import Path
from explorer.admission import admit, check_admitted, FileNotAdmitted
folder, agreed, doing = Path(sys.argv[1]), sys.argv[2].split(), sys.argv[3]
files = {folder / name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in agreed}
admit(files, folder / "p.py", lambda path: f"not {path.name}")
sys.path.insert(0, str(folder))
exec(Path(sys.argv[4]).read_text()) if len(sys.argv) > 4 else None
try:
    exec(doing)
    check_admitted()
    print("loaded", sys.modules["nets"].A if "nets" in sys.modules else "")
except FileNotAdmitted as error:
    print("refused", error)
"""
BY_PATH = (
    "s = importlib.util.spec_from_file_location('x', folder / 'nets.py');"
    "s.loader.exec_module(importlib.util.module_from_spec(s))"
)
HIDING = "\ntry:\n    import nets\nexcept BaseException:\n    pass"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text("A = 1")
    return tmp_path.resolve()


def said(folder: Path, agreed: str, doing: str, before: str = "") -> str:
    """What the process says that admits the files named, after something was done first."""
    more = []
    if before:
        (folder / "before").write_text(before)
        more = [str(folder / "before")]
    command = [sys.executable, "-c", SCRIPT, str(folder), agreed, doing, *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("doing", ["import nets", BY_PATH, HIDING])
def test_a_file_is_loaded_only_if_it_is_agreed_to(folder: Path, doing: str) -> None:
    """By statement, by path, and where the file's own code hides that it was refused."""
    assert said(folder, "nets.py", doing).startswith("loaded")
    assert said(folder, "", doing) == "refused not nets.py"
    edit = "(folder / 'nets.py').write_text('A = 2')"
    assert said(folder, "nets.py", doing, edit) == "refused not nets.py"


def test_bytecode_is_neither_read_nor_written(folder: Path) -> None:
    """Stale bytecode that Python would take for the file's own does not replace what was hashed."""
    nets = folder / "nets.py"
    py_compile.compile(str(nets))
    (bytecode,) = (folder / "__pycache__").iterdir()
    stamp, before = nets.stat(), bytecode.read_bytes()
    nets.write_text("A = 3")
    os.utime(nets, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    plain = [sys.executable, "-c", "import nets; print(nets.A)"]
    assert subprocess.run(plain, cwd=folder, capture_output=True).stdout == b"1\n"
    assert said(folder, "nets.py", "import nets") == "loaded 3"
    assert bytecode.read_bytes() == before


def test_bytecode_and_archives_are_code_too(folder: Path) -> None:
    """A module without source, or within a zip file, is refused and admitted as any other."""
    py_compile.compile(str(folder / "nets.py"), cfile=str(folder / "bare.pyc"))
    with zipfile.ZipFile(folder / "lib.zip", "w") as archive:
        archive.writestr("packed.py", "B = 1")
    add = "sys.path.insert(0, str(folder / 'lib.zip'))"
    for name, doing in (("bare.pyc", "import bare"), ("lib.zip", f"{add}; import packed")):
        assert said(folder, "", doing) == f"refused not {name}"
        assert said(folder, name, doing) == "loaded"


def test_libraries_are_not_asked_about(folder: Path) -> None:
    """Python's own and installed packages are loaded as ever."""
    assert said(folder, "", "import wave, psutil, sample_models") == "loaded"
