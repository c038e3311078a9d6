"""The one script that a page may have: its own, which a browser runs by the digest of it and nothing else."""

import base64
import functools
import hashlib

from regraft.report.page import environment


@functools.cache
def script(name: str) -> str:
    """A script from the templates.

    Args:
        name: of its file.
    """
    return environment().get_template(name).render()


@functools.cache
def policy(name: str) -> str:
    """What a browser may do with the page: run this script, and load nothing.

    Args:
        name: of the script's file.
    """
    digest = base64.b64encode(hashlib.sha256(script(name).encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
