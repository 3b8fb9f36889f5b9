"""ModelMetadata in a .rknn's custom_string, which rknn-toolkit2 limits to under 1024 characters: compressed JSON.

Where even that does not fit, the JSON stands in a .json file beside the model, and its digest in the custom_string.
"""

from __future__ import annotations

import base64
import hashlib
import zlib

from yolorknn.errors import MetadataError
from yolorknn.model.generic import GenericMetadata
from yolorknn.model.metadata import ModelMetadata

MAGIC = "yolorknn1:"
GENERIC = f"{MAGIC}generic"
"""How the custom_string of a model that is no detector begins."""
BESIDE = f"{MAGIC}beside:"
"""How it begins where the metadata stand beside the model; behind it their digest."""
MAX_CUSTOM_STRING = 1023


def pack(metadata: ModelMetadata) -> str | None:
    """Return the text for a .rknn's custom_string, or None where it does not fit."""
    return _fitting(MAGIC + _squeezed(metadata.to_json()))


def pack_beside(text: str) -> str:
    """Return the text for the custom_string of a .rknn beside which the metadata stand, as this JSON."""
    return BESIDE + hashlib.sha256(text.encode()).hexdigest()[:32]


def pack_generic(metadata: GenericMetadata) -> str | None:
    """Return the same for a model that is no detector."""
    return _fitting(f"{GENERIC}:{_squeezed(metadata.to_json())}")


def unpack(text: str) -> ModelMetadata:
    """Parse what pack() wrote.

    Raises:
        MetadataError: not such a text.
    """
    return ModelMetadata.from_json(_inflated(text.removeprefix(MAGIC)))


def unpack_generic(text: str) -> GenericMetadata:
    """Parse what pack_generic() wrote.

    Raises:
        MetadataError: not such a text.
    """
    return GenericMetadata.from_json(_inflated(text.removeprefix(f"{GENERIC}:")))


def _fitting(text: str) -> str | None:
    return text if len(text) <= MAX_CUSTOM_STRING else None


def _squeezed(text: str) -> str:
    squeeze = zlib.compressobj(9, zdict=_DICTIONARY)
    return base64.b85encode(squeeze.compress(text.encode()) + squeeze.flush()).decode("ascii")


def _inflated(text: str) -> str:
    try:
        return zlib.decompressobj(zdict=_DICTIONARY).decompress(base64.b85decode(text), 1 << 20).decode()
    except (ValueError, zlib.error) as exc:
        raise MetadataError(f"the model's metadata is not readable ({exc}); build the model again") from exc


# Text that deflate may refer back to. It is part of the format: another text cannot read today's models.
_DICTIONARY = (
    b'"reg_max":1,"normalized":true,"custom_softmax":true,"colour":"BGR","algorithm":"kl_divergence","mmse",'
    b'"method":"layer","dtype":"fp16","platform":"rk3576"rk3566"rk3568"rk3562"rv1106"rv1126b","dataset":".yaml",'
    b'["decoded","decoded",0]]["sum8","sum",8],["box64","box",64],["cls64","cls",64]]["box4","box",4],["cls4","cls",4],'
    b'{"names":["person","car","],"imgsz":[320,320],"imgsz":[640,640],"head":"decoded","head":"split","outputs":'
    b'[["box8","box",8],["cls8","cls",8],["box16","box",16],["cls16","cls",16],["box32","box",32],["cls32","cls",32]],'
    b'"reg_max":16,"normalized":false,"task":"detect","colour":"RGB","mean":[0.0,0.0,0.0],"std":[255.0,255.0,255.0],'
    b'"custom_softmax":false,"source":".onnx","sha256":"","build":{"platform":"rk3588","dtype":"i8","toolkit":"2.3.2",'
    b'"algorithm":"normal","method":"channel","dataset":"","images":100,"digest":""}}'
)
