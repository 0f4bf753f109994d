"""The recipes of docs/ci.md and the GitHub action: valid by their schemas, and the action's steps as they run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))

needs_bash = pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="bash is not installed")


def recipes(kind: str) -> list[str]:
    return re.findall(rf"<!-- {kind} -->\n```yaml\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        ("github-actions", [(ROOT / "action.yml").read_text(encoding="utf-8")]),
        ("github-workflows", recipes("github workflow")),
        ("gitlab-ci", recipes("gitlab pipeline")),
    ],
)
def test_recipes_are_valid(schema: str, texts: list[str], tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema")
    assert texts
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / f"{number}.yml")
        files[-1].write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_workflows_name_inputs_that_the_action_has() -> None:
    for recipe in recipes("github workflow"):
        for job in yaml.safe_load(recipe)["jobs"].values():
            for step in job["steps"]:
                if step["uses"].startswith("OWNER/"):
                    assert set(step["with"]) <= set(ACTION["inputs"])
    table = set(re.findall(r"^\| `([\w-]+)` \|", DOCUMENT, re.MULTILINE))
    assert table == set(ACTION["inputs"])


def run_step(number: int, folder: Path, environment: dict[str, str], **inputs: str) -> subprocess.CompletedProcess[str]:
    """A step of the action as the runner runs it: inputs reach the script as variables, never as its text."""
    step = ACTION["runs"]["steps"][number]
    assert "${{" not in step["run"]
    values = {name: given.get("default", "") for name, given in ACTION["inputs"].items()} | inputs
    variables = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: values[found[1]], text).replace(
            "${{ github.action_path }}", str(ROOT)
        )
        for name, text in step["env"].items()
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={**os.environ, **environment, **variables},
        capture_output=True,
        text=True,
        timeout=600,
    )


@needs_bash
def test_the_action_annotates_and_fails(tmp_path: Path) -> None:
    command = tmp_path / "optlint" / "bin" / "python"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\n[ "$1" = -I ] && shift && exec "{sys.executable}" "$@"\n')
    command.chmod(0o755)
    folder = tmp_path / "my project; exit 0"
    (folder / "sub folder").mkdir(parents=True)
    shutil.copy2(ROOT / "fixtures" / "founding_rmsprop.py", folder / "sub folder" / "$(touch x).py")
    environment = {"RUNNER_TEMP": str(tmp_path), "PYTHONPATH": str(ROOT)}

    result = run_step(1, folder, environment)
    assert result.returncode == 1
    assert "::error title=optlint (OPT101),file=sub folder/$(touch x).py,line=24," in result.stdout
    assert run_step(1, folder, environment, paths="sub folder\n", args="--exit-zero").returncode == 0
    assert run_step(1, folder, environment, paths="nowhere\nsub folder", args="--exit-zero\n-q").returncode == 2
    written = run_step(1, folder, environment, **{"output-format": "sarif", "output-file": "a b.sarif"})
    assert (written.returncode, written.stdout) == (1, "")
    assert '"ruleId": "OPT101"' in (folder / "a b.sarif").read_text(encoding="utf-8")
    assert sorted(os.listdir(folder)) == ["a b.sarif", "sub folder"]


@needs_bash
@pytest.mark.network
def test_the_action_installs_the_command(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit('the repository was imported')")
    environment = {"RUNNER_TEMP": str(tmp_path), "PYTHONPATH": ""}
    installed = run_step(0, tmp_path, environment, python=sys.executable)
    assert installed.returncode == 0, installed.stderr
    result = run_step(1, tmp_path, environment)
    assert (result.returncode, result.stdout) == (0, "")
