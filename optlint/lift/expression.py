"""The algebra: immutable expressions over symbols, each node with its origin in the source.

Nodes are shared freely, so an update is a directed acyclic graph. Two nodes are equal when they
compute the same thing in the same spelling; the origin does not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from optlint.model import Span

ARITHMETIC = frozenset({"add", "sub", "mul", "div", "neg", "pow", "sqrt"})
COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
REDUCTIONS = frozenset({"sum", "mean", "norm", "amax", "amin"})
ELEMENTWISE = (
    ARITHMETIC
    | COMPARISONS
    | frozenset({"abs", "sign", "max", "min", "where", "exp", "log", "and", "or", "not", "floor", "tanh", "mod"})
)


FIRST = "step"  # the name of the count that tells the first step from the others


@dataclass(eq=False, slots=True)
class Symbol:
    """A quantity that the update reads: a state before the step, the gradient, a hyper-parameter …

    kind: "place" (a storage location), "index" (a loop counter), "role" (named by a convention).
    default: the number that the code itself gives it (argument default, module constant).
    initial: its value before the first step, where the code shows it. entry: its value on entry to
    the loop that carries it.
    """

    name: str
    kind: str = "place"
    default: float | None = None
    initial: Expr | None = None
    entry: Expr | None = None
    array: bool = False  # known to hold an array
    start: Expr | None = None  # kind "index": its first value
    iterates: str = ""  # kind "index": "count" (a number) or "key"
    aliases: set[str] = field(default_factory=set)  # kind "index": other loops' names for the same elements
    external: bool = False  # handed in by a caller whom we do not see
    literal: tuple[object] | None = None  # the Python constant that the code gives it by default

    def __repr__(self) -> str:
        return self.name


class Expr:
    """One node: ``op`` with ``args``; ``value`` holds a constant's number, a symbol, or an opaque call's name."""

    __slots__ = ("_hash", "_leaves", "_visible", "args", "op", "origin", "size", "value")

    def __init__(
        self,
        op: str,
        args: tuple[Expr, ...] = (),
        value: object = None,
        origin: Span | None = None,
    ) -> None:
        self.op = op
        self.args = args
        self.value = value
        self.origin = origin
        self._hash = hash((op, args, value))
        self.size: int = 1 + sum(a.size for a in args)
        self._leaves: frozenset[Symbol] | None = None
        self._visible: frozenset[Symbol] | None = None

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Expr) or self._hash != other._hash:
            return False
        return self.op == other.op and self.value == other.value and self.args == other.args

    def __repr__(self) -> str:
        from optlint.lift.notation import render

        return render(self)

    def at(self, origin: Span | None) -> Expr:
        return self if origin is None else Expr(self.op, self.args, self.value, origin)

    @property
    def symbol(self) -> Symbol:
        """The symbol of a "sym" node."""
        assert isinstance(self.value, Symbol)
        return self.value

    @property
    def number(self) -> float:
        """The number of a "const" node."""
        assert isinstance(self.value, (int, float))
        return self.value

    @property
    def symbols(self) -> frozenset[Symbol]:
        """Every symbol that this depends on, through opaque calls too."""
        if self._leaves is None:
            if self.op == "sym":
                assert isinstance(self.value, Symbol)
                self._leaves = frozenset((self.value,))
            else:
                self._leaves = frozenset().union(*(a.symbols for a in self.args))
        return self._leaves

    @property
    def visible(self) -> frozenset[Symbol]:
        """The symbols that are not hidden inside unknown calls."""
        if self._visible is None:
            if self.op == "sym":
                self._visible = self.symbols
            elif self.op == "opaque":
                self._visible = frozenset()
            else:
                self._visible = frozenset().union(*(a.visible for a in self.args))
        return self._visible


def const(value: float, origin: Span | None = None) -> Expr:
    return Expr("const", (), value, origin)


def sym(symbol: Symbol, origin: Span | None = None) -> Expr:
    return Expr("sym", (), symbol, origin)


def opaque(name: str, args: Iterable[Expr] = (), origin: Span | None = None) -> Expr:
    """A call whose meaning is unknown: one quantity that depends on its arguments."""
    return Expr("opaque", tuple(args), name, origin)


def op(name: str, *args: Expr, origin: Span | None = None) -> Expr:
    """Build a node. Constants are folded, nothing else changes: the spelling is the author's."""
    # β·0 stays: it shows an average that starts over
    if args and all(a.op == "const" for a in args) and name in FOLD and not (name == "mul" and _has_zero(args)):
        try:
            value = FOLD[name](*(a.value for a in args))
        except (ArithmeticError, ValueError, TypeError):
            value = None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and _small(value):
            return const(value, origin)
    return Expr(name, args, None, origin)


def _has_zero(args: tuple[Expr, ...]) -> bool:
    return any(a.value == 0 for a in args)


def _small(value: float) -> bool:
    return isinstance(value, float) or abs(value) < 2**63


def _power(base: float, exponent: float) -> float:
    if abs(exponent) > 64 or abs(base) > 1e100:  # a hostile literal must not cost time or memory
        return math.pow(base, exponent)
    result: float | complex = base**exponent
    if isinstance(result, complex):
        raise ValueError("complex")
    return result


FOLD: Mapping[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": _power,
    "sqrt": math.sqrt,
    "abs": abs,
    "max": max,
    "min": min,
    "exp": math.exp,
    "log": math.log,
}


def walk(root: Expr) -> Iterator[Expr]:
    """Every node once, children before parents; opaque arguments are not entered."""
    seen: set[int] = set()
    stack: list[tuple[Expr, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            yield node
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.append((node, True))
        if node.op != "opaque":
            stack.extend((a, False) for a in reversed(node.args))


def substitute(root: Expr, table: Mapping[Expr, Expr], into_opaque: bool = False) -> Expr:
    """Replace whole nodes (by equality), outermost first; origins of the rest stay."""
    if not table:
        return root
    memo: dict[int, Expr] = {}

    def go(node: Expr) -> Expr:
        done = memo.get(id(node))
        if done is not None:
            return done
        if node in table:
            result = table[node]
        elif not node.args or (node.op == "opaque" and not into_opaque):
            result = node
        else:
            args = tuple(go(a) for a in node.args)
            same = all(a is b for a, b in zip(args, node.args, strict=True))
            result = node if same else Expr(node.op, args, node.value, node.origin)
        memo[id(node)] = result
        return result

    return go(root)


def replace_node(root: Expr, target: Expr, new: Expr) -> Expr:
    """Replace one node by identity (the place in the source), not by equality."""
    memo: dict[int, Expr] = {}

    def go(node: Expr) -> Expr:
        if node is target:
            return new
        if not node.args or node.op == "opaque":
            return node
        done = memo.get(id(node))
        if done is None:
            args = tuple(go(a) for a in node.args)
            same = all(a is b for a, b in zip(args, node.args, strict=True))
            done = node if same else Expr(node.op, args, node.value, node.origin)
            memo[id(node)] = done
        return done

    return go(root)


def contains(root: Expr, target: Expr) -> bool:
    return any(node == target for node in walk(root))


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


def _whole(node: Expr) -> list[tuple[Expr, float]]:
    """A power's base: one factor, unless it is itself a power (√(x²) is |x|, so only roots nest)."""
    if node.op == "sqrt":
        return [(f, e * 0.5) for f, e in _whole(node.args[0])]
    return [(node, 1.0)]


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


def slope(node: Expr, symbol: Symbol) -> Expr | None:
    """The coefficient of ``symbol`` where ``node`` is affine in it, else None (an unknown call is one quantity)."""
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
        return None

    return go(node)


def retention(post: Expr, old: Symbol) -> Expr | None:
    """How much of a state's old content stays: its slope, also inside a maximum (Adamax, AMSGrad), else None.

    A first step of its own (``where(t = 1, g², …)``) is left out.
    """
    own = slope(post, old)
    if own is None and post.op == "where" and (old in post.args[1].visible) != (old in post.args[2].visible):
        return retention(post.args[1] if old in post.args[1].visible else post.args[2], old)
    if own is None and post.op == "max":
        inside = [a for a in post.args if old in a.visible]
        return slope(inside[0], old) if len(inside) == 1 else None
    return own


def after_first(root: Expr) -> Expr:
    """What holds from the second step on: ``where(step = 1, a, b)`` is b."""
    table: dict[Expr, Expr] = {}
    for node in walk(root):
        if node.op == "where" and node.args[0].op == "eq" and any(s.name == FIRST for s in node.args[0].symbols):
            table[node] = substitute(node.args[2], table)
    return substitute(root, table) if table else root


def rest(node: Expr, symbol: Symbol) -> Expr:
    """What is left of an affine ``node`` where ``symbol`` is 0."""
    return tidy(substitute(node, {sym(symbol): const(0)}))


def tidy(root: Expr) -> Expr:
    """Drop neutral elements (x + 0, 1*x, 0*x): for reading, never for judging."""
    memo: dict[int, Expr] = {}

    def go(node: Expr) -> Expr:
        if not node.args or node.op == "opaque":
            return node
        done = memo.get(id(node))
        if done is None:
            args = tuple(go(a) for a in node.args)
            if node.op in ("add", "sub", "mul", "div", "neg"):
                done = _tidy(node.op, *args, origin=node.origin, old=node)
            else:
                same = all(a is b for a, b in zip(args, node.args, strict=True))
                done = node if same else op(node.op, *args, origin=node.origin)
            memo[id(node)] = done
        return done

    return go(root)


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
