"""Old scripts: what only Python 2 could read is taken out, so that the rest can be analysed; unwritten bodies, too.

Lines stay where they are, and so do the columns of everything that is kept.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator

_STATEMENTS = frozenset({"print", "exec"})
_STARTS = frozenset({tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING})
_ENDS = frozenset({tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER})
_OPENING = frozenset({"def", "class", "if", "elif", "else", "for", "while", "with", "try", "except", "finally"})
_CALLED = frozenset({"(", "=", ".", "[", ",", ")", ":"})

Edit = tuple[tuple[int, int], tuple[int, int], str]  # from, to (line from 1, column from 0), new text


def readable(text: str) -> str | None:
    """The text without ``print x``, ``exec x``, ``except X, e``, ``raise X, y``, ``<>`` and ``10L``, or None.

    A ``def`` whose body is still to be written gets a ``pass``.
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):  # IndentationError is a SyntaxError
        return None
    edits = list(_edits(tokens))
    return _applied(text, edits) if edits else None


def _edits(tokens: list[tokenize.TokenInfo]) -> Iterator[Edit]:
    depth = 0
    fresh = True  # a statement starts here
    keyword = ""  # the "except" or "raise" whose line this is
    for index, token in enumerate(tokens[:-1]):
        follower = tokens[index + 1]
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        if fresh and token.type == tokenize.NAME:
            keyword = token.string
            if token.string in _STATEMENTS and follower.string not in _CALLED and follower.type not in _ENDS:
                yield token.start, _end(tokens, index), "pass"
        elif token.string == "<>" or (token.string == "<" and follower.string == ">"):
            yield token.start, (token.start[0], token.start[1] + 2), "!="
        elif token.type == tokenize.NAME and token.string in ("L", "l") and _follows_number(tokens, index):
            yield token.start, token.end, ""
        elif token.string == "," and depth == 0 and keyword in ("except", "raise"):
            stop = next((t.start for t in tokens[index:] if t.string == ":" or t.type in _ENDS), token.end)
            yield token.start, stop, ""
            keyword = ""
        elif token.string == ":" and depth == 0 and keyword in _OPENING and _is_empty(tokens, index):
            yield token.end, token.end, " pass"
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            opens = token.string in (":", ";") and token.type == tokenize.OP and depth == 0
            fresh = token.type in _STARTS or opens
        if token.type == tokenize.NEWLINE:
            keyword = ""


def _is_empty(tokens: list[tokenize.TokenInfo], index: int) -> bool:
    """Whether nothing stands behind the colon, in its line or below."""
    rest = (t.type for t in tokens[index + 1 :] if t.type not in (tokenize.COMMENT, tokenize.NL))
    return next(rest, None) == tokenize.NEWLINE and next(rest, None) != tokenize.INDENT


def _follows_number(tokens: list[tokenize.TokenInfo], index: int) -> bool:
    before = tokens[index - 1]
    return index > 0 and before.type == tokenize.NUMBER and before.end == tokens[index].start


def _end(tokens: list[tokenize.TokenInfo], index: int) -> tuple[int, int]:
    """Where the statement that starts at ``index`` ends."""
    depth = 0
    for token in tokens[index:]:
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        if depth <= 0 and (token.string == ";" or (token.type in _ENDS and token.type != tokenize.NL)):
            return token.start
    return tokens[-1].start


def _applied(text: str, edits: list[Edit]) -> str:
    lines = text.split("\n")
    for (line, column), (last, end), new in reversed(edits):
        for number in range(line, last + 1):
            old = lines[number - 1]
            first = column if number == line else 0
            stop = end if number == last else len(old)
            put = new if number == line else ""
            lines[number - 1] = old[:first] + put + " " * max(0, stop - first - len(put)) + old[stop:]
    return "\n".join(lines)
