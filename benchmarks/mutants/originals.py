"""Which correct programs are mutated: the project's own, and optimizers as they were released."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.mutants.source import framework_of
from optlint.knowledge import mistakes

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "benchmarks" / "packages.toml"


@dataclass(frozen=True)
class Program:
    """A text to mutate. source: "fixtures", "pages", or a package and version; path: where it lies, or nothing."""

    name: str
    source: str
    text: str
    path: str = ""

    @property
    def framework(self) -> str:
        """Whose language the program speaks."""
        return framework_of(self.text)


def programs(sources: list[str], cache: Path | None) -> Iterator[Program]:
    """The programs of these sources, in a fixed order."""
    for source in sources:
        if source == "fixtures":
            yield from _fixtures()
        elif source == "pages":
            yield from _pages()
        else:
            if cache is None:
                raise SystemExit(f"{source} is a released package: say with --cache where to keep it")
            yield from _released(source, cache)


def known_sources() -> list[str]:
    return ["fixtures", "pages", *_packages()]


def _fixtures() -> Iterator[Program]:
    for path in sorted((ROOT / "fixtures").rglob("*.py")):
        if path.stem.startswith(("correct", "founding_rmsprop_correct")):
            yield Program(str(path.relative_to(ROOT)), "fixtures", path.read_text(encoding="utf-8"), str(path))


def _pages() -> Iterator[Program]:
    for page in mistakes():
        for number, text in enumerate(page.good, 1):
            yield Program(f"{page.code}-good-{number}.py", "pages", text)


# released packages


def _packages() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = tomllib.loads(PACKAGES.read_text(encoding="utf-8"))
    return found


def _released(name: str, cache: Path) -> Iterator[Program]:
    entry = _packages()[name]
    folder = cache / f"{name}-{entry['version']}"
    if not folder.is_dir():
        _fetch(name, entry, folder)
    patterns = entry["files"]
    assert isinstance(patterns, list)
    for path in sorted(folder.rglob("*.py")):
        if any(fnmatch(path.relative_to(folder).as_posix(), p) for p in patterns):
            text = path.read_text(encoding="utf-8")
            yield Program(str(path.relative_to(cache)), f"{name} {entry['version']}", text, str(path.resolve()))


def _fetch(name: str, entry: dict[str, object], folder: Path) -> None:
    """Download a wheel and keep the files that are named. Nothing of it is installed, imported or run."""
    patterns = [p for key in ("files", "beside") for p in entry.get(key, [])]  # type: ignore[attr-defined]
    with TemporaryDirectory() as store:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "--dest", store, f"{name}=={entry['version']}"], check=True)
        (wheel,) = Path(store).iterdir()
        with zipfile.ZipFile(wheel) as archive:
            members = sorted(m for m in archive.namelist() if any(fnmatch(m, p) for p in patterns))
            state = hashlib.sha256()
            for member in members:
                state.update(member.encode() + b"\0" + archive.read(member))
            if state.hexdigest() != entry["digest"]:
                raise SystemExit(f"{name}: the files have the digest {state.hexdigest()}, not that of {PACKAGES.name}")
            for member in members:
                archive.extract(member, folder)
