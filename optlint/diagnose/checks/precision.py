"""What low precision makes of an update, where the code shows the number type that it computes in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optlint.diagnose.repairs import Repair, check
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr
from optlint.lift.numbers import LOW
from optlint.lift.recurrence import State
from optlint.model import Span
from optlint.sandbox.rounding import ROUND, SMALLEST, Precision
from optlint.subject import Subject

ZERO = ex.const(0)
SAFE = 1e-4  # an epsilon that float16 can hold, and whose square is not below its smallest number
_WIDE = {"float16": 1, "bfloat16": 1, "float32": 2, "float64": 3}
_OWN_ARRAYS = frozenset({"torch", "jax", "tensorflow", "keras", "mlx", "theano", "tinygrad"})


def shown_precision(subject: Subject) -> Precision | None:
    """The low precision that the code itself shows: every average is kept in it, and it names no other type."""
    averages = [s for s in subject.states if subject.g in s.post.symbols or s.post.symbols & subject.moving - {s.old}]
    types = {s.dtype for s in averages}
    dtype = next(iter(types)) if len(types) == 1 else ""
    kept = all(s.becomes == dtype for s in averages)
    if dtype not in LOW or not kept or not subject.recurrence.types <= {dtype}:
        return None
    w = {subject.parameter} if subject.parameter is not None else set()
    return Precision(dtype, frozenset({subject.g, *w, *subject.moving}))


def _epsilons(subject: Subject) -> Iterator[tuple[Expr, float]]:
    """What is added to a root, or below one: settings alone, with their values in the code."""
    own = {h.symbol: h.own for h in subject.hypers}
    data = subject.moving | {subject.g}
    for post in subject.posts:
        for node in ex.walk(post):
            if node.op not in ("add", "max"):
                continue
            for a, b in (node.args, node.args[::-1]):
                if b.symbols & data and subject.is_hyper(a) and (a.op == "const" or a.op == "sym"):
                    yield a, a.number if a.op == "const" else own[a.symbol]


@check("epsilon-underflows")
def epsilon_underflows(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """ε is nothing in the type of the array that it is added to."""
    precision = shown_precision(subject)
    if precision is None:
        return
    for epsilon, value in _epsilons(subject):
        if 0 < value < SMALLEST[precision.dtype] and not np.any(ROUND[precision.dtype](value)):
            held = ex.const(SAFE)
            repaired = subject.replaced([ex.substitute(p, {epsilon: held}) for p in subject.posts])
            both = (precision, precision)
            span = epsilon.origin or _around(subject, epsilon)
            yield Repair(page.code, repaired, epsilon, held, span=span, precision=both)
            return


def _around(subject: Subject, part: Expr) -> Span | None:
    """The sum that a setting stands in."""
    for post in subject.posts:
        for node in ex.walk(post):
            if node.op in ("add", "max") and part in node.args and node.origin is not None:
                return node.origin
    return None


@check("variance-negative")
def variance_negative(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """√(v − a² + ε), the variance as a difference: rounding makes it negative."""
    precision = shown_precision(subject)
    if precision is None:
        return
    for index, post in enumerate(subject.posts):
        for node in ex.walk(post):
            if node.op == "sub" and node.args[0].symbols & subject.moving:
                square = structure.square_root_of(node.args[1])
                if square is None or not square.symbols & subject.moving or not _below_root(post, node):
                    continue
                held = ex.op("max", node, ZERO, origin=node.origin)
                posts = list(subject.posts)
                posts[index] = ex.replace_node(post, node, held)
                yield Repair(
                    page.code, subject.replaced(posts), node, held, root=post, precision=(precision, precision)
                )
                return


def _below_root(post: Expr, part: Expr) -> bool:
    roots = [n for n in ex.walk(post) if structure.is_root(n)]
    return any(ex.contains(n.args[0], part) for n in roots)


@check("beta-rounded")
def beta_rounded(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """β₂ is an array of low precision, in which it is 1: 1 − β₂ᵗ is 0."""
    for dtype in LOW:
        typed = {h.symbol for h in subject.hypers if h.role == "decay" and h.symbol.dtype == dtype}
        ones = [h for h in subject.hypers if h.symbol in typed and np.all(ROUND[dtype](h.own) == 1)]
        if ones:
            setting = ex.sym(ones[0].symbol)
            written = Precision(dtype, frozenset(typed))
            held = subject.replaced([ex.substitute(p, {setting: ex.const(ones[0].own)}) for p in subject.posts])
            span = next((n.origin for p in subject.posts for n in ex.walk(p) if n == setting and n.origin), None)
            yield Repair(page.code, held, setting, span=span, details={"type": dtype}, precision=(written, None))
            return


@check("fractions-in-integers")
def fractions_in_integers(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """An array of integers takes in fractions: they are cut off, or refused."""
    posts = list(subject.posts)
    kept = [(i, s) for i, s in enumerate(subject.states) if takes_integers(s)]
    parameter = subject.recurrence.parameter
    if parameter is not None and takes_integers(parameter):
        kept.append((len(posts) - 1, parameter))
    if not kept or _others_arrays(subject):
        return
    for index, _ in kept:
        whole = ex.op("floor", ex.op("abs", posts[index]))
        posts[index] = ex.op("mul", ex.op("sign", posts[index]), whole)
    first = kept[0][1]
    spans = first.spans
    details = {"kind": "refused" if first.exact else "as run", "type": first.dtype}
    yield Repair(page.code, subject.replaced(posts), details=details, span=spans[0] if spans else None)


def _others_arrays(subject: Subject) -> bool:
    """The file's arrays may be another library's, whose types follow other rules than NumPy's."""
    return bool({name.split(".")[0] for name in subject.recurrence.imports} & _OWN_ARRAYS)


def takes_integers(state: State) -> bool:
    """An array of integers that is changed in place, and does not count."""
    return state.dtype == "int" and state.in_place and not state.is_counter


@check("upcast")
def upcast(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """A place that starts in low precision holds float64 after the first step."""
    recurrence = subject.recurrence
    if _others_arrays(subject):
        return
    parameter = [recurrence.parameter] if recurrence.parameter is not None else []
    for state in [*subject.states, *parameter]:
        before, after = state.dtype, state.becomes
        if before in LOW and _WIDE.get(after, 0) > _WIDE[before]:
            text = f"{state.name} starts as {before} and is {after} after the first step"
            span = state.spans[0] if state.spans else None
            yield Repair(page.code, subject, details={"kind": "types", "text": text}, span=span)
            return
