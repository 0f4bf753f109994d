"""The published forms, compiled: each variant's equations as a system that runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from optlint.knowledge import Variant, conventions, derived
from optlint.lift import expression as ex
from optlint.lift import structure
from optlint.lift.expression import Expr, Symbol
from optlint.lift.notation import parse, parse_system
from optlint.sandbox.evaluate import Runner, System


@dataclass
class Form:
    """A variant, compiled. ``drive`` is its step without decay, and without factors that are settings alone.

    alike: all forms that behave as this one does, itself among them. kept, size: the parameter's own factor in one
    step, and the factors that the drive leaves out.
    """

    variant: Variant
    names: list[str]
    states: list[tuple[Symbol, Symbol, Expr]]
    drive: Expr
    kept: Expr | None
    size: Expr
    symbols: dict[str, Symbol]

    def __post_init__(self) -> None:
        self.alike = [self]

    @property
    def needs_parameter(self) -> bool:
        """Its step reads w beyond a decay, or a state gathers w."""
        w = self.symbols["w"]
        return self.kept is None or any(w in post.symbols for _, _, post in self.states)

    @property
    def decays(self) -> bool:
        """The parameter decays by itself."""
        return self.kept is not None and self.kept != ex.const(1)

    @cached_property
    def slopes(self) -> list[Expr | None]:
        """How much of its content each state keeps."""
        return [structure.retention(post, old) for old, _, post in self.states]

    @cached_property
    def needs(self) -> frozenset[Symbol]:
        return frozenset().union(self.drive.symbols, *(post.symbols for _, _, post in self.states))

    @cached_property
    def floors(self) -> list[Symbol]:
        """Its ε, and the one inside the second moment where that is another setting."""
        return [self.symbols[n] for n in ("eps", "eps_root") if n in self.symbols]

    @cached_property
    def runner(self) -> Runner:
        return Runner(System(self.states, self.drive, None))

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Forms that write the same equations have the same key: those with and without decay, for one."""
        started = tuple(n for n, _ in self.variant.initial) if self.variant.epsilon == "none" else None
        return repr([post for _, _, post in self.states]), repr(self.drive), self.needs_parameter, started


def compile_variant(variant: Variant) -> Form:
    """Raises NotationError where an equation cannot be read, KeyError where there is none for w'."""
    symbols: dict[str, Symbol] = {}
    terms: dict[str, Expr] = {}  # names for parts of an equation: ``rho = …``
    posts: dict[str, Expr] = {}

    def resolve(name: str) -> Symbol | Expr:
        return (
            terms[name] if name in terms else symbols.setdefault(name, Symbol(name.replace("_new", "'"), kind="role"))
        )

    for target, formula in parse_system(variant.equations):
        (posts if target.endswith("'") else terms)[target.removesuffix("'")] = parse(formula, resolve)
    step = posts.pop("w")
    states = [(_symbol(symbols, n), _symbol(symbols, f"{n}_new"), post) for n, post in posts.items()]
    w = _symbol(symbols, "w")
    kept = structure.slope(step, w, conditional=True)
    drive = ex.op("sub", step, ex.sym(w)) if kept is None else structure.rest(step, w)
    moving = {x for old, new, _ in states for x in (old, new)} | {symbols[n] for n in ("g", "t", "w") if n in symbols}
    parts = structure.factors(drive)
    inside = [(f, e) for f, e in parts if f.op == "const" or f.symbols & moving]
    size = structure.product(p for p in parts if p not in inside)
    return Form(variant, list(posts), states, structure.product(inside), kept, size, symbols)


def _symbol(symbols: dict[str, Symbol], name: str) -> Symbol:
    return symbols.setdefault(name, Symbol(name.replace("_new", "'"), kind="role"))


def forms() -> tuple[Form, ...]:
    """Every form, published order first."""
    return tuple(form for count in sorted(_variants()) for form in forms_with(count))


def forms_with(states: int) -> tuple[Form, ...]:
    """The forms with that many states, published order first."""
    made = _made()
    if states not in made:
        made[states] = _grouped([compile_variant(v) for v in _variants().get(states, ())])
    return made[states]


def _grouped(found: list[Form]) -> tuple[Form, ...]:
    """The forms, each with those that behave alike: by their equations, or because the convention says so."""
    groups: dict[tuple[object, ...], list[Form]] = {}
    named: dict[tuple[str, str], tuple[object, ...]] = {}
    for form in found:
        variant = form.variant
        key = named.get((variant.title, variant.same), form.key) if variant.same else form.key
        named[variant.title, variant.name] = key
        form.alike = groups.setdefault(key, [])
        form.alike.append(form)
    return tuple(found)


@derived
def _variants() -> dict[int, list[Variant]]:
    found: dict[int, list[Variant]] = {}
    for variant in conventions():
        count = sum(line.split("=")[0].strip().endswith("'") for line in variant.equations.splitlines()) - 1
        found.setdefault(count, []).append(variant)
    return found


@derived
def _made() -> dict[int, tuple[Form, ...]]:
    return {}
