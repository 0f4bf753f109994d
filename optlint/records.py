"""A report as JSON that gives the same report back: what the cache keeps."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from optlint.model import Report

VERSION = 1
_LEFT_OUT = {"known", "path", "texts", "trace"}  # known to whoever asks, or not to be kept


class _Wrong(Exception):
    pass


def encoded(report: Report) -> bytes:
    """A file's report without its path."""
    record = {"version": VERSION, "report": _plain(report)}
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def decoded(data: bytes, path: str) -> Report | None:
    """The report on the file ``path``; None for anything that ``encoded`` would not have written."""
    try:
        record = json.loads(data)
        if not isinstance(record, dict) or record.keys() != {"version", "report"} or record["version"] != VERSION:
            return None
        report = _made(Report, record["report"], path)
    except (ValueError, RecursionError, _Wrong):
        return None
    return report if isinstance(report, Report) else None


def _plain(value: Any) -> Any:
    """Objects as lists of their fields, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return [_plain(getattr(value, name)) for name in _kinds(type(value))]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value)  # NumPy's, too
    return value


@cache
def _kinds(made: type) -> Mapping[str, Any]:
    """The fields that are kept, with their types."""
    hints = get_type_hints(made)
    return {field.name: hints[field.name] for field in fields(made) if field.name not in _LEFT_OUT}


def _made(kind: Any, value: Any, path: str) -> Any:
    """A value of a type from its record. Raises _Wrong where it is none."""
    if isinstance(kind, type) and is_dataclass(kind):
        kinds = _kinds(kind)
        parts = _list(value, len(kinds))
        known = {name: _made(kinds[name], part, path) for name, part in zip(kinds, parts, strict=True)}
        if "path" in get_type_hints(kind):
            known["path"] = path
        return kind(**known)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return tuple(_made(inner[0], part, path) for part in _list(value))
        return tuple(_made(one, part, path) for one, part in zip(inner, _list(value, len(inner)), strict=True))
    if origin is Literal:
        if not isinstance(value, str) or value not in inner:
            raise _Wrong
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _made(next(one for one in inner if one is not type(None)), value, path)
    if kind is float and type(value) is int:
        return value
    if type(value) is not kind:
        raise _Wrong
    if kind is int and not 0 <= value < 1 << 31:
        raise _Wrong
    return value


def _list(value: Any, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise _Wrong
    return value
