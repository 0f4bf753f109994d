"""A step that the gradient takes, given to the parameter: what the code has that is called one, in the same place."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from optlint.fix.reading import Reading
from optlint.fix.statements import Statements
from optlint.lift.annotations import named_parameters
from optlint.lift.places import is_called_gradient
from optlint.model import Edit, Span

Edits = tuple[Edit, ...]

REASON = "which place is the parameter, its name alone tells"
_PARAMETERS = re.compile(r"(?<![a-z])(?:params?|parameters?|weights?|theta|variables?)(?![a-z])", re.IGNORECASE)
_OF_GRADIENT = re.compile(r"""(['"])d_?(?=[A-Za-z])""")  # the key "dW" for "W"


class Aims:
    """What else the statement that takes a step may have been meant to change."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.statements = Statements(reading)

    def at_parameter(self, near: Span) -> Iterator[Edits]:
        """The target of the step that stands there, as the parameters that it may be meant for."""
        target = next(self._targets(near), None)
        span = self.reading.span(target) if target is not None else None
        if target is not None and span is not None:
            for text in dict.fromkeys(self._meant(target)):
                yield (Edit(span, text),)

    def _targets(self, near: Span) -> Iterator[cst.BaseExpression]:
        """What the statement or the call changes."""
        for node in self.reading.nodes(None):
            span = self.reading.span(node)
            if span is None or not (span.covers(near) or near.covers(span)):
                continue
            if isinstance(node, cst.AugAssign):
                yield node.target
            elif isinstance(node, cst.Assign):
                yield node.targets[0].target
            elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
                yield node.func.value

    def _meant(self, target: cst.BaseExpression) -> Iterator[str]:
        if isinstance(target, cst.Attribute) and target.attr.value == "grad":
            yield self.reading.text_of(target.value)
        elif isinstance(target, cst.Subscript):
            index = ", ".join(self.reading.text_of(part.slice) for part in target.slice)
            plain = _OF_GRADIENT.sub(r"\1", index)
            yield from (f"{home}[{key}]" for home in self._homes(target) for key in (plain, index))
        else:
            names = [n for loop in self.statements.loops_around(target) for n in self.statements.names_of(loop)]
            texts = [self.reading.text_of(n) for n in names]
            yield from (text for text in texts if not is_called_gradient(text) and text != self.reading.text_of(target))
            yield from (f"{home}[{text}]" for home in self._homes(target) for text in texts)

    def _homes(self, node: cst.BaseExpression) -> list[str]:
        """The arguments and attributes that are called parameters."""
        home = self.reading.function(node)
        names = [p.name.value for p in named_parameters(home.params)] if isinstance(home, cst.FunctionDef) else []
        names += [text for text in self.reading.by_text if text.startswith("self.") and text[5:].isidentifier()]
        return [name for name in names if _PARAMETERS.search(name) and not is_called_gradient(name)]
