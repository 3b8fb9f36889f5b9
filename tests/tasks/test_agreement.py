"""Matching the boxes of two runs, against counting squares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolorknn import Classification, Detections
from yolorknn.tasks.agreement import SAME_BOX, agreement, table, total


def detections(*rows: tuple[float, ...]) -> Detections:
    array = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(array[:, :4], array[:, 4], array[:, 5].astype(np.int64))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """IoU by counting unit squares of boxes with whole sides."""
    grids = []
    for x1, y1, x2, y2 in (a.astype(int), b.astype(int)):
        grid = np.zeros((64, 64), bool)
        grid[y1:y2, x1:x2] = True
        grids.append(grid)
    union = (grids[0] | grids[1]).sum()
    return float((grids[0] & grids[1]).sum() / union) if union else 0.0


corner = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20))
box = st.tuples(corner, st.integers(0, 100), st.integers(0, 2)).map(
    lambda v: (v[0][0], v[0][1], v[0][0] + v[0][2], v[0][1] + v[0][3], v[1] / 100, v[2])
)
boxes = st.lists(box, max_size=6).map(lambda rows: detections(*rows))


@given(boxes, boxes)
def test_matching_is_a_matching(pc: Detections, board: Detections) -> None:
    """Each matched IoU is one of a pair of one class, and what is left over has no pair."""
    found = agreement("x", pc, board)
    pairs = [
        (i, j, overlap(pc.xyxy[i], board.xyxy[j]))
        for i in range(len(pc))
        for j in range(len(board))
        if pc.class_id[i] == board.class_id[j]
    ]
    good = [pair for pair in pairs if pair[2] >= SAME_BOX]
    assert found.matched <= min(len(pc), len(board), len(good))
    assert (found.matched > 0) == bool(good)
    assert list(found.ious) == sorted(found.ious, reverse=True)
    for iou in found.ious:
        assert any(iou == pytest.approx(pair[2], abs=1e-6) for pair in good)
    if good:
        assert found.ious[0] == pytest.approx(max(pair[2] for pair in good), abs=1e-6)
    rows = {i for i, _, _ in good}
    assert found.matched >= min(1, len(rows)) and 0 <= found.share <= 1
    back = agreement("x", board, pc)
    assert back.matched == found.matched and back.ious == pytest.approx(found.ious)


@given(boxes)
def test_a_board_agrees_with_itself(found: Detections) -> None:
    same = agreement("x", found, found)
    assert same.share == 1 and same.ious == pytest.approx([1.0] * len(found))


def test_what_is_missing_and_what_is_extra() -> None:
    pc = detections((0, 0, 10, 10, 0.9, 1), (20, 20, 30, 30, 0.8, 1), (40, 40, 50, 50, 0.7, 2))
    board = detections(
        (0, 0, 10, 9, 0.85, 1), (20, 20, 30, 30, 0.8, 3), (40, 40, 50, 50, 0.75, 2), (0, 0, 3, 3, 0.3, 0)
    )
    row = agreement("a.jpg", pc, board)
    assert (row.expected, row.found, row.matched) == (3, 4, 2)
    assert row.ious == pytest.approx([1.0, 0.9]) and row.differences == pytest.approx([0.05, -0.05])
    assert row.share == pytest.approx(4 / 7)
    rows = [row, agreement("b", detections(), detections())]
    lines = [line.split("  ") for line in table(rows, names=("PC", "board")).splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells[0][:3] == ["image", "PC", "board"]
    assert cells[1][:7] == ["a.jpg", "3", "4", "2", "1", "2", "0.950"] and cells[2] == ["b", *["0"] * 5, "-", "-"]
    assert cells[3][:6] == ["all 2 images", "3", "4", "2", "1", "2"]
    assert total([row, row]).matched == 4


def test_classes() -> None:
    pc, board = Classification(np.array([2, 0]), np.array([0.75, 0.25])), Classification(np.array([2]), np.array([0.5]))
    row, other = agreement("a.jpg", pc, board), agreement("b.jpg", pc, Classification(np.array([0]), np.array([0.5])))
    assert (row.expected, row.found, row.matched, row.share, row.differences) == (1, 1, 1, 1, (-0.25,))
    assert (other.matched, other.share, total([row, other]).share) == (0, 0, 0.5)
    line = table([row], names=("PC", "board")).splitlines()[1]
    assert line.split() == ["a.jpg", "1", "1", "1", "0", "0", "-", "-0.250", "0.250"]
    with pytest.raises(TypeError):
        agreement("c.jpg", pc, detections())
