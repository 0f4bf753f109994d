"""Standard output and standard error: UTF-8 whatever the locale says, and colour where it is wanted."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import threading


@dataclass(frozen=True, slots=True)
class Screen:
    """What the output may use. width: the columns to wrap to, or None for a pipe or a file; links: OSC 8."""

    color: bool = False
    width: int | None = None
    links: bool = False

    @classmethod
    def of_output(cls, color: str = "auto", *, error: bool = False) -> Screen:
        """Standard output's, or standard error's; ``color`` is the choice of ``--color``."""
        stream = sys.stderr if error else sys.stdout
        is_terminal = stream is not None and stream.isatty()
        colored = wants_color(color, is_terminal)
        return cls(
            color=colored,
            width=_columns() if is_terminal else None,
            links=is_terminal and colored and os.environ.get("TERM") != "dumb",
        )


PLAIN = Screen()


class Progress:
    """What is being read, on the terminal of standard error, once a run takes longer than a second.

    Used as a context; called with each file's name before it is read.
    """

    def __init__(self, *, wanted: bool = True, delay: float = 1.0, every: float = 0.1) -> None:
        self._delay, self._every = delay, every
        self._files, self._name = 0, ""
        self._done: threading.Event | None = None
        if wanted and sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            import threading

            self._done = threading.Event()
            self._thread = threading.Thread(target=self._show, args=(self._done,), daemon=True)

    def __call__(self, name: str) -> None:
        self._files, self._name = self._files + 1, name

    def __enter__(self) -> Progress:
        if self._done:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._done:
            self._done.set()
            self._thread.join()

    def _show(self, done: threading.Event) -> None:
        if done.wait(self._delay):
            return
        while True:
            from optlint.report.text import printable

            line = printable(f"optlint: file {self._files}: {self._name}")
            columns = _columns() - 1
            write(f"\r\x1b[2K{line if len(line) <= columns else line[: columns - 1] + '…'}", error=True)
            if done.wait(self._every):
                write("\r\x1b[2K", error=True)
                return


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


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def encoded(text: str) -> bytes:
    """UTF-8; what no encoding has (a file name that is no text) becomes an escape."""
    return text.encode("utf-8", "backslashreplace")


def wants_color(choice: str, is_terminal: bool) -> bool:
    """``--color``, then NO_COLOR, then FORCE_COLOR and CLICOLOR_FORCE, then whether this is a terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"
