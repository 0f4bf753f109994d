"""What is written about settings and conventions is what the code says of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import standins
from click.testing import CliRunner

from optlint import Settings, toml
from optlint.cli import main
from optlint.settings import options
from optlint.settings.layers import spelled

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "scripts"


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import generate

    return generate


def test_the_schema_and_the_reference_are_those_of_the_code(generate: object) -> None:
    schema = (ROOT / "optlint.schema.json").read_text(encoding="utf-8")
    assert schema == generate.schema_text()  # type: ignore[attr-defined]
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert text == generate.documented(text), "run scripts/generate.py"  # type: ignore[attr-defined]


def test_the_conventions_are_documented(generate: object) -> None:
    text = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    assert text == generate.conventions_text(), "run scripts/generate.py"  # type: ignore[attr-defined]


def configurable() -> list[str]:
    return [spelled(name) for name, option in options().items() if option.scope != "command line"]


@pytest.mark.parametrize("key", configurable())
def test_the_example_of_a_key_is_allowed(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    section = text.partition(f"### `{key}`\n")[2].partition("\n### ")[0]
    example = section.partition("```toml\n")[2].partition("```")[0]
    table = toml.loads(example)
    assert list(table) == [key]
    jsonschema.validate(table, json.loads((ROOT / "optlint.schema.json").read_text(encoding="utf-8")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTLINT_OUTPUT_FORMAT", raising=False)
    standins.install(monkeypatch, knowledge=False)
    (tmp_path / "lint" / "rules").mkdir(parents=True)
    (tmp_path / "optlint.toml").write_text(example, encoding="utf-8")
    (tmp_path / "lint" / "rules" / "names.toml").write_text("optimizer = []\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["--show-settings"])
    assert (result.exit_code, result.stderr) == (0, "optlint: .: no Python files found under .\n")


def test_every_variable_of_the_environment_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(OPTLINT_\w+)` \| `(--[\w-]+)`", text, re.MULTILINE))
    assert listed == {(o.variable, o.flag.partition("/")[0]) for o in options().values() if o.variable}


def test_the_schema_refuses_what_the_command_refuses() -> None:
    schema = json.loads((ROOT / "optlint.schema.json").read_text(encoding="utf-8"))
    for wrong in ({"slect": []}, {"select": "OPT1"}, {"fail-on": "always"}, {"severity": {"OPT1": "fatal"}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_a_default_of_a_setting_means_that_it_is_not_there() -> None:
    settings = Settings()
    assert all(getattr(settings, name) == option.default for name, option in options().items())
    assert not settings.speaks_of_rules
