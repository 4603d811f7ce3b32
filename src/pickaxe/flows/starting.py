"""What somebody needs to see before they start a line: the file, the names that are taken, and what is there to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from pickaxe.data.look import Look, look
from pickaxe.flows.demo_data import at_hand
from pickaxe.flows.demo_sources import SOURCES, Source
from pickaxe.flows.task import DEMO
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.system.confined import confined

if TYPE_CHECKING:
    from pickaxe.data.ingest import IngestConfig
    from pickaxe.kernel.nouns import Artifact
    from pickaxe.kernel.workspace import Workspace

SOURCE, ENCODER = "source", "encoder"
"""Kinds of artifacts: files that lines begin with, and pretrained encoders."""
UPLOADS = "uploads"
MOST_UPLOADED = 8 << 30
"""Bytes of one upload."""
DEMO_TASKS = ("headlines", "reuters")
MINILM = f"{DEMO}minilm"
_LISTED = 12
_PARQUET, _PARQUET_NAMES = b"PAR1", (".parquet", ".pq")
_LOOK_SECONDS, _LOOK_MEMORY = 20.0, 1_000_000_000
_MOST_SEEN = 200
_SEEN: dict[tuple[str, str], Look] = {}
"""Looks at artifacts, which never change, by how they were read."""


def look_at(workspace: Workspace, reference: str, reading: IngestConfig | None = None) -> Look:
    """A first look at an uploaded file, read as `reading` says. Raises `NotFound`, and `BadInput` when it is no file of texts."""
    artifact = workspace.artifact(reference)
    if artifact.stored != "files":
        raise BadInput(
            f"{artifact.ref} is no file", expected="an uploaded CSV, TSV, JSON Lines or Parquet file", got=artifact.kind
        )
    asked = (artifact.id, "" if reading is None else reading.model_dump_json())
    if asked not in _SEEN:
        _SEEN[asked] = looked(workspace.files(artifact), file_name(artifact), reading)
        while len(_SEEN) > _MOST_SEEN:
            _SEEN.pop(next(iter(_SEEN)), None)
    return _SEEN[asked]


def looked(file: Path, name: str, reading: IngestConfig | None = None) -> Look:
    """A first look at the file that its owner calls `name`; at Parquet in a process apart, for a few bytes of it may stand for any number."""
    if file.is_dir() or not _is_parquet(file, name):
        return look(file, name, reading)
    address = f"{look_told.__module__}:{look_told.__name__}"
    told = confined(address, [str(file), name], what=name, seconds=_LOOK_SECONDS, memory_bytes=_LOOK_MEMORY)
    return TypeAdapter(Look).validate_python(told)


def _is_parquet(file: Path, name: str) -> bool:
    with file.open("rb") as source:
        return source.read(len(_PARQUET)) == _PARQUET or name.lower().endswith(_PARQUET_NAMES)


def look_told(file: str, name: str) -> Any:
    """A look as JSON has it."""
    try:
        return TypeAdapter(Look).dump_python(look(Path(file), name), mode="json")
    except (MemoryError, OverflowError) as error:
        raise BadInput(f"{name} cannot be looked at", expected="values that fit into memory, and dates of this era") from error


def file_name(artifact: Artifact) -> str:
    """What whoever uploaded it calls it."""
    return str(artifact.meta.get("file") or artifact.name)


def uploads(workspace: Workspace) -> list[Artifact]:
    """The newest uploaded files, each name once."""
    found, _ = workspace.artifacts.page(kind=SOURCE, prefix=f"{UPLOADS}/", limit=_LISTED)
    return list({artifact.name: artifact for artifact in reversed(found)}.values())[::-1]


def encoders(workspace: Workspace) -> list[Artifact]:
    """The newest version of each encoder that was uploaded or fetched."""
    found, _ = workspace.artifacts.page(kind=ENCODER, limit=_LISTED)
    return list({artifact.name: artifact for artifact in reversed(found)}.values())


def demo_tasks() -> dict[str, Source]:
    """The demo's tasks whose data, and whose encoder, are on this machine already."""
    here = [name for name in DEMO_TASKS if at_hand(name) and at_hand("minilm")]
    return {name: SOURCES[name] for name in here}


def free_name(workspace: Workspace, wanted: str) -> str:
    """`wanted`, with a number where a task has it already."""
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, 100))]
    return next((name for name in names if not is_taken(workspace, name)), wanted)


def is_taken(workspace: Workspace, name: str) -> bool:
    """Whether there is a task of that name: a line for it goes on with what that one has."""
    return bool(workspace.runs.page(prefix=f"{name}/", limit=1)[0])
