"""Where a model runs, if not on this machine's own NPU or CPU: the vendor's simulator, or a board attached over adb."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yolorknn.runtime.backend import Backend

if TYPE_CHECKING:
    from yolorknn.convert.toolkit.toolkit import Progress


@dataclass(frozen=True)
class Place:
    """What `--simulate`, `--device` and `--device-id` ask for; nothing is here."""

    simulate: bool = False
    dataset: Path | None = None
    """With simulate, the calibration set; see SimulatorBackend."""
    device: bool = False
    device_id: str | None = None
    """See DeviceBackend; for the only board attached, `device` is enough."""

    @property
    def remote(self) -> bool:
        """Whether it is a board attached to this PC."""
        return self.device or self.device_id is not None

    def backends(
        self, path: Path, *, names: list[str] | None = None, progress: Progress | None = None
    ) -> list[Backend] | None:
        """Open a model there; None where the place is here.

        Raises:
            YolorknnError: see SimulatorBackend and DeviceBackend.
        """
        if self.remote:
            from yolorknn.convert.device import DeviceBackend

            return [DeviceBackend(path, device_id=self.device_id, names=names, progress=progress)]
        if self.simulate:
            from yolorknn.convert.simulator import SimulatorBackend

            return [SimulatorBackend(path, dataset=self.dataset, names=names, progress=progress)]
        return None


HERE = Place()
