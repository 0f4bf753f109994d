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
    | frozenset(
        {"abs", "sign", "max", "min", "where", "exp", "log", "and", "or", "not", "floor", "tanh", "atan", "mod"}
    )
)


FIRST = "step"  # the name of the count that tells the first step from the others


@dataclass(eq=False, slots=True)
class Symbol:
    """A quantity that the update reads: a state before the step, the gradient, a hyper-parameter …

    kind: "place" (a storage location), "index" (a loop counter), "role" (named by a convention).
    default: the number that the code itself gives it (argument default, module constant).
    initial: its value before the first step, where the code shows it. entry: its value on entry to
    the loop that carries it. begun_by: the count whose first number makes it anew. dtype: the number
    type of its first content, where the code shows it; typed_at: the call that gives it this type.
    """

    name: str
    kind: str = "place"
    default: float | None = None
    initial: Expr | None = None
    entry: Expr | None = None
    array: bool = False  # known to hold an array
    start: Expr | None = None  # kind "index": its first value
    stop: Expr | None = None  # kind "index": how many passes its loop makes, where that is told by one number
    iterates: str = ""  # kind "index": "count" (a number) or "key"
    aliases: set[str] = field(default_factory=set)  # kind "index": other loops' names for the same elements
    external: bool = False  # handed in by a caller whom we do not see
    begun_by: Symbol | None = None
    literal: tuple[object] | None = None  # the Python constant that the code gives it by default
    dtype: str = ""
    typed_at: Span | None = None

    def __repr__(self) -> str:
        return self.name


class Expr:
    """One node: ``op`` with ``args``; ``value`` holds a constant's number, a symbol, or an opaque call's name."""

    __slots__ = ("_hash", "_leaves", "_nodes", "_tidied", "_visible", "args", "op", "origin", "size", "value")

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
        self._nodes: tuple[Expr, ...] | None = None
        self._tidied: Expr | None = None  # what structure.tidy makes of it

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
    """Build a node. Constants are folded, nothing else changes: the spelling is the author's.

    But what is taken away from itself (``total - total``) is a way to clear it.
    """
    if name == "sub" and len(args) == 2 and args[0] is args[1] and args[0].args:
        return const(0, origin)
    # β·0 stays: it shows an average that starts over
    if args and all(a.op == "const" for a in args) and name in FOLD and not (name == "mul" and _has_zero(args)):
        try:
            value = FOLD[name](*(a.value for a in args))
        except (ArithmeticError, ValueError, TypeError):
            value = None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and _small(value):
            return const(value, origin)
    return _decided(name, args) or Expr(name, args, None, origin)


def _decided(name: str, args: tuple[Expr, ...]) -> Expr | None:
    """The branch that a condition takes which is a number by now."""
    if name != "where" or len(args) != 3 or args[0].op != "const":
        return None
    return args[1] if args[0].value else args[2]


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


def walk(root: Expr) -> tuple[Expr, ...]:
    """Every node once, children before parents; opaque arguments are not entered."""
    if root._nodes is None:
        root._nodes = tuple(_walked(root))
    return root._nodes


def everything(root: Expr) -> Iterator[Expr]:
    """Every node once, children before parents, inside unknown calls too."""
    return _walked(root, into_opaque=True)


def _walked(root: Expr, into_opaque: bool = False) -> Iterator[Expr]:
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
        if into_opaque or node.op != "opaque":
            stack.extend((a, False) for a in reversed(node.args))


def _with(node: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same operation on other operands; a condition that is decided by now takes its branch."""
    return _decided(node.op, args) or Expr(node.op, args, node.value, node.origin)


def substitute(root: Expr, table: Mapping[Expr, Expr], into_opaque: bool = False) -> Expr:
    """Replace whole nodes (by equality), outermost first; origins of the rest stay."""
    if not table:
        return root
    memo: dict[int, Expr] = {}
    replaced = frozenset(old.value for old in table)
    named = all(old.op == "sym" for old in table)  # then an expression without these symbols stays as it is

    def go(node: Expr) -> Expr:
        if named and replaced.isdisjoint(node.symbols):
            return node
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
            result = node if same else _with(node, args)
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
            done = node if same else _with(node, args)
            memo[id(node)] = done
        return done

    return go(root)


def leaves_apart(root: Expr) -> Expr:
    """The same expression, each use of a symbol a node of its own: one place can be changed without the others."""
    memo: dict[int, Expr] = {}

    def go(node: Expr) -> Expr:
        if node.op == "sym":
            return Expr("sym", (), node.value, node.origin)
        if not node.args or node.op == "opaque":
            return node
        if id(node) not in memo:
            memo[id(node)] = Expr(node.op, tuple(go(a) for a in node.args), node.value, node.origin)
        return memo[id(node)]

    return go(root)


def contains(root: Expr, target: Expr) -> bool:
    return any(node == target for node in walk(root))
