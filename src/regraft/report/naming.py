"""Long names in little room."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup, escape

_TOGETHER = re.compile(r"(?:[<+] )?\S+")
_WORD = re.compile(r"[^\W\d_]+")


def shortened(name: str, width: int) -> str:
    """A name whose words are cut, all to the same length, until it fits; numbers, which tell layers apart, stay whole.

    >>> shortened("inverted_residual_13_project_BN < inverted_residual_9_project_BN", 42)
    'inve_resi_13_proj_BN < inve_resi_9_proj_BN'
    >>> shortened("conv_5", 6), shortened("1234567", 5)
    ('conv_5', '12345')

    Args:
        name: of anything.
        width: how many characters there is room for; no word is cut to less than two letters, and what is too long
            then loses its end.
    """
    longest = max((len(word) for word in _WORD.findall(name)), default=0)
    for letters in range(longest, 1, -1):
        cut = _WORD.sub(lambda found, letters=letters: found[0][:letters], name)
        if len(cut) <= width:
            return cut
    return _WORD.sub(lambda found: found[0][:2], name)[:width]


def common_folder(names: Sequence[str]) -> str:
    """The folder that all names that are paths are in, where that is worth saying once; else an empty text.

    >>> common_folder(["/a/b/c.keras", "/a/b/d/e.keras", "keras:MobileNet"])
    '/a/b'
    >>> common_folder(["a/b.keras"]), common_folder(["/a/c.keras", "/b/d.keras"])
    ('', '')
    """
    paths = [name for name in names if "://" not in name and os.sep in name]
    if len(paths) < 2:
        return ""
    try:
        found = os.path.commonpath([Path(path).parent for path in paths])
    except ValueError:  # Some are absolute, some are not.
        return ""
    return "" if found == os.sep else found


def within(name: str, folder: str) -> str:
    """A path as it is seen from a folder that it is in; any other name as it is.

    >>> within("/a/b/c.keras", "/a/b"), within("keras:MobileNet", "/a/b"), within("c", "")
    ('c.keras', 'keras:MobileNet', 'c')
    """
    return name[len(folder) + 1 :] if folder and name.startswith(f"{folder}{os.sep}") else name


def breakable(name: str) -> Markup:
    r"""A name, or a sentence with names, that is broken between its words, and within them only where parts end.

    What joins the parts of a way's name, `<` and `+`, stays with what follows it.

    >>> breakable("a_b < c d")
    Markup('<span class="word">a_<wbr>b</span> &lt;\xa0c d')
    """
    return Markup(" ").join(_word(word.replace(" ", "\N{NO-BREAK SPACE}")) for word in _TOGETHER.findall(name))


def _word(word: str) -> Markup:
    parts = re.split(r"(?<=[_/.])(?=\w)", word)
    if len(parts) == 1:
        return escape(word)
    return Markup('<span class="word">{}</span>').format(Markup("<wbr>").join(parts))
