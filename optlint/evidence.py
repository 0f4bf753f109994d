"""Which functions of a parsed statement could hold an update: one pass over its syntax tree.

An update averages or sums up (``v = b*v + …``, ``s += g*g``, ``buf.mul_(b)``) and takes a step, or it takes a root. Or
it keeps what other methods of its class make, that would do so if they kept anything.
"""

from __future__ import annotations

import ast

ROOTS = {"sqrt", "rsqrt", "sqrt_", "rsqrt_", "_foreach_sqrt", "_foreach_sqrt_"}
SELF_UPDATES = {
    "mul_", "lerp_", "add_", "addcmul_", "addcdiv_", "sub_", "copyto", "assign", "assign_add", "assign_sub",
    "update_moment", "update", "copy_", "div_", "_foreach_mul_", "_foreach_lerp_", "_foreach_add_", "_foreach_sub_",
    "_foreach_addcmul_", "_foreach_addcdiv_", "tree_map", "map", "_axpbyz",
}  # fmt: skip
STEPS = {"addcdiv_", "assign_sub", "_foreach_addcdiv_", "sub_", "_foreach_sub_", "_axpbyz"}
SCALED_STEPS = {"add_", "_foreach_add_"}  # steps where a scale is given: ``p.add_(buf, alpha=-lr)``
SUMS, PRODUCTS = {"add", "sub", "subtract"}, {"mul", "multiply"}  # and what is no method of sets alone:
FUSED = {"lerp", "addcmul", "addcdiv"}


class TooDeep(Exception):
    """The tree is deeper than what reads it can bear."""


class Evidence:
    """What a function's own statements hold of an update."""

    __slots__ = ("average", "called", "changes", "kept", "root", "scale", "step")

    def __init__(self) -> None:
        self.root = self.average = self.step = self.scale = False
        self.changes = 0  # in-place calls: one for the average, one for the parameter
        self.called: set[str] = set()  # methods of ``self``
        self.kept: set[str] = set()  # those whose result goes to a place that lasts

    @property
    def enough(self) -> bool:
        return (self.root and (self.average or self.step)) or (self.average and self.step and self.scale)

    def call(self, node: ast.Call) -> None:
        func = node.func
        name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        self.called.update(_own_method(node))
        self.root |= name in ROOTS
        if name in SUMS:
            self.sum(node)
        if name in SELF_UPDATES or name in FUSED:
            self.average = self.scale = True
            self.changes += name.endswith("_")
        scaled = len(node.args) + len(node.keywords) >= 2
        self.step |= name in STEPS or (name in SCALED_STEPS and scaled) or self.changes > 1

    def sum(self, node: ast.Call) -> None:
        """``v.mul(b).add(g)`` is an average, ``p.sub(v, alpha=lr)`` a step; ``seen.add(x)`` is neither."""
        parts = [*node.args, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
        functions = [p.func for p in parts if isinstance(p, ast.Call)]
        self.average |= any(isinstance(f, ast.Attribute) and f.attr in PRODUCTS for f in functions)
        self.step |= any(keyword.arg == "alpha" for keyword in node.keywords)
        self.scale |= self.average or self.step

    def operation(self, node: ast.BinOp) -> None:
        op = node.op
        if isinstance(op, (ast.Add, ast.Sub)):
            if not (_is_text(node.left) or _is_text(node.right)):
                self.step = True
                self.average |= any(_is_product(n) or _is_square(n) for n in (node.left, node.right))
        elif isinstance(op, (ast.Mult, ast.Div)):
            self.scale = True
        elif isinstance(op, ast.Pow):
            self.root |= _is_half(node.right)

    def assignment(self, node: ast.Assign) -> None:
        """``v = v * b``: decayed, though not in place. ``self.m = self.averaged(…)``: kept, whatever it is."""
        value = node.value
        if isinstance(value, ast.Call) and isinstance(node.targets[0], (ast.Attribute, ast.Subscript)):
            self.kept.update(_own_method(value))
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult) and not self.average:
            target = _place(node.targets[0])
            self.average = target in (_place(value.left), _place(value.right))

    def change(self, node: ast.AugAssign) -> None:
        """``x += y``; a counter or a text that grows is no average."""
        if isinstance(node.value, (ast.Constant, ast.List, ast.ListComp)) or _is_text(node.value):
            return
        self.step = True
        self.average |= isinstance(node.op, (ast.Mult, ast.Add))
        self.scale |= isinstance(node.op, (ast.Mult, ast.Div))


def evident(statement: ast.stmt, max_depth: int) -> frozenset[str]:
    """Qualified names of the functions (or "" for plain code) that could hold an update. Raises TooDeep."""
    found: dict[str, Evidence] = {}
    stack: list[tuple[ast.AST, int, str]] = [(statement, 1, "")]
    while stack:
        node, depth, owner = stack.pop()
        if depth > max_depth:
            raise TooDeep
        kind = node.__class__
        if kind is ast.Call:
            _of(found, owner).call(node)  # type: ignore[arg-type]
        elif kind is ast.BinOp:
            _of(found, owner).operation(node)  # type: ignore[arg-type]
        elif kind is ast.AugAssign:
            _of(found, owner).change(node)  # type: ignore[arg-type]
        elif kind is ast.Assign:
            _of(found, owner).assignment(node)  # type: ignore[arg-type]
        elif kind is ast.FunctionDef or kind is ast.ClassDef or kind is ast.AsyncFunctionDef:
            name: str = node.name  # type: ignore[attr-defined]
            owner = f"{owner}.{name}" if owner else name
        elif kind is ast.Name or kind is ast.Constant:
            continue
        depth += 1
        for value in node.__dict__.values():
            if value.__class__ is list:
                stack += [(item, depth, owner) for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, (ast.expr, ast.stmt, ast.arguments)):
                stack.append((value, depth, owner))
    enough = frozenset(name for name, evidence in found.items() if evidence.enough)
    return enough.union(name for name, evidence in found.items() if _keeps_the_rest(name, evidence, enough))


def _keeps_the_rest(name: str, evidence: Evidence, enough: frozenset[str]) -> bool:
    """``self.m = self.averaged(g, self.m)`` beside another such call: what it calls has no state, and it has no sum."""
    owner = name.rpartition(".")[0]
    made = {called for called in evidence.called if f"{owner}.{called}" in enough}
    return len(made) > 1 and bool(made & evidence.kept)


def _own_method(node: ast.Call) -> tuple[str, ...]:
    func = node.func
    own = isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "self"
    return (func.attr,) if own else ()  # type: ignore[attr-defined]


def _of(found: dict[str, Evidence], owner: str) -> Evidence:
    evidence = found.get(owner)
    if evidence is None:
        evidence = found[owner] = Evidence()
    return evidence


def _place(node: ast.expr) -> str:
    """What is read or written, without regard to which of the two."""
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) else f"{id(node)}"


def _is_product(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


def _is_square(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        func = node.func
        return (func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")) == "square"
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Pow):
        return False
    return isinstance(node.right, ast.Constant) and node.right.value == 2


def _is_text(node: ast.expr) -> bool:
    """A text, or what is made of one: ``"…"``, ``f"…"``, ``"…" % x``, ``"…".join(x)``, ``str(x)``."""
    while isinstance(node, ast.BinOp):
        node = node.left
    if isinstance(node, ast.Call):
        func = node.func
        if isinstance(func, ast.Name):
            return func.id in ("str", "repr")
        node = func.value if isinstance(func, ast.Attribute) else node
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def _is_half(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant)
    return isinstance(node, ast.Constant) and node.value == 0.5
