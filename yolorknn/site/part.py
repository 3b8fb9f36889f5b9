"""A model of a site, and the cameras that are watched with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from yolorknn.errors import ModelError, OutputError, YolorknnError
from yolorknn.files import state_folder
from yolorknn.live.camera import Camera, Epochs
from yolorknn.live.camera_settings import CameraSettings
from yolorknn.live.progress import Progress
from yolorknn.live.settings import Settings
from yolorknn.live.watcher import Watcher
from yolorknn.model.class_names import names_of
from yolorknn.model.kept import DIGITS
from yolorknn.predict.loaded_model import LoadedModel
from yolorknn.site.events import Event, Tell, of_camera
from yolorknn.site.followed import Followed
from yolorknn.site.model_file import ModelFile
from yolorknn.site.opened import Open, as_run, camera_of, digest_of, thresholds_of
from yolorknn.site.tables import ModelTable, Site
from yolorknn.stream.sinks.sink import Sink
from yolorknn.tasks.task import MaskForm, Wording


class ModelPart:
    """A model and the watcher of its cameras; from one thread.

    Args:
        name: of the model in the site.
        sink: given every result.
        tell: told what happens.
        opened: opens a model.
        tried: raises a ModelError of one that is not to be opened beside what runs.
        epochs: see Watcher; of the cameras of all parts, as these may go from one to another.
    """

    def __init__(
        self, name: str, sink: Sink, tell: Tell, opened: Open, tried: Callable[[ModelTable], None], *, epochs: Epochs
    ) -> None:
        self.name, self._sink, self._tell, self._opened, self._tried = name, sink, tell, opened, tried
        self.table: ModelTable | None = None
        """As it runs."""
        self.cameras: tuple[Camera, ...] = ()
        self.loaded: LoadedModel[Any] | None = None
        self.watcher: Watcher | None = None
        self.again_at = 0.0
        """Moment at which it is to be begun anew, where it does not run."""
        self._file: ModelFile | None = None
        self._progress = Progress()
        self._followed = Followed(tell)
        self._settings: Settings | None = None
        self._epochs, self._differing = epochs, dict[str, object]()

    def words(self, masks: MaskForm) -> Wording:
        """Return how results are said."""
        assert self.loaded is not None
        return Wording.of(self.loaded.metadata, masks=masks)

    def open(self, table: ModelTable) -> None:
        """Open the model.

        Raises:
            YolorknnError: it cannot be.
        """
        self.table, self.again_at = table, 0.0
        self._file = ModelFile(table.file)
        digest = digest_of(table)
        self.loaded = self._opened(table)
        self._running(digest)

    def begin(self, site: Site, *, strict: bool = False) -> None:
        """Watch the cameras of this model; none ends it.

        Raises:
            ModelError, MissingDependencyError: with `strict`, they cannot be followed as the site says; see Followed.
                Without, that is told, and they are followed as before.
        """
        assert self.loaded is not None
        names = [name for name in site.cameras if site.model_of(name) == self.name]
        try:
            steps = self._followed.fit(site, names, self.loaded.metadata)
        except YolorknnError as exc:
            if strict:
                raise
            self._tell(
                Event("model", f"{self.name}: zones, lines and tracking are not as the site says: {exc}", "error")
            )
            steps = {name: each for name, each in self._followed.steps.items() if name in names}
        if (self._settings is not None) != (site.page is not None):
            self._end()  # a watcher has settings that others change from its begin on, or none
        self.cameras = cameras = tuple(camera_of(name, site.cameras[name]) for name in names)
        self._settle(site, names)
        if not cameras:
            self._end()
        elif self.watcher is None:
            self.watcher = Watcher(
                self.loaded, cameras, [self._sink], steps=steps, settings=self._settings,
                epochs=self._epochs, told=self._of_camera,
            )  # fmt: skip
            self._progress = Progress()
            self.watcher.start()
        else:
            self.watcher.change(cameras, {name: steps.get(name, []) for name in names})

    def leave(self, site: Site) -> None:
        """Watch no more what is not this model's: another one has the device, and goes on with what was counted."""
        names = [name for name in site.cameras if site.model_of(name) == self.name]
        stay = tuple(camera for camera in self.cameras if camera.name in names)
        if len(stay) == len(self.cameras):
            return
        self.cameras = stay
        if not stay:
            self._end()
        elif self.watcher is not None:
            self.watcher.change(stay)
        self._followed.leave(names)

    def _settle(self, site: Site, names: Sequence[str]) -> None:
        """Have that kept of what the model finds which the site says, or, with a page, who looks at it."""
        assert self.loaded is not None and self.table is not None
        if site.page is None:
            self._settings = None
            self.loaded.keep(thresholds_of(self.table), self.table.classes)
            return
        self.loaded.keep(thresholds_of(self.table))
        words, kept = self.loaded.metadata.names, names_of(self.loaded.metadata, self.table.classes)
        own = dict.fromkeys(names, words)
        places = {name: site.places_of(name) for name in names}
        defaults = {
            name: CameraSettings(self.table.conf, kept, tuple(zones), tuple(lines))
            for name, (zones, lines) in places.items()
        }
        if self._settings is None:
            path = state_folder() / f"settings-{self.name}.json"
            self._settings = Settings(own, defaults, path=path, told=self._of_camera)
        else:
            self._settings.fit(own, defaults)
        for name, default in defaults.items():
            self._tell_differing(name, default, self._settings.differing(name))

    def _tell_differing(self, camera: str, default: CameraSettings, differing: Sequence[str]) -> None:
        """Tell once that the file does not say how a camera is watched, as who changes the file sees no change."""
        if differing and self._differing.get(camera) != (default, differing):
            where = state_folder() / f"settings-{self.name}.json"
            what = f"{camera}: {', '.join(differing)} stay as they were changed on the page, which {where} keeps"
            self._tell(Event("page", f"{what}: what the site says of them does not count", "info", camera))
        self._differing[camera] = (default, differing)

    def _of_camera(self, text: str) -> None:
        self._tell(of_camera(text, [camera.name for camera in self.cameras]))

    def renew(self, table: ModelTable) -> bool:
        """Run as a table says now; what cannot is refused, told, and the model before goes on.

        One that finds something else, or is run otherwise, does not take over between two frames: begin() is to be
        called again, once the sinks know its words.

        Returns:
            Whether it does.
        """
        assert self.table is not None and self.loaded is not None
        try:
            if as_run(table) == as_run(self.table):
                names_of(self.loaded.metadata, table.classes)
                self.table = table
            else:
                self._exchange(table)
        except YolorknnError as exc:
            what = f"{self.name}: {table.file} is not taken: {exc}; the model before goes on"
            self._tell(Event("model", what, "error"))
            return False
        return True

    def look(self) -> bool:
        """Take over another model that lies in the file's place now; tell whether one did."""
        assert self._file is not None and self.table is not None
        if not (digest := self._file.changed()):
            return False
        try:
            self._exchange(self.table)
        except YolorknnError as exc:
            self._file.refuse(digest)
            what = f"{self.name}: what {self.table.file} is now is not taken: {exc}; the model before goes on"
            self._tell(Event("model", what, "error"))
            return False
        return True

    def _exchange(self, table: ModelTable) -> None:
        """Open a model beside the one that runs, have it prove itself, and take over."""
        assert self.loaded is not None and self.table is not None
        digest = digest_of(table)
        self._tried(table)
        new = self._opened(table)
        try:
            new.prove()
            if digest_of(table) != digest:
                raise ModelError(f"{table.file} changed while it was opened")
        except BaseException:
            new.close()
            raise
        between = as_run(table, file=False) == as_run(self.table, file=False) and self.loaded.finds_as(new)
        if between:
            self.loaded.replace(new)
        else:
            self.close()
            self.loaded = new
        self.table, self._file = table, ModelFile(table.file)
        self._running(digest)
        how = "goes on" if between else "begins anew"
        self._tell(Event("model", f"{self.name} {how} with {table.file}, sha256 {digest[:DIGITS]}"))

    def _running(self, digest: str) -> None:
        assert self._file is not None
        self._file.note(digest)
        try:
            self._file.keep()
        except (OutputError, OSError) as exc:
            self._tell(Event("model", f"{self.name}: no copy is kept of the model that runs: {exc}", "warning"))

    def failure(self) -> str:
        """Return why it does not run any more; empty where it does."""
        error = self.watcher.error if self.watcher is not None else None
        return "" if error is None else str(error)

    @property
    def ended(self) -> bool:
        """Whether all its sources were files, and are at their end."""
        return self.watcher is None or (self.watcher.wait(0) if self.watcher.error is None else False)

    def gets_on(self) -> bool:
        """Tell whether there is progress; see Progress."""
        watcher = self.watcher
        return watcher is not None and self._progress(watcher.status(), watcher.cameras)

    def _end(self) -> None:
        if self.watcher is not None:
            self.watcher.stop()
            self.watcher = None

    def close(self) -> None:
        """Stop watching, and close the model."""
        self._end()
        self._followed.close()
        self._settings = None
        if self.loaded is not None:
            self.loaded.close()
            self.loaded = None
