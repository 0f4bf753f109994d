"""Weight decay: its sign, its place, and whether it has any effect."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from optlint.diagnose.repairs import Repair, check
from optlint.intent import is_called_decay
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.prepare import prepare
from optlint.subject import Hyper, Subject

OWN_DECAY = 0.01  # that evidence runs with, where the code leaves it at 0, or to its caller
_ALPHA = re.compile("alpha", re.IGNORECASE)
_SCALE_NAME = re.compile(r"(loss|grad)\w*_?scale|scaler|inv_?scale|rescale", re.IGNORECASE)


def decay_term(subject: Subject, gradient: Expr | None = None, numbers: bool = False) -> tuple[Expr, Expr, int] | None:
    """The summand of the effective gradient that is a setting (or a small number) times w: (sum, summand, sign).

    Only a summand of the whole gradient counts: a model's own ``y − w·x`` is no decay.
    """
    node, w = gradient or subject.gradient, subject.parameter
    if node is None or w is None:
        return None
    while node.op in ("mul", "div") and sum(_reads(a, w) for a in node.args) == 1:
        inner = next(a for a in node.args if _reads(a, w))
        if node.op == "div" and inner is node.args[1]:
            break
        node = inner
    parts = structure.terms(node)
    for sign, term in parts if len(parts) > 1 else ():
        turned = _decays(term, w, numbers)
        if turned and not any(w in t.visible for _, t in parts if t is not term):
            return node, term, sign * turned
    return None


def _reads(node: Expr, w: Symbol) -> bool:
    """Element for element: LARS scales a gradient and its decay by a ratio of norms, which is one number."""
    waiting, seen = [node], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) not in seen and w in part.visible and part.op not in ex.REDUCTIONS:
            if not part.args:
                return True
            seen.add(id(part))
            waiting.extend(part.args)
    return False


def _decays(term: Expr, w: Symbol, numbers: bool = False) -> int:
    """The sign of a product of w and a decay's settings; 0 where it is none.

    ``numbers``: a number below 1 will do, as a script's own constants give it.
    """
    factors = structure.factors(term)
    others = [f for f, _ in factors if not (f.op == "sym" and f.value is w)]
    if len(others) != len(factors) - 1:
        return 0
    named = [f for f in others if f.op == "sym"]
    if numbers and not named and all(f.op == "const" and 0 < f.number < 1 for f in others):
        return 1
    if not named or any(f.op not in ("sym", "const") for f in others) or not any(map(_is_decay, named)):
        return 0
    return -1 if sum(f.op == "const" and f.number < 0 for f in others) % 2 else 1


def _is_decay(node: Expr) -> bool:
    """A setting: the code gives it a number, or names it so."""
    return node.symbol.default is not None or is_called_decay(node.symbol.name) or bool(_ALPHA.search(node.symbol.name))


def _positive(term: Expr) -> Expr:
    """λ·w of (−λ)·w."""
    parts = structure.factors(term)
    kept = [(f, e) for f, e in parts if f != ex.const(-1)]
    return structure.product(kept, term.origin) if len(kept) < len(parts) else term


def gradient_becomes(subject: Subject, page: MistakePage, wrong: Expr, right: Expr, mended: Expr) -> Repair:
    """A part of the gradient is another one, and with it the gradient that the update takes in."""
    return Repair(
        page.code, subject, wrong, right, effective=mended, root=subject.gradient, details={"kind": "gradient"}
    )


@check("decay-sign")
def decay_sign(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """g − λw for g + λw, w + η·λ·w beside the step, or u − λw in a step that is scaled as a whole (LAMB's): the decay
    term drives the weights away from zero."""
    found = decay_term(subject)
    if found is not None and found[2] < 0 and subject.gradient is not None:
        node, term, _ = found
        parts = [(1, _positive(t)) if t is term else (s, t) for s, t in structure.terms(node)]
        right = structure.total(parts, node.origin)
        yield gradient_becomes(subject, page, node, right, ex.replace_node(subject.gradient, node, right))
    if _grows(subject):
        details = {"kind": "returned"} if subject.recurrence.parameter is None else {}
        drive, near = subject.run().step, 3 * float(np.max(np.abs(subject.decay)))  # a decay of w − η·u scales u, too
        for made, wrong, right in _with_a_term_turned(subject):
            if np.allclose(made.decay, -subject.decay, rtol=1e-9) and np.allclose(made.run().step, drive, rtol=near):
                yield Repair(page.code, made, wrong, right, root=subject.step, details=details)
                return
    if subject.reads_parameter:
        yield from _decay_turned_in_step(subject, page)


def _decay_turned_in_step(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """u + λ·w for u − λ·w, wherever the step holds that sum, its norm too."""
    w = subject.parameter
    for node in dict.fromkeys(n for n in ex.walk(subject.step) if n.op in ("add", "sub")):
        parts = structure.terms(node)
        decays = [(s, t) for s, t in parts if w is not None and s * _decays(t, w) < 0]
        others = [t for s, t in parts if (s, t) not in decays]
        if len(decays) == 1 and others and all(t.symbols & subject.moving and w not in t.visible for t in others):
            right = structure.total([(-s if (s, t) in decays else s, t) for s, t in parts], node.origin)
            step = ex.substitute(subject.step, {node: right})
            made = subject.replaced([*(s.post for s in subject.states), step])
            yield Repair(page.code, made, node, right, root=subject.step)


def _with_a_term_turned(subject: Subject) -> Iterator[tuple[Subject, Expr, Expr]]:
    """The update with the other sign before one summand of its step: (that update, the sum, the sum instead)."""
    for node in ex.walk(subject.step):
        parts = structure.terms(node) if node.op in ("add", "sub") else []
        for turned in parts:
            right = structure.total([(-s if (s, t) == turned else s, t) for s, t in parts], node.origin)
            step = ex.replace_node(subject.step, node, right)
            yield subject.replaced([*(s.post for s in subject.states), step]), node, right


def _grows(subject: Subject) -> bool:
    """A decay beside the step makes the parameter grow."""
    own = subject.w_slope
    if own is None or subject.reads_parameter or not any(is_called_decay(s.name) for s in own.symbols):
        return False
    return bool(np.ravel(subject.as_applied.decay)[0] < 0)


@check("decay-multiplies")
def decay_multiplies(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """g·(c + λ·w) for c·g + λ·w."""
    gradient, w = subject.gradient, subject.parameter
    parts = structure.factors(gradient) if gradient is not None else []
    for factor, exponent in parts:
        terms = structure.terms(factor)
        decays = [(s, t) for s, t in terms if w is not None and w in t.visible]
        if exponent != 1 or len(parts) < 2 or len(decays) != 1 or len(terms) < 2:
            continue
        kept = structure.total([p for p in terms if p not in decays])
        if w is None or not _decays(decays[0][1], w) or not _is_size(kept):
            continue
        data = structure.product([(kept, 1.0), *((f, e) for f, e in parts if f is not factor)])
        right = structure.total([(1, data), *decays], gradient.origin if gradient is not None else None)
        yield gradient_becomes(subject, page, gradient or right, right, right)


@check("decay-divides")
def decay_divides(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """η·m̂/(√v̂ + ε + λ·w) for η·(m̂/(√v̂ + ε) + λ·w)."""
    w = subject.parameter
    data = subject.moving | subject.time | {subject.g}
    for node in ex.walk(subject.step) if w is not None else ():
        parts = structure.factors(node) if node.op in ("mul", "div") else []
        for below, exponent in parts:
            shares = structure.terms(below) if exponent == -1 and w in below.visible else []
            decays = [(s, t) for s, t in shares if (ex.sym(w), 1.0) in structure.factors(t) and not t.symbols & data]  # type: ignore[arg-type]
            kept = structure.total([p for p in shares if p not in decays], below.origin)
            if len(decays) != 1 or not kept.symbols & subject.second or w in kept.visible:
                continue
            sizes = [p for p in parts if p[0] is not below and not p[0].symbols & data]
            moved = structure.product([*(p for p in parts if p not in sizes and p[0] is not below), (kept, -1.0)])
            right = structure.product([*sizes, (structure.total([(1, moved), *decays]), 1.0)], node.origin)
            made = subject.replaced([*subject.posts[:-1], ex.replace_node(subject.step, node, right)])
            yield Repair(page.code, made, below, kept, where="step", root=subject.step)


def _is_size(node: Expr) -> bool:
    """A number, or what scales all gradients."""
    return node.op == "const" or (
        node.op == "sym" and (node.symbol.default is not None or scales_gradients(node.symbol))
    )


def scales_gradients(symbol: Symbol) -> bool:
    return bool(_SCALE_NAME.search(symbol.name))


@check("decay-order")
def decay_order(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """(s·g + λ·w)/s for g + λ·w: a gradient of the scaled loss gets its decay before the scale is taken out."""
    found, gradient = decay_term(subject), subject.gradient
    if found is None or gradient is None:
        return
    node, term, _ = found
    around = structure.factors(gradient) if gradient is not node else []
    for scale, exponent in around:
        if scale is not node and _is_of_loss(scale):
            terms = structure.terms(node)
            parts = [(s, t if t is term else _scaled(t, scale, exponent)) for s, t in terms]
            unscaled = structure.total(parts, gradient.origin)
            left = [(unscaled if f is node else f, e) for f, e in around if f is not scale]
            mended = structure.product(left, gradient.origin)
            yield gradient_becomes(subject, page, gradient, mended, mended)
            return
    for scale, exponent in _around_gradient(subject):
        if _is_of_loss(scale):
            mended = structure.total(
                [(s, t if t is term else _scaled(t, scale, exponent)) for s, t in structure.terms(node)]
            )
            mended = ex.replace_node(gradient, node, mended)
            made = subject.replaced([_without_factor(p, ex.sym(subject.g), scale) for p in subject.posts])
            yield Repair(page.code, made, node, mended, effective=mended, details={"kind": "gradient"})
            return


def _is_of_loss(scale: Expr) -> bool:
    """Made of what is called so alone: a trust ratio, too, may read the gradient that it is taken out of."""
    return bool(scale.symbols) and all(map(scales_gradients, scale.symbols))


def _without_factor(post: Expr, g: Expr, factor: Expr) -> Expr:
    """The equation with each product of g and the factor as that product without it."""
    products = [n for n in ex.walk(post) if n.op in ("mul", "div") and g in n.args]
    kept = {n: structure.product([p for p in structure.factors(n) if p[0] != factor]) for n in products}
    return ex.substitute(post, kept)


def _scaled(term: Expr, scale: Expr, exponent: float) -> Expr:
    return structure.product([(term, 1.0), (scale, exponent)])


def _around_gradient(subject: Subject) -> Iterator[tuple[Expr, float]]:
    """What multiplies or divides the gradient wherever it is read: settings that stand in no other part of it."""
    g = ex.sym(subject.g)
    for post in subject.posts:
        for node in ex.walk(post):
            if node.op in ("mul", "div") and g in node.args:
                yield from (f for f in structure.factors(node) if f[0] != g)


def decay_unused(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """g + λ·w is computed, and nothing reads it: the update is the same whatever λ is."""
    recurrence, gradient, w = subject.recurrence, subject.gradient, subject.parameter
    if gradient is None or w is None:
        return
    read = frozenset().union(*(p.symbols for p in recurrence.posts()))
    computed = [(stored.expr, stored.span) for stored in recurrence.stored]
    computed += [(would, d.span) for would in _if_kept(subject) for d in recurrence.dropped if not d.bound]
    for expr, span in computed:
        found = decay_term(subject, expr)
        if found is None or found[1].symbols - {w} <= read or not ex.contains(expr, gradient):
            continue
        if found[1].symbols & recurrence.left_out:
            continue  # it is this view of the update that goes without
        yield Repair(page.code, subject, gradient, expr, effective=expr, span=span, details={"kind": "gradient"})
        return


def _if_kept(subject: Subject) -> Iterator[Expr]:
    """The gradient as it would be if the results that nobody takes were kept, in this run's symbols."""
    recurrence = subject.recurrence
    kept = prepare(recurrence.kept).gradient if recurrence.kept is not None else None
    if kept is not None:
        own = {s.name: s for p in recurrence.posts() for s in p.symbols}
        yield ex.substitute(kept, {ex.sym(s): ex.sym(own[s.name]) for s in kept.symbols if s.name in own})


@check("decay-with-correction")
def decay_with_correction(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """η·√(1 − β₂ᵗ)/(1 − β₁ᵗ), folded into the learning rate, scales the decay, too."""
    w, own = subject.parameter, subject.w_slope
    if w is None or own is None or subject.reads_parameter:
        return
    shrinks = [(sign, t) for sign, t in structure.terms(own) if t != ex.const(1)]
    if len(shrinks) != 1 or not _corrects(subject, shrinks[0][1]):
        return
    sign, shrink = shrinks[0]
    rate = structure.product([(f, e) for f, e in structure.factors(shrink) if not f.symbols & subject.time])
    if not rate.symbols:  # an average of w itself, whose weight moves with time
        return
    size = structure.product(next((_step_size(subject, t) for _, t in structure.terms(subject.drive)), []))
    if size.symbols and not size.symbols & rate.symbols:  # the correction stands where η should
        rate = ex.op("mul", size, rate)
    step = ex.substitute(subject.step, {shrink: rate})
    if step == subject.step:  # the decay stands in a bracket with the moments
        parts = [(1, ex.sym(w)), (sign, ex.op("mul", rate, ex.sym(w))), *structure.terms(subject.drive)]
        step = structure.total(parts, subject.step.origin)
    made = subject.replaced([*(s.post for s in subject.states), step])
    yield Repair(page.code, made, shrink, rate, root=subject.step)


def _corrects(subject: Subject, node: Expr) -> bool:
    """Holds βᵗ, and not only where it decides whether there is a decay at all (RAdam's rectified steps)."""
    decides = {n.args[0]: ex.const(1) for n in ex.walk(node) if n.op == "where"}
    scaling = ex.substitute(node, decides)
    return any(n.op == "pow" and n.args[1].symbols & subject.time for n in ex.walk(scaling))


@check("decay-coupled")
def decay_coupled(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """g + λ·w in an update whose name promises decoupled decay: w shrinks by η·λ·w beside the step instead."""
    gradient, w = subject.gradient, subject.parameter
    found = decay_term(subject, numbers=True)
    if found is None or gradient is None or w is None or found[2] < 0:
        return
    if any("coupl" in option.lower() for option in subject.recurrence.configuration):
        return
    node, term, _ = found
    bare = structure.total([p for p in structure.terms(node) if p[1] is not term], node.origin)
    if subject.w_slope != ex.const(1):
        return  # twice
    sizes = [_step_size(subject, t) for _, t in structure.terms(subject.drive)]
    decay = structure.product([*sizes[0], *structure.factors(term)])
    step = structure.total([(1, ex.sym(w)), (-1, decay), *structure.terms(subject.drive)], subject.step.origin)
    known = {h.symbol for h in subject.hypers}
    more = [Hyper(s, "other", s.default or OWN_DECAY) for s in sorted(term.symbols - known - {w}, key=lambda s: s.name)]
    made = subject.replaced([*(s.post for s in subject.states), step], hypers=[*subject.hypers, *more])
    mended = ex.replace_node(gradient, node, bare)
    yield Repair(page.code, made, node, bare, effective=mended, details={"kind": "gradient"})


@check("decay-twice")
def decay_twice(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """g + λ·w in the gradient, and w shrinks by the same λ beside the step."""
    gradient, w, own = subject.gradient, subject.parameter, subject.w_slope
    found = decay_term(subject, numbers=True)
    if found is None or gradient is None or w is None or own is None or found[2] < 0:
        return
    node, term, _ = found
    setting = term.symbols - {w}
    if own != ex.const(1) and setting and setting <= own.symbols:
        bare = structure.total([p for p in structure.terms(node) if p[1] is not term], node.origin)
        repair = gradient_becomes(subject, page, node, bare, ex.replace_node(gradient, node, bare))
        repair.details["says"] = "twice"
        yield repair


@check("penalty-twice")
def penalty_twice(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """∇f + r(w) in the moments, and r(w) once more beside what they give: the step without it.

    What all equations read is then r, which was taken for the gradient.
    """
    g, r = ex.sym(subject.g), subject.gradient
    sums = {n for s in subject.states for n in ex.walk(s.post) if (1, g) in _summands(n) and len(_summands(n)) > 1}
    if r is None or subject.parameter not in r.symbols or len(sums) != 1:
        return
    whole = sums.pop()
    if whole.symbols & subject.moving:
        return
    states = [ex.substitute(s.post, {whole: g}) for s in subject.states]
    for node in ex.walk(subject.step):
        parts = _summands(node)
        alone = [(s, t) for s, t in parts if structure.exponent_of(t, g) == 1 and not t.symbols & subject.moving]
        if len(alone) == 1 and len(parts) > 1 and any(t.symbols & subject.moving for _, t in parts):
            right = structure.total([p for p in parts if p not in alone], node.origin)
            made = subject.replaced([*states, ex.replace_node(subject.step, node, right)])
            details = {"says": "penalty", "meant": "w' = w − η·m̂/(√v̂ + ε), with the penalty in the gradient alone"}
            yield Repair(page.code, made, node, right, whole, where="step", root=subject.step, details=details)


def _summands(node: Expr) -> list[tuple[int, Expr]]:
    return structure.terms(node) if node.op in ("add", "sub") else []


def _step_size(subject: Subject, term: Expr) -> list[tuple[Expr, float]]:
    """The learning rate: the plain settings and numbers among a step's factors."""
    data = subject.moving | subject.time | {subject.g}
    return [
        (ex.const(abs(f.number)) if f.op == "const" else f, e)
        for f, e in structure.factors(term)
        if e > 0 and f.op in ("sym", "const") and not f.symbols & data and f != ex.const(-1)
    ]


@check("decay-mutates")
def decay_mutates(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """g += λ·w in the array that its owner keeps: a second update with the same gradient decays twice."""
    gradient, w = subject.gradient, subject.parameter
    found = decay_term(subject)
    if found is None or gradient is None or w is None:
        return
    for entry in subject.recurrence.inputs:
        decays = structure.slope(entry.post, w) not in (None, ex.const(0))  # a trust ratio reads w, and decays nothing
        if decays and entry.slot.symbol in gradient.symbols and not entry.slot.local:
            again = ex.op("add", gradient, found[1])
            span = entry.spans[0] if entry.spans else None
            yield Repair(page.code, subject, gradient, again, effective=again, span=span, details={"kind": "again"})
            return
