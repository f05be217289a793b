"""Which of a file's networks is meant: by the part that was named, or by how trainers name them."""

from explorer.analysis.model.checkpoint_file import CheckpointError
from explorer.analysis.model.checkpoint_networks import TOP, Network
from explorer.analysis.model.file_contents import FileContents
from explorer.wording import few, one_line, quote

# Keys under which trainers put the weights, and averages of them.
PARTS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "params", "weights")
AVERAGED = (
    *("ema", "model_ema", "ema_state_dict", "state_dict_ema", "ema_model"),
    *("swa", "swa_model", "swa_state_dict"),
)
SLOW = ("teacher", "target", "momentum", "old", "reference", "ref")  # follow another network


def choose_network(
    candidates: list[Network], everywhere: list[Network], part: str, source: object
) -> tuple[Network | None, tuple[Network, ...], str]:
    """The network that is meant, all that are whole, and a remark on what else the file holds.

    None where none has all of the model's tensors.

    Args:
        candidates: the networks of the part that was named.
        everywhere: all networks of the file.
        part: that was named, or nothing.
        source: the file, for messages.

    Raises:
        CheckpointError: several are meant as well as each other.
    """
    networks = tuple(network for network in everywhere if network.whole)
    meant = [network for network in candidates if network.whole]
    exact = [n for n in meant if n.fits and not n.extra(networks)]
    fitting = exact or [n for n in meant if n.fits] or meant[:1]
    if len(fitting) < 2 or len({network.content for network in fitting}) == 1:
        return (fitting[0] if fitting else None), networks, ""
    fitting.sort(key=lambda n: bool({*AVERAGED, *SLOW} & set(n.part.split("."))))
    names = _distinguishing_names([network.part for network in fitting])
    sizes = [network.size_words(names[network.part]) for network in fitting]
    usual = [n for n in fitting if n.part in PARTS and n.is_apart]
    averaged = [n for n in fitting if n.part in AVERAGED and n.is_apart]
    if not part and len(usual) == 1 and len(averaged) == len(fitting) - 1:
        beside = few([s for n, s in zip(fitting, sizes, strict=True) if n is not usual[0]])
        remark = f"{one_line(source)} also holds {beside}; {usual[0].part} was taken: "
        remark += f"name another one as the part, --part {averaged[0].part}"
        return usual[0], networks, remark
    held = f"{', '.join(sizes[:-1])} and {sizes[-1]}" if len(sizes) < 5 else few(sizes, 4)
    shown = names[fitting[0].part]
    raise CheckpointError(
        f"{one_line(source)} holds {held}: choose with --part {one_line(shown, 60)} (on the Import "
        "page under Weights)"
    )


def _distinguishing_names(parts: list[str]) -> dict[str, str]:
    """The shortest name of each that says which is meant: without what they begin with alike."""
    split = [part.split(".") for part in parts]
    alike_first = 0
    while all(len(s) > alike_first + 1 and s[alike_first] == split[0][alike_first] for s in split):
        alike_first += 1
    rest = [s[alike_first:] for s in split]
    heads = [s[0] for s in rest]
    if len(set(heads)) == len(heads) and "" not in heads and TOP not in parts:
        return dict(zip(parts, heads, strict=True))
    return dict(zip(parts, parts, strict=True))


def networks_of_part(everywhere: list[Network], part: str) -> list[Network]:
    """The networks of a part: of that very prefix, else below it, else anywhere it stands."""
    if part == TOP:
        return [network for network in everywhere if not network.prefix]
    own = f"{part.strip('.')}."
    exact = [n for n in everywhere if n.prefix == own]
    below = [n for n in everywhere if n.prefix.startswith(own)]
    anywhere = [n for n in everywhere if f".{own}" in f".{n.prefix}"]
    return exact or below or anywhere


def missing_part_refusal(contents: FileContents, part: str, source: object) -> CheckpointError:
    """The refusal of a part that the file does not have, with those that it has."""
    held = few([quote(name, 60) for name in contents.parts], 8) or "no parts"
    return CheckpointError(f"{one_line(source)} has no part {quote(part)}; it holds {held}")
