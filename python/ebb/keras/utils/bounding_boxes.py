"""Boxes around things in images: formats, overlap, and what cutting an image does to them.

Boxes have a last axis of length 4. Formats: "xyxy" (left, top, right, bottom), "yxyx", "xywh",
"center_xywh", "center_yxhw", and "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh", which are
shares of the image. Tensors, arrays and symbolic tensors are taken alike.
"""

from __future__ import annotations

import math
from typing import Any

from ebb.keras import _missing, ops
from ebb.keras._policy import settings

_FORMATS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
)


def _parts(boxes: Any) -> list[Any]:
    return [boxes[..., at : at + 1] for at in range(4)]


def _joined(*parts: Any) -> Any:
    return ops.concatenate(list(parts), axis=-1)


def _to_corners(boxes: Any, kind: str) -> Any:
    """Any format without "rel_" as "xyxy"."""
    if kind == "xyxy":
        return boxes
    a, b, c, d = _parts(boxes)
    if kind == "yxyx":
        return _joined(b, a, d, c)
    if kind == "xywh":
        return _joined(a, b, a + c, b + d)
    if kind == "center_yxhw":
        a, b, c, d = b, a, d, c
    return _joined(a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0)


def _of_corners(boxes: Any, kind: str) -> Any:
    """The other way."""
    if kind == "xyxy":
        return boxes
    left, top, right, bottom = _parts(boxes)
    if kind == "yxyx":
        return _joined(top, left, bottom, right)
    width, height = right - left, bottom - top
    if kind == "xywh":
        return _joined(left, top, width, height)
    x, y = (left + right) / 2.0, (top + bottom) / 2.0
    return _joined(y, x, height, width) if kind == "center_yxhw" else _joined(x, y, width, height)


def convert_format(
    boxes: Any,
    source: str,
    target: str,
    height: Any = None,
    width: Any = None,
    dtype: str = "float32",
) -> Any:
    """Boxes in another format.

    Parameters
    ----------
    boxes : tensor, or dict with "boxes"
        ``(..., 4)``.
    source, target : str
        Formats; upper and lower case are the same.
    height, width : int, optional
        Of the image: needed between shares of it and pixels.
    dtype : str
        Type of the result.

    Returns
    -------
    tensor, or the same dict

    Raises
    ------
    ValueError
        An unknown format, another shape, or no size of the image.
    """
    if isinstance(boxes, dict):
        boxes["boxes"] = convert_format(boxes["boxes"], source, target, height, width, dtype)
        return boxes
    boxes = ops.cast(boxes, dtype)
    if boxes.shape[-1] != 4:
        raise ValueError(
            "`boxes` must be a tensor with the last dimension of 4. Received: "
            f"boxes.shape={boxes.shape}"
        )
    source, target = source.lower(), target.lower()
    if source not in _FORMATS or target not in _FORMATS:
        raise ValueError(f"Invalid source or target format. Supported formats: {_FORMATS}")
    is_share = source.startswith("rel_"), target.startswith("rel_")
    if any(is_share) and (height is None or width is None):
        raise ValueError(
            "convert_format() must receive `height` and `width` transforming between relative and "
            f"absolute formats. Received source={source!r}, target={target!r}, height={height} "
            f"and width={width}."
        )
    if source == target:
        return boxes
    made = _to_corners(boxes, source[4:] if is_share[0] else source)
    if is_share[0] != is_share[1]:
        left, top, right, bottom = _parts(made)
        if is_share[0]:
            made = _joined(left * width, top * height, right * width, bottom * height)
        else:
            made = _joined(left / width, top / height, right / width, bottom / height)
    return _of_corners(made, target[4:] if is_share[1] else target)


def _corners_alone(bounding_box_format: str, *others: str) -> None:
    if bounding_box_format not in ("xyxy", *others):
        raise NotImplementedError(
            f'expected boxes in the format "xyxy", found {bounding_box_format!r}: use '
            "convert_format() before"
        )


def _moved(boxes: Any, x: Any, y: Any) -> list[Any]:
    left, top, right, bottom = _parts(ops.convert_to_tensor(boxes))
    return [left + x, top + y, right + x, bottom + y]


def _clipped(parts: list[Any], width: Any, height: Any) -> Any:
    ends = (width, height, width, height)
    return _joined(*(ops.clip(part, 0, end) for part, end in zip(parts, ends)))


def clip_to_image_size(
    bounding_boxes: dict[str, Any],
    height: Any = None,
    width: Any = None,
    bounding_box_format: str = "xyxy",
) -> dict[str, Any]:
    """Boxes cut off at the edges of the image; labels of those outside become -1.

    Parameters
    ----------
    bounding_boxes : dict
        "boxes" ``(..., n, 4)`` and perhaps "labels" ``(..., n)``.
    height, width : int, optional
        Of the image; not needed for "rel_xyxy".
    bounding_box_format : {"xyxy", "rel_xyxy"}

    Returns
    -------
    dict
        A new one.

    Raises
    ------
    ValueError
        The size of the image is missing.
    """
    _corners_alone(bounding_box_format, "rel_xyxy")
    is_share = bounding_box_format == "rel_xyxy"
    if not is_share and (height is None or width is None):
        raise ValueError("`height` and `width` must be set if `format='xyxy'`.")
    parts = _parts(ops.convert_to_tensor(bounding_boxes["boxes"]))
    boxes = _clipped(parts, 1.0 if is_share else width, 1.0 if is_share else height)
    made = {**bounding_boxes, "boxes": boxes}
    if made.get("labels") is not None:
        left, top, right, bottom = (boxes[..., at] for at in range(4))
        labels = ops.convert_to_tensor(made["labels"])
        made["labels"] = ops.where((right - left) * (bottom - top) > 0, labels, -1)
    return made


def crop(
    boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy"
) -> Any:
    """Boxes in a part of the image.

    Parameters
    ----------
    boxes : tensor
        ``(..., 4)``.
    top, left, height, width : int
        The part.
    bounding_box_format : {"xyxy"}

    Returns
    -------
    tensor
    """
    _corners_alone(bounding_box_format)
    return _clipped(_moved(boxes, -left, -top), width, height)


def pad(
    boxes: Any,
    top: Any,
    left: Any,
    height: Any = None,
    width: Any = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """Boxes in an image that got rows above and columns at its left.

    Parameters
    ----------
    boxes : tensor
        ``(..., 4)``.
    top, left : int
        How many.
    height, width : int, optional
        Have no effect.
    bounding_box_format : {"xyxy"}

    Returns
    -------
    tensor
    """
    _corners_alone(bounding_box_format)
    return _joined(*_moved(boxes, left, top))


def _size(image_shape: Any) -> tuple[Any, Any]:
    return (None, None) if image_shape is None else (image_shape[0], image_shape[1])


def _check_deltas(name: str, kind: str, variance: Any) -> Any:
    if kind not in ("center_xywh", "center_yxhw"):
        raise ValueError(f"`{name}` should be one of 'center_xywh' or 'center_yxhw', got {kind!r}")
    if variance is None:
        return None
    variance = ops.cast(variance, "float32")
    if variance.shape[-1] != 4:
        raise ValueError(f"`variance` must be length 4, got {variance}")
    return variance


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """How far boxes are from anchors: what a detector learns.

    Parameters
    ----------
    anchors : tensor
        ``(n, 4)``.
    boxes : tensor
        ``(n, 4)`` or ``(rows, n, 4)``.
    anchor_format, box_format : str
        Their formats.
    encoding_format : {"center_yxhw", "center_xywh"}
        Order of the result.
    variance : sequence of 4 float, optional
        What the result is divided by.
    image_shape : tuple, optional
        ``(height, width, channels)``, for formats that are shares.

    Returns
    -------
    tensor
    """
    variance = _check_deltas("encoding_format", encoding_format, variance)
    size = _size(image_shape)
    anchors = convert_format(anchors, anchor_format, encoding_format, *size)
    boxes = convert_format(boxes, box_format, encoding_format, *size)
    wide = ops.maximum(anchors[..., 2:], settings.epsilon)
    ratio = ops.maximum(boxes[..., 2:], settings.epsilon) / wide
    made = _joined((boxes[..., :2] - anchors[..., :2]) / wide, ops.log(ratio))
    return made if variance is None else made / variance


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Boxes of what a detector says: the inverse of ``encode_box_to_deltas``.

    Parameters
    ----------
    anchors, boxes_delta : tensor, or dict of such
        ``(n, 4)``, and ``(n, 4)`` or ``(rows, n, 4)``.
    anchor_format, box_format : str
        Formats of the anchors and of the result.
    encoded_format : {"center_yxhw", "center_xywh"}
        Order of the deltas.
    variance : sequence of 4 float, optional
        What the deltas are multiplied by.
    image_shape : tuple, optional
        ``(height, width, channels)``, for formats that are shares.

    Returns
    -------
    tensor, or dict of tensor
    """
    if isinstance(anchors, dict) and isinstance(boxes_delta, dict):
        rest = (anchor_format, box_format, encoded_format, variance, image_shape)
        return {
            level: decode_deltas_to_boxes(anchor, boxes_delta[level], *rest)
            for level, anchor in anchors.items()
        }
    variance = _check_deltas("encoded_format", encoded_format, variance)
    size = _size(image_shape)
    anchor = convert_format(anchors, anchor_format, encoded_format, *size)
    delta = ops.convert_to_tensor(boxes_delta)
    delta = delta if variance is None else delta * variance
    place = delta[..., :2] * anchor[..., 2:] + anchor[..., :2]
    made = _joined(place, ops.exp(delta[..., 2:]) * anchor[..., 2:])
    return convert_format(made, encoded_format, box_format, *size)


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Any = None,
) -> Any:
    """Share of their common area for every pair of boxes.

    Parameters
    ----------
    boxes1, boxes2 : tensor
        ``(n, 4)`` and ``(m, 4)``, each perhaps with rows before.
    bounding_box_format : str
        Of both.
    use_masking : bool
        Whether pairs with a box of negative numbers get ``mask_val``.
    mask_val : float
    image_shape : tuple, optional
        ``(height, width, channels)``, for formats that are shares.

    Returns
    -------
    tensor
        ``(n, m)`` or ``(rows, n, m)``.

    Raises
    ------
    ValueError
        Another rank; the shape of the image is missing.
    """
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if len(ops.shape(boxes)) not in (2, 3):
            raise ValueError(f"compute_iou(): expected {name} of 2 or 3 axes")
    if "rel" in bounding_box_format and image_shape is None:
        raise ValueError("a relative bounding_box_format needs `image_shape`")
    size = _size(image_shape)
    first = convert_format(boxes1, bounding_box_format, "xyxy", *size)[..., :, None, :]
    second = convert_format(boxes2, bounding_box_format, "xyxy", *size)[..., None, :, :]
    areas = [
        (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
        for boxes in (first, second)
    ]
    common = _common(first, second)
    made = common / (areas[0] + areas[1] - common + settings.epsilon)
    if not use_masking:
        return made
    is_none = ops.logical_or(ops.max(first, axis=-1) < 0, ops.max(second, axis=-1) < 0)
    return ops.where(is_none, ops.full_like(made, mask_val), made)


def _common(first: Any, second: Any) -> Any:
    """The area that "xyxy" boxes share."""
    ends = ops.minimum(first[..., 2:], second[..., 2:])
    sides = ops.maximum(ends - ops.maximum(first[..., :2], second[..., :2]), 0.0)
    return sides[..., 0] * sides[..., 1]


def compute_ciou(
    boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None
) -> Any:
    """Share of the common area, less what centers and proportions differ: box by box.

    Parameters
    ----------
    boxes1, boxes2 : tensor
        ``(..., 4)``.
    bounding_box_format : str
        Of both; shares of the image are not taken.
    image_shape : tuple, optional
        ``(height, width, channels)``.

    Returns
    -------
    tensor
        ``(...)``.
    """
    if "rel" in bounding_box_format:
        raise ValueError("compute_ciou(): use convert_format() before, to a format of pixels")
    size, small = _size(image_shape), settings.epsilon
    first = convert_format(boxes1, bounding_box_format, "xyxy", *size)
    second = convert_format(boxes2, bounding_box_format, "xyxy", *size)
    wide1, wide2 = first[..., 2] - first[..., 0], second[..., 2] - second[..., 0]
    high1 = first[..., 3] - first[..., 1] + small
    high2 = second[..., 3] - second[..., 1] + small
    common = _common(first, second)
    iou = common / (wide1 * high1 + wide2 * high2 - common + small + small)
    outer = ops.maximum(first[..., 2:], second[..., 2:])
    outer = ops.square(outer - ops.minimum(first[..., :2], second[..., :2]))
    apart = ops.square((first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2)
    distance = ops.sum(apart, axis=-1) / (ops.sum(outer, axis=-1) + small)
    turn = ops.arctan(wide2 / high2) - ops.arctan(wide1 / high1)
    shape = 4 / math.pi**2 * ops.square(turn)
    return iou - (distance + shape * shape / (shape - iou + (1 + small)))


__all__ = [
    "clip_to_image_size",
    "compute_ciou",
    "compute_iou",
    "convert_format",
    "crop",
    "decode_deltas_to_boxes",
    "encode_box_to_deltas",
    "pad",
]

__getattr__ = _missing.guard(__name__, globals())
