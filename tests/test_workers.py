"""Several files at a time: the same report as from one process, whatever becomes of the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import standins
from click.testing import CliRunner, Result

from optlint import lint_paths, workers
from optlint.cli import main

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> None:
    standins.install(monkeypatch)
    monkeypatch.setattr(workers, "START", workers.START)
    standins.in_workers()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def write(*texts: str) -> None:
    for number, text in enumerate(texts):
        Path(f"a{number:02}.py").write_text(f"{text}\n", encoding="utf-8")


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("output_format", ["json", "full", "gitlab"])
def test_the_report_is_that_of_one_process(output_format: str) -> None:
    write("# error", "x = 1", "# crash", "# note", "# unsupported", "# warning\n# error", "x = '\0'  # error", "# note")
    one, two = (run("--output-format", output_format, "-j", jobs) for jobs in ("1", "2"))
    assert (one.exit_code, one.stdout, one.stderr) == (two.exit_code, two.stdout, two.stderr)
    assert "RecursionError" in one.output and "a07.py" in one.stdout


@pytest.mark.usefixtures("standin")
@pytest.mark.skipif(os.name == "nt", reason="signals differ")
def test_a_worker_that_is_killed_costs_its_file_alone() -> None:
    write("# error", "# kill", "# error", "# error", "# kill", "# error")
    result = run("-j2", "--output-format", "concise")
    assert result.exit_code == 1
    assert [line[:6] for line in result.stdout.splitlines()[:4]] == ["a00.py", "a02.py", "a03.py", "a05.py"]
    ended = "the process that analysed it was ended by SIGKILL: the file is passed over"
    assert result.stderr == f"optlint: a01.py: {ended}\noptlint: a04.py: {ended}\n"


@pytest.mark.usefixtures("standin")
def test_where_no_worker_starts_the_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "START", "raise SystemExit(3)")
    write(*["# error"] * 5)
    result = run("-j2", "--output-format", "concise")
    assert (result.stdout.count("OPT101"), result.stderr) == (5, "")


@pytest.mark.usefixtures("standin")
def test_no_worker_starts_for_a_few_files_or_for_those_that_hold_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(jobs: int) -> None:
        raise AssertionError

    monkeypatch.setattr(workers, "Workers", refused)
    write("# error", "# error", "# error", *["x = 1"] * 20)
    assert run("-j2", "--output-format", "concise").stdout.count("OPT101") == 3


def test_code_without_an_update_loads_nothing_heavy(tree: Path) -> None:
    write(*["def f(x):\n    return x - 1  # lr, beta, sqrt"] * 8)
    program = (
        "import sys, optlint.cli\n"
        "try: optlint.cli.main(['-j2', '-q'])\n"
        "except SystemExit: print(*{'libcst', 'numpy', 'optlint.workers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60
    )
    assert (done.stdout, done.stderr) == (b"\n", b"")


def test_no_module_of_the_working_directory_is_loaded(tree: Path) -> None:
    (tree / "pickle.py").write_text("raise SystemExit('loaded')\n", encoding="utf-8")
    worker = workers._Worker()
    try:
        worker.ready()
        assert worker.ask((len, ("abc",))) == (True, 3)
        assert worker.ask((int, ("x",))) == (False, "ValueError: invalid literal for int() with base 10: 'x'")
    finally:
        worker.close()


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def _eventually(condition: Callable[[], bool]) -> bool:
    late = time.monotonic() + 30
    while not condition():
        if time.monotonic() > late:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_worker_outlives_the_run(tree: Path, sent: signal.Signals, code: int) -> None:
    write(*["# wait"] * 6)
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "standins.py"), "-j2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as child:
        names = ["a00.py.pid", "a01.py.pid"]
        assert _eventually(lambda: all(Path(name).exists() and Path(name).read_text() for name in names))
        pids = [int(Path(name).read_text()) for name in names]
        assert all(map(_alive, pids)) and child.pid not in pids
        if sent is signal.SIGINT:
            os.killpg(child.pid, sent)  # as a terminal does
        else:
            child.kill()
        out, err = child.communicate(timeout=60)
        assert (child.returncode, out, err) == (code, b"", b"")
    assert _eventually(lambda: not any(map(_alive, pids)))


def test_from_python_there_is_one_process_unless_more_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    standins.install(monkeypatch)
    write(*["# error"] * 6)
    assert len(lint_paths(".").findings) == 6
    monkeypatch.setattr(workers, "START", workers.START)
    standins.in_workers()
    assert len(lint_paths(".", jobs=2).findings) == 6


@pytest.mark.parametrize("jobs", ["0", "-1", "many", "1.5"])
def test_a_wrong_number_of_jobs_is_named(jobs: str) -> None:
    result = run(f"--jobs={jobs}")
    assert result.exit_code == 2
    assert result.stderr.startswith("optlint: command line: --jobs is a number from 1 on, or auto, not ")
