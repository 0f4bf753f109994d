"""Bodies of branches that leave: by raising, by going on with the loop, or with what they hand back."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

LEAVES = (cst.Raise, cst.Break, cst.Continue)


def only_leaves(body: cst.BaseSuite) -> bool:
    """A body that only raises, returns nothing, skips the iteration or stops: the update goes on without it."""
    statements = _statements(body)
    if not statements or len(statements) > 3:
        return False
    last = statements[-1]
    if isinstance(last, cst.Return):
        return last.value is None or isinstance(last.value, cst.Name)
    return isinstance(last, LEAVES) or all(
        isinstance(s, cst.Expr) and isinstance(s.value, (cst.Call, cst.SimpleString)) and _is_talk(s)
        for s in statements
    )


def goes_away(body: cst.BaseSuite) -> bool:
    """Of a body that only leaves: nothing behind it is done, and it does not just talk."""
    line = body.body[-1]
    last = line.body[-1] if isinstance(line, cst.SimpleStatementLine) else line
    return isinstance(last, (*LEAVES, cst.Return))


def stops(body: cst.BaseSuite) -> bool:
    """A body that only ends the loop around it, and perhaps talks."""
    statements = _statements(body)
    talks = all(isinstance(s, cst.Expr) and _is_talk(s) for s in statements[:-1])
    return talks and bool(statements) and isinstance(statements[-1], cst.Break)


def last_return(body: cst.BaseSuite | Sequence[cst.CSTNode]) -> cst.BaseExpression | None:
    """What a block hands back as its last statement."""
    statements = body.body if isinstance(body, cst.BaseSuite) else body
    line = statements[-1] if statements else None
    last = line.body[-1] if isinstance(line, cst.SimpleStatementLine) and line.body else line
    return last.value if isinstance(last, cst.Return) else None


def _statements(body: cst.BaseSuite) -> list[cst.CSTNode]:
    """Those that share a line each by itself."""
    found: list[cst.CSTNode] = []
    for line in body.body:
        found.extend(line.body if isinstance(line, cst.SimpleStatementLine) else [line])
    return found


def _is_talk(statement: cst.Expr) -> bool:
    call = statement.value
    if not isinstance(call, cst.Call):
        return True
    name = call.func.value if isinstance(call.func, cst.Name) else ""
    return name == "print"
