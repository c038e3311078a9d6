import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from regraft.core.errors import RequestError
from regraft.data import UnreadableExample, read_picture
from regraft.data.decode import at_least

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GRAY = RGB[:, :, 0]
ALPHA = np.random.default_rng(1).integers(0, 256, (5, 7, 1), dtype=np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def luma(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels[:, :, :3] @ np.array([0.299, 0.587, 0.114]))[:, :, np.newaxis]


def on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    opacity = alpha / 255
    return pixels * opacity + 255 * (1 - opacity)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("PPM", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_lossless_kinds_give_the_pixels_that_were_written(kind: str, options: dict[str, object]) -> None:
    file = saved(Image.fromarray(RGB), kind, **options)
    np.testing.assert_array_equal(read_picture(file, 3), RGB)
    # Luma in 16-bit fixed point is at most one step off the rounded exact value.
    assert np.abs(read_picture(file, 1) - luma(RGB)).max() <= 1
    four = read_picture(file, 4)
    np.testing.assert_array_equal(four, np.concatenate([RGB, np.full((5, 7, 1), 255)], axis=-1))
    assert {read_picture(file, channels).dtype for channels in (1, 3, 4)} == {np.dtype(np.uint8)}


def test_jpeg_of_one_colour_keeps_it() -> None:
    image = Image.new("RGB", (16, 8), (200, 30, 90))
    pixels = read_picture(saved(image, "JPEG", quality=100, subsampling=0), 3)
    assert pixels.shape == (8, 16, 3)
    # The colour transform of JPEG rounds to whole numbers twice.
    assert np.abs(pixels.astype(int) - np.array([200, 30, 90])).max() <= 2


def test_three_channels_are_the_default() -> None:
    assert read_picture(saved(Image.fromarray(GRAY)), None).shape == (5, 7, 3)


def test_gray_is_repeated() -> None:
    np.testing.assert_array_equal(read_picture(saved(Image.fromarray(GRAY)), 1)[:, :, 0], GRAY)
    np.testing.assert_array_equal(read_picture(saved(Image.fromarray(GRAY)), 3), np.stack([GRAY] * 3, axis=-1))


def test_opacity_is_composited_on_white() -> None:
    file = saved(Image.fromarray(np.concatenate([RGB, ALPHA], axis=-1)))
    # Pillow's fixed-point compositing is at most one step off.
    assert np.abs(read_picture(file, 3) - on_white(RGB, ALPHA)).max() <= 1
    assert np.abs(read_picture(file, 1) - luma(on_white(RGB, ALPHA))).max() <= 2
    np.testing.assert_array_equal(read_picture(file, 4), np.concatenate([RGB, ALPHA], axis=-1))


def test_gray_with_opacity_is_composited_on_white() -> None:
    image = Image.fromarray(GRAY)
    image.putalpha(Image.fromarray(ALPHA[:, :, 0]))
    assert image.mode == "LA"
    assert np.abs(read_picture(saved(image), 1) - on_white(GRAY[:, :, np.newaxis], ALPHA)).max() <= 1


def paletted() -> Image.Image:
    image = Image.fromarray(np.array([[0, 1], [2, 3]], dtype=np.uint8))
    image = image.convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
    return image


PALETTED = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]])


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palettes_become_their_colours(kind: str) -> None:
    np.testing.assert_array_equal(read_picture(saved(paletted(), kind), 3), PALETTED)


def test_a_transparent_palette_entry_becomes_white() -> None:
    expected = PALETTED.copy()
    expected[1, 1] = 255
    for kind in ("PNG", "GIF"):
        np.testing.assert_array_equal(read_picture(saved(paletted(), kind, transparency=3), 3), expected)


def test_a_palette_with_an_opacity_per_entry_is_composited() -> None:
    file = saved(paletted(), transparency=bytes([255, 0, 128, 255]))
    expected = on_white(PALETTED, np.array([[255, 0], [128, 255]])[:, :, np.newaxis])
    assert np.abs(read_picture(file, 3) - expected).max() <= 1


def test_a_transparent_colour_becomes_white() -> None:
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8)
    file = saved(Image.fromarray(pixels), transparency=(1, 2, 3))
    np.testing.assert_array_equal(read_picture(file, 3), [[[255, 255, 255], [4, 5, 6]]])


def test_one_bit_becomes_black_and_white() -> None:
    bits = np.array([[True, False, True]])
    for kind in ("PNG", "PPM", "TIFF", "BMP"):
        np.testing.assert_array_equal(read_picture(saved(Image.fromarray(bits), kind), 1)[:, :, 0], [[255, 0, 255]])


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    pixels = read_picture(saved(image, "JPEG", quality=100), 3)
    # Pure red: no cyan, all magenta and yellow; JPEG may be a few steps off.
    assert np.abs(pixels.astype(int) - np.array([255, 0, 0])).max() <= 3
    exact = read_picture(saved(image, "TIFF"), 3)
    np.testing.assert_array_equal(exact, np.broadcast_to([255, 0, 0], (8, 8, 3)))


def test_ycbcr_becomes_rgb() -> None:
    image = Image.fromarray(RGB).convert("YCbCr")
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read_picture(saved(image, "TIFF"), 3), expected)


WIDE = np.array([[0, 257, 32896, 60000, 65535]], dtype=np.uint16)
NARROW = [0, 1, 128, 233, 255]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(kind: str) -> None:
    file = saved(Image.fromarray(WIDE), kind)
    np.testing.assert_array_equal(read_picture(file, 1)[:, :, 0], [NARROW])
    np.testing.assert_array_equal(read_picture(file, 3)[0, :, 2], NARROW)


def test_dark_sixteen_bits_stay_dark() -> None:
    dark = WIDE // 257
    pgm = b"P5\n5 1\n65535\n" + dark.astype(">u2").tobytes()
    for file in (saved(Image.fromarray(dark)), saved(Image.fromarray(dark), "TIFF"), pgm):
        np.testing.assert_array_equal(read_picture(file, 1)[0, :, 0], [0, 0, 0, 1, 1])


def test_sixteen_bits_most_significant_byte_first() -> None:
    pgm = b"P5\n5 1\n65535\n" + WIDE.astype(">u2").tobytes()
    np.testing.assert_array_equal(read_picture(pgm, 1)[0, :, 0], NARROW)


def test_sixteen_bits_with_a_transparent_value() -> None:
    file = saved(Image.fromarray(WIDE), transparency=257)
    np.testing.assert_array_equal(read_picture(file, 1)[0, :, 0], [0, 255, 128, 233, 255])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 100, 255], [0, 100, 255]),
        ([0, 257, 65535], [0, 1, 255]),
        ([-5, 50_000, 100_000], [0, 128, 255]),
    ],
)
def test_whole_numbers_of_32_bits(values: list[int], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.int32))
    np.testing.assert_array_equal(read_picture(saved(image, "TIFF"), 1)[0, :, 0], expected)


@pytest.mark.parametrize(("values", "expected"), [([0, 0.5, 1], [0, 128, 255]), ([0, 7.4, 255], [0, 7, 255])])
def test_floating_point(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.float32))
    np.testing.assert_array_equal(read_picture(saved(image, "TIFF"), 1)[0, :, 0], expected)


def test_floating_point_that_is_no_number() -> None:
    image = Image.fromarray(np.array([[0, np.nan]], dtype=np.float32))
    with pytest.raises(UnreadableExample, match="not a number"):
        read_picture(saved(image, "TIFF"), 1)


def test_the_first_frame_of_an_animation() -> None:
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    for kind in ("GIF", "WEBP"):
        pixels = read_picture(saved(red, kind, save_all=True, append_images=[blue]), 3)
        assert pixels.shape == (4, 4, 3)
        assert np.abs(pixels.astype(int) - np.array([255, 0, 0])).max() <= 3


# What a viewer does with the stored pixels to show them upright, from the EXIF standard: the position of the stored
# picture's row 0 and column 0 as seen by the viewer.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored.swapaxes(0, 1)[:, ::-1],
    7: lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_stand_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    image = Image.fromarray(np.kron(RGB, np.ones((16, 16, 1), dtype=np.uint8)))
    plain = read_picture(saved(image, kind, **options), 3)
    turned = read_picture(saved(image, kind, exif=exif, **options), 3)
    np.testing.assert_array_equal(turned, UPRIGHT[orientation](plain))


def test_an_orientation_that_does_not_exist_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    np.testing.assert_array_equal(read_picture(saved(Image.fromarray(RGB), exif=exif), 3), RGB)


def test_damaged_exif_data_does_not_matter_and_no_warning_leaks() -> None:
    file = saved(Image.fromarray(GRAY), "JPEG", quality=95, exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\xff\xff")
    plain = saved(Image.fromarray(GRAY), "JPEG", quality=95)
    np.testing.assert_array_equal(read_picture(file, 1), read_picture(plain, 1))


def test_warnings_of_pillow_are_muted_only_while_decoding() -> None:
    before = list(warnings.filters)
    threads = [threading.Thread(target=read_picture, args=(saved(Image.fromarray(RGB)), 3)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_truncated_files_name_themselves(kind: str, tmp_path: Path) -> None:
    whole = saved(Image.fromarray(np.kron(RGB, np.ones((8, 8, 1), dtype=np.uint8))), kind)
    path = tmp_path / "half.bin"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableExample, match=r"^'tulip/half.jpg' ") as caught:
        read_picture(path, 3, name="tulip/half.jpg")
    assert "\n" not in str(caught.value)
    assert caught.value.name == "tulip/half.jpg"


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 30])
def test_fakes_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "fake.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableExample, match=r"fake.jpg' "):
        read_picture(path, 3)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UnreadableExample, match=r"none.jpg' is missing: no such file"):
        read_picture(tmp_path / "none.jpg", 3)


@pytest.mark.parametrize("side", [10_000, 40_000])
def test_bombs_are_refused_before_they_are_decoded(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, data, b"IEND")
    )
    with pytest.raises(UnreadableExample, match=r"'bomb' has .*89,478,485 .*allowed.*MAX_IMAGE_PIXELS"):
        read_picture(file, 3, name="bomb")


def test_text_inside_a_picture_that_unpacks_to_megabytes_is_refused() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("note", "a" * 5_000_000, zip=True)
    with pytest.raises(UnreadableExample, match="'bomb' "):
        read_picture(saved(Image.fromarray(RGB), pnginfo=info), 3, name="bomb")


def test_other_numbers_of_channels_are_refused() -> None:
    with pytest.raises(RequestError, match="expected 1, 3 or 4 channels for pictures, found 2"):
        read_picture(saved(Image.fromarray(RGB)), 2)


def _photograph(height: int, width: int) -> Image.Image:
    """A large smooth picture."""
    y, x = np.mgrid[0:height, 0:width] / 40.0
    channels = [127 + 100 * np.sin(x + 2 * y), 127 + 100 * np.cos(y), 127 + 100 * np.sin(x) * np.cos(y)]
    return Image.fromarray(np.stack(channels, axis=-1).astype("uint8"))


@pytest.mark.parametrize(
    ("side", "divisor"), [(0, 1), (201, 1), (200, 2), (101, 2), (100, 4), (51, 4), (50, 8), (3, 8)]
)
def test_a_jpeg_file_is_decoded_smaller_as_far_as_it_may_be(side: int, divisor: int) -> None:
    file = saved(_photograph(400, 640), "JPEG", quality=95)
    with at_least(side):
        pixels = read_picture(file, 3)
    assert pixels.shape == (400 // divisor, 640 // divisor, 3)
    whole = read_picture(file, 3).astype("float64")
    averaged = whole.reshape(400 // divisor, divisor, 640 // divisor, divisor, 3).mean(axis=(1, 3))
    # The decoder drops frequencies instead of averaging, and colours are stored at half the size: a few steps of 255.
    assert np.abs(pixels - averaged).mean() < 1.5


def test_an_upright_draft_and_a_grey_one_keep_their_sizes() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with at_least(40):
        assert read_picture(saved(_photograph(160, 320), "JPEG", exif=exif), 3).shape == (80, 40, 3)
        assert read_picture(saved(_photograph(160, 320).convert("L"), "JPEG"), 1).shape == (40, 80, 1)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_other_files_are_decoded_whole_whatever_may_be(kind: str) -> None:
    with at_least(3):
        assert read_picture(saved(_photograph(80, 80), kind), 3).shape == (80, 80, 3)


def test_the_permission_ends_with_the_block() -> None:
    file = saved(_photograph(80, 80), "JPEG")
    with pytest.raises(RuntimeError), at_least(10):
        raise RuntimeError
    assert read_picture(file, 3).shape == (80, 80, 3)


def test_a_bomb_is_refused_by_its_full_size(monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(_photograph(400, 400), "JPEG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    with at_least(10), pytest.raises(UnreadableExample, match="has 400 x 400 pixels, more than the 100,000"):
        read_picture(file, 3, name="large")
