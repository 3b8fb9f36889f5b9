"""What was found in several views of one image, merged: an object that several show, or that a border cuts, is one.

A box that ends at a border inside the image is cut there, and shows a part. One of the view of the whole image that is
small there is coarse: an object so small is better seen in a tile. What is neither is whole. Whole boxes of two views
are of one object if they overlap by more than SAME; of two boxes of one view, one at most: the other goes where the
tile of the third shows no second object. A part goes where whole boxes cover it, or one looks like it. Parts of two
views are of one object if they agree in what both views show, and become the box around them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.detections import Detections
from yolorknn.tasks.overlap import common
from yolorknn.tasks.task import Ints
from yolorknn.tasks.views import Seen, View, made

SAME = 0.4
"""IoU above which two views show one object."""
SAME_OF_TWO_CLASSES = 0.7
"""The same where they give it two classes, of which the more confident is taken."""
COVERED = 0.5
"""Share of a box that others cover, above which it shows nothing more than they do."""


def merge(
    views: Sequence[View],
    found: Sequence[Detections],
    *,
    size: tuple[int, int],
    coarse: float,
    agnostic: bool = False,
    max_det: int = 300,
) -> Detections:
    """Return what there is in an image, each object once, the most confident first.

    Args:
        views: the whole of an image of `size`, and tiles of it.
        found: what was found in each, in pixels of the view; with masks, keypoints or corners in all or in none.
        size: height and width of the image.
        coarse: side in pixels below which a box of the whole image is coarse.
        agnostic: objects of two classes can be one, as for NMS.
        max_det: most objects.
    """
    some = [(view, each) for view, each in zip(views, found, strict=True) if len(each)]
    if not some:
        return found[0]
    seen = Seen(some, size, coarse, agnostic)
    groups = _whole(seen)
    groups += _parts(seen, [number for group in groups for number in group])
    groups += _coarse(seen, groups)
    order = sorted(groups, key=lambda group: -float(seen.confidence[group].max()))[:max_det]
    return made(seen, order, size)


def _whole(seen: Seen) -> list[list[int]]:
    """Return the whole boxes in groups of one object each, the box to take first."""
    chosen = np.flatnonzero(~seen.cut & ~seen.coarse)
    ones, others = seen.two_views(*seen.outlines.meeting(chosen, chosen))
    iou = seen.outlines.iou_within(ones, others, seen.by_both(ones, others))
    alike = seen.like[ones] == seen.like[others]
    same = np.flatnonzero(iou > np.where(alike, SAME, SAME_OF_TWO_CLASSES))
    groups = _Groups(chosen)
    pairs = [(int(ones[pair]), int(others[pair])) for pair in same[np.lexsort((-iou[same], ~alike[same]))]]
    for one, other in pairs:
        groups.join(one, other, apart=seen.view)
    doubles = {double for pair in pairs if (double := _double(seen, groups, *pair)) is not None}
    return [[_best(seen, group)] for group in groups.all() if doubles.isdisjoint(group)]


def _double(seen: Seen, groups: _Groups, one: int, other: int) -> int | None:
    """Return that of two boxes of one object which is the second in its view, and not shown by the other's, a tile."""
    fewer, more = sorted((one, other), key=lambda number: len(groups.of(number)))
    if len(groups.of(fewer)) == len(groups.of(more)) or seen.blur[more]:
        return None
    return None if seen.view[more] in {seen.view[number] for number in groups.of(fewer)} else fewer


def _best(seen: Seen, group: Sequence[int]) -> int:
    """Return the most confident of the boxes that are not much smaller than another."""
    area = seen.outlines.area[group]
    large = np.asarray(group)[area > SAME * area.max()]
    return int(large[seen.confidence[large].argmax()])


def _parts(seen: Seen, whole: list[int]) -> list[list[int]]:
    """Return the parts that whole boxes do not cover, in groups of one object each."""
    parts = np.flatnonzero(seen.cut)
    parts = np.setdiff1d(parts, _known(seen, parts, np.array(whole, np.int64)))
    outlines = seen.outlines.widened(seen.edge[parts].max(initial=0))
    ones, others = seen.alike(*seen.two_views(*outlines.meeting(parts, parts)))
    wide = np.maximum(seen.edge[ones], seen.edge[others])[:, None] * (-1, -1, 1, 1)
    iou = outlines.iou_within(ones, others, seen.by_both(ones, others) + wide)
    groups = _Groups(parts)
    for one, other in zip(ones[iou > SAME], others[iou > SAME], strict=True):
        groups.join(int(one), int(other))
    return groups.all()


def _coarse(seen: Seen, groups: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the coarse boxes where nothing else was found."""
    coarse = np.flatnonzero(seen.coarse)
    members = np.array([number for group in groups for number in group], np.int64)
    ones, others = seen.alike(*seen.outlines.meeting(coarse, members))
    smaller = np.minimum(seen.outlines.area[ones], seen.outlines.area[others])
    known = ones[seen.outlines.shared(ones, others) > COVERED * smaller]
    return [[int(number)] for number in np.setdiff1d(coarse, known)]


def _known(seen: Seen, parts: Ints, whole: Ints) -> Ints:
    """Return the parts that alike whole boxes cover, or that are what one of any class looks like in their view."""
    blurred = seen.outlines.widened(seen.blur)
    pairs = seen.outlines.meeting(parts, whole, blurred)
    ones, others = seen.alike(*pairs)
    apart = _apart(seen, ones, others)
    ones, others = ones[~apart], others[~apart]
    shared = seen.outlines.shared(ones, others, blurred)
    covered = np.bincount(ones, shared, minlength=len(seen.view)) / seen.outlines.area
    looks = seen.outlines.iou_within(*pairs, seen.bounds[pairs[0]])
    return np.union1d(np.flatnonzero(covered > COVERED), pairs[0][looks > SAME])


def _apart(seen: Seen, parts: Ints, whole: Ints) -> NDArray[np.bool_]:
    """Tell of each pair whether the part's view shows some of the whole box, and the part beside it: a neighbour's.

    A part of the same object would reach as far as that does, however coarse the whole box is.
    """
    bounds = seen.bounds[parts] + seen.edge[parts][:, None] * (1, 1, -1, -1)
    shown = common(seen.outlines.xyxy[whole], bounds)
    visible: NDArray[np.bool_] = (shown[:, 2:] > shown[:, :2]).all(axis=1)
    visible &= seen.outlines.shared(parts, whole) <= 0
    return visible


class _Groups:
    """Boxes that are joined, one by one."""

    def __init__(self, numbers: Ints) -> None:
        self._of = {int(number): [int(number)] for number in numbers}

    def of(self, number: int) -> list[int]:
        """Return the group that a box is in."""
        return self._of[number]

    def join(self, one: int, other: int, *, apart: Ints | None = None) -> None:
        """Make one group of two boxes' groups; not if two of it are equal in `apart`."""
        group, more = self._of[one], self._of[other]
        if group is more:
            return
        if apart is not None and {apart[number] for number in group} & {apart[number] for number in more}:
            return
        group += more
        for number in more:
            self._of[number] = group

    def all(self) -> list[list[int]]:
        """Return the groups."""
        return list({id(group): group for group in self._of.values()}.values())
