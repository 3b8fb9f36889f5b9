"""Every error a user can meet.

YolorknnError
├── MissingDependencyError (also ImportError)   a package is not installed, or broken: which extra has it
├── ModelError                                  a model file is absent, broken or of the wrong kind or platform
│   └── MetadataError                           what a model says of itself is unreadable or contradicts its tensors
├── ConversionError
│   ├── ExportError                             .pt -> .onnx
│   ├── CalibrationError                        calibration images absent or unreadable
│   ├── BuildError                              .onnx -> .rknn: the step of rknn-toolkit2 and its code
│   └── AccuracyError                           a model falls short of the accuracy asked for
├── BackendError                                a runtime refused the model
│   └── InferenceError                          a runtime returned nothing, or something else than the model promises
│       └── CoreHungError                       an NPU core gave no answer; a stream counts the frame as lost
│           └── CoreDeadError                   it will not any more: its core is taken out of use
├── InputError (also ValueError)                what is given to a model is not what it takes
├── DatasetError                                a data.yaml, its images or its labels cannot be used
├── DeployError                                 a board cannot be set up, or does not find what the PC does
│   └── BoardAwayError                          it cannot be reached, or the connection was lost
├── SourceError                                 an image, video or camera cannot be read
├── OutputError                                 a result cannot be written
├── SiteError                                   a site file cannot be read, or has mistakes: all of them
└── RestartsError                               a part of what is watched fails again as often as it is restarted
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolorknn.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class YolorknnError(Exception):
    """Base of all errors; its text says what was tried, on what, and what to do: one line, without passwords."""

    diagnosis = ""
    """What the doctor found on this board that explains it, and only a person mends; empty where it found nothing."""

    def __str__(self) -> str:
        return shown(super().__str__())

    def __reduce__(self) -> tuple[Any, ...]:
        """Have it pickled whatever it is made with: a pool of processes would wait for ever for what it cannot read."""
        return _again, (type(self), self.args), self.__dict__ or None


def _again(kind: type[YolorknnError], args: tuple[Any, ...]) -> YolorknnError:
    return kind.__new__(kind, *args)


class MissingDependencyError(YolorknnError, ImportError):
    """A package that this function needs is not installed, or cannot be imported."""

    def __init__(
        self, package: str, extra: str, purpose: str, *, mend: str | None = None, broken: str | None = None
    ) -> None:
        """Say which extra brings `package`, needed for `purpose`; or else what mends it. `broken`: why it cannot be."""
        mend = mend or f"in a checkout of yolorknn, pip install '.[{extra}]'"
        what = "is not installed" if broken is None else f"is installed but cannot be imported ({broken})"
        super().__init__(f"{purpose} needs {package}, which {what}: {mend}")


class ModelError(YolorknnError):
    """A model file is absent, broken, of the wrong kind or for another platform."""


class MetadataError(ModelError):
    """What a model says of itself is absent, unreadable or contradicts its tensors."""


class ConversionError(YolorknnError):
    """A step on the way from .pt to .rknn failed."""


class ExportError(ConversionError):
    """A checkpoint cannot be exported to ONNX."""


class CalibrationError(ConversionError):
    """The calibration set is absent, empty or has unreadable images."""


class BuildError(ConversionError):
    """rknn-toolkit2 refused or crashed."""


class AccuracyError(ConversionError):
    """A model falls short of the accuracy that was asked for; `table` is what was tried, as text."""

    def __init__(self, message: str, *, table: str) -> None:
        super().__init__(message)
        self.table = table


class BackendError(YolorknnError):
    """A runtime refused to load or start a model."""


class InferenceError(BackendError):
    """A runtime returned nothing, or something else than the model promises."""


class CoreHungError(InferenceError):
    """An NPU core did not answer in time, or has no context any more; the next inference opens a fresh one."""


class CoreDeadError(CoreHungError):
    """An NPU core hung, or could not be opened again, several times in a row: it is not used any more."""


class InputError(YolorknnError, ValueError):
    """What is given to a model is not what it takes: by name, its shape or its numbers."""


class DatasetError(YolorknnError):
    """A data.yaml, its images or its labels are absent, unreadable or contradict each other."""


class DeployError(YolorknnError):
    """A board cannot be set up, or it does not find what the PC finds."""


class BoardAwayError(DeployError):
    """A board cannot be reached, or the connection to it was lost."""


class SourceError(YolorknnError):
    """An image, video, camera or stream cannot be read."""


class OutputError(YolorknnError):
    """A result cannot be written."""


class SiteError(YolorknnError):
    """A site file cannot be read, or has mistakes; `mistakes` are sentences, each with file and line."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = tuple(shown(mistake) for mistake in mistakes)


class RestartsError(YolorknnError):
    """A part of what is watched failed again as often as it was restarted."""
