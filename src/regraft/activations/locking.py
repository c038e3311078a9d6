"""Locks of the operating system on open files: gone with the process that holds them, however it ends."""

try:
    import fcntl
except ImportError:
    # Windows: there nothing is locked, and two processes may do the same twice.
    fcntl = None

AVAILABLE = fcntl is not None


def locked(number: int) -> bool:
    """Lock an open file for this process alone if nobody else has it locked; closing it gives it back.

    Args:
        number: its descriptor.

    Returns:
        Whether it is locked for this process now.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
