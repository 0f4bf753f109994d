"""The structure of an expression: its summands and factors, its slope in a symbol, and what is left without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from optlint.lift.expression import FIRST, FOLD, Expr, Symbol, const, op, substitute, sym, walk
from optlint.model import Span


def terms(node: Expr) -> list[tuple[int, Expr]]:
    """The summands with their signs: ``a - (b + c)`` gives +a, -b, -c."""
    if node.op == "add":
        return terms(node.args[0]) + terms(node.args[1])
    if node.op == "sub":
        return terms(node.args[0]) + [(-s, t) for s, t in terms(node.args[1])]
    if node.op == "neg":
        return [(-s, t) for s, t in terms(node.args[0])]
    return [(1, node)]


def factors(node: Expr) -> list[tuple[Expr, float]]:
    """The factors with their exponents: ``-a / sqrt(b)`` gives (-1, 1), (a, 1), (b, -0.5)."""
    if node.op == "mul":
        return factors(node.args[0]) + factors(node.args[1])
    if node.op == "div":
        return factors(node.args[0]) + [(f, -e) for f, e in factors(node.args[1])]
    if node.op == "neg":
        return [(const(-1), 1.0), *factors(node.args[0])]
    if node.op == "sqrt":
        return [(f, e * 0.5) for f, e in _whole(node.args[0])]
    if node.op == "pow" and node.args[1].op == "const":
        exponent = float(node.args[1].value)  # type: ignore[arg-type]
        return [(f, e * exponent) for f, e in _whole(node.args[0])]
    return [(node, 1.0)]


def is_negative(node: Expr) -> bool:
    """A product with an odd number of minus signs: −η·g, and (−η)·g."""
    return sum(factor == const(-1) for factor, _ in factors(node)) % 2 == 1


def _whole(node: Expr) -> list[tuple[Expr, float]]:
    """A power's base: one factor, unless it is itself a power (√(x²) is |x|, so only roots nest)."""
    if node.op == "sqrt":
        return [(f, e * 0.5) for f, e in _whole(node.args[0])]
    return [(node, 1.0)]


def without_factors(node: Expr, part: Expr) -> list[tuple[Expr, float]] | None:
    """The factors of a product that are left without those of another; None where it has not all of them."""
    left = factors(node)
    for factor in factors(part):
        if factor not in left:
            return None
        left.remove(factor)
    return left


def product(parts: Iterable[tuple[Expr, float]], origin: Span | None = None) -> Expr:
    """The inverse of ``factors``."""
    above: Expr | None = None
    below: Expr | None = None
    for node, exponent in parts:
        piece = power(node, abs(exponent))
        if exponent >= 0:
            above = piece if above is None else op("mul", above, piece)
        else:
            below = piece if below is None else op("mul", below, piece)
    above = const(1) if above is None else above
    return (above if below is None else op("div", above, below)).at(origin)


def power(node: Expr, exponent: float) -> Expr:
    if exponent == 1:
        return node
    if exponent == 0.5:
        return op("sqrt", node)
    return op("pow", node, const(int(exponent) if float(exponent).is_integer() else exponent))


def total(parts: Iterable[tuple[int, Expr]], origin: Span | None = None) -> Expr:
    """The inverse of ``terms``."""
    result: Expr | None = None
    for sign, node in parts:
        if result is None:
            result = node if sign > 0 else op("neg", node)
        else:
            result = op("add" if sign > 0 else "sub", result, node)
    return (const(0) if result is None else result).at(origin)


def square_root_of(node: Expr) -> Expr | None:
    """E where ``node`` is E² in any spelling, else None."""
    if node.op == "pow" and node.args[1].op == "const" and node.args[1].value == 2:
        return node.args[0]
    if node.op == "mul" and node.args[0] == node.args[1]:
        return node.args[0]
    if node.op == "mul":  # (c*g) * g' spelled apart is left to the numbers; g * g under signs is not
        a, b = node.args
        if a.op == "neg" and b.op == "neg" and a.args[0] == b.args[0]:
            return a.args[0]
    return None


def is_root(node: Expr) -> bool:
    """√x, or x to the power of one half."""
    return node.op == "sqrt" or (node.op == "pow" and node.args[1].op == "const" and node.args[1].value == 0.5)


def average(decay: Expr, old: Symbol, taken: Expr, origin: Span | None = None) -> Expr:
    """β·s + (1 − β)·x."""
    weighed = op("mul", op("sub", const(1), decay), taken)
    return op("add", op("mul", decay, sym(old)), weighed, origin=origin)


def substitute_apart(
    root: Expr, outside: Mapping[Expr, Expr], inside: Mapping[Expr, Expr], is_inside: Callable[[Expr, int], bool]
) -> Expr:
    """Substitute one table within the arguments that ``is_inside`` tells (of a node, by number), another elsewhere."""
    if root in outside:
        return outside[root]
    if root.op == "opaque":
        return root
    args = tuple(
        substitute(a, inside) if is_inside(root, i) else substitute_apart(a, outside, inside, is_inside)
        for i, a in enumerate(root.args)
    )
    return root if args == root.args else Expr(root.op, args, root.value, root.origin)


def squared_in(root: Expr) -> list[Expr]:
    """What is squared anywhere inside: g of ``a * g**2``, and of ``a * g * g``."""
    found: list[Expr] = []
    for node in walk(root):
        whole = square_root_of(node)
        if whole is not None:
            found.append(whole)
        elif node.op == "mul":
            found += [f for f, e in factors(node) if e == 1 and exponent_of(node, f) == 2]
    return found


def adds_squares(post: Expr, symbol: Symbol) -> bool:
    """s + x²: all that is added to ``symbol`` is a square."""
    taken = [t for _, t in terms(post) if t != sym(symbol)]
    return bool(taken) and all(squared_in(t) for t in taken)


def averages_squares(post: Expr, symbol: Symbol) -> bool:
    """β·s + (1 − β)·x²: a second moment, whatever it begins with."""
    own, taken = retention(post, symbol), rest(post, symbol)
    weighed = own is not None and any(is_complement(f, own) for f, e in factors(taken) if e == 1)
    return weighed and bool(squared_in(taken))


def goes_on_from_zero(node: Expr) -> bool:
    """β·0, or 0 + x²: where an average, or a sum of squares, has nothing to go on from."""
    if const(0) not in node.args:
        return False
    return node.op == "mul" or (node.op == "add" and any(squared_in(a) for a in node.args))


def exponent_of(node: Expr, base: Expr) -> float:
    """The power in which a product holds ``base``: 2 for ``a * g**2`` and for ``a * g * g``."""
    return sum(e for f, e in factors(node) if f == base)


def slope(node: Expr, symbol: Symbol, conditional: bool = False) -> Expr | None:
    """The coefficient of ``symbol`` where ``node`` is affine in it, else None (an unknown call is one quantity).

    ``conditional`` allows a coefficient that is a choice itself: where(t > 1, 1 − ηλ, 1).
    """
    zero, one = const(0), const(1)
    memo: dict[int, Expr | None] = {}

    def go(n: Expr) -> Expr | None:
        if symbol not in n.visible:
            return zero
        if n.op == "sym":
            return one
        if id(n) not in memo:
            memo[id(n)] = rule(n)
        return memo[id(n)]

    def rule(n: Expr) -> Expr | None:
        if n.op in ("add", "sub"):
            a, b = go(n.args[0]), go(n.args[1])
            return None if a is None or b is None else _tidy(n.op, a, b)
        if n.op == "neg":
            a = go(n.args[0])
            return None if a is None else _tidy("sub", zero, a)
        if n.op == "mul":
            left, right = n.args
            if symbol not in left.visible:
                b = go(right)
                return None if b is None else _tidy("mul", left, b)
            if symbol not in right.visible:
                a = go(left)
                return None if a is None else _tidy("mul", a, right)
            return None
        if n.op == "div" and symbol not in n.args[1].visible:
            a = go(n.args[0])
            return None if a is None else _tidy("div", a, n.args[1])
        if n.op == "where" and symbol not in n.args[0].visible:
            a, b = go(n.args[1]), go(n.args[2])
            if a is not None and a == b:
                return a
            if conditional and a is not None and b is not None:
                return op("where", n.args[0], a, b)
        return None

    return go(node)


def retention(post: Expr, old: Symbol) -> Expr | None:
    """How much of a state's old content stays: its slope, also inside a maximum (Adamax, AMSGrad), else None.

    A first step of its own (``where(t = 1, g², …)``) is left out, and steps that leave the state as it is, too.
    """
    own = slope(post, old)
    if own is None and post.op == "where":
        inside = [a for a in post.args[1:] if old in a.visible and a != sym(old)]
        return retention(inside[0], old) if len(inside) == 1 else None
    if own is None and post.op == "max":
        inside = [a for a in post.args if old in a.visible]
        return slope(inside[0], old) if len(inside) == 1 else None
    return own


def is_bounded(node: Expr, old: Symbol) -> bool:
    """min(max(s, a), b), or one of the two bounds, of a place alone."""
    inside = [a for a in node.args if a.op != "const"] if node.op in ("min", "max") else []
    return len(inside) == 1 and (inside[0] == sym(old) or is_bounded(inside[0], old))


def is_scaled(post: Expr, old: Symbol) -> bool:
    """A state's old content times something, and nothing else: 0 stays 0."""
    return slope(post, old) not in (None, const(0)) and rest(post, old) == const(0)


_BETWEEN = ((0.3, 0.45, 0.7), (0.62, 0.81, 0.24))  # values of settings that tell 1 − a from all else


def is_complement(part: Expr, own: Expr) -> bool:
    """``part`` is 1 − ``own``, in any spelling of an average or of ``lerp``."""
    if own.op == "const":
        return part.op == "const" and 0 < own.number < 1 and abs(part.number - (1 - own.number)) < 1e-12
    symbols = sorted(own.symbols, key=lambda s: s.name)
    if own.symbols != part.symbols or len(symbols) > 3 or any(n.op == "opaque" for n in walk(own)):
        return False
    for values in _BETWEEN:
        table = dict(zip(symbols, values, strict=False))
        kept, taken = number_at(own, table), number_at(part, table)
        if kept is None or taken is None or abs(kept + taken - 1) > 1e-12:
            return False
    return True


def number_at(node: Expr, table: Mapping[Symbol, float]) -> float | None:
    """An expression's number where its symbols have those; None where it is none."""

    def go(n: Expr) -> float:
        if n.op == "sym":
            return table[n.symbol]
        return n.number if n.op == "const" else FOLD[n.op](*map(go, n.args))

    try:
        return go(node)
    except (ArithmeticError, KeyError, TypeError, ValueError):  # what is unknown, or has no number there
        return None


def after_first(root: Expr) -> Expr:
    """What holds from the second step on: ``where(step = 1, a, b)`` is b."""
    table: dict[Expr, Expr] = {}
    for node in walk(root):
        if node.op == "where" and node.args[0].op == "eq" and any(s.name == FIRST for s in node.args[0].symbols):
            table[node] = substitute(node.args[2], table)
    return substitute(root, table) if table else root


def at_first(root: Expr) -> list[Expr]:
    """What stands in place of the rest at the first step alone."""
    firsts = (n for n in walk(root) if n.op == "where" and n.args[0].op == "eq")
    return [n.args[1] for n in firsts if any(s.name == FIRST for s in n.args[0].symbols)]


def settled(root: Expr) -> Expr:
    """What a choice has settled is not asked again within: ``where(c, where(c, a, b), …)`` is ``where(c, a, …)``."""
    table: dict[Expr, Expr] = {}
    for node in walk(root):
        if node.op == "where":
            sides = [
                substitute(way, {n: n.args[k] for n in walk(way) if n.op == "where" and n.args[0] == node.args[0]})
                for k, way in enumerate(node.args[1:], 1)
            ]
            if sides != [*node.args[1:]]:
                table[node] = op("where", node.args[0], *sides)
    return substitute(root, table)


def is_complemented(post: Expr, symbol: Symbol) -> bool:
    """Read as 1 − p: a running product βᵗ."""
    return any(
        n.op == "sub" and n.args[0] == const(1) and any(f == sym(symbol) for f, _ in factors(n.args[1]))
        for n in walk(post)
    )


def rest(node: Expr, symbol: Symbol) -> Expr:
    """What is left of an affine ``node`` where ``symbol`` is 0."""
    return tidy(substitute(node, {sym(symbol): const(0)}))


def tidy(node: Expr) -> Expr:
    """Drop neutral elements (x + 0, 1*x, 0*x): for reading, never for judging."""
    if not node.args or node.op == "opaque":
        return node
    if node._tidied is None:
        args = tuple(tidy(a) for a in node.args)
        if node.op in ("add", "sub", "mul", "div", "neg"):
            done = _tidy(node.op, *args, origin=node.origin, old=node)
        else:
            same = all(a is b for a, b in zip(args, node.args, strict=True))
            done = node if same else op(node.op, *args, origin=node.origin)
            done = done.args[1] if done.op == "where" and done.args[1] == done.args[2] else done
        node._tidied = done
    return node._tidied


def _is(node: Expr, value: float) -> bool:
    return node.op == "const" and node.value == value


def _tidy(name: str, *args: Expr, origin: Span | None = None, old: Expr | None = None) -> Expr:
    if name == "add":
        if _is(args[0], 0):
            return args[1]
        if _is(args[1], 0):
            return args[0]
    elif name == "sub":
        if _is(args[1], 0):
            return args[0]
        if _is(args[0], 0):
            return op("neg", args[1], origin=origin)
    elif name == "mul":
        if _is(args[0], 0) or _is(args[1], 0):
            return const(0)
        if _is(args[0], 1):
            return args[1]
        if _is(args[1], 1):
            return args[0]
    elif name == "div":
        if _is(args[0], 0):
            return const(0)
        if _is(args[1], 1):
            return args[0]
    if old is not None and all(a is b for a, b in zip(args, old.args, strict=True)):
        return old
    return op(name, *args, origin=origin)


def floored(node: Expr) -> Iterator[tuple[Expr, Expr]]:
    """What a sum or maximum may have as its ε, and what beside it: each way. The 1 of 1 + e⁻ˣ is none."""
    if node.op in ("add", "max"):
        for floor, rest in (node.args, node.args[::-1]):
            if rest.op != "exp":
                yield floor, rest
