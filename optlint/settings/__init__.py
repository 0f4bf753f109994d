"""What a run is asked to do: options with their defaults, configuration files, and the command line over them."""

from __future__ import annotations

from optlint.settings.options import CONVENTIONS, FAIL_ON, OUTPUT_FORMATS, Selection, Settings, options
from optlint.settings.values import ConfigError

__all__ = ["CONVENTIONS", "FAIL_ON", "OUTPUT_FORMATS", "ConfigError", "Selection", "Settings", "options"]
