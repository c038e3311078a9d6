import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import RequestError
from regraft.data.channels import to_channels

RGBA = np.random.default_rng(0).integers(0, 256, (9, 8, 4), dtype=np.uint8)


@pytest.mark.parametrize("given", [1, 3, 4])
@pytest.mark.parametrize("wanted", [1, 3, 4])
def test_the_same_as_pillow(given: int, wanted: int) -> None:
    picture = RGBA[:, :, :given]
    image = Image.fromarray(picture[:, :, 0] if given == 1 else picture)
    if given == 4 and wanted != 4:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    expected = np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[wanted])).reshape(9, 8, wanted)
    found = to_channels(picture, wanted, 255)
    assert found.dtype == np.uint8
    # Pillow composites in fixed point, one step off at most; without opacity the arithmetic is the same.
    assert np.abs(found.astype(int) - expected).max() <= (1 if given == 4 else 0)
    unit = to_channels((picture / 255).astype(np.float32), wanted, 1.0)
    assert unit.dtype == np.float32
    assert np.abs(unit * 255 - expected).max() <= 1


def test_other_numbers_are_refused() -> None:
    with pytest.raises(RequestError, match="expected 1, 3 or 4 channels for pictures, found 2"):
        to_channels(RGBA, 2, 255)
