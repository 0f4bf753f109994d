"""``python -m optlint``."""

from __future__ import annotations

from optlint.cli import main

if __name__ == "__main__":
    main(prog_name="optlint")
