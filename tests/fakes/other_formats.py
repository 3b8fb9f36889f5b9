"""Models of one convolution, "image" (1, 3, 32, 32) to 8 channels, in formats of other frameworks, without these."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_CAFFE = """name: "net"
layer { name: "image" type: "Input" top: "image" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "conv" type: "Convolution" bottom: "image" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 } }
"""
_DARKNET = """[net]
width=32
height=32
channels=3

[convolutional]
batch_normalize=0
filters=8
size=3
stride=2
pad=1
activation=leaky
"""


def darknet_net(path: Path) -> Path:
    """Write a model of Darknet (.cfg), and its weights beside it; return the path of these."""
    path.write_text(_DARKNET)
    weights = path.with_suffix(".weights")
    weights.write_bytes(np.array([0, 2, 0, 0, 0], np.int32).tobytes() + np.ones(8 + 8 * 27, np.float32).tobytes())
    return weights


def caffe_net(path: Path) -> None:
    """Write a model of Caffe (.prototxt), and its weights (.caffemodel) beside it."""
    path.write_text(_CAFFE)
    conv = _field(1, b"conv") + _field(2, b"Convolution") + _field(3, b"image") + _field(4, b"conv")
    conv += _blob(8, 3, 3, 3) + _blob(8)
    path.with_suffix(".caffemodel").write_bytes(_field(1, b"net") + _field(100, conv))


def _blob(*shape: int) -> bytes:
    values = np.random.default_rng(0).normal(size=shape).astype("<f4")
    return _field(7, _field(5, values.tobytes()) + _field(7, _field(1, bytes(shape))))


def _field(number: int, content: bytes) -> bytes:
    """Return a field of protobuf with a length."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, high = value & 127, value >> 7
    return bytes([low | 128]) + _varint(high) if high else bytes([low])
