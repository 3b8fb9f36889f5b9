"""The kernel's interface to cameras (V4L2): its structures and calls, no more than one that streams pictures needs."""

from __future__ import annotations

import ctypes
from ctypes import Structure, c_byte, c_char, c_int64, c_uint8, c_uint32, c_uint64

CAPTURE = 1
"""Type of buffer: single-planar video."""
MMAP = 1
"""Memory of buffers: the driver's, mapped."""
CAN_CAPTURE, CAN_STREAM, HAS_DEVICE_CAPS = 0x1, 0x0400_0000, 0x8000_0000
DAMAGED = 0x40
"""Flag of a buffer: its data are damaged."""


class Capability(Structure):
    """struct v4l2_capability."""

    _fields_ = [
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus", c_char * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device", c_uint32),
        ("reserved", c_uint32 * 3),
    ]


class Format(Structure):
    """struct v4l2_format with its struct v4l2_pix_format; 208 bytes, whose union is aligned to 8."""

    _fields_ = [
        ("kind", c_uint32),
        ("_align", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixels", c_char * 4),
        ("field", c_uint32),
        ("line", c_uint32),
        ("size", c_uint32),
        ("rest", c_byte * 176),
    ]


class Rate(Structure):
    """struct v4l2_streamparm with its struct v4l2_captureparm; 204 bytes."""

    _fields_ = [
        ("kind", c_uint32),
        ("capability", c_uint32),
        ("mode", c_uint32),
        ("seconds", c_uint32),
        ("frames", c_uint32),
        ("rest", c_byte * 184),
    ]


class Request(Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = [
        ("count", c_uint32),
        ("kind", c_uint32),
        ("memory", c_uint32),
        ("capabilities", c_uint32),
        ("flags", c_uint8),
        ("reserved", c_uint8 * 3),
    ]


class Buffer(Structure):
    """struct v4l2_buffer, on machines of 64 bits."""

    _fields_ = [
        ("index", c_uint32),
        ("kind", c_uint32),
        ("used", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint32),
        ("_align", c_uint32),
        ("seconds", c_int64),
        ("microseconds", c_int64),
        ("timecode", c_uint32 * 4),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("offset", c_uint64),  # a union: its first 4 bytes
        ("length", c_uint32),
        ("reserved", c_uint32 * 2),
        ("_end", c_uint32),
    ]


def _call(letter_number: int, size: int, *, reads: bool, writes: bool) -> int:
    return (reads << 31 | writes << 30) | size << 16 | ord("V") << 8 | letter_number


QUERYCAP = _call(0, ctypes.sizeof(Capability), reads=True, writes=False)
GET_FORMAT = _call(4, ctypes.sizeof(Format), reads=True, writes=True)
SET_FORMAT = _call(5, ctypes.sizeof(Format), reads=True, writes=True)
REQUEST = _call(8, ctypes.sizeof(Request), reads=True, writes=True)
QUERY = _call(9, ctypes.sizeof(Buffer), reads=True, writes=True)
QUEUE = _call(15, ctypes.sizeof(Buffer), reads=True, writes=True)
DEQUEUE = _call(17, ctypes.sizeof(Buffer), reads=True, writes=True)
STREAM_ON = _call(18, 4, reads=False, writes=True)
STREAM_OFF = _call(19, 4, reads=False, writes=True)
SET_RATE = _call(22, ctypes.sizeof(Rate), reads=True, writes=True)
