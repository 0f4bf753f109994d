"""The hooks for pre-commit, tried with pre-commit itself in a repository of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from optlint.knowledge import find_mistake

ROOT = Path(__file__).parents[1]
BESIDE = Path(sys.executable).with_name("pre-commit")
PRE_COMMIT = str(BESIDE) if BESIDE.exists() else shutil.which("pre-commit")

pytestmark = pytest.mark.skipif(
    PRE_COMMIT is None or shutil.which("git") is None, reason="pre-commit or git is not installed"
)


def called(*command: str | None, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command apart from the user's git configuration and from this run's environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTHONPATH"))}
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    apart = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | identity | apart | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def git(cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return called("git", *arguments, cwd=cwd, **environment)


def test_the_hooks_are_well_formed(tmp_path: Path) -> None:
    result = called(PRE_COMMIT, "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml"), cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.network  # pre-commit installs the package and what it depends on
def test_a_bad_commit_is_stopped_and_a_good_one_passes(tmp_path: Path) -> None:
    hooks, user = tmp_path / "optlint", tmp_path / "user"
    tracked = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout.split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            (hooks / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, hooks / name)
    user.mkdir()
    for repository in (hooks, user):
        git(repository, "init", "-q")
    git(hooks, "add", "--all")
    assert git(hooks, "commit", "-qm", "all of it").returncode == 0
    revision = git(hooks, "rev-parse", "HEAD").stdout.strip()

    home = {"PRE_COMMIT_HOME": str(tmp_path / "home")}

    def use(hook: str) -> None:
        (user / ".pre-commit-config.yaml").write_text(
            f"repos:\n  - repo: {hooks.as_posix()}\n    rev: {revision}\n    hooks:\n      - id: {hook}\n"
        )

    def commit(text: str) -> subprocess.CompletedProcess[str]:
        (user / "optimizer.py").write_text(text, encoding="utf-8")
        git(user, "add", "--all")
        return git(user, "commit", "-m", "a commit", **home)

    use("optlint")
    assert called(PRE_COMMIT, "install", "--install-hooks", cwd=user, **home).returncode == 0
    bad = commit((ROOT / "fixtures" / "founding_rmsprop.py").read_text(encoding="utf-8"))
    assert bad.returncode == 1
    assert "optimizer.py:24:60: OPT101 error" in bad.stderr + bad.stdout
    good = commit((ROOT / "fixtures" / "founding_rmsprop_correct.py").read_text(encoding="utf-8"))
    assert good.returncode == 0, good.stdout + good.stderr
    assert git(user, "log", "--format=%s").stdout == "a commit\n"

    use("optlint-fix")
    page = find_mistake("OPT201")
    assert page is not None
    mended = commit(page.bad[0])
    assert mended.returncode == 1 and "files were modified by this hook" in mended.stderr + mended.stdout
    fixed = (user / "optimizer.py").read_text(encoding="utf-8")
    assert fixed != page.bad[0]
    assert commit(fixed).returncode == 0
