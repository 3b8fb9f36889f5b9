"""The shards of a job in its output folder: each whole or not there, and what job they are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from yolorknn.errors import OutputError, SourceError
from yolorknn.files import atomic, check_folder, write_bytes
from yolorknn.integrations.ray.columns import Row
from yolorknn.integrations.ray.sources import Shard
from yolorknn.text import reason_of

Format = Literal["parquet", "jsonl"]
JOB = "_job.json"
"""Readers of folders of Parquet pass over what begins so."""


def name_of(shard: Shard, form: Format) -> str:
    """Return the file of a shard; names are in the order of the source."""
    return f"part-{shard.number:06d}.{form}"


def write_shard(folder: Path, shard: Shard, rows: Sequence[Row], schema: Any, form: Format) -> None:
    """Write a shard whole or not at all; the same one written again replaces it.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with atomic(folder / name_of(shard, form)) as temporary:
        if form == "parquet":
            pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), temporary, compression="zstd")
        else:
            temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def begin(folder: Path, job: Mapping[str, Any], shards: Sequence[Shard], form: Format) -> list[Shard]:
    """Make the folder, or go on with it; return the shards that are still to be written.

    Args:
        folder: of the output.
        job: what decides the results.
        shards: all of them.
        form: of the files.

    Raises:
        OutputError: it cannot be written, or holds another job's results.
        SourceError: one of its shards cannot be read.
    """
    check_folder(folder)
    said = json.loads(json.dumps({**job, "format": form, "source": digest(shards)}, default=_plain))  # as it is read
    path = folder / JOB
    if path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise OutputError(f"cannot read {path}: {reason_of(exc)}") from exc
        if before != said:
            other = [key for key in said if not isinstance(before, dict) or before.get(key) != said[key]]
            raise OutputError(
                f"{folder} holds results of another job, whose {', '.join(other)} differs: give another folder, or "
                "remove it"
            )
        for torn in folder.glob(f".yolorknn-*.{form}"):  # of a driver that was killed
            torn.unlink(missing_ok=True)
    else:
        write_bytes(path, json.dumps(said, indent=2).encode())
    return [shard for shard in shards if not _is_done(folder / name_of(shard, form), shard, form)]


def _plain(value: Any) -> Any:
    """Return a number or array of numpy's, or a set, as JSON has it."""
    return value.tolist() if hasattr(value, "tolist") else list(value)


def digest(shards: Sequence[Shard]) -> str:
    """Return what tells the source of one job from that of another."""
    return hashlib.sha256(repr(shards).encode()).hexdigest()


def _is_done(path: Path, shard: Shard, form: Format) -> bool:
    """Tell whether a shard is there; one that was damaged since is not passed over in silence."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return False
    try:
        count = pq.read_metadata(path).num_rows if form == "parquet" else path.read_bytes().count(b"\n")
    except (OSError, pa.ArrowException) as exc:
        raise SourceError(f"cannot read the shard {path}, written before: remove it and run again ({exc})") from exc
    if count != shard.count:
        raise SourceError(f"the shard {path} has {count} rows, not {shard.count}: remove it and run again")
    return True
