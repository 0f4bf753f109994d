"""Which settings a file is linted with: those of the nearest configuration file, under the command line's."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from optlint.settings.layers import Layer, file_in, layers_of, merged, spelled
from optlint.settings.options import Settings
from optlint.settings.values import ConfigError


class Resolver:
    """Finds the settings for directories, and keeps what it found.

    given: layers over every configuration file. config: a file that stands for all others. warnings: what the
    user should know about the settings that were met so far.
    """

    def __init__(self, given: tuple[Layer, ...] = (), *, config: str | None = None, isolated: bool = False) -> None:
        self.warnings: list[str] = []
        self._given = given
        self._config = config
        self._isolated = isolated
        self._fixed: Settings | None = None
        self._files: dict[str, str | None] = {}  # directory → configuration file
        self._settings: dict[str | None, Settings | ConfigError] = {}  # configuration file → settings

    @classmethod
    def fixed(cls, settings: Settings) -> Resolver:
        """The same settings for every file."""
        resolver = cls(isolated=True)
        resolver._fixed = settings
        return resolver

    def of(self, directory: str, names: Collection[str] | None = None) -> Settings:
        """The settings for what lies in a directory (an absolute path). Raises ConfigError.

        ``names``: what the directory holds, where that is known.
        """
        if self._fixed is not None:
            return self._fixed
        if self._config is not None or self._isolated:
            return self._made(self._config)
        passed: list[str] = []
        found: str | None = None
        while True:
            if directory in self._files:
                found = self._files[directory]
                break
            passed.append(directory)
            found = file_in(directory, names)
            parent = os.path.dirname(directory)
            if found is not None or parent == directory:
                break
            directory, names = parent, None
        self._files.update(dict.fromkeys(passed, found))
        return self._made(found)

    def root(self) -> Settings:
        """The settings of the run itself: those for the working directory. Raises ConfigError."""
        try:
            here = os.getcwd()
        except OSError:
            return self._made(self._config)
        return self.of(here)

    def reported(self) -> AbstractContextManager[None]:
        """The knowledge to write a report with: the pages of all settings that were met so far."""
        met = {s.rules for s in (self._fixed, *self._settings.values()) if isinstance(s, Settings) and s.rules}
        if not met:
            return nullcontext()
        from optlint.knowledge import Knowledge, knowledge_of, using

        own = {page.code: page for rules in sorted(met) for page in knowledge_of(rules).own_mistakes}
        return using(Knowledge(mistakes=own.values()))

    def source(self, settings: Settings) -> str | None:
        """The configuration file that settings come from."""
        return next((file for file, made in self._settings.items() if made is settings), None)

    def _made(self, file: str | None) -> Settings:
        if file not in self._settings:
            try:
                self._settings[file] = self._resolved(file)
            except ConfigError as error:
                self._settings[file] = error
        made = self._settings[file]
        if isinstance(made, ConfigError):
            raise made
        return made

    def _resolved(self, file: str | None) -> Settings:
        from_file: tuple[Layer, ...] = ()
        directory = ""
        if file is not None:
            from optlint.files import shown

            from_file = layers_of(file, shown(file))
            directory = os.path.dirname(os.path.abspath(file))
        layers = (*from_file, *self._given)
        settings = merged(layers, directory)
        self._check_rules(settings, layers)
        return settings

    def _check_rules(self, settings: Settings, layers: tuple[Layer, ...]) -> None:
        """The project's own rules are in order, and every rule that is mentioned exists.

        One that is only documentation is not looked for.
        """
        spoken = [(layer, key) for layer in layers for key in layer.values if key in _MENTIONS]
        if not spoken and not settings.rules:
            return
        from optlint.knowledge import KnowledgeError, knowledge_of
        from optlint.selection import UnknownRule, mentioned, named

        try:
            rules = knowledge_of(settings.rules).mistakes
        except KnowledgeError as error:
            from optlint.files import shown

            raise ConfigError(shown(str(error.path)), error.line, error.message) from None
        for layer, key in spoken:
            for mention in _mentions(key, layer.values[key]):
                try:
                    mentioned(mention, rules)
                except UnknownRule as error:
                    raise layer.error(str(error), spelled(key), mention) from None
                rule = named(mention, rules)
                if rule is not None and rule.off and key in ("select", "extend_select"):
                    warning = f"{rule.code} is documentation and is not looked for: {rule.off}"
                    if warning not in self.warnings:
                        self.warnings.append(warning)


_MENTIONS = frozenset(
    {"select", "extend_select", "ignore", "extend_ignore", "per_file_ignores", "extend_per_file_ignores", "severity"}
)


def _mentions(key: str, value: Any) -> list[str]:
    if key == "severity":
        return [mention for mention, _ in value]
    if key.endswith("per_file_ignores"):
        return [mention for _, mentions in value for mention in mentions]
    return list(value or ())
