"""Candidate repairs: what an update would be if one known mistake were mended at one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from optlint.diagnose.patterns import Matcher, build, pattern
from optlint.knowledge import MistakePage, mistakes
from optlint.lift import expression as ex
from optlint.lift.expression import Expr
from optlint.lift.recurrence import State
from optlint.model import Span
from optlint.subject import Subject


@dataclass(slots=True)
class Repair:
    """``subject`` is the update with one mistake mended.

    wrong, right: the expression and what it should be. effective: what ``g`` means after the repair where that
    changes (g + λw). span: the place to show. note: a measured quantity or name for the message.
    """

    code: str
    subject: Subject
    wrong: Expr | None = None
    right: Expr | None = None
    effective: Expr | None = None
    span: Span | None = None
    where: str = ""
    details: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Span | None:
        return self.span or (self.wrong.origin if self.wrong is not None else None)


Check = Callable[[Subject, MistakePage], Iterator[Repair]]
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Register a check that rule pages can name."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


def candidates(subject: Subject) -> list[Repair]:
    """Every repair that some page proposes for the update, each a different set of equations."""
    load_checks()
    found: list[Repair] = []
    seen: set[tuple[object, ...]] = set()
    places = _Places(subject) if subject.gradient is not None else None
    for page in mistakes():
        if page.options.get("when") == "matched":
            continue
        mended = from_equations(subject, page, places) if places is not None else ()
        for repair in [*mended, *from_check(subject, page)]:
            key = (repair.code, tuple(repair.subject.posts), tuple((c.symbol, c.first) for c in repair.subject.clocks))
            if key not in seen:
                seen.add(key)
                found.append(repair)
    return found


def load_checks() -> None:
    from optlint.diagnose import checks  # noqa: F401  (registers)


def from_check(subject: Subject, page: MistakePage) -> Iterator[Repair]:
    if page.check and page.check in CHECKS:
        yield from CHECKS[page.check](subject, page)


class _Places:
    """An update's equations and all their nodes, for every page to look at."""

    def __init__(self, subject: Subject) -> None:
        self.parts = [
            (part, own, Matcher(subject, own), post, list(ex.walk(post)))
            for (part, own), post in zip(parts(subject, subject.second), subject.posts, strict=True)
        ]


def from_equations(subject: Subject, page: MistakePage, places: _Places) -> Iterator[Repair]:
    """Apply a page's equations ``wrong → right`` wherever they stand."""
    if page.options.get("needs") == "second moment" and not subject.second:
        return
    for rewrite in page.rewrites:
        wrong, right = pattern(rewrite.wrong), pattern(rewrite.right)
        for index, (part, own, matcher, post, nodes) in enumerate(places.parts):
            if rewrite.part not in (part, "any") and not (rewrite.part == "state" and own is not None):
                continue
            for node in nodes:
                for env, new in matcher.rewrites(wrong, right, node):
                    if new == node:
                        continue
                    posts = list(subject.posts)
                    posts[index] = ex.replace_node(post, node, new)
                    gradient = page.options.get("gradient")
                    effective = None
                    if isinstance(gradient, str):
                        effective = build(pattern(gradient), {"g": ex.sym(subject.g), **env})
                        # where the code already takes g + λw, that is what g means now
                        posts = [ex.substitute(p, {effective: ex.sym(subject.g)}) for p in posts]
                        if any(subject.parameter in p.symbols for p in posts[:-1]):
                            continue
                    where = own.name if own else "step"
                    span = node.origin or enclosing(post, node)
                    yield Repair(page.code, subject.replaced(posts), node, new, effective, span, where)


def enclosing(root: Expr, target: Expr) -> Span | None:
    """The source of the smallest expression around a node that has no source of its own."""
    around = [n for n in ex.walk(root) if n.origin is not None and n.op != "opaque" and ex.contains(n, target)]
    return min(around, key=lambda n: n.size).origin if around else None


def parts(subject: Subject, second: frozenset[ex.Symbol]) -> list[tuple[str, State | None]]:
    """Each equation's part: "v" (second moment), "m" (another state) or "step"."""
    named: list[tuple[str, State | None]] = [("v" if s.old in second else "m", s) for s in subject.states]
    return [*named, ("step", None)]
