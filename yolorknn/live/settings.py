"""The settings of all cameras: changed while it runs, and kept over runs."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from yolorknn.errors import InputError, OutputError
from yolorknn.files import write_bytes
from yolorknn.live.camera_settings import CameraSettings
from yolorknn.stream.result import Result
from yolorknn.text import printable, reason_of

_MOST_BYTES = 1 << 25  # more than two hundred cameras have with as many zones and corners as there may be
_DEFAULT = CameraSettings()

_logger = logging.getLogger(__name__)


class Settings:
    """What is kept of every camera's results, and its zones; threads may share it.

    Args:
        names: of the classes of each camera's model, by camera.
        defaults: by camera, what is so until somebody changes it.
        path: the file that keeps what was changed, also of cameras that are not there now; None for only as long as it
            runs.
        told: is told of a file that cannot be used; it is kept under another name, and all begins as by default.
    """

    def __init__(
        self,
        names: Mapping[str, Sequence[str]],
        defaults: Mapping[str, CameraSettings] | None = None,
        *,
        path: Path | None = None,
        told: Callable[[str], None] = _logger.warning,
    ) -> None:
        self._path, self._told = path, told
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._missing: dict[str, Sequence[str]] = {}
        try:
            self._kept = self._read()
        except OSError as exc:
            self._kept = self._begin_anew(exc)
        self._names: dict[str, tuple[str, ...]] = {}
        self._defaults: dict[str, CameraSettings] = {}
        self._now: dict[str, CameraSettings] = {}
        self.fit(names, defaults)

    def fit(self, names: Mapping[str, Sequence[str]], defaults: Mapping[str, CameraSettings] | None = None) -> None:
        """Have the settings of these cameras from now on; what was changed stays so. See Settings."""
        with self._lock:
            self._names = {camera: tuple(words) for camera, words in names.items()}
            self._defaults = dict(defaults or {})
            self._now = {camera: self._begin(camera) for camera in self._names}
        self._tell()

    def of(self, camera: str) -> CameraSettings:
        """Return a camera's; the default of one that is not known."""
        return self._now.get(camera, _DEFAULT)

    def differing(self, camera: str) -> tuple[str, ...]:
        """Return which of a camera's settings are not as by default."""
        now, default = self.of(camera), self._defaults.get(camera, _DEFAULT)
        return tuple(name for name in ("conf", "classes", "zones") if getattr(now, name) != getattr(default, name))

    def listen(self, changed: Callable[[], None]) -> None:
        """Have a function called after each change, in the thread that made it."""
        self._listeners.append(changed)

    def ignore(self, changed: Callable[[], None]) -> None:
        """Have it called no more; one that is not is no error."""
        with suppress(ValueError):
            self._listeners.remove(changed)

    def change(self, camera: str, values: Any) -> CameraSettings:
        """Replace some of a camera's settings, and keep them; see CameraSettings.changed.

        Raises:
            InputError: one is none or out of range, or there is no such camera; nothing is changed.
            OutputError: they cannot be kept; nothing is changed.
        """
        with self._lock:
            if camera not in self._names:
                raise InputError(f"there is no camera '{printable(camera[:60])}'")
            known = self._defaults.get(camera, _DEFAULT).zones
            new = self._now[camera].changed(values, self._names[camera], known)
            try:
                before = {**self._kept, **self._read()}  # another service of this user changes its own cameras there
            except OSError as exc:  # for a moment, as where no file can be opened any more: what it has stays
                raise OutputError(f"cannot read {self._path}, where changes are kept: {reason_of(exc)}") from exc
            kept = {**before, camera: {**self._kept.get(camera, {}), **_only(new.to_json(), values)}}
            if self._path is not None:
                write_bytes(self._path, json.dumps({"cameras": kept}, ensure_ascii=False, indent=1).encode())
            self._kept, self._now = kept, {**self._now, camera: new}
        self._tell()
        return new

    def apply(self, result: Result[Any]) -> Result[Any]:
        """Return a result with only what its camera's settings keep."""
        return self.of(result.camera).keep(result, self._names.get(result.camera, ()))

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()

    def _begin(self, camera: str) -> CameraSettings:
        default, given, names = self._defaults.get(camera, _DEFAULT), self._kept.get(camera), self._names[camera]
        if given is None:
            return default
        if isinstance(wanted := given.get("classes"), list) and wanted:  # of another model, maybe
            given = {**given, "classes": [name for name in wanted if name in names] or None}
            self._tell_missing(camera, [str(name) for name in wanted if name not in names], given["classes"])
        settings = default
        for name, value in given.items():
            try:
                settings = settings.changed({name: value}, names)
            except InputError as exc:
                self._told(f"{printable(camera)}: its {printable(name)} in {self._path} are not used: {exc}")
        return settings

    def _tell_missing(self, camera: str, missing: Sequence[str], left: Sequence[str] | None) -> None:
        """Tell once of classes that were chosen and that the model has not: without them, others may be kept."""
        if missing and self._missing.get(camera) != missing:
            what = f"only {', '.join(left)} are kept" if left else "all classes are kept"
            lost = f"the model has no class {', '.join(missing)}, which {self._path} has"
            self._told(printable(f"{camera}: {lost}: {what}"))
        self._missing[camera] = missing

    def _read(self) -> dict[str, Any]:
        if self._path is None:
            return {}
        try:
            with self._path.open("rb") as opened:
                cameras = json.loads(opened.read(_MOST_BYTES))["cameras"]
            if not isinstance(cameras, dict) or not all(isinstance(given, dict) for given in cameras.values()):
                raise ValueError("it has no cameras")
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (ValueError, LookupError, TypeError, RecursionError) as exc:
            return self._begin_anew(exc)
        return cameras

    def _begin_anew(self, why: Exception) -> dict[str, Any]:
        assert self._path is not None
        aside = self._path.with_name(f"{self._path.name}.unusable")
        try:
            self._path.replace(aside)
        except OSError:
            aside = self._path
        what = f"cannot be used ({reason_of(why)}): all begin anew, it is kept as {aside}"
        self._told(f"the settings in {self._path} {what}")
        return {}


def _only(values: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return of all values those that were asked for, so that the others follow their default."""
    return {name: value for name, value in values.items() if name in asked}
