"""What every test starts from: one process and no cache, whatever the machine; tests of those say otherwise."""

from __future__ import annotations

import os

os.environ |= {"OPTLINT_JOBS": "1", "OPTLINT_NO_CACHE": "1"}
