"""The language server: ``optlint-server`` over standard input and output (the extra ``optlint[server]``)."""

from __future__ import annotations

import sys


def main() -> None:
    """Serve until the editor says that it is done."""
    arguments = sys.argv[1:]
    if any(argument in ("-V", "--version") for argument in arguments):
        from optlint import __version__

        print(f"optlint-server {__version__}")
        return
    if arguments not in ([], ["--stdio"]):
        print(
            "usage: optlint-server [--stdio] [--version]\n\nAn editor starts it, and talks to it over standard input."
        )
        sys.exit(0 if arguments[0] in ("-h", "--help") else 2)
    try:
        from optlint.server.service import Server
    except ImportError as error:
        if not (error.name or "").startswith(("pygls", "lsprotocol")):
            raise
        print("optlint-server needs pygls: pip install 'optlint[server]'", file=sys.stderr)
        sys.exit(2)
    Server().start_io()
