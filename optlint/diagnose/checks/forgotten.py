"""State that does not last: averages whose new content nobody keeps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import libcst as cst

from optlint.diagnose.checks.decays import is_decayed, is_momentum, is_part
from optlint.diagnose.checks.lost import SUMS, ZERO, made_of, state_reset
from optlint.diagnose.checks.sharing import as_of_neighbours
from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.frames import Stored
from optlint.lift.mentions import is_handed_on, is_only_computed_with, is_read_once, is_written_alone
from optlint.lift.places import is_called_gradient, is_called_velocity, last_key, place_text, without_indices
from optlint.lift.recurrence import Recurrence, State
from optlint.sandbox.evaluate import evaluate
from optlint.subject import Subject, pseudo


@check("state-not-kept")
def state_not_kept(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """m = β₁·self.m + (1 − β₁)·g as a local name that nothing keeps: make each such average a state."""
    recurrence = subject.recurrence
    yield from state_reset(subject, page)
    yield from _stored_elsewhere(subject, page)
    begun = {s.old for s in recurrence.states if structure.after_first(s.post) == ex.sym(s.old)}
    held = recurrence.moving - begun  # what gets a content in the first step and in no later one is no state yet
    posts = [*(s.post for s in recurrence.states), recurrence.step]
    states: list[State] = []
    nameless = False
    rebound: set[Symbol] = set()  # these get a new content that their caller never sees
    known = (*recurrence.states, *recurrence.counters)
    table = {s.post: ex.sym(s.new) for s in known if s.post.args}  # what contents are written as
    for stored in [*recurrence.stored, *_unnamed(recurrence)]:
        content = ex.substitute(stored.expr, table)
        read = [*posts, *(ex.substitute(p, table) for p in posts)]
        kept_by_others = stored.expr in recurrence.escapes and stored.expr != recurrence.output
        kept_by_others |= recurrence.forgetful and _is_handed_on(recurrence, stored.name)
        used = any(ex.contains(p, content) for p in read)
        if kept_by_others or not (used or stored.name.isidentifier()):
            continue
        made = {s.new for s in states}
        candidates = _averaged(content, recurrence) or _multiplied(content, read)
        found = [s for s in candidates if s not in held | made and (used or _held(recurrence, stored.name, s))]
        found = _likeliest(recurrence, found, content, [ex.substitute(p, {content: ZERO}) for p in posts])
        its_own = len(found) == 1 and place_text(stored.name) == found[0].name
        if its_own and not _is_rebound(recurrence, stored, found[0]) and not _is_of_graph(recurrence, found[0]):
            continue  # it is kept
        if len(found) == 1 and any(s.name.startswith(f"{found[0].name}[") for s in recurrence.advanced):
            continue  # a list of states, whose elements are written
        if len(found) == 1 and all(s.old is not found[0] for s in states):
            old, new = found[0], Symbol(f"{found[0].name}'")
            nameless |= not stored.name
            rebound.update({old} if _is_rebound(recurrence, stored, old) else ())
            states.append(State(old.name, old, new, content, old.initial, (stored.span,) if stored.span else ()))
            table |= {stored.expr: ex.sym(new), content: ex.sym(new)}
    if not states:
        return
    lost = {s.old for s in states}
    kept = [
        replace(s, post=ex.substitute(s.post, {p: n for p, n in table.items() if p != s.post}))
        for s in recurrence.states
        if s.old not in lost
    ]
    whole = made_of(recurrence, [*states, *kept], table)
    if whole.gradient is None or _only_decays(whole):
        return
    if all(whole.g in s.post.symbols or s.post.op in ("max", "mul") for s in whole.states if s.old in lost):
        # else it was the gradient itself
        span = states[0].spans[0] if states[0].spans else None
        details = {"kind": "state", **_told_of({s.post.op for s in states})}
        foreign = lost <= recurrence.neighbours
        if bool(page.options.get("neighbours")) != foreign:
            return  # another page tells it
        if foreign:  # what is done for the first tensor is no first step
            whole = whole.replaced([structure.after_first(p) for p in whole.posts])
        counts = _counts(recurrence)
        lasting = all(
            s.post.op == "max" or is_decayed(s.post, s.old, is_called_velocity(s.old), counts) for s in states
        )
        written = as_of_neighbours(whole, [s for s in whole.states if s.old in lost]) if foreign else None
        if all(_is_only_begun(recurrence, s.old) or _is_of_graph(recurrence, s.old) for s in states):
            details |= {"certain": "yes"} if lasting else {}
            zeros = {ex.sym(old): ZERO for old in lost}
            if nameless or recurrence.forgetful:
                written = written or whole.replaced([ex.substitute(p, zeros) for p in whole.posts])
        elif all(_is_idle_velocity(recurrence, s) for s in states):
            details |= {"idle": "yes"}
        elif lasting and lost <= rebound:
            details |= {"certain": "yes"}
        if recurrence.parameter is None and not recurrence.states and not recurrence.lost:
            around = recurrence.around
            its_own = "certain" in details and around is not None and all(around.is_its_own(s.name) for s in states)
            if not its_own and "idle" not in details:
                return  # a step that is only looked at: another method may keep what it rests on
        yield Repair(page.code, whole, states[0].post, None, span=span, where="", details=details, written=written)


def _stored_elsewhere(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """``layer.momentum = β·layer.momentums + (1 − β)·g``: the step reads ``layer.momentums``, which stays zero."""
    recurrence = subject.recurrence
    states: list[State] = []
    table: dict[Expr, Expr] = {}
    for stored in recurrence.stored:
        old = _missed(recurrence, stored)
        if old is not None and ex.sym(old) not in table:
            new = Symbol(f"{old.name}'")
            states.append(State(old.name, old, new, stored.expr, old.initial, (stored.span,) if stored.span else ()))
            table[ex.sym(old)] = ex.sym(new)
    whole = made_of(recurrence, [*states, *recurrence.states], table) if states else None
    if whole is not None and all(whole.g in s.post.symbols for s in whole.states if ex.sym(s.old) in table):
        details = {"kind": "state", "certain": "yes", "says": "elsewhere"}
        span = states[0].spans[0] if states[0].spans else None
        yield Repair(page.code, whole, states[0].post, None, span=span, details=details)


def _missed(recurrence: Recurrence, stored: Stored) -> Symbol | None:
    """The place that an average goes on from, which the step reads, while what is new goes to one that nobody reads."""
    around = recurrence.around
    if around is None or stored.expr.op not in SUMS or not is_written_alone(around, stored.name):
        return None
    read = frozenset().union(*(p.visible for p in recurrence.posts())) - recurrence.moving - recurrence.advanced
    found = [
        s for s in stored.expr.visible & read if is_decayed(stored.expr, s, True) and _is_only_begun(recurrence, s)
    ]
    return found[0] if len(found) == 1 else None


def _is_rebound(recurrence: Recurrence, stored: Stored, old: Symbol) -> bool:
    """``v = β·v + g`` for an argument, or for a loop's variable that goes through one, beside a parameter that is moved
    in place: the new content has its name alone. Where the parameter is handed back, a caller may want one step."""
    own = stored.name == old.name if old.external else "." not in old.name and _stood_for(recurrence, stored.name, old)
    given = recurrence.escapes  # the new average, too, is handed back by what is made of it (``np.round(v, 5)``)
    handed_back = recurrence.step in given or any(stored.expr.symbols <= e.symbols for e in given)
    return own and recurrence.output is None and not handed_back


def _is_handed_on(recurrence: Recurrence, name: str) -> bool:
    return name.isidentifier() and recurrence.around is not None and is_handed_on(recurrence.around, name)


def _held(recurrence: Recurrence, name: str, symbol: Symbol) -> bool:
    """The name stood for the place, and the step reads that: Lion's average, which the next step alone reads anew."""
    return any(symbol in p.visible for p in recurrence.posts()) and _stood_for(recurrence, name, symbol)


def _stood_for(recurrence: Recurrence, name: str, symbol: Symbol) -> bool:
    """The run has read the place under that name (a loop's variable, say)."""
    named = (w for w in recurrence.worth if isinstance(w.node, cst.Name) and w.node.value == name)
    return any(w.expr == ex.sym(symbol) for w in named)


def _is_idle_velocity(recurrence: Recurrence, average: State) -> bool:
    """The one line that reads it calls what it keeps a velocity, or its part a momentum, and no line gives it more."""
    called = is_called_velocity(average.old)
    around = recurrence.around
    return around is not None and is_decayed(average.post, average.old, called) and is_read_once(around, average.name)


def _told_of(operations: set[str]) -> dict[str, str]:
    """What is told of states that are no averages."""
    if operations == {"mul"}:
        return {"says": "product", "meant": "the product βᵗ grows with t"}
    if operations == {"max"}:
        return {"says": "largest", "meant": "v_max' = max(v_max, v')"}
    return {}


def _unnamed(recurrence: Recurrence) -> list[Stored]:
    """The averages in the step that have no name: √(self.G + g²), where the code begins ``self.G`` and no more."""
    sums = {n for n in ex.walk(recurrence.step) if n.op in SUMS} - {s.expr for s in recurrence.stored}
    known = {s: _is_only_begun(recurrence, s, alone=True) for n in sums for s in n.symbols}
    found = (n for n in sums if any(known[s] for s in _averaged(n, recurrence)))
    return [Stored("", node, node.origin) for node in sorted(found, key=lambda n: n.size)]


def _only_decays(made: Subject) -> bool:
    """What would be the gradient is a decay of the parameter: then the gradient is what was taken for a state."""
    w = made.parameter
    assert made.gradient is not None
    return w is not None and w in made.gradient.visible and structure.rest(made.gradient, w) == ZERO


def _likeliest(recurrence: Recurrence, found: list[Symbol], content: Expr, elsewhere: list[Expr]) -> list[Symbol]:
    """Which of the places that an average reads is the state: the code shows its first content, hands back what holds
    it, has one for each parameter, reads it nowhere else, or says by its numbers that most of it stays. The gradient
    does none of these, and a setting serves all parameters."""
    each = last_key(recurrence.parameter.name) if recurrence.parameter is not None else ""
    returned = {e.symbol.name for e in recurrence.escapes if e.op == "sym"}
    signs: tuple[Callable[[Symbol], bool], ...] = (
        lambda s: s in recurrence.neighbours,
        lambda s: s.initial is not None,
        lambda s: s.name.partition("[")[0] in returned,
        lambda s: bool(each) and s.name.endswith(each),
        lambda s: not any(s in e.visible for e in elsewhere),
        lambda s: _keeps_most(content, s),
    )
    for tells in signs:
        found = [s for s in found if tells(s)] or found
    return found


def _averaged(post: Expr, recurrence: Recurrence) -> list[Symbol]:
    """The places that ``post`` keeps a part of, beside what it adds: a·s + …, with 0 < a < 1 or a setting."""
    if post.op not in SUMS:
        return []
    found = []
    parameter, counts = recurrence.parameter, _counts(recurrence)
    for symbol in post.visible:
        own = structure.retention(post, symbol)
        whole = own == ex.const(1) and (post.op == "max" or structure.adds_squares(post, symbol))
        if symbol.kind != "place" or own is None or not (whole or is_part(own, counts)) or _is_gradient(symbol, post):
            continue
        if parameter is not None and symbol is parameter.old:
            continue
        if any(n.op == "opaque" and n.args for n in ex.walk(own)):
            continue  # a content that is packed: number times scale
        if parameter is not None and parameter.old in own.symbols:
            continue  # g + λ·w keeps no part of λ
        unset = symbol.default in (None, 0) or symbol.array  # a setting has a number, and is none
        unset |= structure.averages_squares(post, symbol)
        decays = is_called_velocity(symbol)
        settings = own.symbols - counts
        data = any(s.array or (s.default == 0 and not decays and not is_momentum(s, post)) for s in settings)
        if unset and not data and structure.rest(post, symbol) != ZERO and own.symbols != frozenset({symbol}):
            found.append(symbol)
    return [s for s in found if _may_last(s)]


def _counts(recurrence: Recurrence) -> set[Symbol]:
    return {x for c in recurrence.counters for x in (c.old, c.new)}


def _may_last(symbol: Symbol) -> bool:
    """No mere name that the function has for itself."""
    kept = "[" in symbol.name or "." in symbol.name
    return kept or symbol.array or symbol.initial is not None or symbol.external


def _multiplied(post: Expr, read: list[Expr]) -> list[Symbol]:
    """The place that holds a running product of decays, whose new content alone is read: 1 − it divides an average."""
    if post.op != "mul":
        return []
    corrects = any(
        e < 0 and f.op == "sub" and f.args == (ex.const(1), post)
        for p in read
        for n in ex.walk(p)
        if n.op == "div"
        for f, e in structure.factors(n)
    )
    factors = [f.symbol for f, e in structure.factors(post) if f.op == "sym" and e == 1] if corrects else []
    else_read = frozenset().union(*(ex.substitute(p, {post: ZERO}).symbols for p in read))
    return [s for s in factors if s.kind == "place" and s.default in (None, 1) and _may_last(s) and s not in else_read]


def _is_gradient(symbol: Symbol, post: Expr) -> bool:
    """Called so; a state may have the gradient's key (``S["dW"]`` beside ``grads["dW"]``), be ``grad_vel[p]`` beside
    ``p.grad``, or begin with zeros beside one that does not (Adadelta's ``E_grad``)."""
    attributes = {s for s in post.visible | {symbol} if s.name.endswith(".grad")}
    if attributes:
        return symbol in attributes
    homes = {s: s.name.partition("[")[0] for s in post.visible | {symbol}}
    gradients = [s for s, home in homes.items() if is_called_gradient(home)]
    gradients = [s for s in gradients if s.initial is None] or gradients
    return symbol in gradients or (is_called_gradient(symbol.name) and not gradients)


def _is_only_begun(recurrence: Recurrence, symbol: Symbol, alone: bool = False) -> bool:
    """The code makes the place, with zeros, and no line around the update gives it anything else.

    alone: nor does a line hand it on, or bind it to a name under which it could change.
    """
    key = re.search(r"\w+(?=['\"\]]*$)", without_indices(symbol.name))
    if symbol.initial != ZERO or key is None:
        return False
    name = re.escape(key[0])
    place = rf"(?:\.|['\"]){name}\b['\"]?\]?(?:\[[^\]]*\])*"
    if alone and re.search(rf"(?:[(,=]|\bin|\breturn)\s*[\w.]*{place}\s*(?:[,):\]#]|$)", recurrence.text, re.MULTILINE):
        return False
    given = rf"(?:{place}|\bdict\((?:.*,)?\s*{name})\s*"  # ``dict(mom=zeros)``, ``{"mom": zeros}``
    write = re.compile(rf"{given}(?:[-+*/@]?=(?!=)|:(?!=)|\.\w+_\(|,[^=()]*=(?!=))(?P<value>.*)")
    values = [m["value"] for line in recurrence.text.split("\n") if (m := write.search(line))]
    return bool(values) and all(map(_NOTHING.search, values))


def _is_of_graph(recurrence: Recurrence, symbol: Symbol) -> bool:
    """A variable of zeros that a function makes for a graph, and for which that graph has no new content."""
    around = recurrence.around
    graph = any(name.split(".")[0] == "theano" for name in recurrence.imports)
    local = symbol.initial == ZERO and symbol.name.isidentifier()
    return graph and local and around is not None and is_only_computed_with(around, symbol.name)


_NOTHING = re.compile(r"zeros|\bNone\b|\b0(\.0*)?\s*$|\{\s*\}|\[\s*\]|dict\(")


def _keeps_most(post: Expr, symbol: Symbol) -> bool:
    """The code's own numbers say that the place keeps more than half of its content."""
    own = structure.retention(post, symbol)
    if own is None or any(s.default is None for s in own.symbols):
        return False
    return float(evaluate(own, {s: s.default for s in own.symbols}, pseudo)) >= 0.5
