"""``python -m optlint.server``."""

from __future__ import annotations

from optlint.server import main

if __name__ == "__main__":
    main()
