"""Names, imports, functions and classes that the code defines."""

from __future__ import annotations

from functools import lru_cache

import libcst as cst
from libcst import matchers

from optlint.lift.calls import Calls
from optlint.lift.objects import CONSTRUCTORS, Func, Klass, Lib, Scope
from optlint.lift.parts import accessor
from optlint.lift.vocabulary import GLOBAL_NAMES, is_library

_RECEIVERS = frozenset({"self", "cls", "this", "mcs", "_"})


class Definitions(Calls):
    """Binds names to what is imported and defined."""

    def exec_Global(self, node: cst.Global) -> None:
        self.scope.globals.update(n.name.value for n in node.names)

    def exec_Nonlocal(self, node: cst.Nonlocal) -> None:
        self.scope.nonlocals.update(n.name.value for n in node.names)

    def exec_Import(self, node: cst.Import) -> None:
        for alias in node.names:
            name = alias.evaluated_name
            self.imports.add(name)
            shown = alias.evaluated_alias or name.split(".")[0]
            self.store.bind(self.scope, shown, Lib(name if alias.evaluated_alias else name.split(".")[0], self.file))

    def exec_ImportFrom(self, node: cst.ImportFrom) -> None:
        module = _module_name(node)
        self.imports.add(module)
        if isinstance(node.names, cst.ImportStar):
            return
        for alias in node.names:
            shown = alias.evaluated_alias or alias.evaluated_name
            relayed = shown in GLOBAL_NAMES and (node.relative or not is_library(module))
            name = GLOBAL_NAMES[shown] if relayed else f"{module}.{alias.evaluated_name}"  # ``from .compat import np``
            self.store.bind(self.scope, shown, Lib(name, self.file, 0 if relayed else len(node.relative)))

    def exec_FunctionDef(self, node: cst.FunctionDef) -> None:
        func = self.function(node, None)
        if len(self.stack) and not self.scanning and not self.is_abroad:
            self.nested.append((node.name.value, func, None))
        self.store.bind(self.scope, node.name.value, func)

    def function(self, node: cst.FunctionDef, klass: Klass | None) -> Func:
        func = Func(node.name.value, node, self.scope, None, klass, self.unit)
        func.defaults = self.defaults(node.params)
        names = {d.decorator.value for d in node.decorators if isinstance(d.decorator, cst.Name)}
        func.static = "staticmethod" in names
        func.computed = bool(names & {"property", "cached_property"})
        return func

    def exec_ClassDef(self, node: cst.ClassDef) -> None:
        klass = self.klass(node)
        if len(self.stack) and not self.scanning and not self.is_abroad:
            self.nested.extend(m for m in klass.methods(klass.name) if m[1].name not in CONSTRUCTORS)
        self.store.bind(self.scope, node.name.value, klass)

    def klass(self, node: cst.ClassDef) -> Klass:
        bases = [self.base_class(self.eval(b.value)) for b in node.bases]
        klass = Klass(node.name.value, node, self.scope, bases, self.unit)
        outer = self.scope
        self.scope = Scope(outer)
        try:
            for statement in node.body.body:
                if isinstance(statement, cst.FunctionDef):
                    func = self.function(statement, klass)
                    func.scope = outer
                    klass.members[f"{statement.name.value}{accessor(statement)}"] = func
                elif isinstance(statement, cst.ClassDef):  # it sees none of the names of the class around it
                    inner, self.scope = self.scope, outer
                    klass.members[statement.name.value] = self.klass(statement)
                    self.scope = inner
                elif isinstance(statement, cst.SimpleStatementLine):
                    self.run([statement])
            klass.members.update({k: v for k, v in self.scope.vars.items() if k not in klass.members})
            _tell_static(klass)
        finally:
            self.scope = outer
        return klass


def _tell_static(klass: Klass) -> None:
    """A class that is a mere namespace: its functions do not agree on what the object is called, as methods do."""
    own = [m for m in klass.members.values() if isinstance(m, Func) and not m.static and m.klass is klass]
    firsts = {f.node.params.params[0].name.value if f.node.params.params else "" for f in own}
    decorated = any(isinstance(f.node, cst.FunctionDef) and f.node.decorators for f in own)
    if len(firsts) > 1 and not firsts & _RECEIVERS and not decorated:
        for func in own:
            func.static = True


def _module_name(node: cst.ImportFrom) -> str:
    parts: list[str] = []
    module: cst.BaseExpression | None = node.module
    while isinstance(module, cst.Attribute):
        parts.append(module.attr.value)
        module = module.value
    if isinstance(module, cst.Name):
        parts.append(module.value)
    return ".".join(reversed(parts))


_TARGET = matchers.AssignTarget(target=matchers.Name())


@lru_cache(maxsize=512)
def names_bound_in(function: cst.FunctionDef) -> frozenset[str]:
    """The plain names that a function's own statements give a value, not those of functions inside it."""
    inside = matchers.findall(function.body, matchers.FunctionDef() | matchers.ClassDef())
    theirs = {id(t) for f in inside for t in matchers.findall(f, _TARGET)}
    found = (t for t in matchers.findall(function.body, _TARGET) if id(t) not in theirs)
    return frozenset(cst.ensure_type(cst.ensure_type(t, cst.AssignTarget).target, cst.Name).value for t in found)
