"""Standard output and standard error: UTF-8 whatever the locale says, and colour where it is wanted."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO


def write(text: str, *, error: bool = False) -> None:
    """Write UTF-8, whatever the locale's encoding; a reader that has gone away is no error."""
    write_bytes(encoded(text), error=error)


def write_bytes(data: bytes, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    if not data or stream is None:
        return
    raw: BinaryIO = stream.buffer
    try:
        stream.flush()
        raw.write(data)
        raw.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at its end: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def encoded(text: str) -> bytes:
    """UTF-8; what no encoding has (a file name that is no text) becomes an escape."""
    return text.encode("utf-8", "backslashreplace")


def wants_color(choice: str) -> bool:
    """``--color``, then NO_COLOR, then FORCE_COLOR and CLICOLOR_FORCE, then whether this is a terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
