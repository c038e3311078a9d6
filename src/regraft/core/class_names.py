"""Whether two names of classes are meant to be the same."""


def folded(name: str) -> str:
    """What names of one class have in common, however they are written.

    >>> folded("Golden_Retriever ") == folded("golden retriever")
    True
    """
    return " ".join(name.replace("_", " ").split()).casefold()
