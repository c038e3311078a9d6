"""Long names in little room."""

import re

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
