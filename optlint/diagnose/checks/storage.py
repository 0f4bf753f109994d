"""State that is discarded, shared, or built on the wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from optlint.diagnose.checks.idle import below_the_line, gathers_size
from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.places import is_called_gradient
from optlint.lift.recurrence import State
from optlint.model import Span
from optlint.prepare import prepare
from optlint.subject import Subject

MAX_PLACES = 4  # of the first average in what is written after it


@check("result-discarded")
def result_discarded(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """A call that returns a new array stands as a statement: the update as it would be with the result kept."""
    recurrence = subject.recurrence
    if recurrence.kept is None or not recurrence.dropped or recurrence.dropped[0].bound:
        return
    made = prepare(recurrence.kept)
    if [repr(p) for p in made.posts] != [repr(p) for p in subject.posts]:  # another run's symbols have the same names
        yield Repair(page.code, made, span=recurrence.dropped[0].span, where="", details={"kind": "state"})


@check("state-aliased")
def state_aliased(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """One array under two names (m = v = zeros) that both averages change in place: give each its own."""
    for position, state in enumerate(subject.states):
        for inner, of_squares in _first_averages(state):
            first = _first_of(state, inner)
            read = {ex.sym(state.new): ex.sym(first.new)}
            outer, rooted = ({}, read) if of_squares else (read, {})
            between = ex.substitute(subject.step, {inner: ex.sym(first.new)})  # a copy from before the second one
            step = structure.substitute_apart(between, outer, rooted, _is_rooted)
            for post in _second_contents(state, inner, first.new):
                if subject.g in post.symbols:  # else it is the first average, scaled
                    yield _apart(subject, page, position, first, post, step)
            if of_squares:  # Adadelta's: the root above is of the steps' average, what stands below is of this one
                above, below = {inner: ex.sym(state.old)}, {inner: ex.sym(first.new)}
                post, step = (
                    structure.substitute_apart(p, above, below, _is_below) for p in (state.post, subject.step)
                )
                yield _apart(subject, page, position, first, post, step)


def _first_of(state: State, inner: Expr) -> State:
    old, new = Symbol(f"{state.name} (first)"), Symbol(f"{state.name} (first)'")
    post = ex.substitute(inner, {ex.sym(state.old): ex.sym(old)})
    return State(old.name, old, new, post, state.initial, state.spans, state.slot)


def _apart(subject: Subject, page: MistakePage, position: int, first: State, post: Expr, step: Expr) -> Repair:
    """The update with the first average before the state at a position, which keeps the second one."""
    state = subject.states[position]
    states = [*subject.states[:position], first, replace(state, post=post), *subject.states[position + 1 :]]
    names = " and ".join(next(iter(subject.recurrence.aliases), (state.name,)))
    details = {"kind": "state", "names": names}
    return Repair(page.code, subject.with_states(states, step), state.post, None, where=names, details=details)


def _is_rooted(node: Expr, position: int) -> bool:
    return position == 0 and (node.op == "sqrt" or (node.op == "pow" and node.args[1].op == "const"))


def _is_below(node: Expr, position: int) -> bool:
    """In a denominator."""
    inverted = node.op == "pow" and node.args[1].op == "const" and node.args[1].number < 0
    return (node.op == "div" and position == 1) or (inverted and position == 0)


def _second_contents(state: State, inner: Expr, first: Symbol) -> Iterator[Expr]:
    """The second average in its own old content: wherever the first one's stands, or in one place of it (AdaBelief
    reads the first average, too)."""
    mark = ex.sym(Symbol("inner"))
    marked = ex.leaves_apart(ex.substitute(state.post, {inner: mark}))
    if state.old in marked.symbols:  # the first average would have overwritten it: the m of m + (1 − β)·(g − m)
        return
    yield ex.substitute(marked, {mark: ex.sym(state.old)})
    places = [n for n in ex.walk(marked) if n == mark]
    for place in places if 1 < len(places) <= MAX_PLACES else ():
        yield ex.substitute(ex.replace_node(marked, place, ex.sym(state.old)), {mark: ex.sym(first)})


def _first_averages(state: State) -> Iterator[tuple[Expr, bool]]:
    """The first moment's post inside a post that was built on it, or the second one's. The flag: it is of squares."""
    found = [
        (node, bool(structure.squared_in(structure.rest(node, state.old))))
        for node in ex.walk(state.post)
        if node.op in ("add", "sub") and node is not state.post
        # not the g − m of m + (1 − β)·(g − m)
        if structure.slope(node, state.old) not in (None, ex.const(0), ex.const(-1))
        if structure.rest(node, state.old).symbols
    ]
    yield from [f for f in found if not f[1]][:1]
    yield from [f for f in found if f[1]][:1]


@check("average-taken-along")
def average_taken_along(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """Lion's step takes an average that is the momentum's own array, which goes on from it: give it one of its own."""
    for position, state in enumerate(subject.states):
        for inner, of_squares in _first_averages(state):
            for post in _second_contents(state, inner, state.new) if not of_squares else ():
                posts = [ex.substitute(p, {ex.sym(state.new): inner}) for p in subject.posts]
                posts[position] = post
                made, details = subject.replaced(posts), {"kind": "along", "says": "along"}
                yield Repair(page.code, made, inner, None, where=state.name, details=details, root=state.post)


@check("moments-crossed")
def moments_crossed(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """An average that decays another state's content and so forgets its own: v = β₂·m + (1 − β₂)·g².

    Also a step that divides by the root of the first moment, beside a second one that nobody reads.
    """
    if subject.gradient is None:
        return
    yield from _of_sizes_alone(subject, page)
    yield from below_the_line(subject, page)
    for name, initial, spans, post in _forgetful(subject):
        for other in subject.states:
            for symbol in (other.new, other.old):
                own = structure.retention(post, symbol) if symbol in post.visible else None
                if own is None or own == ex.const(0) or subject.value(own) is None:
                    continue
                old, new = Symbol(name), Symbol(f"{name}'")
                mended = ex.substitute(post, {ex.sym(symbol): ex.sym(old)})
                table = {post: ex.sym(new)}
                states = [replace(s, post=ex.substitute(s.post, table)) for s in subject.states]
                readers = [i for i, s in enumerate(states) if new in s.post.visible]
                states.insert(min(readers, default=len(states)), State(name, old, new, mended, initial, spans))
                made = subject.with_states(states, ex.substitute(subject.step, table))
                yield Repair(page.code, made, post, mended, where=name, details={"kind": "state"})


def _of_sizes_alone(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """η/(√v' + ε): nothing gives the step a sign. η·h/(√v' + ε) has one, if that h is another parameter's gradient."""
    drive, w = subject.drive, subject.parameter
    beside = drive.symbols - subject.moving
    data = any(s is subject.g or s.array or "[" in s.name or is_called_gradient(s.name) for s in beside)
    kept = drive.symbols & subject.moving
    written = subject.recurrence.step  # √v' + ε by itself is a denominator, and no step
    below = any(n.op == "div" and n.args[1].symbols & subject.recurrence.moving for n in ex.walk(written))
    if w is None or data or not below or not kept or not kept <= subject.second:
        return
    if any(n.op == "opaque" for n in ex.walk(drive)):
        return
    parts = structure.terms(subject.step)
    turned = [(s, t if w in t.visible else ex.op("mul", t, ex.sym(subject.g))) for s, t in parts]
    step = structure.total(turned, subject.step.origin)
    yield Repair(page.code, subject.replaced([*subject.posts[:-1], step]), subject.step, step, where="step")


def _forgetful(subject: Subject) -> Iterator[tuple[str, Expr | None, tuple[Span, ...], Expr]]:
    """Averages of g² that keep nothing of their own: (name, first content, where they are written, content)."""
    assert subject.gradient is not None
    table = {subject.gradient: ex.sym(subject.g)}
    known = {ex.substitute(s.post, table): ex.sym(s.new) for s in subject.recurrence.states}
    done: list[Expr] = []
    for entry in subject.recurrence.overwritten:
        post = ex.substitute(ex.substitute(entry.post, table), known)
        if any(ex.contains(p, post) for p in subject.posts):
            done.append(post)
            yield entry.slot.symbol.name, entry.slot.symbol.initial, entry.spans, post
    named: dict[Expr, str] | None = None
    own = [s.post for s in subject.states]
    for node in (n for p in subject.posts for n in ex.walk(p) if n.op in ("add", "sub", "max")):
        if node not in done and node not in own and gathers_size(node, ex.sym(subject.g)):
            done.append(node)
            if named is None:
                stored = subject.recurrence.stored
                named = {ex.substitute(ex.substitute(s.expr, table), known): s.name for s in stored}
            yield named.get(node, "v"), None, (node.origin,) if node.origin is not None else (), node


@check("derived-in-place")
def derived_in_place(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """√v, v − m² or m/(√v + ε) written into the average itself: the average is kept, and the rest is read from it."""
    table: dict[Expr, Expr] = {}
    posts: list[Expr] = []
    wrong: Expr | None = None
    for state in subject.states:
        inner = _average_inside(subject, state)
        posts.append(ex.substitute(inner or state.post, table))
        if inner is not None:
            wrong = wrong or state.post
            read = ex.substitute(state.post, {inner: ex.sym(state.new)})
            table[ex.sym(state.new)] = ex.substitute(read, table)
    if wrong is not None:
        made = subject.replaced([*posts, ex.substitute(subject.step, table)])
        yield Repair(page.code, made, wrong, None, details={"kind": "state"})


def _average_inside(subject: Subject, state: State) -> Expr | None:
    """The average of which a state's new content is made by more than a size: it alone takes in the gradient."""
    for node in ex.walk(state.post):
        own = structure.slope(node, state.old) if node.op in ("add", "sub") and node is not state.post else None
        value = subject.value(own) if own is not None else None
        if value is None or not bool(((value > 0) & (value < 1)).all()) or subject.g not in node.symbols:
            continue
        around = ex.substitute(state.post, {node: ex.const(1)})
        made = around.symbols & (subject.moving | subject.timed) or any(structure.is_root(n) for n in ex.walk(around))
        if made and not around.symbols & {state.old, state.new, subject.g}:
            return node
    return None
