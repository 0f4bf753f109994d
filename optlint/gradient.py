"""The effective gradient: what the moments consume; clipping and coupled decay belong to it.

It is the largest expression that every place shares that takes in data, so that no name has to be believed.
"""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.recurrence import State


def effective_gradient(
    states: list[State],
    step: Expr,
    parameter: Symbol | None,
    moving: set[Symbol],
    time: set[Symbol],
    settings: set[Symbol],
) -> Expr | None:
    """The effective gradient as the code spells it; None where no place takes in data."""
    inputs: list[set[Expr]] = []
    known = settings | time
    # without data of its own the gradient is written out in w, as in g = 2·w
    written_out = bool(states) and not any(
        _gradient_nodes(s.post, parameter, moving, time, settings, with_parameter=False) for s in states
    )
    if written_out:
        driven = [t for _, t in structure.terms(step) if t != ex.sym(parameter)]  # type: ignore[arg-type]
    else:
        driven = [t for _, t in structure.terms(step) if not _only_parameter(t, parameter, known, moving)]
    for places in [*([s.post] for s in states), driven]:
        found: set[Expr] = set()
        for post in places:
            found |= _gradient_nodes(post, parameter, moving, time, settings, written_out)
        if found:
            inputs.append(found)
    if not inputs:
        return None
    common = set.intersection(*inputs)
    if not common:  # one place takes something else: go by what most places share
        counts: dict[Expr, int] = {}
        for nodes in inputs:
            for node in nodes:
                counts[node] = counts.get(node, 0) + 1
        most = max(counts.values())
        common = {n for n, c in counts.items() if c == most}
    places = [*(s.post for s in states), *driven]

    def left_over(node: Expr) -> tuple[int, int]:
        """How many places, and how many states, still take in data once ``node`` is the gradient."""
        left = [_reads_data_beside(p, node, moving | time, settings, parameter) for p in places]
        return sum(left), sum(left[: len(states)])

    ranked = sorted(common, key=gradient_rank, reverse=True)[:24]
    best = min(ranked, key=left_over)
    return _peeled(best, common, settings, places)


def _is_data(node: Expr, settings: set[Symbol], parameter: Symbol | None) -> bool:
    """A leaf that carries data: an unknown call, an array, anything that is no setting."""
    if node.op == "opaque":
        return bool(node.args) or not str(node.value).startswith("len ")
    return node.op == "sym" and node.value not in settings and node.value is not parameter


def _only_parameter(term: Expr, parameter: Symbol | None, known: set[Symbol], moving: set[Symbol]) -> bool:
    """The summand of the step that is the parameter itself, or its decoupled decay."""
    if parameter is None:
        return False
    if parameter not in term.visible:
        return False
    parts = [f for f, _ in structure.factors(term)]
    others = [f for f in parts if f != ex.sym(parameter)]
    if any(f.symbols & moving or any(n.op == "opaque" for n in ex.walk(f)) for f in others):
        return False  # a state or a call drives it, and w's norm may only size that: m/√v·‖w‖
    return len(others) < len(parts) or all(f.op in ("sym", "const") or f.visible <= known | {parameter} for f in parts)


def gradient_rank(node: Expr) -> tuple[bool, int, bool, str]:
    """Larger wins; a square is what is made of the gradient; among settings-like leaves an element wins."""
    name = repr(node)
    likely = node.op == "opaque" or "[" in name or "{" in name or "grad" in name.lower() or name.lower().startswith("d")
    return (structure.square_root_of(node) is None, node.size, likely, name)


def _gradient_nodes(
    post: Expr,
    parameter: Symbol | None,
    moving: set[Symbol],
    time: set[Symbol],
    settings: set[Symbol],
    with_parameter: bool,
) -> set[Expr]:
    """Sub-expressions that are free of state and time and take in data."""
    result: set[Expr] = set()
    verdict: dict[int, tuple[bool, bool]] = {}  # (free of state and time, has data)
    for node in ex.walk(post):
        if not node.args or node.op == "opaque":
            free = not (node.op == "sym" and (node.value in moving or node.value in time))
            data = free and _is_data(node, settings, parameter)
            if with_parameter and node.op == "sym" and node.value is parameter:
                data = True
        else:
            parts = [verdict[id(a)] for a in node.args]
            free = all(p[0] for p in parts)
            data = free and any(p[1] for p in parts)
        verdict[id(node)] = (free, data)
        if free and data and not (node.op == "sym" and node.value is parameter):
            result.add(node)
    return result


def _reads_data_beside(
    post: Expr, cut: Expr, busy: set[Symbol], settings: set[Symbol], parameter: Symbol | None
) -> bool:
    """Whether a leaf outside of ``cut`` carries data: no state, no time, no setting."""
    seen: set[int] = set()
    left = [post]
    while left:
        node = left.pop()
        if id(node) in seen or node == cut:
            continue
        seen.add(id(node))
        if node.args and node.op != "opaque":
            left.extend(node.args)
        elif not (node.op == "sym" and node.value in busy) and _is_data(node, settings, parameter):
            return True
    return False


def _peeled(node: Expr, common: set[Expr], settings: set[Symbol], places: list[Expr]) -> Expr:
    """Without factors that are settings: lr·g is g."""
    while node.op in ("mul", "div", "neg"):
        data = [
            a
            for a in node.args
            if a in common and not (node.op == "div" and a is node.args[1]) and not a.symbols <= settings
        ]
        others = [a for a in node.args if a not in data]
        if len(data) != 1 or not all(a.op != "const" and a.symbols and a.symbols <= settings for a in others):
            break
        node = data[0]
    base = structure.square_root_of(node)
    if base is None or base not in common:
        return node
    apart = {node: ex.const(0)}
    plain = base.op == "opaque" or not base.args
    return base if plain or any(ex.contains(ex.substitute(p, apart), base) for p in places) else node  # g² is made of g


def without_sign(gradient: Expr) -> tuple[int, Expr]:
    """The sign of a gradient that is a product of plain quantities, ``(-lr)·grad``, and the gradient without it."""
    parts = structure.factors(gradient)
    if (
        not structure.is_negative(gradient)
        or len(parts) == 1
        or any(f.op not in ("sym", "const", "opaque") for f, _ in parts)
    ):
        return 1, gradient
    return -1, structure.product([(f, e) for f, e in parts if f != ex.const(-1)], gradient.origin)


def decay_beside(posts: list[Expr], states: list[State], parameter: Symbol) -> list[Expr]:
    """The equations with μ·v + (g + λ·w) for (μ·v + g) + λ·w: a sum is what it is in whatever order it is written.

    λ is a setting that nothing else reads, and g comes as it is, so that no average's weight is taken for its part.
    """
    made = list(posts)
    for number, state in enumerate(states):
        parts = structure.terms(posts[number])
        own = [(s, t) for s, t in parts if state.old in t.visible]
        decay = [(s, t) for s, t in parts if (s, t) not in own and parameter in t.visible]
        other = [(s, t) for s, t in parts if (s, t) not in own + decay]
        if not len(own) == len(decay) == len(other) == 1 or other[0][0] < 0 or other[0][1].op not in ("sym", "opaque"):
            continue
        scale = structure.slope(decay[0][1], parameter)
        elsewhere = frozenset().union(
            *(t.symbols for _, t in own + other), *(p.symbols for p in posts if p is not posts[number])
        )
        alone = scale is not None and structure.rest(decay[0][1], parameter) == ex.const(0)
        if scale is None or not alone or scale.op not in ("sym", "const") or scale.symbols & elsewhere:
            continue
        whole = structure.total(other + decay, posts[number].origin)
        if not ex.contains(posts[number], whole):
            made[number] = structure.total([*own, (1, whole)], posts[number].origin)
    return made


def as_scaled(gradient: Expr, posts: list[Expr]) -> tuple[Expr, list[Expr]]:
    """The gradient as it is squared, ``dW/n``, where every other place reads it so, in products (``η·dW/n/(√v + ε)``).

    Where the square is missing, as it is divided. Else as it is. The equations come with that quotient as a node of
    its own.
    """
    nodes = [n for p in posts for n in ex.walk(p) if ex.contains(n, gradient)]
    squared = [structure.square_root_of(n) for n in nodes]
    divided = [n for n in nodes if n.op == "div" and n.args[0] == gradient]
    for whole in (n for n in (*squared, *divided) if n is not None and n.op in ("mul", "div")):
        parts = structure.factors(whole)
        scale = [p for p in parts if p[0] != gradient]
        known = (f.op == "const" or (e < 0 and (f.op == "sym" or _is_length(f))) for f, e in scale)
        if (gradient, 1.0) not in parts or not all(known):
            continue  # (η·g)² is no gradient's square
        made = [_with_whole(p, gradient, whole, scale) for p in posts]
        apart = {whole: ex.const(0)}
        if not any(ex.contains(ex.substitute(p, apart), gradient) for p in made):
            return whole, made
    return gradient, posts


def _is_length(node: Expr) -> bool:
    return node.op == "opaque" and not node.args and str(node.value).startswith("len ")


def _with_whole(node: Expr, gradient: Expr, whole: Expr, scale: list[tuple[Expr, float]]) -> Expr:
    """The node with ``whole`` for the gradient and its scale among the factors of its products."""
    if node == whole or not node.args or node.op == "opaque":
        return node
    if node.op in ("mul", "div"):
        left = structure.factors(node)
        if (gradient, 1.0) in left and all(part in left for part in scale):
            for part in [(gradient, 1.0), *scale]:
                left.remove(part)
            inner = [(_with_whole(f, gradient, whole, scale), e) for f, e in left]
            return structure.product([*inner, (whole, 1.0)], node.origin)
    args = tuple(_with_whole(a, gradient, whole, scale) for a in node.args)
    return node if args == node.args else Expr(node.op, args, node.value, node.origin)
