"""Summary messages of TensorBoard: numbers, text, pictures, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING, DT_UINT16

__all__ = ["DTYPES", "add_picture", "add_scalars", "add_text", "array_tensor", "plugin_metadata", "text_tensor"]

DTYPES: Mapping[int, str] = {DT_FLOAT: "<f4", DT_UINT16: "<u2"}  # of arrays: TensorBoard's number -> numpy's name
_LARGEST = float(np.finfo(np.float32).max)  # scalars are stored as float32


def add_scalars(summary: Summary, values: Mapping[str, float]) -> None:
    """One value each; NaN and whatever is infinite in float32 is left out."""
    for tag, value in values.items():
        if abs(value) <= _LARGEST:
            summary.value.add(tag=tag, simple_value=value)


def add_text(summary: Summary, tag: str, markdown: str) -> None:
    """A text, shown as Markdown."""
    summary.value.add(tag=tag, tensor=text_tensor(markdown.encode()), metadata=plugin_metadata("text"))


def add_picture(summary: Summary, tag: str, png: bytes, width: int, height: int) -> None:
    """A PNG picture of that many pixels."""
    image = Summary.Image(encoded_image_string=png, width=width, height=height, colorspace=4)
    summary.value.add(tag=tag, image=image)


def text_tensor(content: bytes) -> TensorProto:
    """A scalar tensor of one byte string."""
    return TensorProto(dtype=DT_STRING, string_val=[content])


def plugin_metadata(plugin: str, content: bytes = b"", description: str = "") -> SummaryMetadata:
    """Metadata of a tensor for a plugin; without the data class TensorBoard's data provider hides it."""
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content),
        data_class=DATA_CLASS_TENSOR,
        summary_description=description,
    )


def array_tensor(array: npt.NDArray[Any]) -> TensorProto:
    """An array of 16-bit whole numbers, or else of float32, as it is."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in array.shape])
    kind = DT_UINT16 if array.dtype == np.uint16 else DT_FLOAT
    return TensorProto(dtype=kind, tensor_shape=shape, tensor_content=array.astype(DTYPES[kind]).tobytes())
