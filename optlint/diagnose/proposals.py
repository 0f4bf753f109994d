"""Candidate repairs: what the pages propose for an update, by their equations and by their checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from optlint.diagnose.checks import CHECKS
from optlint.diagnose.patterns import PRODUCT, SUM, Matcher, build, pattern
from optlint.diagnose.repairs import Repair
from optlint.intent import families_in, speaks_of
from optlint.knowledge import MistakePage, Rewrite, derived, mistakes
from optlint.lift import expression as ex
from optlint.lift.expression import Expr
from optlint.lift.recurrence import State
from optlint.subject import Subject


class Proposals:
    """What the pages propose for the updates of one search.

    Repairs of one update share most of their equations, so what the pages' equations say of one part is kept.
    intent: the code's names and comments. A page with the option ``said`` is asked only where they speak of one of
    its families, or in its ``words``, or where it is known that the update is of one (``core``).
    """

    def __init__(self, intent: str = "", core: frozenset[str] = frozenset()) -> None:
        pages = searched()
        self.pages = tuple(p for p in pages if not p.options.get("said") or _speaks_for(p, intent, core))
        self._edits: dict[tuple[object, ...], list[_Edit]] = {}

    def of(self, subject: Subject, only: frozenset[str] | None = None) -> list[Repair]:
        """Every repair that some page (of certain codes) proposes, each a different set of equations."""
        pages = tuple(p for p in self.pages if only is None or p.code in only)
        proposed = [r for page in pages if page.check for r in from_check(subject, page, "searched")]
        if subject.gradient is not None and any(page.rewrites for page in pages):
            proposed += self._from_equations(subject, pages)
        found: list[Repair] = []
        seen: set[tuple[object, ...]] = set()
        general = {p.code for p in self.pages if not p.families}  # a page of one family says more, and comes first
        for repair in sorted(proposed, key=lambda r: (r.code in general, r.code)):
            key = (repair.code, tuple(repair.subject.posts), tuple((c.symbol, c.first) for c in repair.subject.clocks))
            if key not in seen:
                seen.add(key)
                found.append(repair)
        return found

    def _from_equations(self, subject: Subject, pages: tuple[MistakePage, ...]) -> Iterator[Repair]:
        settings = frozenset(h.symbol for h in subject.hypers)
        places = parts(subject, subject.second)
        found: list[tuple[int, _Edit]] = []
        for index, ((part, own), post) in enumerate(zip(places, subject.posts, strict=True)):
            codes = tuple(p.code for p in pages)
            key = (codes, part, own and own.old, post, subject.second, subject.time, settings)
            if key not in self._edits:
                self._edits[key] = list(_edits(subject, pages, part, own, post))
            found += [(index, edit) for edit in self._edits[key]]
        for index, edit in found:
            made = _applied(subject, [(index, edit)])
            if made is not None:
                where = places[index][1]
                yield Repair(
                    edit.page.code,
                    made,
                    edit.wrong,
                    edit.right,
                    edit.effective,
                    where=where.name if where else "step",
                    root=subject.posts[index],
                )
        yield from self._everywhere(subject, found)

    def _everywhere(self, subject: Subject, found: list[tuple[int, _Edit]]) -> Iterator[Repair]:
        """A slip that was made the same way in several places is one mistake: all of them mended together."""
        by_rewrite: dict[object, list[tuple[int, _Edit]]] = {}
        for index, edit in found:
            by_rewrite.setdefault(id(edit.rewrite), []).append((index, edit))
        for index, edit in found:  # and of the same quantities
            if any(other.rewrite is edit.rewrite and other.read != edit.read for _, other in found):
                by_rewrite.setdefault((id(edit.rewrite), edit.read), []).append((index, edit))
        for same in by_rewrite.values():
            for apart in _sets_apart(same):
                made = _applied(subject, apart)
                if made is not None:
                    index, edit = apart[0]
                    root = subject.posts[index]
                    yield Repair(edit.page.code, made, edit.wrong, edit.right, edit.effective, where="", root=root)


def _speaks_for(page: MistakePage, intent: str, core: frozenset[str]) -> bool:
    words = page.options.get("words")
    said = families_in(intent) | core
    return bool(said & set(page.families)) or (bool(words) and speaks_of(words, intent))


def _sets_apart(same: list[tuple[int, _Edit]]) -> Iterator[list[tuple[int, _Edit]]]:
    """The edits of which none lies inside another's expression: the outermost ones, and the innermost ones.

    Of several ways to read one expression, the first.
    """

    def inside(a: tuple[int, _Edit], b: tuple[int, _Edit]) -> bool:
        outer, inner = b[1].wrong, a[1].wrong
        return a[0] == b[0] and outer is not inner and any(node is inner for node in ex.walk(outer))

    outermost = [a for a in same if not any(inside(a, b) for b in same)]
    innermost = [a for a in same if not any(inside(b, a) for b in same)]
    for apart in [outermost] if outermost == innermost else [outermost, innermost]:
        first: dict[tuple[int, int], tuple[int, _Edit]] = {}
        for index, edit in apart:
            first.setdefault((index, id(edit.wrong)), (index, edit))
        if len(first) > 1:
            yield list(first.values())


@derived
def searched() -> tuple[MistakePage, ...]:
    """The pages that explain an update that is no published one (the others stand beside a match)."""
    return tuple(p for p in mistakes() if "search" in p.stages)


def from_check(subject: Subject, page: MistakePage, stage: str = "") -> Iterator[Repair]:
    """What the page's check proposes, or another one that the page names for this stage."""
    other = page.options.get(stage)
    name = other if isinstance(other, str) else page.check
    if name in CHECKS:
        yield from CHECKS[name](subject, page)


@dataclass(frozen=True, slots=True)
class _Edit:
    """``wrong`` → ``right`` in one equation, as a page's equation has it. effective: what g means afterwards.

    read: what the pattern's variables stand for, but those that stand for anything.
    """

    page: MistakePage
    rewrite: Rewrite
    wrong: Expr
    right: Expr
    effective: Expr | None
    read: tuple[tuple[str, Expr], ...] = ()


_SORTS = {op: sort for sort, ops in (("sum", SUM), ("product", PRODUCT)) for op in ops}


def _edits(subject: Subject, pages: Iterable[MistakePage], part: str, own: State | None, post: Expr) -> Iterator[_Edit]:
    """What the pages' equations find in one part."""
    matcher = Matcher(subject, own)
    known = {part, "any"} | ({"state"} if own is not None else set()) | ({"step"} if _steps(subject, own) else set())
    nodes: dict[str, list[Expr]] = {}
    for node in ex.walk(post):
        nodes.setdefault(_SORTS.get(node.op, node.op), []).append(node)
    for page in pages:
        if page.options.get("needs") == "second moment" and not subject.second:
            continue
        gradient = page.options.get("gradient")
        for rewrite in page.rewrites:
            if rewrite.part not in known:
                continue
            wrong, right = pattern(rewrite.wrong), pattern(rewrite.right)
            for node in nodes.get(_SORTS.get(wrong.op, wrong.op), ()):
                if rewrite.unless and any(matcher.unify(pattern(rewrite.unless), node, {})):
                    continue
                for env, new in matcher.rewrites(wrong, right, node):
                    if new != node:
                        effective = None
                        if isinstance(gradient, str):
                            effective = build(pattern(gradient), {"g": ex.sym(subject.g), **env})
                        read = tuple((name, env[name]) for name in sorted(env) if name[0] not in "nxu±")
                        yield _Edit(page, rewrite, node, new, effective, read)


def _steps(subject: Subject, own: State | None) -> bool:
    """A state that gathers steps (RMSprop's momentum, Adadelta's Δw²) or their sizes (AdaMod's): it divides by another
    state's content."""
    if own is None:
        return False
    others = subject.second - {own.old, own.new}
    if subject.g in own.post.symbols:
        return bool(own.post.symbols & others)
    return any(n.op == "div" and n.args[1].symbols & others for n in ex.walk(own.post))


def _applied(subject: Subject, edits: list[tuple[int, _Edit]]) -> Subject | None:
    """The update after edits, each in the equation of that number."""
    posts = list(subject.posts)
    for index, edit in edits:
        posts[index] = ex.replace_node(posts[index], edit.wrong, edit.right)
    effective = edits[0][1].effective
    if effective is not None:  # where the code already takes g + λw, that is what g means now
        posts = [ex.substitute(p, {effective: ex.sym(subject.g)}) for p in posts]
        if any(subject.parameter in p.symbols for p in posts[:-1]):
            return None
    return subject.replaced(posts)


def parts(subject: Subject, second: frozenset[ex.Symbol]) -> list[tuple[str, State | None]]:
    """Each equation's part: "v" (second moment), "m" (another state) or "step"."""
    named: list[tuple[str, State | None]] = [("v" if s.old in second else "m", s) for s in subject.states]
    return [*named, ("step", None)]
