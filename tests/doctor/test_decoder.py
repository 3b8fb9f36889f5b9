"""The doctor on the chip's video decoder: nodes and groups that are missing are named."""

from __future__ import annotations

import pytest

from tests.fakes.trees import Tree, by_check
from yolorknn.doctor.examine import examine

NODES = ("/dev/mpp_service", "/dev/rga", "/dev/dma_heap/system")


@pytest.fixture
def decoding(tree: Tree) -> Tree:
    """A board with a way to the decoder, and all that it needs."""
    for node in NODES:
        tree.write(node, "").chmod(0o666)
    tree.packages(pyav_rkmpp="18.1.0.post2")
    return tree


def found(tree: Tree) -> tuple[str, str, str]:
    finding = by_check(examine(tree.machine))["video decoder"]
    return finding.status, finding.text, finding.fix


def test_a_good_way(decoding: Tree) -> None:
    status, text, fix = found(decoding)
    assert (status, fix) == ("ok", "") and "by the chip, through pyav-rkmpp" in text


def test_what_each_core_of_it_did(decoding: Tree) -> None:
    """Kernels that use the first alone show it so; where they say nothing, nothing is said."""
    assert "tasks" not in found(decoding)[1]
    for core, count in (("rkvdec-core0", "5120"), ("rkvdec-core1", "0"), ("rkvdec-ccu", "none")):
        decoding.write(f"/proc/mpp_service/{core}/task_count", f"{count}\n")
    assert found(decoding)[1].endswith("; tasks of its cores: rkvdec-core0 5120, rkvdec-core1 0")


def test_another_way(decoding: Tree) -> None:
    decoding.packages(pyav_rkmpp=None)
    assert "decoded on the CPU, as there is neither" in found(decoding)[1]
    decoding.as_(ffmpeg={"h264_rkmpp": "/usr/bin/ffmpeg"}.get)
    assert "through /usr/bin/ffmpeg" in found(decoding)[1]


@pytest.mark.parametrize("node", NODES)
def test_a_node_that_is_not_there(decoding: Tree, node: str) -> None:
    decoding.remove(node)
    status, text, fix = found(decoding)
    assert status == "warning" and node.removesuffix("system") in text and fix.startswith("uname -r")
    decoding.write("/.dockerenv", "")
    assert found(decoding)[2] == f"docker run --device {node.removesuffix('/system')} ..."


@pytest.mark.parametrize("node", NODES)
def test_a_node_that_is_shut(decoding: Tree, node: str) -> None:
    (decoding.root / node.lstrip("/")).chmod(0o600)
    status, text, fix = found(decoding)
    assert status == "warning" and f"no permission for {node}" in text
    assert fix.startswith("sudo usermod -aG video,render $USER")
