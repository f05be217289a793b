"""A piece on its way from the spool into the catalog, with the points and the state it brings."""

from collections.abc import Mapping
from pathlib import Path

import safetensors

from explorer.codec import from_json
from explorer.contracts.facts import ModelFacts, TensorFacts
from explorer.jobs.piece_files import Arrival
from store import Catalog, UnknownEntry, records

_FLOATS = {"F64", "F32", "F16", "BF16"}
_OTHERS = {
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}


def answer_piece(catalog: Catalog, key: str, arrival: Arrival) -> records.AnswerPiece:
    """A piece as the catalog takes it.

    Raises:
        ValueError: a point that it brings does not fit the problem's tensors.
    """
    piece, note = arrival.piece, arrival.note
    return records.AnswerPiece(
        columns=piece.columns,
        facts=piece.facts,
        seconds=piece.seconds,
        provenance=arrival.provenance,
        points=_point_files(catalog, key, arrival) if note.points else (),
        state=_state_file(arrival),
        finished=note.finished,
    )


def _state_file(arrival: Arrival) -> records.StateFile | None:
    note = arrival.note.state
    if note is None:
        return None
    return records.StateFile(unit=note.unit, part=note.part, file=arrival.beside(note))


def _point_files(catalog: Catalog, key: str, arrival: Arrival) -> list[records.PointFile]:
    """The points of a piece, each with the model that it is of."""
    question = catalog.question(key)
    if question is None:
        raise UnknownEntry("question", key)
    files = []
    for note in arrival.note.points:
        if not 0 <= note.subject < len(question.model_ids):
            raise ValueError(f"{note.label} is of subject {note.subject}, which there is not")
        model = catalog.model(question.model_ids[note.subject])
        _check_tensors(arrival.beside(note), model, note.label)
        point = records.PointFile(
            name=note.name,
            point_id=note.point_id,
            unit=note.unit,
            model_id=model.id,
            label=note.label,
            file=arrival.beside(note),
            is_direction=note.is_direction,
        )
        files.append(point)
    return files


def _check_tensors(file: Path, model: records.Model, label: str) -> None:
    """Refuse tensors that are not those of the model; numbers with a fraction may be of any width.

    Raises:
        ValueError: no tensors at all, or of another name, shape or type.
    """
    try:
        tensors = _header(file)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{label} is no file of tensors ({error}); compute it anew") from error
    rows = ModelFacts.of(model.facts).tensor_rows
    wanted = {t.name: t for t in (from_json(TensorFacts, row, ignore_unknown=True) for row in rows)}
    for name, (shape, dtype) in tensors.items():
        tensor = wanted.pop(name, None)
        if tensor is None:
            raise ValueError(f"{label} brings a tensor {name}, which {model.name} does not have")
        if tuple(tensor.shape) != shape or not _is_type(dtype, tensor.dtype):
            raise ValueError(
                f"{label} does not fit {model.name}: {name} must be {tensor.dtype} of "
                f"{tuple(tensor.shape)}, got {dtype} of {shape}"
            )
    if wanted:
        raise ValueError(f"{label} does not fit {model.name}: it lacks {', '.join(wanted)}")


def _header(file: Path) -> Mapping[str, tuple[tuple[int, ...], str]]:
    """Shape and type of each tensor of a file, of which no more than its head is read."""
    with safetensors.safe_open(file, framework="numpy") as tensors:
        slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
        return {n: (tuple(s.get_shape()), str(s.get_dtype())) for n, s in slices.items()}


def _is_type(dtype: str, wanted: str) -> bool:
    if wanted.startswith(("float", "bfloat")):
        return dtype in _FLOATS
    return dtype == _OTHERS.get(wanted, dtype)
