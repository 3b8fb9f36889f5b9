"""The tracking of each camera of a site: begun where it is wanted, and changed while it runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from yolorknn.errors import ModelError
from yolorknn.files import state_folder
from yolorknn.model.metadata import ModelMetadata
from yolorknn.site.events import Event, Tell
from yolorknn.site.tables import Site
from yolorknn.stream.sources.open_source import is_live, is_separate
from yolorknn.stream.step import Step
from yolorknn.tracking.memory import memory_file
from yolorknn.tracking.places import Places
from yolorknn.tracking.tracking import LOST, Tracking


class Followed:
    """What follows objects from frame to frame, or counts them in zones, of the cameras of one model."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._begun: dict[str, tuple[tuple[Any, ...], Tracking]] = {}

    def fit(self, site: Site, cameras: Iterable[str], metadata: ModelMetadata) -> Mapping[str, list[Step]]:
        """Return the steps of each camera that has some; where only zones and lines are others, it goes on with these.

        Raises:
            ModelError: a classifier says not where anything is, or the model has no class that a zone counts.
            MissingDependencyError: the package that tracks is not installed.
        """
        names = dict(enumerate(metadata.names))
        wanted = {}
        for camera in cameras:
            zones, lines = site.places_of(camera)
            if metadata.task == "classify":
                if zones or lines:
                    raise ModelError("zones and lines need a model that finds objects, and this is a classifier")
                if camera in self._begun and _is_tracked(site, camera):
                    what = f"{camera}: nothing is numbered any more, as its model is a classifier now"
                    self._tell(Event("camera", what, "warning", camera))
                continue  # [track] is for what others find
            if not (zones or _is_tracked(site, camera) or site.page):  # where zones may be drawn
                continue
            made_of = (site.track, metadata.names, site.cameras[camera].source)
            try:
                Places(zones, lines, names)  # whether they fit the model is told now, whoever places them
                tracking = self._one(camera, made_of, names, site)
                wanted[camera] = (made_of, tracking)
                if site.page is not None:  # the zones are those of its settings, which the watcher places
                    zones = [zone for zone in tracking.zones if zone.name not in {line.name for line in lines}]
                tracking.place(zones, lines)
            except ValueError as exc:
                raise ModelError(str(exc)) from exc
        before, self._begun = self._begun, wanted
        for camera, (_, tracking) in before.items():
            if wanted.get(camera, (None, None))[1] is not tracking:
                tracking.close()
        return self.steps

    @property
    def steps(self) -> Mapping[str, list[Step]]:
        """Those of each camera that has some."""
        return {camera: [tracking] for camera, (_, tracking) in self._begun.items()}

    def _one(self, camera: str, made_of: tuple[Any, ...], names: Mapping[int, str], site: Site) -> Tracking:
        begun = self._begun.get(camera)
        if begun is not None and begun[0] == made_of:
            return begun[1]
        if begun is not None:
            begun[1].close()  # what it counted is what the next one begins with
        return Tracking(
            names,
            track=_is_tracked(site, camera),
            lost=site.track.lost if site.track else LOST,
            memory=memory_file(state_folder(), camera) if site.track and _comes_back(site, camera) else None,
            told=lambda text: self._tell(Event("camera", f"{camera}: {text}", "warning", camera)),
        )

    def leave(self, cameras: Collection[str]) -> None:
        """Follow only these from now on; what was counted of others is kept for who follows them next."""
        for camera in self._begun.keys() - cameras:
            self._begun.pop(camera)[1].close()

    def close(self) -> None:
        """Keep what was counted; a second call does nothing."""
        for _, tracking in self._begun.values():
            tracking.close()
        self._begun = {}


def _is_tracked(site: Site, camera: str) -> bool:
    """Tell whether its objects are to be numbered; of separate images, which do not follow one another, none are."""
    return site.track is not None and not is_separate(site.cameras[camera].source)


def _comes_back(site: Site, camera: str) -> bool:
    """Tell whether it is a camera or stream, as @FILE always holds: a video begins with no counts."""
    source = site.cameras[camera].source
    return source.startswith("@") or is_live(source)
