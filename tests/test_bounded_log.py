"""A worker's log keeps the last of what is printed, and no more."""

import os
import subprocess
import threading

from explorer.jobs import bounded_log
from explorer.jobs.worker_log import LOG_COMMAND


def kept(path, content: bytes, most: int) -> None:
    """Give the log that content through a pipe, to its end."""
    source, into = os.pipe()

    def write() -> None:
        with os.fdopen(into, "wb") as output:
            output.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    bounded_log.write_log(source, str(path), most)
    writer.join()
    os.close(source)


def test_what_is_printed_without_end_fills_no_disk(tmp_path):
    """Twenty times what the log holds: two files of its size at most, with what came last."""
    lines = [b"line %06d\n" % number for number in range(200_000)]
    kept(tmp_path / "worker.log", b"".join(lines), 100_000)
    files = [tmp_path / "worker.log.1", tmp_path / "worker.log"]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(file.stat().st_size <= 100_000 for file in files)
    left = b"".join(file.read_bytes() for file in files)
    assert left and b"".join(lines).endswith(left)


def test_a_little_is_kept_whole_behind_what_is_there(tmp_path):
    """The log of a worker follows that of the one before it."""
    file = tmp_path / "worker.log"
    kept(file, b"first\n", 1000)
    kept(file, b"second\n", 1000)
    assert file.read_bytes() == b"first\nsecond\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_the_log_is_linked_to_is_left_alone(tmp_path):
    """A link in place of the log, as somebody could plant it, is replaced."""
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    (tmp_path / "worker.log").symlink_to(mine)
    kept(tmp_path / "worker.log", b"said\n", 1000)
    assert mine.read_bytes() == b"mine"
    assert (tmp_path / "worker.log").read_bytes() == b"said\n"


def test_the_keeper_runs_by_itself(tmp_path):
    """As it is started: a process of its own that ends with what it is given."""
    done = subprocess.run([*LOG_COMMAND, str(tmp_path / "a.log")], input=b"said\n", timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "a.log").read_bytes() == b"said\n"
