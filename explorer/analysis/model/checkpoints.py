"""A checkpoint becomes named tensors that fit the model, or a refusal that names file and key."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explorer import extra_state
from explorer.analysis.model.adapters import (
    Adapter,
    completed_tensors,
    is_adapter_alone,
)
from explorer.analysis.model.checkpoint_file import CheckpointError
from explorer.analysis.model.checkpoint_networks import Network, networks_in_file, number_sort
from explorer.analysis.model.file_contents import FileContents
from explorer.analysis.model.model_names import ModelNames
from explorer.analysis.model.network_choice import (
    choose_network,
    missing_part_refusal,
    networks_of_part,
)
from explorer.wording import few, one_line, quote


@dataclass(frozen=True)
class Fit:
    """The tensors of the model's own state, in its order, from a checkpoint."""

    tensors: dict[str, Tensor]
    remarks: tuple[str, ...] = ()  # what a user should know of the choice
    built: tuple[str, ...] = ()  # names of tensors that are the model's own, as problem() built it


def fitted_tensors(
    held: object, model: nn.Module, source: object, part: str = ""
) -> dict[str, Tensor]:
    """The tensors of the model's own state, in its order, each checked to fit (see `fit`)."""
    return fit(held, model, source, part).tensors


def fit(held: object, model: nn.Module, source: object, part: str = "") -> Fit:
    """The network in a checkpoint that is the model, under the model's names.

    It may lie in dictionaries or behind prefixes of keys ("module.", "student."): what lies outside
    is left out. Counters of BatchNorm that are missing are the model's own; a tied tensor that was
    saved under one of its names, as Hugging Face does, has the others too.

    Args:
        held: what `read_checkpoint` returned, or tensors by name.
        model: it is not changed.
        source: the file, for messages.
        part: the keys before the network's names, with dots between them; needed where the file
            holds several networks that fit.

    Raises:
        CheckpointError: a key is missing or unknown, or has another shape or type; or a tied
            tensor has two values; or several networks fit.
    """
    built: list[str] = []
    if isinstance(held, Adapter):
        held, built = completed_tensors(held, model)
    contents, wanted = FileContents.of(held, source), ModelNames(model)
    candidates = everywhere = networks_in_file(contents, wanted)
    if part:
        candidates = networks_of_part(everywhere, part)
        if not candidates and not _has(contents, part):
            raise missing_part_refusal(contents, part, source)
        if not candidates and everywhere:
            raise CheckpointError(
                f"{one_line(source)}: {quote(part)} holds no tensor of this model; parts of it "
                f"that do are {few([quote(n.part) for n in everywhere])}"
            )
    network, all_networks, remark = choose_network(candidates, everywhere, part, source)
    if network is None:
        raise _no_network_refusal(candidates, contents, wanted, model, source)
    _check_extra(network.extra(all_networks), source)
    require_tied_alike(network, source)
    values = {wanted.own[name]: _value(network, name, source) for name in wanted.values}
    _check_tensors(values, {wanted.own[n]: v for n, v in wanted.values.items()}, source)
    return Fit(values, (remark,) if remark else (), tuple(built))


def _has(contents: FileContents, part: str) -> bool:
    """Whether anything lies below that part."""
    return any(f".{part.strip('.')}." in f".{path}" for path in contents.values)


def _value(network: Network, name: str, source: object) -> Tensor:
    """The tensor for one of the model's names; a missing counter is the model's own."""
    value = network.value(name)
    if not extra_state.is_extra_state(name):
        if value is not None and not isinstance(value, Tensor):
            raise CheckpointError(
                f"{one_line(source)}: {quote(name)} is no tensor but {type(value).__name__}; save "
                "the model's state_dict"
            )
        return network.wanted.values[name] if value is None else value
    if isinstance(value, Tensor):
        value = extra_state.decode_state(value)
    if why := extra_state.refusal_reason(value):
        raise CheckpointError(
            f"{one_line(source)}: the extra state {quote(name)} is not handed to the model, as "
            f"{one_line(why)}; let get_extra_state return numbers, texts and tensors"
        )
    return extra_state.encode_state(value)


def _no_network_refusal(
    candidates: list[Network],
    contents: FileContents,
    wanted: ModelNames,
    model: nn.Module,
    source: object,
) -> CheckpointError:
    """The refusal of a file in which no network has all of the model's tensors."""
    most = max((network.covered_count for network in candidates), default=0)
    best = [network for network in candidates if network.covered_count == most]
    network = min(best, key=lambda n: len(n.prefix), default=Network("", {}, contents, wanted))
    where = one_line(source)
    no_tensors = [n for n in network.missing_names if f"{network.prefix}{n}" in contents.others]
    if no_tensors:
        kind = contents.others[f"{network.prefix}{no_tensors[0]}"]
        return CheckpointError(
            f"{where}: {quote(no_tensors[0])} is no tensor but {one_line(kind, 40)}; save "
            "model.state_dict()"
        )
    extra = network.extra() if candidates else list(contents.values)
    if not extra and is_adapter_alone([wanted.own[n] for n in network.missing_names], model):
        return CheckpointError(
            f"{where} holds an adapter alone and {_lacks(network.missing_names)}, which are "
            "frozen: save the whole model.state_dict(), or name a folder with "
            "adapter_config.json and adapter_model.safetensors, whose frozen weights problem() "
            "then loads"
        )
    has = f" and has {_quoted_names(extra)}, unknown to the model" if extra else ""
    missing = _lacks(network.missing_names)
    return CheckpointError(
        f"{where} {missing}{has}; is it a checkpoint of this model and these arguments?"
    )


def _lacks(names: list[str]) -> str:
    return f"lacks {_quoted_names(names)}"


def _check_extra(extra: list[str], source: object) -> None:
    if extra:
        raise CheckpointError(
            f"{one_line(source)} has {_quoted_names(extra)}, unknown to the model; is it a "
            "checkpoint of this model and these arguments?"
        )


def require_tied_alike(network: Network, source: object) -> None:
    """Refuse two values for one tensor of the model.

    Raises:
        CheckpointError: a tied tensor has other values under another of its names.
    """
    if twice := network.differing_names():
        raise CheckpointError(
            f"{one_line(source)}: {' and '.join(map(quote, twice))} are one tensor of the model, "
            "but differ; was it trained with them tied?"
        )


def _check_tensors(
    given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: object
) -> None:
    """Refuse shapes and types that differ; another floating-point type is none that differs."""
    own = {n: v for n, v in wanted.items() if not extra_state.is_extra_state(n)}
    where = one_line(source)
    shapes = [
        f"{one_line(name, 80)} must have shape {tuple(value.shape)}, got {tuple(given[name].shape)}"
        for name, value in own.items()
        if given[name].shape != value.shape
    ]
    if shapes:
        raise CheckpointError(
            f"{where}: {few(shapes)}; give the arguments that the model was trained with"
        )
    if hollow := [name for name in own if given[name].layout != torch.strided]:
        raise CheckpointError(
            f"{where}: {_quoted_names(hollow)} must be dense; save to_dense() of it"
        )
    if hollow := [name for name in own if given[name].is_meta]:
        raise CheckpointError(
            f"{where}: {_quoted_names(hollow)} has no values (device meta); save a model "
            "with weights"
        )
    types = [
        f"{one_line(name, 80)} must be {value.dtype}, got {given[name].dtype}"
        for name, value in own.items()
        if number_sort(given[name]) != number_sort(value)
    ]
    if types:
        raise CheckpointError(
            f"{where}: {few(types)}; save the weights as real floating-point numbers, unquantised"
        )


def _quoted_names(names: list[str]) -> str:
    return few([quote(name) for name in names])
