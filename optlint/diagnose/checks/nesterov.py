"""Nesterov's step: a mix of v, v' and g that is none, what looks ahead twice, nowhere, or to another point."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from optlint.diagnose.checks.lookahead import one_sign_turned_in, read_at_other_time
from optlint.diagnose.repairs import Repair, check
from optlint.intent import as_told, mentioned, speaks_of
from optlint.knowledge import MistakePage
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.places import loosely, place_text
from optlint.lift.recurrence import Recurrence, State
from optlint.subject import Subject

ONE, ZERO = ex.const(1), ex.const(0)
_AHEAD = r"ahead|peek|interim|shift|restor|pre_?step|before_?step"  # who says so may take the gradient there
SAYS = re.compile(r"nest(?:e?r|re)ov|(?<![a-z])nagd?(?![a-z])", re.IGNORECASE)
_COPY_PUT_BACK = re.compile(  # of a list, whose elements the code has bound anew in between
    r"(?P<kept>\w+)\s*=\s*(?:list\(\s*[\w.]+\s*\)|[\w.]+\[:\])[^\n]*\n(?:[^\n]*\n)*?\s*[\w.]+\s*=\s*(?P=kept)\s*\n"
)
_OPTION = re.compile(rf"[\w.]*(?:{SAYS.pattern})\w*(?: = (?:1|True))?", re.IGNORECASE)


@check("nesterov-step")
def nesterov_step(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """The step of Nesterov's form with one sign turned, with the velocity of the wrong time, or any other mix."""
    if len(subject.states) != 1 or subject.states[0].old in subject.second or subject.gradient is None:
        return
    if _goes_and_returns(subject.step) or _COPY_PUT_BACK.search(subject.recurrence.text):
        return  # the gradient may well be taken in between
    velocity = velocity_of(subject)
    if subject.gradient.symbols & subject.moving:  # taken at the look-ahead point
        if velocity is not None:
            yield from _moved_ahead_of_gradient(velocity, page)
            yield from _other_point(velocity, page)
        return
    yield from _kept_ahead(subject, page)
    if velocity is not None and velocity.is_heavy_ball and (beside := list(_points_beside(velocity))):
        yield from _at_velocity_kept_twice(velocity, beside, page)
        return
    if velocity is not None and velocity.is_heavy_ball and any(_points(velocity)):
        return  # w + μ·v is read, for the gradient most likely: written out, that is the step from there
    before = [s.post for s in subject.states]
    for wrong, right in one_sign_turned_in(subject):
        step = ex.replace_node(subject.step, wrong, right)
        yield Repair(page.code, subject.replaced([*before, step]), wrong, right)
    for step, wrong, right in read_at_other_time(subject, subject.step):
        yield Repair(page.code, subject.replaced([*before, step]), wrong, right)
    if velocity is not None and (not velocity.is_heavy_ball or _looks_nowhere(velocity)):
        step = velocity.stepped(ahead=True)
        made = subject.replaced([*before, step])
        yield Repair(page.code, made, subject.step, step, where="step", root=subject.step)


def _kept_ahead(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """v' = μ·(μ·v + g) + g with w − η·v': what the step alone should take is kept as the velocity."""
    state = subject.states[0]
    inner = average_inside(subject, state)
    if inner is None or "nesterov" not in mentioned(subject.recurrence):
        return
    ahead = ex.substitute(state.post, {inner: ex.sym(state.new)})
    step = ex.substitute(subject.step, {ex.sym(state.new): ahead})
    yield Repair(page.code, subject.replaced([inner, step]), state.post, inner, where=state.name, root=state.post)


def _goes_and_returns(step: Expr) -> bool:
    """w − μ·v + μ·v: the parameter is moved ahead, and back again."""
    parts = structure.terms(step)
    return any((-sign, term) in parts for sign, term in parts)


def average_inside(subject: Subject, m: State) -> Expr | None:
    """The a·m + c·g that a state's new content is built on together with g itself."""
    for node in ex.walk(m.post):
        if node is m.post or node.op not in ("add", "sub") or not {m.old, subject.g} <= node.symbols:
            continue
        slopes = [structure.slope(node, s) for s in (m.old, subject.g)]
        if all(s is not None and s != ZERO and subject.is_hyper(s) for s in slopes):
            outside = ex.substitute(m.post, {node: ONE})
            return node if subject.g in outside.symbols and m.old not in outside.symbols else None
    return None


@dataclass(frozen=True)
class Velocity:
    """v' = μ·v + c·g, and the step that it should be for: s·v' where s is the sign, and the rate unless v' holds it."""

    subject: Subject
    state: State
    kept: Expr
    taken: Expr
    scale: Expr
    ahead: Expr  # the step's slope in v, once v' is written out: where momentum alone leads
    own: np.ndarray  # that over the lanes, and the slope in g
    driven: np.ndarray

    @property
    def is_heavy_ball(self) -> bool:
        """The step is s·v', or another multiple of it: as far as a step can tell."""
        mu, c = (self.subject.value(e) for e in (self.kept, self.taken))
        return bool(np.allclose(self.own * c, self.driven * mu, rtol=1e-9, atol=0))

    def stepped(self, ahead: bool) -> Expr:
        """w + s·(μ·v' + c·g), or w + s·v'."""
        new, g = ex.sym(self.state.new), ex.sym(self.subject.g)
        moved = ex.op("add", _times(self.kept, new), _times(self.taken, g)) if ahead else new
        assert self.subject.parameter is not None
        whole = ex.op("add", ex.sym(self.subject.parameter), _times(self.scale, moved))
        return structure.tidy(whole).at(self.subject.step.origin)


def _times(coefficient: Expr, node: Expr) -> Expr:
    return node if coefficient == ONE else ex.op("mul", coefficient, node)


def velocity_of(subject: Subject) -> Velocity | None:
    """The velocity of an update that speaks of Nesterov, where its step is a mix of it and g that forgets neither.

    No other setting may have a part in it: who brings in a third one means another method.
    """
    return as_velocity(subject) if "nesterov" in mentioned(subject.recurrence) else None


def as_velocity(subject: Subject) -> Velocity | None:
    """The same, whatever the update is called."""
    if subject.parameter is None or subject.reads_parameter:
        return None
    state, g, drive = subject.states[0], subject.g, subject.drive
    kept, taken = structure.slope(state.post, state.old), structure.slope(state.post, g)
    if kept is None or taken is None or not (subject.is_hyper(kept) and subject.is_hyper(taken)):
        return None
    kept, taken = structure.tidy(kept), structure.tidy(taken)
    others = subject.value(structure.rest(structure.rest(state.post, state.old), g))
    if others is None or np.any(others) or ZERO in (kept, taken):
        return None
    written_out = ex.substitute(drive, {ex.sym(state.new): state.post})
    slopes = [structure.slope(written_out, s) for s in (state.old, g)]
    own, driven = (subject.value(s) if s is not None else None for s in slopes)
    if own is None or driven is None or not np.all(driven) or not np.all(np.isfinite(own * driven)):
        return None
    if np.allclose(own, 0):
        return None  # what another call moves is moved back here
    left = [f for f in _rates(taken) if not structure.is_complement(f, kept)]
    common = _common(subject, drive, kept)
    if left and common:
        return None  # one of the two is no rate, or it is there twice, which is another mistake
    if not drive.symbols - subject.moving - {g} <= kept.symbols | taken.symbols | _symbols(common):
        return None
    sizes = [] if left else common
    sign = np.sign(driven) * np.sign(subject.value(taken))
    if not np.all(sign == sign.flat[0]):
        return None
    scale = structure.product([(f, 1.0) for f in sizes])
    scale = scale if sign.flat[0] > 0 else ex.op("neg", scale)
    assert slopes[0] is not None
    return Velocity(subject, state, kept, taken, scale, structure.tidy(slopes[0]), own, driven)


def _symbols(nodes: list[Expr]) -> frozenset[Symbol]:
    return frozenset().union(*(n.symbols for n in nodes))


def _rates(node: Expr) -> list[Expr]:
    """Its factors but signs and ones."""
    return [f for f, _ in structure.factors(node) if f not in (ONE, ex.const(-1))]


def _common(subject: Subject, drive: Expr, kept: Expr) -> list[Expr]:
    """What multiplies all of the step, and is neither μ nor 1 − μ."""
    data = subject.moving | {subject.g}
    each = [[f for f, e in structure.factors(t) if e == 1 and not f.symbols & data] for _, t in structure.terms(drive)]
    shared = [f for f in each[0] if all(f in others for others in each[1:])]
    return [f for f in shared if f not in (ONE, ex.const(-1), kept) and not structure.is_complement(f, kept)]


# where nothing looks ahead


def _looks_nowhere(velocity: Velocity) -> bool:
    """Heavy ball under Nesterov's name, and the file shows that its gradient is not taken ahead, either.

    It is ``p.grad`` of the parameter itself, or a function's value there; an option asks for Nesterov here, and here is
    none; the point ahead is computed and forgotten, or nothing computes one, and nobody else knows the velocity.
    """
    subject = velocity.subject
    recurrence = subject.recurrence
    options = list(as_told(recurrence))
    if any(not on and SAYS.search(option) for option, on in options):
        return False  # plain momentum is what is asked for
    points = list(_points(velocity))
    if points:
        return any(not is_read for is_read in points)
    elsewhere = list(_moves_elsewhere(velocity))
    if elsewhere:
        return all(elsewhere)  # the parameter itself is moved, once for many steps, and not back before the next
    apart = recurrence.around.kept_apart(velocity.state.name) if recurrence.around is not None else ""
    if apart == "name":
        return True
    if may_look_ahead(recurrence):
        return False
    if apart or any(on and _OPTION.fullmatch(option) for option, on in options):
        return True
    assert subject.parameter is not None and subject.gradient is not None
    name, w = subject.parameter.name.removesuffix(".data"), ex.sym(subject.parameter)
    asked = any(n.op == "opaque" and w in n.args for n in ex.walk(subject.gradient))  # ∇f(w), in this very step
    return asked or any(s.name in (f"{name}.grad", f"{name}.grad.data") for s in subject.gradient.symbols)


def may_look_ahead(recurrence: Recurrence) -> bool:
    """The code speaks of a point ahead: the gradient may be taken there."""
    return speaks_of(_AHEAD, recurrence.text)


def _points(velocity: Velocity) -> Iterator[bool]:
    """The points w + k·v that the code computes: whether it reads them, or gives them a name and no more."""
    recurrence, w, known = velocity.subject.recurrence, velocity.subject.parameter, _known(velocity)
    gradient = velocity.subject.gradient
    assert w is not None and gradient is not None
    seen: set[Expr] = set()
    for worth in recurrence.worth:
        point = worth.expr
        if (
            point in seen
            or ex.contains(point, gradient)
            or not {w, velocity.state.old} <= point.symbols <= known | {w, velocity.state.old}
        ):
            continue
        seen.add(point)
        if structure.slope(point, w) == ONE and structure.slope(point, velocity.state.old) is not None:
            names = {s.name for s in recurrence.stored if s.expr == point and s.name.isidentifier()}
            uses = [e for e in recurrence.worth if getattr(e.node, "value", None) in names]
            yield len(uses) != len(names) or not names


def _moves_elsewhere(velocity: Velocity) -> Iterator[bool]:
    """Where another loop than the one that updates (an epoch's, say) brings the parameter and the velocity together.

    Whether that is what the parameter itself holds from then on, on its way as momentum leads.
    """
    recurrence, w, g = velocity.subject.recurrence, velocity.subject.parameter, velocity.subject.gradient
    assert w is not None and g is not None
    mine, told = frozenset((w, *velocity.subject.moving)), {loosely(w.name), loosely(velocity.state.old.name)}
    held = {s.expr for s in recurrence.stored if loosely(place_text(s.name)) == loosely(w.name)}
    for point in dict.fromkeys(worth.expr for worth in recurrence.worth):
        if point.symbols & (mine | g.symbols) or not told <= {loosely(s.name) for s in point.symbols}:
            continue
        v = next(s for s in point.symbols if loosely(s.name) == loosely(velocity.state.old.name))
        far = structure.slope(point, v)
        value = velocity.subject.value(far) if far is not None else None
        yield point in held and (value is None or bool(np.all(value * velocity.own >= 0)))


def _known(velocity: Velocity) -> frozenset[Symbol]:
    return velocity.kept.symbols | velocity.taken.symbols | velocity.scale.symbols


# where the gradient is taken ahead


def _moved_ahead_of_gradient(velocity: Velocity, page: MistakePage) -> Iterator[Repair]:
    """w + μ·v + v' for w + v': moved to where the gradient is taken, and not back."""
    subject = velocity.subject
    if velocity.is_heavy_ball or point_of_gradient(subject) is None:
        return
    step = velocity.stepped(ahead=False)
    made = subject.replaced([velocity.state.post, step])
    yield Repair(page.code, made, subject.step, step, details=_ON_BOWL, where="step", root=subject.step)


def _other_point(velocity: Velocity, page: MistakePage) -> Iterator[Repair]:
    """g = ∇f(w + k·v) where momentum alone leads elsewhere: without the step's rate, a whole velocity on, or back."""
    subject, state = velocity.subject, velocity.state
    point = point_of_gradient(subject)
    if point is None or not velocity.is_heavy_ball or subject.gradient is None or subject.parameter is None:
        return
    far = structure.slope(point, state.old)
    if structure.slope(point, subject.parameter) != ONE or far is None or not far.symbols <= _known(velocity):
        return
    value = subject.value(far)
    if value is None or np.allclose(value, velocity.own, rtol=1e-9, atol=0):
        return
    right = ex.op("add", ex.sym(subject.parameter), _times(velocity.ahead, ex.sym(state.old)), origin=point.origin)
    gradient = ex.substitute(subject.gradient, {point: right}, into_opaque=True)
    made = replace(subject, gradient=gradient)
    yield Repair(page.code, made, point, right, details=_ON_BOWL, written=subject)


def _points_beside(velocity: Velocity) -> Iterator[tuple[Expr, Expr]]:
    """The points w + k·u that the code computes, each with its k, where u is left with the same content as v."""
    recurrence, w, v = velocity.subject.recurrence, velocity.subject.parameter, velocity.state.old
    assert w is not None
    left = recurrence.contents.get(v)
    twins = {s for s, content in recurrence.contents.items() if s is not v and left is not None and content == left}
    for point in dict.fromkeys(worth.expr for worth in recurrence.worth if worth.expr.symbols & twins):
        u = next(iter(point.symbols & twins))
        far = structure.slope(point, u) if {w, u} <= point.symbols <= _known(velocity) | {w, u} else None
        if far is not None and structure.slope(point, w) == ONE:
            yield point, far


def _at_velocity_kept_twice(velocity: Velocity, points: list[tuple[Expr, Expr]], page: MistakePage) -> Iterator[Repair]:
    """u = μ·v before the first step, and u = v' from then on: a whole velocity ahead."""
    subject = velocity.subject
    assert subject.parameter is not None
    w, v = ex.sym(subject.parameter), ex.sym(velocity.state.old)
    values = [(subject.value(far), point, far) for point, far in points]
    if any(value is None or np.allclose(value, velocity.own, rtol=1e-9, atol=0) for value, _, _ in values):
        return
    _, point, far = values[0]
    right = ex.op("add", w, _times(velocity.ahead, v), origin=point.origin)
    written, made = (
        replace(subject, gradient=ex.opaque("gradient", (place,))) for place in (ex.op("add", w, _times(far, v)), right)
    )
    yield Repair(page.code, made, point, right, details=_ON_BOWL, written=written)


MEANT = "g = ∇f(w + μ·v) with v as the step takes it,  w' = w + v'"
_ON_BOWL = {"kind": "bowl", "family": "momentum", "meant": MEANT}  # heavy ball is Nesterov's form then


@check("look-ahead-twice")
def look_ahead_twice(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    """Nesterov's step with a gradient that is already taken ahead: w + v' is the step then."""
    if subject.parameter is None or point_of_gradient(subject) is None or len(subject.states) != 1:
        return
    state = subject.states[0]
    direct, gathered = structure.slope(subject.drive, subject.g), structure.slope(state.post, subject.g)
    if direct is None or gathered in (None, ex.const(0)) or direct == ex.const(0):
        return  # heavy ball: the look-ahead is in the gradient alone
    assert gathered is not None
    moved = ex.sym(state.new)
    if direct != gathered:
        moved = ex.op("mul", structure.tidy(ex.op("div", direct, gathered)), moved)
    step = ex.op("add", ex.sym(subject.parameter), moved, origin=subject.step.origin)
    yield Repair(page.code, subject.replaced([state.post, step]), subject.step, step, details={"kind": "bowl"})


def point_of_gradient(subject: Subject) -> Expr | None:
    """Where an unseen function is differentiated, if that is the parameter moved on by the velocity."""
    for node in ex.walk(subject.gradient) if subject.gradient is not None else ():
        for point in node.args if node.op == "opaque" else ():
            if subject.parameter in point.visible and point.visible & {s.old for s in subject.states}:
                return point
    return None
