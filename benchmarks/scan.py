"""How long optlint takes for a large tree in which next to nothing is an optimizer, beside Ruff on the same tree.

    python benchmarks/scan.py [FOLDER]

The folder is Python's standard library unless another is named. Both run without a cache and without configuration,
in turns; the fastest run of each counts, in seconds of the clock and of the processors. ``looked at`` are the files in
whose bytes something speaks for an optimizer, with the time for finding that out of all. Needs ``ruff`` (the extra
``test``).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path

ROUNDS = 3


def commands(folder: str) -> dict[str, list[str]]:
    return {
        "ruff": [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--quiet", folder],
        "optlint": [sys.executable, "-m", "optlint", "--isolated", "--no-cache", "--quiet", folder],
    }


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds of the clock, and of the processors."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def size(folder: str) -> tuple[int, float]:
    """How many files with Python's ending there are, and megabytes in them."""
    files = [path for path in Path(folder).rglob("*.py*") if path.suffix in (".py", ".pyi") and path.is_file()]
    return len(files), sum(path.stat().st_size for path in files) / 1e6


def scanned(folder: str) -> tuple[int, float]:
    """How many files are worth a look, and the seconds of a processor for reading all and finding that out."""
    from optlint.files import FoundFile, discover, read
    from optlint.locate import worth_reading

    start = time.process_time()
    contents = (read(found) for found in discover([folder]) if isinstance(found, FoundFile))
    worth = sum(isinstance(data, bytes) and worth_reading(data) for data in contents)
    return worth, time.process_time() - start


def main(arguments: Iterable[str]) -> None:
    folder = next(iter(arguments), sysconfig.get_path("stdlib"))
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands(folder)}
    for _ in range(ROUNDS):
        for name, command in commands(folder).items():
            runs[name].append(timed(command))
    count, megabytes = size(folder)
    print(f"{folder}: {count} files, {megabytes:.0f} MB")
    best = {name: (min(c for c, _ in times), min(p for _, p in times)) for name, times in runs.items()}
    for name, (clock, processor) in best.items():
        print(f"{name:8} {clock:6.2f} s, {processor:6.2f} s of processors")
    looked, seconds = scanned(folder)
    print(f"scan     {seconds:6.2f} s of a processor; {looked} files are looked at")
    (ruff, ruff_work), (own, own_work) = best["ruff"], best["optlint"]
    print(f"ratio    {own / ruff:6.2f}    {own_work / ruff_work:6.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
