"""Conditions that stay open: which way a run goes, and which branches only create missing state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import libcst as cst

from optlint.lift.expression import COMPARISONS, REDUCTIONS, Expr, Symbol, const, walk
from optlint.lift.notation import render
from optlint.model import Span

MAX_PATHS = 40
_FLIP = {"is None": "is not None", "is not None": "is None"}


@dataclass(slots=True)
class Choices:
    """One run's decisions, and the alternatives that it met. The same condition gets the same answer."""

    given: dict[str, bool] = field(default_factory=dict)
    taken: dict[str, bool] = field(default_factory=dict)
    spans: dict[str, Span | None] = field(default_factory=dict)
    on_data: set[str] = field(default_factory=set)  # the conditions that look at data, not at a setting
    passed: dict[str, bool] = field(default_factory=dict)  # what the guards that were passed have settled

    def take(self, condition: Expr, span: Span | None, quietly: bool = False) -> bool:
        """Which way to go. quietly: a question about the library's version has no other way that is worth a run."""
        if condition.op == "not":
            return not self.take(condition.args[0], span, quietly)
        if condition.op == "and":
            return all(self.take(part, span, quietly) for part in condition.args)
        if condition.op == "or":
            return any(self.take(part, span, quietly) for part in condition.args)
        name, positive = plain(condition)
        if name in self.passed and name not in self.taken:
            return self.passed[name] == positive
        if quietly and name not in self.taken and name.startswith("hasattr "):
            return by_default(condition) is not False
        if name not in self.taken:
            self.spans[name] = span
            if _looks_at_data(condition) and not says_how(name):
                self.on_data.add(name)
            if name in self.given:
                self.taken[name] = self.given[name]
            elif (known := self.settled(name)) is not None:
                self.taken[name] = known
            else:
                usual = by_default(condition)
                if usual is None:  # the plain way first
                    self.taken[name] = positive and not says_how(name)
                else:
                    self.taken[name] = usual if positive else not usual
        return self.taken[name] == positive

    def pass_by(self, guard: Expr) -> None:
        """``if g is None: continue``: whoever goes on from there is not None."""
        if guard.op == "or":
            for part in guard.args:
                self.pass_by(part)
        elif guard.op == "opaque" and guard.value in ("is None", "is not None"):
            name, positive = plain(guard)
            self.passed[name] = not positive

    def told(self, condition: Expr) -> bool | None:
        """What this run has answered already, if it was asked."""
        name, positive = plain(condition)
        answer = self.taken.get(name)
        return None if answer is None else answer == positive

    def settled(self, name: str) -> bool | None:
        """What is one name has no other: ``opt == "adam"`` is settled where ``opt == "sgd"`` is chosen."""
        subject, value = asked(name)
        if not value:
            return self._among(name)
        known = {
            asked(other)[1] for other, yes in (self.given | self.taken).items() if yes and asked(other)[0] == subject
        }
        return None if not known - {""} else value in known

    def _among(self, name: str) -> bool | None:
        """``kind in [0, 1]`` and ``kind == 3`` do not go together: what is known of one settles the other."""
        answers = self.given | self.taken
        if (several := _AMONG.fullmatch(name)) is not None:
            chosen = [one[2] for one in _answered(_IS, answers, several[1], True)]
            return chosen[0] in several[2].split(", ") if chosen else None
        if (one := _IS.fullmatch(name)) is not None:
            inside = (s[2].split(", ") for s in _answered(_AMONG, answers, one[1], True))
            outside = (s[2].split(", ") for s in _answered(_AMONG, answers, one[1], False))
            if any(one[2] not in values for values in inside) or any(one[2] in values for values in outside):
                return False
        return None


_AMONG = re.compile(r"\{?(.+?)\}? in \((.*)\)")
_IS = re.compile(r"(.+) = (-?\d+)")


def _answered(form: re.Pattern[str], answers: Mapping[str, bool], subject: str, yes: bool) -> Iterator[re.Match[str]]:
    """The questions of one form about one thing that were answered so."""
    found = (form.fullmatch(name) for name, answer in answers.items() if answer == yes)
    return (match for match in found if match is not None and match[1] == subject)


_NAMED = re.compile(r"(.*) ('[^']*'|\"[^\"]*\")")


@lru_cache(maxsize=4096)
def asked(name: str) -> tuple[str, str]:
    """What a condition asks about, and which name it asks for: ``opt 'adam'``; elsewhere the condition, and none."""
    found = _NAMED.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")


def _distance(given: Mapping[str, bool]) -> int:
    """How many things are other than usual: one choice among many names is one thing."""
    return len({asked(name)[0] for name in given})


def _looks_at_data(condition: Expr) -> bool:
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


class Paths:
    """Runs to do: first the usual configuration, then each condition flipped, nearest first."""

    def __init__(self, limit: int = MAX_PATHS) -> None:
        self.queue: list[dict[str, bool]] = [{}]
        self.seen: set[frozenset[tuple[str, bool]]] = {frozenset()}
        self.limit = limit
        self.cut = False
        self.results: dict[frozenset[tuple[str, bool]], object] = {}
        self.usual: frozenset[str] = frozenset()  # the conditions that the usual configuration meets
        self.idle: set[str] = set()  # conditions that made no difference (checks of types and devices)

    def __bool__(self) -> bool:
        return bool(self.queue)

    def next(self) -> Choices:
        self.limit -= 1
        nearest = min(range(len(self.queue)), key=lambda i: _distance(self.queue[i]))
        return Choices(given=self.queue.pop(nearest))

    def learn(self, choices: Choices, result: object = None) -> None:
        """Queue the neighbours of a run that is done. ``result`` tells runs apart that differ in what they lift."""
        given = frozenset(choices.given.items())
        self.results[given] = result
        if not given:
            self.usual = frozenset(choices.taken)
        for condition in given:
            if asked(condition[0])[1]:
                continue  # one of many names: that two of them do nothing says nothing of the next
            same = result is not None and self.results.get(given - {condition}) == result
            if same and not _asks_on(choices, condition[0]) and (len(given) == 1 or condition[0] not in self.usual):
                self.idle.add(condition[0])
        self.queue = [q for q in self.queue if len(q) < 2 or not self.idle & q.keys()]
        for name, value in choices.taken.items():
            if name in choices.given or (choices.given and self.idle & {name, *choices.given}):
                continue
            kept = {k: v for k, v in choices.taken.items() if k in choices.given}
            if Choices(given=kept).settled(name) == value:
                continue  # the other answer does not go together with what is given
            other = kept | {name: not value}
            key = frozenset(other.items())
            if key in self.seen:
                continue
            self.seen.add(key)
            self.queue.append(other)
            if len(self.queue) > self.limit:
                self.cut = True
                farthest = max(range(len(self.queue)), key=lambda i: (_distance(self.queue[i]), i))
                if self.queue.pop(farthest) is other:
                    return


def _asks_on(choices: Choices, name: str) -> bool:
    """The answer only leads to the rest of the question, whose own answer may well make a difference: ``a or b``."""
    rest = (n for n in choices.taken if n != name and n not in choices.given)
    return choices.spans.get(name) is not None and any(choices.spans[n] == choices.spans[name] for n in rest)


_HOW = re.compile(
    r"capturable|foreach|fused|differentiable|device|is_(cpu|cuda)|(?<![a-z])(gpu|xla|tpu|amp)(?![a-z])|jit|compil|script"
    r"|complex|sparse|dtype|is_tensor|isinstance|vectori[sz]|in_?place|set_to_none|triton|scalar",
    re.IGNORECASE,
)


def says_how(condition: str) -> bool:
    """The condition chooses how an update is computed, not which update it is: both ways should come out the same."""
    return bool(_HOW.search(condition))


_SHAPE = re.compile(r"\.(shape|ndim|size|dim|rank|numel)\b|^len ")


def says_which(condition: str) -> bool:
    """The condition asks for a parameter's shape: which parameters take this way, and no option of the user's."""
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


LEAVES = (cst.Raise, cst.Break, cst.Continue)


def only_leaves(body: cst.BaseSuite) -> bool:
    """A body that only raises, returns nothing, skips the iteration or stops: the update goes on without it."""
    statements: list[cst.CSTNode] = []
    for statement in body.body:
        statements.extend(statement.body if isinstance(statement, cst.SimpleStatementLine) else [statement])
    if not statements or len(statements) > 3:
        return False
    last = statements[-1]
    if isinstance(last, cst.Return):
        return last.value is None or isinstance(last.value, cst.Name)
    return isinstance(last, LEAVES) or all(
        isinstance(s, cst.Expr) and isinstance(s.value, (cst.Call, cst.SimpleString)) and _is_talk(s)
        for s in statements
    )


def goes_away(body: cst.BaseSuite) -> bool:
    """Of a body that only leaves: nothing behind it is done, and it does not just talk."""
    line = body.body[-1]
    last = line.body[-1] if isinstance(line, cst.SimpleStatementLine) else line
    return isinstance(last, (*LEAVES, cst.Return))


def last_return(body: cst.BaseSuite | Sequence[cst.CSTNode]) -> cst.BaseExpression | None:
    """What a block hands back as its last statement."""
    statements = body.body if isinstance(body, cst.BaseSuite) else body
    line = statements[-1] if statements else None
    last = line.body[-1] if isinstance(line, cst.SimpleStatementLine) and line.body else line
    return last.value if isinstance(last, cst.Return) else None


def _is_talk(statement: cst.Expr) -> bool:
    call = statement.value
    if not isinstance(call, cst.Call):
        return True
    name = call.func.value if isinstance(call.func, cst.Name) else ""
    return name == "print"
