"""Takes the picture at the top of the README from the report of a real run: `python docs/picture.py flowers-run`.

It needs Chromium. The page is as the run wrote it, but for the current folder, which is left out of the paths. The
picture in the README is of this run, in a folder with the pictures and the network:

    regraft fit flowers --source mobilenet.keras --input-size 128 --out flowers-run
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

PICTURE = Path(__file__).with_name("images") / "report.png"
WIDTH, HEIGHT = 1080, 1180
_COLOURS = 96


def take(report: Path, picture: Path = PICTURE) -> None:
    """Draw the top of a report as a PNG of few colours."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    with tempfile.TemporaryDirectory() as folder:
        page, raw = Path(folder) / "report.html", Path(folder) / "report.png"
        page.write_text(report.read_text(encoding="utf-8").replace(f"{Path.cwd()}/", ""), encoding="utf-8")
        size, shot = f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={raw}"
        subprocess.run(["chromium", *options, size, shot, page.as_uri()], check=True, capture_output=True)
        picture.parent.mkdir(exist_ok=True)
        Image.open(raw).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]) / "report.html")
