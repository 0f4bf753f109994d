"""What one run of the command works with beside its settings: the workers, the cache, the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optlint.api import Means
from optlint.files import FoundFile, discover
from optlint.model import Problem, Report
from optlint.settings import Settings
from optlint.settings.resolve import Resolver

if TYPE_CHECKING:
    from optlint.baseline import Counts

NO_BASELINE = "there is no baseline to write: name it with --baseline FILE, or as baseline in the configuration"


@dataclass(frozen=True, slots=True)
class Run:
    """means: what linting works with; read: the names of the files that were read."""

    means: Means
    resolver: Resolver
    read: set[str] = field(default_factory=set)

    @classmethod
    def prepared(cls, settings: Settings, resolver: Resolver, *, writes_baseline: bool = False) -> Run:
        """Raises ConfigError where the baseline cannot be used."""
        from optlint.cache import Cache
        from optlint.tasks import processors

        baseline = None
        if writes_baseline and settings.baseline is None:
            from optlint.settings import ConfigError

            raise ConfigError("--write-baseline", None, NO_BASELINE)
        if settings.baseline is not None and (writes_baseline or not settings.ignore_baseline):
            from optlint.baseline import read

            baseline = read(settings.baseline, missing=writes_baseline)
        jobs = settings.jobs if isinstance(settings.jobs, int) else processors()
        cache = None if settings.no_cache else Cache(resolver.warnings.append)
        return cls(Means(jobs, cache, baseline), resolver)

    def noted(self, progress: Callable[[str], object]) -> Callable[[str], object]:
        """``progress``, which is told of each file before it is read, and the name kept."""

        def note(name: str) -> None:
            self.read.add(name)
            progress(name)

        return note

    def seen(
        self, paths: tuple[str, ...], stdin_filename: str, progress: Callable[[str], object]
    ) -> Iterator[FoundFile | Problem]:
        """The files of the run, each noted as it is asked for."""
        note = self.noted(progress)
        for found in discover(paths, stdin_filename, self.resolver):
            if isinstance(found, FoundFile):
                note(found.name)
            yield found

    def close(self) -> None:
        if self.means.cache is not None:
            self.means.cache.close()

    def stale(self, report: Report, *, listed: bool) -> list[str]:
        """What to say of findings that the baseline holds and that are gone; ``listed``: of each, too."""
        baseline = self.means.baseline
        gone = self._gone(report)
        if baseline is None or not gone:
            return []
        from optlint.files import shown
        from optlint.report.text import plural, printable

        name = shown(baseline.path)
        lines = [
            f"{name}: {printable(path)}: {kind.code} in {printable(kind.update) or 'this file'} is gone"
            + (f" ({count} times)" if count > 1 else "")
            for path, counts in sorted(gone.items())
            for kind, count in sorted(counts.items())
        ]
        number = plural(sum(counts.total() for counts in gone.values()), "finding")
        said = f"{name}: {number} of the baseline not found any more; --write-baseline takes such out"
        return [*(lines if listed else []), said]

    def write_baseline(self, report: Report) -> str:
        """Write what was found. Returns what that changes; raises ConfigError where it cannot be written."""
        from optlint.files import shown
        from optlint.report.text import plural

        before = self.means.baseline
        assert before is not None
        gone = self._gone(report)
        after = before.renewed(report, gone)
        after.write()
        new, old = len(report.findings), sum(counts.total() for counts in gone.values())
        return f"{shown(before.path)}: {plural(after.total, 'finding')} ({new} new, {old} gone)"

    def _gone(self, report: Report) -> dict[str, Counts]:
        baseline = self.means.baseline
        if baseline is None or not baseline.counts:
            return {}
        from optlint.baseline import looked_for

        return baseline.gone(report, looked_for(baseline, self.read, self.resolver))
