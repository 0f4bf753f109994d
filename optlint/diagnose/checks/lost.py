"""State that does not last: averages that start from zero at every call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

import libcst as cst

from optlint.diagnose.checks.decays import is_decayed
from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import Recurrence, State
from optlint.model import Span
from optlint.prepare import prepare
from optlint.subject import Subject
from optlint.timed import clock

ZERO = ex.const(0)
MAX_LOST = 3  # states that start from zero in one update
MAX_CONTENTS = 2  # what each of them may hold
SUMS = ("add", "sub", "max")

Place = Span | int  # where a zero stands in the source (or which node it is)


@check("state-reset")
def state_reset(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """Averages that start from zero at every call: make each of them a state, and see what comes out."""
    recurrence = subject.recurrence
    elsewhere = page.check == "state-not-kept"  # the other page's: made before this very call, and never written
    contents: list[list[tuple[Expr, list[Expr]]]] = []
    for found in _all_contents(recurrence):
        origin = found[0][1][0].origin
        places = [s.name for s in recurrence.stored if s.expr == found[0][0] and "[" in s.name]
        each = any("[{" in place for place in places)  # one for each tensor that the loop goes over
        here = origin is None or _is_made_in_call(recurrence, origin, each)
        if not here and places:
            continue  # an element of a list whose index this run knows
        if here != elsewhere:
            contents.append(found)
    if not contents or len(contents) > MAX_LOST:
        return
    if elsewhere and recurrence.parameter is None and not all(_is_its_own(recurrence, c[0][1]) for c in contents):
        return
    stored = {e.post for e in recurrence.overwritten}
    for chosen in product(*contents):
        made = _with_states(recurrence, list(chosen))
        if made is not None:
            first = chosen[0][0]
            for repaired in (made, _with_time(made)):
                if repaired is not None:
                    details = {"kind": "state"} | ({"alone": "yes"} if subject.states else {})
                    begun = repaired.states[: len(chosen)]
                    pairs = zip(begun, chosen, strict=False)
                    told = all(
                        is_decayed(s.post, s.old, content in stored or _takes_its_place(recurrence, content, zeros))
                        for s, (content, zeros) in pairs
                    )
                    if len(begun) == len(chosen) and told:
                        details["certain"] = "yes"  # nobody multiplies 0 by a decay on purpose
                    table = {ex.sym(s.old): ZERO for s in begun}
                    written = repaired.replaced([ex.substitute(p, table) for p in repaired.posts])
                    right = made.states[0].post
                    yield Repair(page.code, repaired, first, right, where="", details=details, written=written)


def _takes_its_place(recurrence: Recurrence, content: Expr, zeros: list[Expr]) -> bool:
    """``v = 0`` and ``v = γ·v + η·g``: what goes on from the zero gets its name."""
    names = {n.value for n in _read_as(recurrence, zeros) if isinstance(n, cst.Name)}
    return any(s.expr == content and s.name in names for s in recurrence.stored)


def _is_its_own(recurrence: Recurrence, zeros: list[Expr]) -> bool:
    """Whether the zeros are read from attributes that only the update's own function knows."""
    places = ((n.value, n.attr) for n in _read_as(recurrence, zeros) if isinstance(n, cst.Attribute))
    names = {f"{home.value}.{key.value}" for home, key in places if isinstance(home, cst.Name)}
    around = recurrence.around
    return bool(names) and around is not None and all(map(around.is_its_own, names))


def _read_as(recurrence: Recurrence, zeros: list[Expr]) -> Iterator[cst.CSTNode]:
    """What the source calls the zeros where it reads them."""
    origins = {z.origin for z in zeros}
    return (w.node for w in recurrence.worth if w.expr == ZERO and w.expr.origin in origins)


def _is_made_in_call(recurrence: Recurrence, origin: Span, each: bool) -> bool:
    """Whether the update's own iteration or call makes the zeros there, if by a method that it calls first.

    each: the loop goes over tensors, and not over steps.
    """
    if recurrence.loop is not None and not each:
        return recurrence.loop.covers(origin)
    return recurrence.home is None or any(f.covers(origin) for f in (recurrence.home, *recurrence.entered))


def _zeros(recurrence: Recurrence) -> list[list[Expr]]:
    """The zeros that an update decays or adds to, by the place that they come from.

    What the run leaves in a place that the step reads only before (Lion's average) may hold them, too.
    """
    found: dict[Place, list[Expr]] = {}
    read = len(recurrence.posts())
    for number, post in enumerate([*recurrence.posts(), *_left(recurrence)]):
        for node in ex.walk(post):
            if node.op == "const" and node.value == 0 and node.origin not in recurrence.carried:
                place = node.origin or id(node)
                if number >= read and place not in found:
                    continue
                if all(node is not other for other in found.setdefault(place, [])):
                    found[place].append(node)
    return list(found.values())


def _compared(recurrence: Recurrence) -> frozenset[int]:
    """The zeros that something is compared with: ``if size == 0``."""
    nodes = (n for post in recurrence.posts() for n in ex.walk(post) if n.op in ex.COMPARISONS)
    return frozenset(id(a) for n in nodes for a in n.args if a == ZERO)


def _carried(recurrence: Recurrence) -> frozenset[int]:
    """The zeros that a loop in the run starts from and carries on: a sum of gradients, say."""
    nodes = (n for post in recurrence.posts() for n in ex.walk(post) if n.op == "const" and n.value == 0)
    return frozenset(id(n) for n in nodes if n.origin in recurrence.carried)


def _left(recurrence: Recurrence) -> list[Expr]:
    """What the run leaves in places whose old content nothing reads."""
    return [*(e.post for e in recurrence.overwritten), *(post for _, post in recurrence.made_anew)]


def _all_contents(recurrence: Recurrence) -> Iterator[list[tuple[Expr, list[Expr]]]]:
    """What each place of zeros may hold, of the likeliest first, with its zeros.

    An average may be built on another's new content (AdaBelief's squares of g − m'), whose zeros are that one's.
    """
    zeros_of = _zeros(recurrence)
    counts = [i for i, zeros in enumerate(zeros_of) if all(_is_counted_from(recurrence, zero) for zero in zeros)]
    settled = frozenset(id(z) for i in counts for z in zeros_of[i]) | _carried(recurrence) | _compared(recurrence)
    left = [zeros for i, zeros in enumerate(zeros_of) if i not in counts]
    while left:
        found = {i: list(islice(_contents(recurrence, zeros, settled), MAX_CONTENTS)) for i, zeros in enumerate(left)}
        first = next((i for i, nodes in found.items() if nodes), None)
        if first is None:
            sums = [i for i, zeros in enumerate(left) if all(_is_summed_up(recurrence, zero) for zero in zeros)]
            if not sums:
                return
            settled |= {id(z) for i in sums for z in left[i]}
            left = [zeros for i, zeros in enumerate(left) if i not in sums]
            continue
        yield [(node, left[first]) for node in found[first]]
        settled |= {id(z) for z in left.pop(first)}


def _contents(recurrence: Recurrence, zeros: list[Expr], settled: frozenset[int]) -> Iterator[Expr]:
    """The sums that hold one place's zeros and no other's that is not settled: what the code names so, the smallest."""
    mine = {id(z) for z in zeros}
    w = recurrence.parameter.old if recurrence.parameter is not None else None
    named = {s.expr for s in recurrence.stored} | {*_left(recurrence)}
    fitting: list[Expr] = []
    for post in [*recurrence.posts(), *_left(recurrence)]:
        for node in ex.walk(post):
            if node.op not in (*SUMS, "mul") or node in fitting or not node.symbols:
                continue
            if node.op == "mul" and node not in named:
                continue  # μ·(0 − η·g) is what the code keeps, or nothing
            held = {id(n) for n in ex.walk(node) if n.op == "const" and n.value == 0}
            moves = w is not None and (1, ex.sym(w)) in structure.terms(node)
            if held & mine and held <= mine | settled and not moves and _starts_over(node, mine):
                fitting.append(node)
    yield from sorted(fitting, key=lambda n: (n not in named, n.size))


def _starts_over(node: Expr, zeros: set[int]) -> bool:
    """An average or a velocity that starts from zero: β·0 + …, max(0, …), or squares added to 0.

    A gradient that is summed up over the examples starts from zero, too, and each time anew.
    """
    if node.op == "mul":
        sums = (f for f, e in structure.factors(node) if e == 1 and f.op in ("add", "sub"))
        return any(id(t) in zeros for f in sums for _, t in structure.terms(f))
    terms = [term for _, term in structure.terms(node)]
    decayed = any(t.op == "mul" and any(id(f) in zeros for f, _ in structure.factors(t)) for t in terms)
    squares = any(structure.squared_in(t) for t in terms)
    bare = any(id(t) in zeros for t in terms)
    again = bare and any(id(n) in zeros for t in terms if id(t) not in zeros for n in ex.walk(t))  # s + a·(g − s)
    return node.op == "max" or decayed or squares or again


def _readers(recurrence: Recurrence, zero: Expr) -> list[Expr]:
    return [n for post in recurrence.posts() for n in ex.walk(post) if any(a is zero for a in n.args)]


def _is_summed_up(recurrence: Recurrence, zero: Expr) -> bool:
    """A zero that a sum begins with, and nothing else reads: gradients of one example after the other."""
    readers = _readers(recurrence, zero)
    return bool(readers) and all(n.op == "add" for n in readers)


def _is_counted_from(recurrence: Recurrence, zero: Expr) -> bool:
    """The 0 of 0 + 1: a count of steps that starts over with the rest."""
    readers = _readers(recurrence, zero)
    return bool(readers) and all(n.op == "add" and all(a.op == "const" for a in n.args) for n in readers)


def _with_states(recurrence: Recurrence, contents: list[tuple[Expr, list[Expr]]]) -> Subject | None:
    """The update with a state for each of these contents, whose zeros are its old content.

    A content that a state is given as a whole is that state's: it was emptied just before.
    """
    states: list[State] = []
    table: dict[Expr, Expr] = {}
    before: list[tuple[Expr, Expr]] = []  # zeros that the step itself reads
    emptied = {s.post: s for s in recurrence.states}
    for number, (content, zeros) in enumerate(contents, 1):
        spans = (content.origin,) if content.origin else ()
        made = State(f"state{number}", Symbol(f"state{number}"), Symbol(f"state{number}'"), content, ZERO, spans)
        state = emptied.get(content, made)
        post = content
        for zero in zeros:
            post = ex.replace_node(post, zero, ex.sym(state.old))
        states.append(replace(state, post=post, initial=ZERO))
        table[content] = ex.sym(state.new)
        if not any(ex.contains(p, content) for p in recurrence.posts()):
            before += [(zero, ex.sym(state.old)) for zero in zeros]
    for state, (content, _) in zip(states, contents, strict=True):
        others = {c: n for c, n in table.items() if c != content}
        state.post = ex.substitute(state.post, others)
    mine = {s.old for s in states}
    kept = [replace(s, post=ex.substitute(s.post, table)) for s in recurrence.states if s.old not in mine]
    if any(len(s.post.visible & {o.new for o in states}) > 1 for s in states):
        return None
    states.sort(key=lambda s: bool(s.post.visible & {o.new for o in states}))
    return made_of(recurrence, [*states, *kept], table, before)


def made_of(
    recurrence: Recurrence, states: list[State], table: dict[Expr, Expr], before: Sequence[tuple[Expr, Expr]] = ()
) -> Subject:
    """The update with these states, its step in terms of their contents (``before``: nodes of it, and old ones)."""

    def told(post: Expr) -> Expr:
        post = ex.substitute(post, table)
        for node, old in before:
            post = ex.replace_node(post, node, old)
        return post

    return prepare(replace(recurrence.with_step(told), states=states))


def _with_time(made: Subject) -> Subject | None:
    """The count of steps was lost with the rest: β¹ is βᵗ."""
    powers = (n for n in ex.walk(made.step) if n.op == "pow" and made.is_hyper(n.args[0]))
    first = [n for n in powers if structure.number_at(n.args[1], {}) == 1]
    if not first:
        return None
    time, clocks = clock(made)
    table = {n: ex.op("pow", n.args[0], time, origin=n.origin) for n in first}
    return made.replaced([*made.posts[:-1], ex.substitute(made.step, table)], clocks=clocks)
