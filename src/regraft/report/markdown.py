"""Markdown with a head of YAML: whatever a name holds, it stays text."""

import json
import re

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
# YAML allows these in a quoted string only as escapes, JSON also as they are.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def escaped(content: str) -> str:
    """Text that Markdown shows as it is, on one line; HTML in it stays text."""
    line = " ".join(content.split())
    return _MARKDOWN.sub(r"\\\1", line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def quoted(content: str) -> str:
    """A string for YAML."""
    written = json.dumps(content, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def fenced(code: str, language: str) -> str:
    """A block of code whose fence is longer than any fence inside it."""
    longest = max((len(found) for found in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"
