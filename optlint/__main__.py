"""The command as a program: ``optlint``, ``python -m optlint``."""

from __future__ import annotations

import sys


def run() -> None:
    try:
        from optlint.cli import main

        main(prog_name="optlint")
    except KeyboardInterrupt:  # while modules are loaded: later ones are the command's own matter
        sys.exit(130)


if __name__ == "__main__":
    run()
