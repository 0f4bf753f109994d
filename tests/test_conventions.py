"""Every published form, written out as NumPy code, is recognised as what it is and raises nothing."""

from __future__ import annotations

import re

import pytest

from optlint import lint_source
from optlint.knowledge import Variant, conventions
from optlint.lift.notation import parse_system

NUMPY = {
    "sqrt": "np.sqrt", "abs": "np.abs", "sign": "np.sign", "max": "np.maximum", "min": "np.minimum",
    "where": "np.where", "exp": "np.exp", "log": "np.log", "sum": "np.sum", "mean": "np.mean",
    "norm": "np.linalg.norm", "floor": "np.floor", "tanh": "np.tanh",
}  # fmt: skip


def as_numpy(variant: Variant) -> str:
    """The variant's equations as a function over a dictionary of state."""
    pairs = parse_system(variant.equations)
    names = [target[:-1] for target, _ in pairs if target.endswith("'")]
    settings = dict(variant.defaults)
    used = set(re.findall(r"[a-z_]\w*", variant.equations)) & set(settings)
    arguments = ", ".join(f"{k}={settings[k]!r}" for k in sorted(used))
    starts = dict(variant.initial)
    lines = ["import numpy as np", "", "def create(w):\n    state = {}"]
    for name in names:
        if name != "w":
            lines.append(f'    state["{name}"] = np.full_like(w, {starts.get(name, "0.0")})')
    lines += ["    return state", "", f"def step(w, g, state, t, {arguments}):"]
    for name in names:
        if name != "w":
            lines.append(f'    if "{name}" not in state:')
            lines.append(f'        state["{name}"] = np.full_like(w, {starts.get(name, "0.0")})')
    lines += [f'    {n} = state["{n}"]' for n in names if n != "w"]
    for target, formula in pairs:
        text = re.sub(r"\b([a-z]+)\(", lambda m: NUMPY.get(m[1], m[1]) + "(", formula.replace("'", "_new"))
        lines.append(f"    {target.replace(chr(39), '_new')} = {text}")
    lines += [f'    state["{n}"] = {n}_new' for n in names if n != "w"]
    return "\n".join([*lines, "    return w_new"]) + "\n"


def cases() -> list[object]:
    return [pytest.param(variant, id=f"{variant.family}-{variant.name}") for variant in conventions()]


UNGUARDED = {("lamb", "Algorithm 2"), ("lamb", "no decay")}  # the paper divides by a norm that may be zero


@pytest.mark.parametrize("variant", cases())
def test_a_published_form_is_recognised(variant: Variant) -> None:
    report = lint_source(as_numpy(variant))
    loud = [(f.code, f.message) for f in report.findings if f.severity != "note"]
    if variant.deviation:
        return  # what these raise is the business of the rule pages
    if (variant.family, variant.name) in UNGUARDED:
        assert [code for code, _ in loud] == ["OPT713"] and variant.name in report.updates[0].convention
        return
    assert not loud
    families = {u.family for u in report.updates if u.status == "matched"}
    assert variant.family in families or (variant.family == "adamw" and "adam" in families)
