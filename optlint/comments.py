"""A text's comments and logical lines, by the standard tokenizer; what it cannot read is read in pieces."""

from __future__ import annotations

import io
import token
import tokenize
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

_CONTINUE = frozenset({"else", "elif", "except", "finally"})
_LAYOUT = frozenset({token.INDENT, token.DEDENT, token.NL, token.NEWLINE, token.COMMENT, token.ENDMARKER})
_TROUBLE = (tokenize.TokenError, SyntaxError, ValueError, RecursionError, MemoryError)  # also IndentationError


@dataclass(frozen=True, slots=True)
class Comment:
    """Lines and columns count from 1. behind: where the code before it ends, or nothing where it stands alone."""

    line: int
    column: int
    text: str
    behind: int = 0

    @property
    def alone(self) -> bool:
        return not self.behind


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A statement without the body that it may have. first: its first word."""

    line: int
    end_line: int
    column: int
    first: str = ""


@dataclass(slots=True)
class Layout:
    """sealed: physical lines at whose end no comment can stand, inside a string or before a joined line."""

    comments: list[Comment] = field(default_factory=list)
    logical: list[LogicalLine] = field(default_factory=list)
    sealed: set[int] = field(default_factory=set)

    def statement(self, line: int) -> tuple[int, int]:
        """The lines of the logical line that holds a physical one; that one itself where none does."""
        index = bisect_right(self.logical, line, key=lambda one: one.line) - 1
        if index >= 0 and line <= self.logical[index].end_line:
            return self.logical[index].line, self.logical[index].end_line
        return line, line

    def following(self, line: int) -> tuple[int, int] | None:
        """The lines of the statement that starts below a physical line, with its body and its decorators."""
        index = bisect_right(self.logical, line, key=lambda one: one.line)
        if index == len(self.logical):
            return None
        head = self.logical[index]
        last = index
        while self.logical[last].first == "@" and last + 1 < len(self.logical):
            last += 1
        while last + 1 < len(self.logical):
            following = self.logical[last + 1]
            inside = following.column > head.column
            if not inside and not (following.column == head.column and following.first in _CONTINUE):
                break
            last += 1
        return head.line, self.logical[last].end_line

    def scope_end(self, line: int, column: int, last: int) -> int:
        """The last line of the block that a comment at this place belongs to."""
        index = bisect_right(self.logical, line, key=lambda one: one.line)
        outside = (one for one in self.logical[index:] if one.column < column)
        return next((one.line - 1 for one in outside), last)


def layout(text: str) -> Layout:
    found = Layout()
    if not _read(text, 0, found):
        from optlint.locate import chunks

        found = Layout()
        for offset, chunk in chunks(text):
            part = Layout()
            if not _read(chunk + "\n", offset, part):
                part.logical = []  # each physical line stands for itself
                part.sealed = set(range(offset + 1, offset + chunk.count("\n") + 2))
            found.comments += part.comments
            found.logical += part.logical
            found.sealed |= part.sealed
    return found


def _read(text: str, offset: int, found: Layout) -> bool:
    """Add what a text shows; False where the tokenizer gave up on it."""
    lines = text.split("\n")
    start: tokenize.TokenInfo | None = None  # of the logical line
    end = 0
    strings: list[int] = []  # where the f-strings start that are open here: tokens of their own since Python 3.12
    try:
        for one in _tokens(text):
            row, column = one.start
            if one.type == token.COMMENT:
                code = lines[row - 1][:column].rstrip()
                behind = len(code) + 1 if code else 0
                found.comments.append(Comment(offset + row, column + 1, one.string.rstrip(), behind))
            elif one.type in _OPENS:
                strings.append(row)
            elif one.type in _CLOSES and strings:
                found.sealed.update(range(offset + strings.pop(), offset + one.end[0]))
            elif one.type not in _LAYOUT:
                found.sealed.update(range(offset + row, offset + one.end[0]))  # a string over several lines
            if one.type not in _LAYOUT:
                start = start or one
                end = one.end[0]
            elif one.type in (token.NEWLINE, token.ENDMARKER) and start is not None:
                first = start.string if start.type in (token.NAME, token.OP) else ""
                found.logical.append(LogicalLine(offset + start.start[0], offset + end, start.start[1] + 1, first))
                start = None
    except _TROUBLE:
        return False
    spoken = {comment.line for comment in found.comments}
    joined = {offset + number for number, line in enumerate(lines, 1) if line.endswith("\\")}
    found.sealed |= joined - spoken
    return True


def _kinds(edge: str) -> frozenset[int]:
    found = (getattr(token, f"{kind}_{edge}", None) for kind in ("FSTRING", "TSTRING"))
    return frozenset(kind for kind in found if kind is not None)


_OPENS, _CLOSES = _kinds("START"), _kinds("END")


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape is no business of ours
        yield from tokenize.generate_tokens(io.StringIO(text).readline)
