"""JPEG files by libjpeg-turbo directly: bit for bit what Pillow makes of them, and the same words about bad ones."""

import functools
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from regraft.data import UnreadableExample, decode, jpeg, read_picture

SMOOTH = np.asarray(Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)).resize((61, 47)))
Direct = Callable[[], int]


def saved(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def sampled(factor: int) -> bytes:
    """Pillow cannot write every kind of sampling."""
    return cv2.imencode(".jpg", SMOOTH, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor])[1].tobytes()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(Image.fromarray(SMOOTH), exif=exif)


RGB, GREY = Image.fromarray(SMOOTH), Image.fromarray(SMOOTH).convert("L")

# By what is special: the file, and whether Pillow need not decode it.
FILES: dict[str, tuple[bytes, bool]] = {
    "4:4:4": (saved(RGB, subsampling=0), True),
    "4:2:2": (saved(RGB, subsampling=1), True),
    "4:2:0": (saved(RGB, subsampling=2), True),
    "4:1:1": (sampled(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411), True),
    "4:4:0": (sampled(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440), True),
    "progressive": (saved(RGB, progressive=True), True),
    "restarts": (saved(RGB, restart_marker_blocks=3), True),
    "one pixel": (saved(RGB.crop((0, 0, 1, 1))), True),
    "one row": (saved(RGB.crop((0, 0, 61, 1))), True),
    "odd size": (saved(RGB.crop((3, 2, 20, 33))), True),
    "grey": (saved(GREY), True),
    "grey, progressive": (saved(GREY, progressive=True), True),
    "stored as RGB": (saved(RGB, keep_rgb=True), True),
    "comment": (saved(RGB, comment=b"of a camera"), True),
    "profile": (saved(RGB, icc_profile=b"profile"), True),
    "several pictures": (saved(RGB, "MPO", save_all=True, append_images=[RGB.rotate(180)]), True),
    "more after the end": (saved(RGB) + b"and more", True),
    "upright": (turned(1), True),
    "no such orientation": (turned(77), True),
    "turned": (turned(6), False),
    "CMYK": (saved(RGB.convert("CMYK")), False),
    "cut off": (saved(RGB)[:-100], False),
    "without its end": (saved(RGB)[:-2], False),
    "progressive, cut off": (saved(RGB, progressive=True)[:-200], False),
    "headers only": (saved(RGB)[:300], False),
    **{f"{length} bytes": (saved(RGB)[:length], False) for length in (3, 4, 6, 22, 24, 25, 158, 160, 163, 170)},
}


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> Direct:
    """How many files were decoded directly."""
    given: list[np.ndarray] = []
    decoded = jpeg._decoded

    def counted(content: bytes, size: tuple[int, int], least: int) -> np.ndarray | None:
        found = decoded(content, size, least)
        given.extend([] if found is None else [found])
        return found

    monkeypatch.setattr(jpeg, "_decoded", counted)
    return lambda: len(given)


def outcome(content: bytes) -> tuple[object, ...]:
    """The pixels, or the error."""
    try:
        pixels = read_picture(content, 3, "file")
    except UnreadableExample as error:
        return (str(error),)
    return pixels.shape, pixels.dtype.str, pixels.tobytes()


def by_pillow(content: bytes) -> tuple[object, ...]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(jpeg, "_decoded", lambda content, size, least: None)
        return outcome(content)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_gives_what_pillow_makes_of_it(kind: str, direct: Direct) -> None:
    content, directly = FILES[kind]
    expected = by_pillow(content)
    assert outcome(content) == expected
    assert direct() == directly


def test_altered_files_give_what_pillow_makes_of_them(direct: Direct) -> None:
    random = np.random.default_rng(0)
    tried = 0
    for content, directly in FILES.values():
        for _ in range(40 if directly else 4):
            altered = bytearray(content)
            for place in random.integers(0, len(content), random.integers(1, 4)):
                altered[place] = random.integers(256)
            cut = bytes(altered[: random.integers(1, len(content))])
            for one in (bytes(altered), cut):
                assert outcome(one) == by_pillow(one)
                tried += 1
    # Some of both kinds: those that decode all the same, and those that do not.
    assert tried / 10 < direct() < tried * 9 / 10


@pytest.mark.shared
@pytest.mark.parametrize("name", ["flowers5_227px", "sign_language_digits"])
def test_real_files_give_what_pillow_makes_of_them(name: str, shared_folder: Path, direct: Direct) -> None:
    paths = sorted(path for path in (shared_folder / "data" / name).rglob("*") if path.suffix.lower() == ".jpg")[::5]
    for path in paths:
        with Image.open(path) as picture:
            expected = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(read_picture(path), expected)
    assert direct() == len(paths) > 100


def test_what_pillow_decodes_in_another_way_is_left_to_it(direct: Direct) -> None:
    for channels in (1, 4):
        assert read_picture(FILES["4:2:0"][0], channels).shape == (47, 61, channels)
    assert direct() == 0


@pytest.mark.parametrize("least", [0, 5, 6, 11, 12, 23, 24, 47, 100])
def test_files_are_decoded_small_as_pillow_does_it(least: int, direct: Direct) -> None:
    for content, directly in FILES.values():
        before = direct()
        with decode.at_least(least):
            expected = by_pillow(content)
            assert outcome(content) == expected
        # Files that are cut off at the end may be whole enough for a part of their data, or are Pillow's.
        assert direct() - before == directly


def test_by_how_much_a_picture_may_be_smaller() -> None:
    assert [jpeg.divisor(400, 640, least) for least in (0, 201, 200, 101, 100, 51, 50, 3)] == [1, 1, 2, 2, 4, 4, 8, 8]
    assert [jpeg.divisor(1, 9, least) for least in (0, 1, 2)] == [1, 1, 1]


def test_a_pillow_that_rounds_otherwise_decodes_everything(monkeypatch: pytest.MonkeyPatch, direct: Direct) -> None:
    content = FILES["4:2:0"][0]
    expected = read_picture(content)
    decoder = jpeg.simplejpeg.decode_jpeg
    monkeypatch.setattr(jpeg.simplejpeg, "decode_jpeg", lambda *given: decoder(*given) // 2)
    monkeypatch.setattr(jpeg, "_agrees", functools.cache(jpeg._agrees.__wrapped__))
    np.testing.assert_array_equal(read_picture(content), expected)
    assert direct() == 1


def test_a_plain_file_of_too_many_pixels_is_refused_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    with pytest.raises(UnreadableExample, match="'file' has 61 x 47 pixels, more than the 2,000"):
        read_picture(FILES["4:2:0"][0], 3, "file")
