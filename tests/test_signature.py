"""Requests signed with a secret of the user's, which lies outside any catalog."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.jobs import signature

ROOT = Path(__file__).parent.parent
REQUEST = {"task": "import", "problem": "/somewhere/p.py", "n": [1, 2.5, float("inf")]}


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    """A user without a secret yet."""
    monkeypatch.setenv("EXPLORER_STATE", str(tmp_path / "state"))


def written(job_id: str = "a", spool: str = "1-2") -> dict[str, str]:
    """The request after its way through a file."""
    return json.loads(json.dumps(signature.signed_request(job_id, spool, REQUEST)))


def test_a_signed_request_is_verified():
    """What was signed comes back as it was."""
    assert signature.verified_request(written(), "a", "1-2") == REQUEST


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        dict(REQUEST),
        {"signature": "", "body": ""},
        {"signature": "ä", "body": json.dumps({"job": "a", "spool": "1-2", "request": REQUEST})},
        {"signature": 3, "body": 4},
    ],
    ids=["no file", "a list", "not signed", "empty", "another's", "numbers"],
)
def test_what_nobody_signed_is_refused(found):
    """A request as somebody could plant it is none."""
    with pytest.raises(signature.NotSigned, match="job a was not written by you"):
        signature.verified_request(found, "a", "1-2")


def test_a_signature_holds_for_one_job_in_one_spool_and_one_text():
    """A request that was moved to another job, copied with its folder or changed is none."""
    with pytest.raises(signature.NotSigned):
        signature.verified_request(written(), "b", "1-2")
    with pytest.raises(signature.NotSigned):
        signature.verified_request(written(), "a", "1-3")
    changed = written()
    changed["body"] = changed["body"].replace("p.py", "q.py")
    with pytest.raises(signature.NotSigned):
        signature.verified_request(changed, "a", "1-2")


def test_another_users_signature_is_none(tmp_path, monkeypatch):
    """Each user has a secret of their own."""
    ours = written()
    monkeypatch.setenv("EXPLORER_STATE", str(tmp_path / "another"))
    with pytest.raises(signature.NotSigned):
        signature.verified_request(ours, "a", "1-2")


def test_the_secret_is_the_owners_alone(tmp_path):
    """Nobody else can read the secret or its folder."""
    written()
    assert (tmp_path / "state" / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["secret"]


def test_processes_that_begin_together_share_one_secret():
    """Two that make the secret at the same time agree on it."""
    code = (
        "from explorer.jobs import signature; "
        "print(signature.signed_request('a', 's', {})['signature'])"
    )
    command = [sys.executable, "-c", code]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    first, second = (process.communicate(timeout=60)[0] for process in both)
    assert first == second != ""


def test_a_secret_that_cannot_be_kept_is_told(tmp_path, monkeypatch):
    """One sentence with the way out, where a file is in the way of the folder."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("EXPLORER_STATE", str(tmp_path / "file" / "state"))
    with pytest.raises(ValueError, match=r"cannot be kept in .*; set EXPLORER_STATE"):
        written()
