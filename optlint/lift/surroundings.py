"""What stands around an update in its file: who else reads a state or writes a parameter, and which loop has ended.

The names of the code tell here what a run of the update alone cannot.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from optlint.lift.objects import CONSTRUCTORS
from optlint.lift.program import Program
from optlint.model import Span

Kept = Literal["", "name", "attribute"]

_PLACE = re.compile(r"(self\.)?([^\W\d]\w*)")
_ZERO_GRAD = re.compile(r"zero_?grads?(?:ients?)?", re.IGNORECASE)
_LOOKS_ONLY = frozenset(
    {"len", "range", "enumerate", "zip", "list", "dict", "tuple", "print", "sorted", "map", "isinstance", "abs", "sum"}
)
_MODULES = frozenset({"np", "numpy", "torch", "jnp", "cp", "tf", "math", "copy"})
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The code around an update's own function, or around a script's own statements where there is none."""

    program: Program
    home: Span | None

    def kept_apart(self, place: str) -> Kept:
        """How a state is kept that its own function alone reads: in a name of its own, or in its object's attribute.

        "" where others may read it: it is handed in, on or back, or another function asks for it.
        """
        found = _PLACE.match(place)
        function = self.function()
        if found is None or (self.home is not None and function is None):
            return ""
        nodes = self.nodes()
        if found[1]:
            return "attribute" if function is not None and not _asked_for(nodes, function, found[2]) else ""
        here = [n for n in nodes if not isinstance(n, (*_DEFS, ast.ClassDef))]
        body = function.body if function is not None else here
        inner = [f for n in (body if function is not None else nodes) for f in ast.walk(n) if isinstance(f, _DEFS)]
        return "name" if _stays(body, inner, function, found[2]) else ""

    def is_written_elsewhere(self, place: str, others: Sequence[Surroundings] = ()) -> bool:
        """Whether a function that is neither this one nor one of those, nor a constructor, writes the attribute."""
        name = place.rpartition(".")[2].partition("[")[0]
        known = [f for around in (self, *others) if (f := around.function()) is not None]
        inside = {id(n) for f in known for n in ast.walk(f)}
        functions = [f for f in self.functions() if f.name not in CONSTRUCTORS]
        nodes = (n for f in functions for n in ast.walk(f) if id(n) not in inside)
        return any(_written(n) == name for n in nodes)

    def is_its_own(self, place: str) -> bool:
        """Whether only this function reads the object's attribute, and no other but a constructor of its class or its
        kin (any function, as some object's) gives it more than a number."""
        if self.kept_apart(place) != "attribute":
            return False
        name = place.removeprefix("self.").partition("[")[0]
        function = self.function()
        nodes = self.nodes()
        akin, inside = _kin_of(nodes, function)
        written = [n for s in nodes for n in ast.walk(s) if id(n) not in inside]
        emptied = {id(t) for n in written if isinstance(n, ast.Assign) and makes_nothing(n.value) for t in n.targets}
        for node in (n for n in written if id(n) not in emptied and _written(n) == name):
            owner = node.value if isinstance(node, ast.Attribute) else None
            mine = isinstance(owner, ast.Name) and owner.id == "self"
            if not mine or id(node) in akin:
                return False
        return True

    def is_read_beside(self, place: str, other: str) -> bool:
        """Whether another method of the class, or a function of no class, reads the attribute, and works on the other
        one, too (Nesterov's way to the point ahead, say). A constructor, or who fills it anew, does not read it."""
        names = [p.removeprefix("self.").partition("[")[0].partition(".")[0] for p in (place, other)]
        mine = self.function()
        around = (n for n in self.nodes() if not isinstance(n, ast.ClassDef) or mine in n.body)
        methods = (f for n in around for f in ast.walk(n) if isinstance(f, _DEFS) and f.name not in CONSTRUCTORS)
        for method in (f for f in methods if f is not mine):
            nodes = list(ast.walk(method))
            filled = {id(n.value) for n in nodes if isinstance(n, ast.Subscript) and not isinstance(n.ctx, ast.Load)}
            used = [n for n in nodes if isinstance(n, ast.Attribute)]
            read = any(n.attr == names[0] and isinstance(n.ctx, ast.Load) and id(n) not in filled for n in used)
            if read and any(n.attr == names[1] for n in used):
                return True
        return False

    def is_fed_only_by(self, place: str, others: Sequence[Surroundings]) -> bool:
        """Whether nothing but those functions (and a constructor) knows the attribute, and none of it comes here.

        Who calls this function does so in another branch, which a text chooses, than whatever may feed the attribute.
        """
        name, mine = place.removeprefix("self.").partition("[")[0], self.function()
        known = [f for around in others if (f := around.function()) is not None]
        if mine is None or mine in known or len(known) < len(others) or not name.isidentifier():
            return False
        inside = {id(n) for f in (mine, *known) for n in ast.walk(f)}
        for node in self.nodes():
            makers = (f for f in ast.walk(node) if isinstance(f, _DEFS) and f.name in CONSTRUCTORS)
            made = inside | {id(n) for f in makers for n in ast.walk(f)}
            if any(isinstance(n, ast.Attribute) and n.attr == name and id(n) not in made for n in ast.walk(node)):
                return False
        feeders = {f.name for f in known}
        for function in (f for f in self.functions() if f is not mine):
            ways = list(_with_arms(function, {}))
            feeds = [a for n, a in ways if (isinstance(n, ast.Attribute) and n.attr == name) or _calls(n) in feeders]
            calls = [a for n, a in ways if isinstance(n, (ast.Attribute, ast.Name)) and _mentioned(n) == mine.name]
            if function.name not in CONSTRUCTORS and not all(_exclude(a, b) for a in feeds for b in calls):
                return False
        return True

    def cleared_with_gradients(self, places: Sequence[str]) -> bool:
        """Whether the class's own ``zero_grad``, which is called before each gradient, writes all these places."""
        function = self.function()
        own = self.own_class()
        methods = [f for f in own.body if isinstance(f, _DEFS) and _ZERO_GRAD.fullmatch(f.name)] if own else []
        names = {found[2] for place in places if (found := _PLACE.match(place)) and found[1]}
        written = {_written(n) for f in methods if f is not function for n in ast.walk(f)}
        return bool(names) and len(names) == len(places) and names <= written

    def counts_new_beginnings(self, count: str, places: Sequence[str]) -> bool:
        """Whether only a method that empties all these places (``reset``, after an epoch) raises the count."""
        found = [_PLACE.fullmatch(place) for place in (count, *places)]
        function = self.function()
        own = self.own_class()
        if own is None or not places or not all(f is not None and f[1] for f in found):
            return False
        counted, *emptied = [f[2] for f in found if f is not None]
        methods = [f for f in own.body if isinstance(f, _DEFS) and f.name not in CONSTRUCTORS]
        raising = [f for f in methods if any(_written(n) == counted for n in ast.walk(f))]
        raised = [
            n for f in raising for n in ast.walk(f) if isinstance(n, ast.AugAssign) and _written(n.target) == counted
        ]
        anew = [n for f in raising for n in ast.walk(f) if isinstance(n, ast.Assign) and makes_nothing(n.value)]
        names = {_written(t) for n in anew for t in n.targets}
        return len(raising) == len(raised) == 1 and raising != [function] and names >= set(emptied)

    def left_over(self, write: Span) -> str:
        """The index of a loop that has ended, by which one element is written there; "" where it is another.

        A loop that may stop early has found that element. What it writes to the same elements itself is all of them.
        """
        function = self.function()
        above = write.line - self._line(write) if function is not None else 0
        inside = [n for n in ast.walk(function) if isinstance(n, ast.stmt)] if function is not None else []
        target = next((t for n in inside if n.lineno == write.line - above for t in _item_written(n)), None)
        if target is None:
            return ""
        loops = [n for n in inside if isinstance(n, ast.For)]
        for index in (n.id for n in ast.walk(target.slice) if isinstance(n, ast.Name)):
            mine = [loop for loop in loops if _binds(loop.target, index)]
            clauses = [n for s in inside for n in ast.walk(s) if isinstance(n, ast.comprehension)]  # names of their own
            targets = [*(loop.target for loop in mine), *(clause.target for clause in clauses)]
            bound = {id(n) for t in targets for n in ast.walk(t)}
            other = [n for s in inside for n in ast.walk(s) if id(n) not in bound and _binds_itself(n, index)]
            ended = [n for loop in mine for n in ast.walk(loop)]
            stops = any(isinstance(n, (ast.Break, ast.Return, ast.Yield)) for n in ended)
            all_of_them = any(_same_list(t, target) for n in ended if isinstance(n, ast.stmt) for t in _item_written(n))
            if mine and not other and not stops and not all_of_them and not any(n is target for n in ended):
                return index if _alone(target.slice, index) else ""
        return ""

    def asks_for(self, pattern: re.Pattern[str]) -> int:
        """How often the file compares something with a text that speaks of this."""
        nodes = (n for node in self.nodes() for n in ast.walk(node) if isinstance(n, (ast.Compare, ast.MatchValue)))
        texts = ([c.value for c in ast.walk(n) if isinstance(c, ast.Constant)] for n in nodes)
        return sum(any(isinstance(text, str) and pattern.search(text) for text in found) for found in texts)

    def takes_unread(self, pattern: re.Pattern[str]) -> str:
        """The setting of such a name that the constructor of the update's class takes and that nothing there reads.

        "" where there is none, or where a base class that is out of sight may read it.
        """
        own = self.own_class()
        if own is None or not _bases(own) <= {"Optimizer", "object", "ABC"}:
            return ""
        methods = [f for f in own.body if isinstance(f, _DEFS)]
        taken = [a.arg for f in methods if f.name in CONSTRUCTORS for a in ast.walk(f.args) if isinstance(a, ast.arg)]
        read = {name for f in methods if f.name not in CONSTRUCTORS for n in ast.walk(f) if (name := _mentioned(n))}
        unread = [name for name in taken if pattern.search(name)]
        return unread[0] if len(unread) == 1 and not any(pattern.search(name) for name in read) else ""

    def binds_unread(self, pattern: re.Pattern[str]) -> str:
        """The setting of such a name that the update's own function takes out of a tuple, or as an argument, and never
        reads; "" where there is none, or several."""
        function = self.function()
        inside = list(ast.walk(function)) if function is not None else []
        names = [n for n in inside if isinstance(n, ast.Name)]
        parts = {e.id for n in inside if isinstance(n, ast.Tuple) for e in n.elts if isinstance(e, ast.Name)}
        bound = {n.id for n in names if isinstance(n.ctx, ast.Store)} & parts
        bound |= {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)} if function is not None else set()
        read = {n.id for n in names if isinstance(n.ctx, ast.Load)}
        unread = [name for name in bound - read if pattern.search(name)]
        return unread[0] if len(unread) == 1 else ""

    def nodes(self) -> list[ast.stmt]:
        return [node for _, block in self.program.blocks for node in block.nodes]

    def _line(self, place: Span) -> int:
        """The line by which the nodes of the place's block know it."""
        for number, block in self.program.blocks:
            if self.program.units[number].cell == place.cell and block.line <= place.line <= block.end_line:
                return place.line - block.line + min(map(_first_line, block.nodes), default=block.line)
        return place.line

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """All of the file, those inside classes and other functions too."""
        return (f for _, block in self.program.blocks for f in block.functions)

    def own_class(self) -> ast.ClassDef | None:
        """The class whose method the update's function is."""
        function = self.function()
        return next((c for _, block in self.program.blocks for c in block.classes if function in c.body), None)

    def function(self) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        home, units = self.home, self.program.units
        if home is None:
            return None
        for number, block in self.program.blocks:
            if units[number].cell != home.cell or not block.line <= home.line <= block.end_line:
                continue
            line = self._line(home)
            found = next((f for f in block.functions if line in (f.lineno, _first_line(f))), None)
            if found is not None:
                return found
        return None


def _with_arms(node: ast.AST, arms: dict[int, bool]) -> Iterator[tuple[ast.AST, dict[int, bool]]]:
    """Every node below, with the arms that it stands in of the branches that a text chooses."""
    yield node, arms
    asked = isinstance(node, ast.If) and any(
        isinstance(n, ast.Constant) and isinstance(n.value, str) for n in ast.walk(node.test)
    )
    for child in ast.iter_child_nodes(node):
        way = arms
        if asked and isinstance(node, ast.If) and child is not node.test:
            way = {**arms, id(node): any(child is n for n in node.body)}
        yield from _with_arms(child, way)


def _exclude(one: dict[int, bool], other: dict[int, bool]) -> bool:
    return any(other.get(branch, arm) != arm for branch, arm in one.items())


def _calls(node: ast.AST) -> str:
    return _mentioned(node.func) if isinstance(node, ast.Call) else ""


def _item_written(node: ast.stmt) -> Iterator[ast.Subscript]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    yield from (t for t in targets if isinstance(t, ast.Subscript))


def _same_list(one: ast.Subscript, other: ast.Subscript) -> bool:
    return ast.dump(one.value) == ast.dump(other.value)


def _binds(target: ast.expr, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(target))


def _binds_itself(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)


def _alone(key: ast.expr, index: str) -> bool:
    """The key is the index, or a name made of it: ``j``, ``"W%s" % j``, ``f"W{j}"``, ``"W" + str(j)``."""
    numbers = any(isinstance(n, ast.Constant) and isinstance(n.value, (int, float)) for n in ast.walk(key))
    others = {n.id for n in ast.walk(key) if isinstance(n, ast.Name)} - {index, "str"}
    return not numbers and not others


def _mentioned(node: ast.AST) -> str:
    """The name, attribute or key that a node is."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return (
        node.value
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier()
        else ""
    )


def _written(node: ast.AST) -> str | None:
    """The attribute that is given a content, as a whole or in one of its items."""
    if _is_filled(node) and isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
        return node.value.attr
    return node.attr if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) else None


def _first_line(node: ast.stmt) -> int:
    """Of its decorators, if there are any."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _asked_for(nodes: list[ast.stmt], function: ast.AST, name: str) -> bool:
    """Another function reads the attribute: one of the same class or its kin as its own, any as some object's.

    Classes that only share a base are no kin: the object of one is never the other's.
    """
    akin, inside = _kin_of(nodes, function)
    filled = {id(n.value) for s in nodes for n in ast.walk(s) if isinstance(n, ast.Subscript) and _is_filled(n)}
    for read in (n for s in nodes for n in ast.walk(s) if isinstance(n, ast.Attribute) and n.attr == name):
        mine = isinstance(read.value, ast.Name) and read.value.id == "self"
        if isinstance(read.ctx, ast.Load) and id(read) not in inside | filled and (not mine or id(read) in akin):
            return True
    return False


def _kin_of(nodes: list[ast.stmt], function: ast.AST | None) -> tuple[set[int], set[int]]:
    """What stands in a method's class, its bases and those built on it; of that, what it and the constructors hold."""
    classes = [c for n in nodes for c in ast.walk(n) if isinstance(c, ast.ClassDef)]
    own = [c for c in classes if function in c.body]
    mine_too = {c.name for c in own}
    kin = [c for c in classes if c.name in mine_too.union(*map(_bases, own)) or mine_too & _bases(c)]
    inside = {id(n) for n in ast.walk(function)} if function is not None else set()
    makers = [f for c in kin for f in c.body if isinstance(f, _DEFS) and f.name in CONSTRUCTORS]
    inside |= {id(n) for f in makers for n in ast.walk(f)}
    return {id(n) for c in kin for n in ast.walk(c)}, inside


def makes_nothing(node: ast.expr) -> bool:
    """``0``, ``None``, ``np.zeros(shape)``, ``{}``, ``{"W": 0}``, ``[{} for _ in layers]``."""
    if isinstance(node, (ast.ListComp, ast.DictComp)):
        return makes_nothing(node.elt if isinstance(node, ast.ListComp) else node.value)
    if isinstance(node, (ast.Dict, ast.List)):
        return all(map(makes_nothing, node.values if isinstance(node, ast.Dict) else node.elts))
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(node, ast.Constant) or (called is not None and "zero" in _mentioned(called))


def _bases(node: ast.ClassDef) -> set[str]:
    return {
        b.attr if isinstance(b, ast.Attribute) else b.id for b in node.bases if isinstance(b, (ast.Attribute, ast.Name))
    }


def _is_filled(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)


def _stays(
    body: Sequence[ast.stmt],
    inner: Sequence[ast.AST],
    function: ast.FunctionDef | ast.AsyncFunctionDef | None,
    name: str,
) -> bool:
    """The function gives the name its content itself, and neither hands it on nor back, nor what takes it over."""
    names = {name}
    stored = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    outside = {n for s in body for d in ast.walk(s) if isinstance(d, (ast.Global, ast.Nonlocal)) for n in d.names}
    arguments = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)} if function is not None else set()
    taken_over = True
    while taken_over:
        if not names <= stored - outside - arguments:
            return False
        more = {t for s in body for n in ast.walk(s) if isinstance(n, ast.Assign) for t in _takes_over(n, names)}
        taken_over, names = not more <= names, names | more
    if any(isinstance(n, ast.Name) and n.id in names for f in inner for n in ast.walk(f)):
        return False
    return not any(_holds(e, names) for s in body for e in _handed_on(s))


def _takes_over(node: ast.Assign, names: set[str]) -> Iterator[str]:
    """The names that hold the content under another name from here on."""
    value = node.value.value if isinstance(node.value, ast.Subscript) else node.value
    if isinstance(value, ast.Name) and value.id in names:
        for target in node.targets:
            while isinstance(target, (ast.Subscript, ast.Attribute)):
                target = target.value
            yield target.id if isinstance(target, ast.Name) else ""


def _handed_on(statement: ast.stmt) -> Iterator[ast.AST]:
    """What a statement hands back, or to a call that may do anything with it."""
    for node in ast.walk(statement):
        if isinstance(node, (ast.Return, ast.Yield)) and node.value is not None:
            yield node.value
        elif isinstance(node, ast.Call) and not looks_only(node.func):
            yield from (*node.args, *(k.value for k in node.keywords))


def looks_only(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id in _LOOKS_ONLY
    while isinstance(called, ast.Attribute):
        called = called.value
    return isinstance(called, ast.Name) and called.id in _MODULES


def _holds(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(node))
