"""What an open condition asks: for a choice of the user's, for time, for data, or for state that is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from optlint.lift.expression import COMPARISONS, REDUCTIONS, Expr, Symbol, const, walk
from optlint.lift.notation import render


def looks_at_data(condition: Expr) -> bool:
    """A condition on computed quantities: which way it goes is not the user's choice."""
    for node in walk(condition):
        if node.op == "opaque" and node.args and any(a.op != "sym" for a in node.args):
            return True
        if node.op == "opaque" and len(node.args) > 1:
            return True
    return False


def plain(condition: Expr) -> tuple[str, bool]:
    """A condition's name without its negation: ``x is not None`` is (x is None, False)."""
    positive = True
    while condition.op == "not":
        condition = condition.args[0]
        positive = not positive
    if condition.op == "opaque" and condition.value == "is not None":
        return f"{render(condition.args[0])} is None", not positive
    if condition.op == "opaque" and condition.value == "is None":
        return f"{render(condition.args[0])} is None", positive
    if condition.op == "opaque" and " not in " in str(condition.value) and not condition.args:
        return render(condition).replace(" not in ", " in ", 1), not positive
    if condition.op == "ne":
        return f"{render(condition.args[0])} = {render(condition.args[1])}", not positive
    if condition.op == "opaque" and len(condition.args) == 1 and str(condition.value)[:2] in ("==", "!="):
        text = f"{render(condition.args[0])} {str(condition.value)[2:].strip()}"
        return text, positive == str(condition.value).startswith("==")
    return render(condition), positive


def by_default(condition: Expr) -> bool | None:
    """The condition's value under the constants that the code itself gives, or None."""
    value = _value(condition)
    return None if value is _UNKNOWN else bool(value)


_UNKNOWN = object()


def _value(node: Expr) -> object:
    if node.op == "const":
        return node.value
    if node.op == "sym":
        assert isinstance(node.value, Symbol)
        if node.value.literal is not None:
            return node.value.literal[0]
        return _UNKNOWN if node.value.default is None else node.value.default
    values = [_value(a) for a in node.args]
    if node.op == "opaque":
        if len(values) != 1 or values[0] is _UNKNOWN:
            return _UNKNOWN
        name = str(node.value)
        if name in ("is None", "is not None"):
            return (values[0] is None) == (name == "is None")
        if name[:2] in ("==", "!="):
            return (repr(values[0]) == name[2:].strip()) == (name[:2] == "==")
        return _UNKNOWN
    if node.op in ("and", "or"):
        known = [bool(v) for v in values if v is not _UNKNOWN]
        if (node.op == "or") in known:
            return node.op == "or"
        return _UNKNOWN if len(known) < len(values) else node.op == "and"
    if any(v is _UNKNOWN for v in values):
        return _UNKNOWN
    if node.op == "not":
        return not values[0]
    a, b = [*values, None][:2]
    if node.op in ("eq", "ne"):
        return (a == b) == (node.op == "eq")
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        table = {"lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}
        return table.get(node.op, _UNKNOWN)
    return _UNKNOWN


_HOW = re.compile(
    r"capturable|foreach|fused|differentiable|device|is_(cpu|cuda)|(?<![a-z])(gpu|xla|tpu|amp)(?![a-z])|jit|compil|script"
    r"|complex|sparse|dtype|is_tensor|isinstance|vectori[sz]|in_?place|set_to_none|triton|scalar",
    re.IGNORECASE,
)


def says_how(condition: str) -> bool:
    """The condition chooses how an update is computed, not which update it is: both ways should come out the same."""
    return bool(_HOW.search(condition))


_SHAPE = re.compile(r"\.(shape|ndim|size|dim|rank|numel)\b")


def says_which(condition: str) -> bool:
    """The condition asks for a parameter's shape: which parameters take this way, and no option of the user's."""
    return asks_for_shape(condition) or condition.startswith("len ")


def asks_for_shape(condition: str) -> bool:
    """The condition names the shape that it asks for; a mere length may be that of a list."""
    return bool(_SHAPE.search(condition))


@dataclass(frozen=True, slots=True)
class Creation:
    when: bool  # which value of the condition leads to the creating branch
    tested: str  # the place that is tested; "*" for a first-call test on a counter


def creates_state(condition: Expr) -> Creation | None:
    """Whether a condition asks "is the state there yet?" (``m is None``, ``k not in d``, ``not m.any()``)."""
    if condition.op == "not":
        inner = creates_state(condition.args[0])
        if inner is not None:
            return Creation(not inner.when, inner.tested)
        return None
    if condition.op == "opaque":
        name = str(condition.value)
        if name in ("is None", "is not None") and condition.args:
            return Creation(name == "is None", render(condition.args[0]))
        if " not in " in name:
            return Creation(True, name.split(" not in ", 1)[1])
        if " in " in name:
            return Creation(False, name.split(" in ", 1)[1])
        if name.startswith("hasattr "):
            return Creation(False, name.split(" ", 1)[1])
        if len(condition.args) == 1 and name.rpartition(".")[2] == "any":  # all zero, or empty: nothing is gathered yet
            return Creation(False, render(condition.args[0]))
        if not condition.args and " " not in name.removeprefix("len "):  # ``if not self.m:`` of a dictionary
            return Creation(False, name.removeprefix("len "))
        return None
    if condition.op == "sym":
        return Creation(False, render(condition))
    if condition.op in ("eq", "lt", "le"):
        left, right = condition.args
        if left.op == "opaque" and str(left.value).startswith("len "):
            return Creation(True, str(left.value)[4:])
        if condition.op == "eq" and right.op == "const" and right.value in (0, 1) and _counts(left):
            return Creation(True, "*")
        return None
    if condition.op in ("and", "or"):
        for part in sorted(condition.args, key=lambda p: p.op == "sym"):  # a setting asks for no state
            found = creates_state(part)
            if found is not None:
                return found
    return None


def asks_for_key(condition: Expr) -> bool:
    """``key in state``, or not."""
    inner = condition.args[0] if condition.op == "not" else condition
    return inner.op == "opaque" and not inner.args and bool(re.search(r" (?:not )?in ", str(inner.value)))


def flag_of(condition: Expr) -> tuple[Symbol, bool] | None:
    """A place that begins as yes or no, where a condition asks for just that, and the answer with which it begins."""
    if condition.op == "not":
        inner = flag_of(condition.args[0])
        return None if inner is None else (inner[0], not inner[1])
    if condition.op in ("eq", "ne") and condition.args[1].op == "const" and condition.args[1].value in (0, 1):
        inner = flag_of(condition.args[0])
        same = bool(condition.args[1].value) == (condition.op == "eq")
        return None if inner is None else (inner[0], inner[1] == same)
    first = condition.symbol.initial if condition.op == "sym" else None
    if first is None or first.op != "const" or first.value not in (0, 1):
        return None
    return condition.symbol, bool(first.value)


def asked_flag(condition: Expr) -> tuple[Symbol, bool] | None:
    """The attribute of some object that is asked for, of which nothing tells how it begins (``layer.fresh``), and the
    answer that leads into the branch."""
    turned = condition.op == "not"
    asked = condition.args[0] if turned else condition
    if asked.op != "sym" or asked.symbol.initial is not None or "." not in asked.symbol.name:
        return None
    return asked.symbol, not turned


def follows_time(condition: Expr) -> bool:
    """Decided by the number of the step (ρₜ > 5, t == 1), so that one run goes both ways."""
    for node in walk(condition):
        if node.op == "pow" and node.args[1].op != "const":
            return True
        if node.op == "sym" and node.symbol.literal is None and not node.symbol.array:
            first = node.symbol.initial
            if first is not None and first.op == "const":
                return True
    return False


def asks_for_zero(condition: Expr) -> bool:
    """Decided by norms and sums that may be 0 (LAMB's ratio), and by no option, so that one run goes both ways."""
    if condition.op in ("not", "and", "or"):
        return all(map(asks_for_zero, condition.args))
    sized = (n.op in REDUCTIONS for a in condition.args for n in walk(a))
    return condition.op in COMPARISONS and const(0) in condition.args and any(sized)


def is_option(condition: Expr) -> bool:
    """A yes or no that the code gives a first value, for its user to set."""
    inner = condition.args[0] if condition.op == "not" else condition
    value = _value(inner) if inner.op == "sym" and not follows_time(inner) else None
    return isinstance(value, bool)


def is_gate(condition: Expr) -> bool:
    """Asks whether a count has come to a setting (``seen == batch_size``): that is when a step is made at all."""
    if condition.op == "or":
        return any(map(is_gate, condition.args))
    return condition.op == "eq" and _counts(condition.args[0]) and _is_setting(condition.args[1])


def _is_setting(node: Expr) -> bool:
    return node.op == "sym" and node.symbol.kind == "place" and not _counts(node)


def _counts(node: Expr) -> bool:
    """Whether a value is the number of the step: a loop's index, or a state that started as a number."""
    if node.op == "add" and node.args[1].op == "const":
        node = node.args[0]
    if node.op != "sym":
        return False
    symbol = node.value
    assert isinstance(symbol, Symbol)
    return symbol.iterates == "count" or (symbol.initial is not None and symbol.initial.op == "const")
