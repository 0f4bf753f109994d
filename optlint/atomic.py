"""Writing a file so that a reader sees the old content or the new, and never half of it."""

from __future__ import annotations

import contextlib
import os
import stat


def write(path: str, data: bytes) -> None:
    """Replace a file's content and keep its mode; raises OSError. What is no regular file (a pipe) is written to."""
    target = os.path.realpath(path)  # the file that a link names, not the link
    try:
        mode: int | None = os.stat(target).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        with open(target, "wb") as stream:
            stream.write(data)
        return
    folder, name = os.path.split(target)
    beside = os.path.join(folder, f".{name[:100]}.{os.getpid()}.tmp")
    try:
        with open(beside, "xb") as stream:
            stream.write(data)
        if mode is not None:
            os.chmod(beside, stat.S_IMODE(mode))
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
