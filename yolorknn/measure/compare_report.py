"""What a comparison of one model in several places says, as text and JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from yolorknn.runtime.agreeing import Agreeing, number, table_of
from yolorknn.text import printable

NOTES = {
    "q_zero": " (all 0 in int8)",
    "q_inf": " (infinite: float16 ends at 65504)",
    "q_nan": " (no numbers: float16 ends at 65504)",
}
"""What the vendor's words mean."""


@dataclass(frozen=True)
class Also:
    """How far what the task says of matched objects besides, as masks or keypoints, is from what the reference says."""

    what: str
    measure: str
    """Of the numbers: "IoU", "px" for pixels, or "off", a difference of probabilities."""
    of: int
    alike: int
    mean: float
    worst: float
    image: str
    """Where that is."""

    def told(self) -> str:
        """Return it in words."""
        form = {"IoU": "IoU {:.3f}", "px": "{:.1f} px off", "off": "{:.3f} off"}[self.measure]
        mean, worst = form.format(self.mean), form.format(self.worst)
        return f"{self.what}: {self.alike} of {self.of} alike, {mean} on average, {worst} in {self.image}"


@dataclass(frozen=True)
class SameBoxes:
    """How far what one place finds is from what the reference finds, over all images."""

    place: str
    expected: int
    """Boxes; of a classifier images, each with its most probable class."""
    found: int
    matched: int
    """Of the same class, with an IoU of at least 0.5."""
    iou: float | None
    """The mean of those matched."""
    score: float | None
    """The largest difference of a score of those matched."""
    also: tuple[Also, ...] = ()
    """Of those matched, what else the task says."""

    @property
    def same(self) -> bool:
        """Whether all is alike, and there is something."""
        counts = self.matched == self.expected == self.found > 0
        return counts and all(one.alike == one.of for one in self.also)

    def told(self) -> str:
        """Return it as a line for people."""
        head = f"{self.matched} of {self.expected} matched, {self.found - self.matched} more"
        iou = "" if self.iou is None else f"mean IoU {self.iou:.3f}, "
        scores = f"{iou}largest difference of a score {number(self.score, '+.3f')}"
        return "; ".join([head, scores, *(one.told() for one in self.also)])


@dataclass(frozen=True)
class Parting:
    """Where a place parts from the reference, from the toolkit's accuracy analysis on the input where it is worst."""

    place: str
    op: str
    tensor: str
    """The first layer, in the order of the graph, that is not what the float model's is."""
    cosine: float | None
    """Its own, with the errors of all layers before it."""
    alone: float | None
    """The same where it is given the float model's input: what the layer itself loses."""
    note: str = ""
    """Why there is no cosine, in the vendor's word, see LayerError."""


@dataclass(frozen=True)
class Comparison:
    """One model in several places, on the same inputs."""

    model: str
    reference: str
    inputs: str
    count: int
    """How many inputs."""
    rows: tuple[Agreeing, ...]
    boxes: tuple[SameBoxes, ...] = ()
    """Of a detector or classifier."""
    partings: tuple[Parting, ...] = ()
    """Of the places that part from the reference."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def table(self) -> str:
        """Return it as lines for people."""
        lines = [f"{printable(self.model)} against {printable(self.reference)}, on {printable(self.inputs)}\n"]
        lines += table_of(self.rows)
        lines += [f"\nfound, {boxes.place}: {boxes.told()}" for boxes in self.boxes]
        for parting in self.partings:
            lines.append(
                f"\n{parting.place} parts from the float model at [{parting.op}] {printable(parting.tensor)}: cosine "
                f"{number(parting.cosine, '.5f')}, the layer alone {number(parting.alone, '.5f')}"
                + NOTES.get(parting.note, "")
            )
            if parting.place.startswith("int8") and (parting.alone or 0.0) < 0.999:
                lines.append(f"  'yolorknn build --float16 {printable(parting.tensor)}' keeps it in float16")
        return "\n".join(lines)
