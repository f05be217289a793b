"""The batch script that runs the engine on the nodes of a SLURM cluster."""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.jobs.engine.address import TOKEN_VARIABLES, token_file
from explorer.own_code import ROOT
from explorer.private_folder import VARIABLE as STATE_VARIABLE

OBJECT_STORE_BYTES = 2_000_000_000  # per node, for what travels
_TIME = re.compile(r"([0-9]+-)?[0-9]{1,3}(:[0-9]{1,2}){0,2}")
_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=loss-surfaces
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
{directives}
# Hand it in with `sbatch FILE`. Ray starts on every node, the command below runs on the first, and
# Ray ends with it. What was computed when the time is over lies in the catalog's folder.
set -eu
cd {program}
export PATH={binaries}:"$PATH"
export RAY_USAGE_STATS_ENABLED=0
{exports}
base=$((10000 + SLURM_JOB_ID % 100 * 200))  # ports of this batch job
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
ip=$(getent ahostsv4 "$head" | awk '$1 !~ /^127[.]/ {{ print $1; exit }}')
address=${{ip:-$(hostname -I | awk '{{ print $1 }}')}}:$base
srun --nodes={nodes} --ntasks={nodes} --cpus-per-task={cpus} ray symmetric-run \\
  --address "$address" --min-nodes {nodes} \\
  --min-worker-port $((base + 1)) --max-worker-port $((base + 199)) \\
  --object-store-memory {memory} {resources} \\
  --include-dashboard=false --disable-usage-stats \\
  -- {command}
"""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a batch job is to have and to do."""

    nodes: int
    gpus: int  # of each node
    cpus: int  # of each node
    time: str  # limit, as SLURM reads it
    jobs: Path  # folder of the spool
    catalog: Path
    command: Sequence[str] = ()  # of the command line, instead of what waits in the spool
    options: Sequence[str] = ()  # further ones of sbatch

    def __post_init__(self) -> None:
        """Refuse what no batch job can have.

        Raises:
            ValueError: such a value.
        """
        if self.nodes < 1 or self.gpus < 0 or self.cpus < 1:
            raise ValueError(
                "a batch job has 1 node or more, 0 GPUs or more and 1 processor or more on each, "
                f"got {self.nodes}, {self.gpus} and {self.cpus}"
            )
        if not _TIME.fullmatch(self.time):
            raise ValueError(f"a time limit is H:MM:SS or D-H:MM:SS, got {self.time!r}")
        if bad := [one for one in self.options if not one.startswith("--") or "\n" in one]:
            raise ValueError(f"an option of sbatch is --NAME=VALUE, got {bad[0]!r}")


def batch_script(batch: Batch) -> str:
    """The script, for `sbatch`."""
    gpus = [f"--gpus-per-node={batch.gpus}"] if batch.gpus else []
    options = [f"--cpus-per-task={batch.cpus}", *gpus, f"--time={batch.time}", *batch.options]
    return _SCRIPT.format(
        nodes=batch.nodes,
        directives="\n".join(f"#SBATCH {option}" for option in options),
        program=shlex.quote(str(ROOT)),
        binaries=shlex.quote(str(Path(sys.executable).parent)),
        exports="\n".join(_exports()),
        cpus=batch.cpus,
        memory=OBJECT_STORE_BYTES,
        resources=f"--num-cpus {batch.cpus} --num-gpus {batch.gpus}",
        command=_command(batch),
    )


def _exports() -> list[str]:
    """What the nodes find in their environment: a token that nobody else knows."""
    values = {name: os.environ[name] for name in (STATE_VARIABLE,) if name in os.environ}
    if not TOKEN_VARIABLES & os.environ.keys():
        values |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token_file().absolute())}
    return [f"export {name}={shlex.quote(value)}" for name, value in values.items()]


def _command(batch: Batch) -> str:
    """What runs on the first node."""
    address = '--{} "$address"'
    if batch.command:
        words = ["python", "-m", "explorer", "--catalog", str(batch.catalog), *batch.command]
        return f"{shlex.join(words)} {address.format('engine')}"
    words = ["python", "-m", "explorer.jobs.engine", str(batch.jobs)]
    return f"{shlex.join(words)} {address.format('address')} --drain"
