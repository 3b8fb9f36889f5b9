"""What a job reads, divided into shards: each is read, detected in and written as one."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from yolorknn.errors import SourceError
from yolorknn.files import file_names, is_file
from yolorknn.image import IMAGE_SUFFIXES
from yolorknn.integrations.ray.pictures import picture_column
from yolorknn.stream.sources.images import ImageFiles
from yolorknn.stream.sources.open_source import open_source
from yolorknn.text import reason_of

SIZE = 128
"""Pictures of a shard: with 8 ms each a second of one core, which is lost when its node is."""


@dataclass(frozen=True)
class Shard:
    """Some pictures in a row."""

    number: int
    first: int
    """The index of its first picture in the job."""
    paths: tuple[str, ...] = ()
    """Of pictures; or none, and they are in a Parquet file."""
    parquet: str = ""
    group: int = 0
    """The row group there."""
    count: int = 0

    def pictures(self, column: str | None) -> tuple[list[Any], list[str]]:
        """Return its pictures, see Pictures, and what each is called.

        Raises:
            SourceError: the Parquet file cannot be read, or has no column of pictures.
        """
        if not self.parquet:
            return list(self.paths), list(self.paths)
        with _opened(self.parquet) as file:
            names = file.schema_arrow.names
            wanted = picture_column(names, column, self.parquet)
            kept = [wanted] + ["path"] * ("path" in names and wanted != "path")
            table = file.read_row_group(self.group, columns=kept).to_pydict()
        values = table[wanted]
        called = [path if isinstance(path, str) else "" for path in table.get("path", values)]
        return values, [name or f"{self.parquet}, row {self.first + at}" for at, name in enumerate(called)]


def shards(source: str | Sequence[str], size: int = SIZE) -> list[Shard]:
    """Divide what the user named.

    Args:
        source: an image, folder, glob, a text file (.txt) with a path (relative to it) or URL a line, Parquet files (a
            file, folder or glob), a URL of a folder or file that pyarrow reads, or a list of paths and URLs.
        size: the most pictures of a shard; Parquet files are divided as their row groups are.

    Raises:
        SourceError: absent, unreadable, or without pictures.
    """
    found = list(source) if not isinstance(source, str) else _listed(source)
    found = [name if "://" in name else os.path.abspath(name) for name in found]  # a worker's folder is another
    if not found:
        raise SourceError(f"{source} has no pictures and no Parquet files")
    if any(name.endswith(".parquet") for name in found):
        if other := next((name for name in found if not name.endswith(".parquet")), None):
            way = f", as a glob '{source}/*.parquet'" if isinstance(source, str) and Path(source).is_dir() else ""
            raise SourceError(f"{source} has Parquet files and {other} beside them: give the ones or the others{way}")
        return list(_of_parquet(found))
    return [
        Shard(number, first, tuple(found[first : first + size]), count=len(found[first : first + size]))
        for number, first in enumerate(range(0, len(found), size))
    ]


def _listed(source: str) -> list[str]:
    if "://" in source:
        return _remote(source)
    path = Path(source)
    if path.is_dir() and (tables := sorted(map(str, path.glob("*.parquet")))):
        return [*tables, *(str(entry) for entry in sorted(path.iterdir()) if _is_picture(entry.name))]
    if glob.has_magic(source) and (tables := sorted(glob.glob(source))) and tables[0].endswith(".parquet"):
        return tables
    if path.suffix == ".parquet" and is_file(path):
        return [source]
    if path.suffix == ".txt" and is_file(path):
        try:
            lines = file_names(path.read_bytes())
        except (OSError, UnicodeDecodeError) as exc:
            raise SourceError(f"cannot read the list {path}: {reason_of(exc)}") from exc
        return [_named(path.parent, ways) for ways in lines if ways[0]]
    opened = open_source(source)
    if not isinstance(opened, ImageFiles):
        opened.close()
        raise SourceError(f"{source} is no set of pictures: Ray is for folders, globs, lists, Parquet files and URLs")
    return [str(image) for image in opened.paths]


def _named(folder: Path, ways: Sequence[str]) -> str:
    """Return what a line of a list in a folder names, of the ways in which it may be meant."""
    if "://" in ways[0]:
        return ways[0]
    paths = [folder / way for way in ways]
    return str(next(filter(is_file, paths), paths[0]))


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES and not Path(name).name.startswith(".")


def _remote(url: str) -> list[str]:
    """Return the URLs of a folder's pictures or Parquet files, or of one file."""
    import pyarrow as pa
    import pyarrow.fs

    try:
        system, root = pyarrow.fs.FileSystem.from_uri(url)
        if system.get_file_info(root).type != pyarrow.fs.FileType.Directory:
            return [url]
        inside = system.get_file_info(pyarrow.fs.FileSelector(root, recursive=True))
    except (OSError, pa.ArrowException) as exc:
        raise SourceError(f"cannot read {url}: {exc}") from exc
    files = (info.path for info in inside if info.is_file)
    names = sorted(name for name in files if "/." not in name.removeprefix(root))  # as of a folder here
    wanted = [name for name in names if name.endswith(".parquet") or _is_picture(name)]
    parts = urlsplit(url)  # whose query may say where the storage is
    paths = (f"{parts.path.rstrip('/')}/{quote(name.removeprefix(root).lstrip('/'))}" for name in wanted)
    return [urlunsplit(parts._replace(path=path)) for path in paths]


def _of_parquet(files: Sequence[str]) -> Iterator[Shard]:
    number = first = 0
    for name in files:
        with _opened(name) as file:
            counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        for group, count in enumerate(counts):
            yield Shard(number, first, parquet=name, group=group, count=count)
            number, first = number + 1, first + count


def _opened(name: str) -> Any:
    """Open a Parquet file.

    Raises:
        SourceError: it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.fs
    import pyarrow.parquet as pq

    try:
        if "://" not in name:
            return pq.ParquetFile(name)
        system, path = pyarrow.fs.FileSystem.from_uri(name)
        return pq.ParquetFile(path, filesystem=system)
    except (OSError, pa.ArrowException) as exc:
        raise SourceError(f"cannot read the Parquet file {name}: {exc}") from exc
