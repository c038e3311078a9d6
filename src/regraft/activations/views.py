"""True views of a picture: what augmentation would make of it, but the same every time.

View 0 is the picture itself, 1 its mirror image, 2 a crop, mirrored or not; higher ones are crops, mirrored or not, in
changed colours. What a view looks like follows from the picture's content digest and the view's number alone.

Where a plan allows fewer kinds of change, its views have numbers of their own: the thousands say what a view is changed
by, the rest which of those it is. So a number means one thing in all plans, and plans share what they have in common.
"""

from collections.abc import Collection
from typing import Any

import numpy as np

from regraft.core.plan import CHANGES, MOST_VIEWS, Change

Array = np.ndarray[Any, Any]

# Versions of the arithmetic, which are part of a key: whoever changes what comes out of it counts one of these up.
_VERSIONS: dict[Change, int] = {"flip": 1, "crop": 1, "colour": 1}
_CODES: dict[Change, int] = {"flip": 1, "crop": 2, "colour": 4}

_MIRROR: frozenset[Change] = frozenset(("flip",))

_SMALLEST_AREA = 0.5
_ASPECT = 4 / 3
# Brightness, contrast and saturation are changed by up to this part, as ImageNet networks are usually trained.
_COLOUR = 0.4
# Values that are coloured at once.
_BAND = 1 << 16
# ITU-R 601.
_LUMA = (0.299, 0.587, 0.114)


def numbers(allowed: Collection[Change], count: int) -> tuple[int, ...]:
    """The numbers of the views of a plan, the picture itself first.

    >>> numbers(("flip", "crop", "colour"), 5)
    (0, 1, 2, 3, 4)
    >>> numbers(("flip", "crop"), 5)
    (0, 1, 2, 3003, 3004)

    Args:
        allowed: the kinds of change that views may be made by.
        count: how many views; not more than `core.plan.most_views` allows.
    """
    return tuple(_number(_changes(frozenset(allowed), place), place) for place in range(count))


def versions(number: int) -> dict[str, int]:
    """What a view is changed by, and the version of the arithmetic of each: with its number, all of its definition.

    >>> versions(0), versions(1)
    ({}, {'flip': 1})
    """
    changes = _of_number(number)
    return {change: _VERSIONS[change] for change in CHANGES if change in changes}


def in_words(allowed: Collection[Change], count: int) -> str:
    """What the views of a plan are, for people.

    >>> in_words(("flip", "crop", "colour"), 5)
    'the picture, its mirror image, a crop, 2 crops in changed colours; crops are mirrored or not'
    """
    found = [_changes(frozenset(allowed), place) for place in range(count)]
    kinds = [_WORDS[changes - _MIRROR] for changes in found if changes - _MIRROR]
    said = ["the picture", *["its mirror image"] * (_MIRROR in found)]
    said += [f"{kinds.count(kind)} {kind[1]}" if kinds.count(kind) > 1 else kind[0] for kind in dict.fromkeys(kinds)]
    noun = "".join(kind[1].split()[0] for kind in kinds[:1])
    return ", ".join(said) + (f"; {noun} are mirrored or not" if noun and "flip" in allowed else "")


_WORDS: dict[frozenset[Change], tuple[str, str]] = {
    frozenset(("crop",)): ("a crop", "crops"),
    frozenset(("colour",)): ("a copy in changed colours", "copies in changed colours"),
    frozenset(("crop", "colour")): ("a crop in changed colours", "crops in changed colours"),
}


def view_of(picture: Array, number: int, example: str, white: float) -> Array:
    """One view of a picture.

    Args:
        picture: (height, width, channels).
        number: 0 for the picture itself; see `numbers`.
        example: the picture's content digest.
        white: the value of full intensity.

    Returns:
        A picture of the same dtype, for crops a smaller one; it may be a view into `picture`.
    """
    changes = _of_number(number)
    if not changes:
        return picture
    if changes == _MIRROR:
        return _mirrored(picture)
    # Colours have draws of their own, so that a crop is the same with and without them.
    seed = [number % MOST_VIEWS, int(example[:16], 16)]
    random = np.random.default_rng(seed)
    seen = _cropped(picture, random) if "crop" in changes else picture
    if "flip" in changes and random.integers(2):
        seen = _mirrored(seen)
    return _recoloured(seen, white, np.random.default_rng([*seed, _CODES["colour"]])) if "colour" in changes else seen


def _changes(allowed: frozenset[Change], place: int) -> frozenset[Change]:
    """What the view at a place of a plan's list is changed by: the mildest changes come first."""
    if place == 0:
        return frozenset()
    if place == 1 and "flip" in allowed:
        return _MIRROR
    first_crop = "crop" in allowed and place == (2 if "flip" in allowed else 1)
    return allowed - {"colour"} if first_crop else allowed


def _number(changes: frozenset[Change], place: int) -> int:
    if changes == _changes(frozenset(CHANGES), place):
        return place
    return MOST_VIEWS * sum(_CODES[change] for change in changes) + place


def _of_number(number: int) -> frozenset[Change]:
    code, place = divmod(number, MOST_VIEWS)
    if not code:
        return _changes(frozenset(CHANGES), place)
    return frozenset(change for change in CHANGES if code & _CODES[change])


def _cropped(picture: Array, random: np.random.Generator) -> Array:
    area = random.uniform(_SMALLEST_AREA, 1.0)
    aspect = np.exp(random.uniform(-np.log(_ASPECT), np.log(_ASPECT)))
    height, width = picture.shape[:2]
    new_height = max(1, min(height, round(height * np.sqrt(area / aspect))))
    new_width = max(1, min(width, round(width * np.sqrt(area * aspect))))
    top = int(random.integers(0, height - new_height + 1))
    left = int(random.integers(0, width - new_width + 1))
    return picture[top : top + new_height, left : left + new_width]


def _mirrored(picture: Array) -> Array:
    """The mirror image, copied pixel by pixel: byte by byte, NumPy takes four times as long."""
    whole = np.ascontiguousarray(picture)
    pixels = whole.view(f"V{whole.itemsize * whole.shape[-1]}")
    return np.ascontiguousarray(pixels[:, ::-1]).view(whole.dtype)


def _recoloured(picture: Array, white: float, random: np.random.Generator) -> Array:
    """Another brightness (about black), contrast (about the mean) and saturation (about each pixel's grey).

    A fourth channel is opacity and stays; saturation says nothing of pictures without three colours. What was in range
    stays there: black to white, or, where a picture goes beyond these, as far as it goes itself.
    """
    brightness, contrast, saturation = random.uniform(1 - _COLOUR, 1 + _COLOUR, 3)
    colours = 3 if picture.shape[-1] in (3, 4) else picture.shape[-1]
    given = picture[..., :colours]
    # Sums of bytes in float64 are exact, so that no order of adding changes the mean.
    mean = given.sum(axis=0, dtype=np.float64).sum(axis=0) / (given.shape[0] * given.shape[1])
    low, high = (0.0, white) if picture.dtype == np.uint8 else (min(0.0, given.min()), max(white, given.max()))
    gain, shift = brightness * contrast, brightness * (1 - contrast)
    made = np.array(picture, order="C")
    # Band by band: what is computed on the way stays in the processor's cache.
    height = max(1, _BAND // (picture.shape[1] * colours))
    for top in range(0, len(picture), height):
        band = np.asarray(given[top : top + height], np.float32)
        if colours == 3:
            grey: Any = sum(np.float32(part) * band[..., index] for index, part in enumerate(_LUMA))
            band = band * np.float32(gain * saturation)
            constant = np.float32(shift * sum(part * mean[index] for index, part in enumerate(_LUMA)))
            band += (grey * np.float32(gain * (1 - saturation)) + constant)[..., np.newaxis]
        else:
            band = band * np.float32(gain) + np.asarray(shift * mean, np.float32)
        np.clip(band, low, high, out=band)
        made[top : top + height, :, :colours] = band if picture.dtype.kind == "f" else np.rint(band, out=band)
    return made
