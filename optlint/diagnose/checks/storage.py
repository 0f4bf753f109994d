"""State that is lost or shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.places import place_text
from optlint.lift.recurrence import State
from optlint.prepare import prepare
from optlint.sandbox.evaluate import evaluate
from optlint.subject import Subject, pseudo


def _zero_term(node: Expr) -> Expr | None:
    """The constant 0 that ``node`` = a·0 + … decays, if it is such a sum."""
    if node.op not in ("add", "sub"):
        return None
    for _, term in structure.terms(node):
        if term.op == "mul":
            for a, b in (term.args, term.args[::-1]):
                if b.op == "const" and b.value == 0 and (a.op != "const" or 0 < a.value < 1):  # type: ignore[operator]
                    return term
    return None


@check("state-reset")
def state_reset(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """Averages that start from zero at every call: make each of them a state, and see what comes out."""
    recurrence = subject.recurrence
    if subject.states:
        return
    table: dict[Expr, Expr] = {}
    states: list[State] = []
    step = recurrence.step
    for node in ex.walk(step):
        term = _zero_term(node)
        if term is None or node in table:
            continue
        number = len(states) + 1
        old, new = Symbol(f"state{number}"), Symbol(f"state{number}'")
        zero = next(a for a in term.args if a.op == "const" and a.value == 0)
        here = recurrence.home is None or zero.origin is None or recurrence.home.covers(zero.origin)
        if here == (page.check == "state-not-kept"):  # the other page's: made in this very call, or never written
            continue
        if not here and any(s.expr == node and "[" in s.name for s in recurrence.stored):
            continue  # an element of a list whose index this run knows
        kept = tuple(ex.sym(old) if a is zero else a for a in term.args)
        post = ex.replace_node(node, term, ex.Expr(term.op, kept, None, term.origin))
        states.append(State(f"state{number}", old, new, post, ex.const(0), (node.origin,) if node.origin else ()))
        table[node] = ex.sym(new)
    if not states:
        return
    after = ex.substitute(step, table)
    parameter = recurrence.parameter
    whole = replace(
        recurrence,
        states=states,
        parameter=replace(parameter, post=after) if parameter is not None else None,
        output=after if parameter is None else None,
    )
    first = next(iter(table))
    yield Repair(page.code, prepare(whole), first, states[0].post, where="", details={"kind": "state"})


@check("state-not-kept")
def state_not_kept(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """m = β₁·self.m + (1 − β₁)·g as a local name that nothing keeps: make each such average a state."""
    recurrence = subject.recurrence
    if not recurrence.states:
        yield from state_reset(subject, page)
    held = {x for s in recurrence.states for x in (s.old, s.new)}
    posts = [*(s.post for s in recurrence.states), recurrence.step]
    states: list[State] = []
    spans = []
    for stored in recurrence.stored:
        if stored.expr in recurrence.escapes or not any(ex.contains(p, stored.expr) for p in posts):
            continue
        found = [s for s in _averaged(stored.expr, recurrence.parameter) if s not in held]
        if len(found) != 1 or any(s.old is found[0] for s in states) or place_text(stored.name) == found[0].name:
            continue
        old, new = found[0], Symbol(f"{found[0].name}'")
        states.append(State(old.name, old, new, stored.expr, old.initial, (stored.span,) if stored.span else ()))
        spans.append(stored.span)
    if not states:
        return
    table = {s.post: ex.sym(s.new) for s in states}
    parameter = recurrence.parameter
    whole = replace(
        recurrence,
        states=[
            *(replace(s, post=_without(s.post, table)) for s in states),
            *(replace(s, post=ex.substitute(s.post, table)) for s in recurrence.states),
        ],
        parameter=replace(parameter, post=ex.substitute(parameter.post, table)) if parameter is not None else None,
        output=ex.substitute(recurrence.output, table) if recurrence.output is not None else None,
    )
    made = prepare(whole)
    kept = {s.old for s in states}
    if all(made.g in s.post.symbols for s in made.states if s.old in kept):  # else it was the gradient itself
        yield Repair(page.code, made, states[0].post, None, span=spans[0], where="", details={"kind": "state"})


def _without(post: Expr, table: dict[Expr, Expr]) -> Expr:
    """The other averages in an average's own equation."""
    return ex.substitute(post, {e: new for e, new in table.items() if e is not post and e != post})


def _averaged(post: Expr, parameter: State | None) -> list[Symbol]:
    """The places that ``post`` keeps a part of, beside what it adds: a·s + …, with 0 < a < 1 or a setting."""
    if post.op not in ("add", "sub"):
        return []
    found = []
    for symbol in post.visible:
        own = structure.slope(post, symbol)
        if symbol.kind != "place" or own is None or not _is_part(own):
            continue
        if parameter is not None and symbol is parameter.old:
            continue
        if (
            symbol.default is None
            and structure.rest(post, symbol) != ex.const(0)
            and own.symbols != frozenset({symbol})
        ):
            found.append(symbol)
    return [s for s in found if "[" in s.name or "." in s.name or s.array or s.initial is not None or s.external]


def _is_part(own: Expr) -> bool:
    """A coefficient between 0 and 1 for settings between 0 and 1: β and 1 − α, but not the 1 + μ of Nesterov's g."""
    if own.op == "const":
        return 0 < own.number < 1
    return all(0 < float(evaluate(own, dict.fromkeys(own.symbols, x), pseudo)) < 1 for x in (0.3, 0.6))


@check("result-discarded")
def result_discarded(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """A call that returns a new array stands as a statement: the update as it would be with the result kept."""
    recurrence = subject.recurrence
    if recurrence.kept is None:
        return
    made = prepare(recurrence.kept)
    if [repr(p) for p in made.posts] != [repr(p) for p in subject.posts]:  # another run's symbols have the same names
        yield Repair(page.code, made, span=recurrence.discarded[0], where="", details={"kind": "state"})


@check("state-aliased")
def state_aliased(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """One array under two names (m = v = zeros) that both averages change in place: give each its own."""
    if not subject.recurrence.aliases:
        return
    for position, state in enumerate(subject.states):
        inner = _first_average(state)
        if inner is None:
            continue
        m_old, m_new = Symbol(f"{state.name} (first)"), Symbol(f"{state.name} (first)'")
        first = ex.substitute(inner, {ex.sym(state.old): ex.sym(m_old)})
        second = ex.substitute(state.post, {inner: ex.sym(state.old)})
        states = list(subject.states)
        states[position] = replace(state, post=second)
        states.insert(position, State(m_old.name, m_old, m_new, first, state.initial, state.spans, state.slot))
        step = _numerators(subject.step, state.new, m_new)
        made = subject.with_states(states, step)
        names = " and ".join(subject.recurrence.aliases[0])
        yield Repair(page.code, made, state.post, None, where=names, details={"kind": "state", "names": names})


def _first_average(state: State) -> Expr | None:
    """The first moment's post inside a post that was built on it."""
    for node in ex.walk(state.post):
        if (
            node is not state.post
            and node.op in ("add", "sub")
            and structure.slope(node, state.old) not in (None, ex.const(0))
        ):
            rest = structure.rest(node, state.old)
            if rest.symbols and not any(structure.square_root_of(n) is not None for n in ex.walk(rest)):
                return node
    return None


def _numerators(step: Expr, old: Symbol, new: Symbol) -> Expr:
    """The step with ``new`` for ``old`` outside roots."""

    def go(node: Expr) -> Expr:
        if node.op == "sym":
            return ex.sym(new) if node.value is old else node
        if node.op == "sqrt" or (node.op == "pow" and node.args[1].op == "const") or node.op == "opaque":
            return node
        args = tuple(go(a) for a in node.args)
        return node if args == node.args else ex.Expr(node.op, args, node.value, node.origin)

    return go(step)


@check("moments-crossed")
def moments_crossed(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """An average that decays another state's content and so forgets its own: v = β₂·m + (1 − β₂)·g²."""
    if subject.gradient is None:
        return
    table = {subject.gradient: ex.sym(subject.g)}
    for entry in subject.recurrence.overwritten:
        post = ex.substitute(entry.post, table)
        post = ex.substitute(post, {ex.substitute(s.post, table): ex.sym(s.new) for s in subject.recurrence.states})
        for other in subject.states:
            for symbol in (other.new, other.old):
                own = structure.slope(post, symbol)
                if own is None or own == ex.const(0) or subject.value(own) is None:
                    continue
                if not any(ex.contains(p, post) for p in subject.posts):
                    continue
                name = entry.slot.symbol.name
                old, new = Symbol(name), Symbol(f"{name}'")
                mended = ex.substitute(post, {ex.sym(symbol): ex.sym(old)})
                states = [*subject.states, State(name, old, new, mended, entry.slot.symbol.initial, entry.spans)]
                step = ex.substitute(subject.step, {post: ex.sym(new)})
                made = subject.with_states(states, step)
                yield Repair(page.code, made, entry.post, mended, where=name, details={"kind": "state"})
