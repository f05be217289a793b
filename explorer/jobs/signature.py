"""Requests that can be told from planted ones: signed with a secret of the user's.

The secret lies outside any catalog, so that whoever prepares a catalog's folder cannot write a
request that a worker would take. A signature holds for one job in one spool: a copied folder's
requests are not ours either.
"""

import hashlib
import hmac
import json
import os
import secrets
from functools import lru_cache
from pathlib import Path

from explorer.codec import Json
from explorer.private_folder import made_private_folder, private_folder

SECRET_BYTES = 32


class NotSigned(ValueError):
    """A request that this user did not write for this job of this catalog."""


def signed_request(job_id: str, spool: str, request: Json) -> dict[str, str]:
    """The request as it is written for a worker.

    Raises:
        ValueError: the secret can be neither read nor made.
    """
    body = json.dumps({"job": job_id, "spool": spool, "request": dict(request)})
    return {"signature": _signature(body), "body": body}


def verified_request(written: object, job_id: str, spool: str) -> object:
    """The request that stands in what was written.

    Raises:
        NotSigned: it was written by somebody else, or for another job or another spool.
        ValueError: the secret can be neither read nor made.
    """
    if isinstance(written, dict):
        signature, body = written.get("signature"), written.get("body")
        if (
            isinstance(signature, str)
            and isinstance(body, str)
            and hmac.compare_digest(signature.encode(), _signature(body).encode())
        ):
            fields = json.loads(body)
            if (fields["job"], fields["spool"]) == (job_id, spool):
                return fields["request"]
    raise NotSigned(f"the request of job {job_id} was not written by you for this catalog")


def _signature(body: str) -> str:
    return hmac.new(_secret(private_folder()), body.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=4)
def _secret(folder: Path) -> bytes:
    """The user's secret, made at the first use."""
    file = folder / "secret"
    try:
        if not file.exists():
            _make(file)
        secret = file.read_bytes()
    except OSError as error:
        raise ValueError(
            f"your secret, which jobs are signed with, cannot be kept in {file} "
            f"({error.strerror or error}); set EXPLORER_STATE to a folder that you can write to"
        ) from error
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"{file} is damaged; remove it, and a new one is made")
    return secret


def _make(file: Path) -> None:
    """Write a new secret whole, readable by its owner alone, unless another process was faster."""
    made_private_folder()
    partial = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as output:
            output.write(secrets.token_bytes(SECRET_BYTES))
            output.flush()
            os.fsync(output.fileno())
        if not file.exists():
            os.link(partial, file)
    except FileExistsError:
        return
    finally:
        partial.unlink(missing_ok=True)
