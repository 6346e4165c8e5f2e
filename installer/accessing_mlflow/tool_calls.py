"""The tool calls that a skill's text shows, and whether a server takes them. All pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

_LONGEST = 4000
"""Characters of one call."""
_MOST = 1000
"""Calls in one text that are looked at."""
_STRING = re.compile(r"""(['"])(?:\\.|(?!\1)[^\\\n])*\1""")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}


class Call(NamedTuple):
    """A call of `tool` on `line`. `arguments`: by name; None where the text is no call that can be read as Python."""

    tool: str
    line: int
    arguments: Mapping[str, Any] | None


UNKNOWN = object()
"""Stands for an argument that is no plain value."""


def shown(text: str, server: str) -> Iterator[Call]:
    """Every call of a tool of `server` in `text`: `MLflow:tool(name="value")`, but not the form `tool(...)` as such."""
    for match in islice(re.finditer(rf"(?<!\w){re.escape(server)}:([A-Za-z_]\w*)\(", text), _MOST):
        inner = _inside(text[match.end() : match.end() + _LONGEST])
        if inner is not None and inner.strip() != "...":
            yield Call(match[1], text.count("\n", 0, match.start()) + 1, _arguments(inner))


def faults(call: Call, schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What is wrong with the call for a server with these tools, by name, and the JSON Schemas of their arguments."""
    schema = schemas.get(call.tool)
    if schema is None:
        yield f"there is no tool {call.tool}"
        return
    if call.arguments is None:
        return
    properties, required = schema.get("properties"), schema.get("required")
    known = properties if isinstance(properties, dict) else {}
    for name, value in call.arguments.items():
        if name not in known:
            yield f"{call.tool} takes no {name}"
        elif not _is_of(value, known[name]):
            yield f"{call.tool} wants another type of {name}"
    for name in required if isinstance(required, list) else ():
        if name not in call.arguments:
            yield f"{call.tool} needs {name}"


def _is_of(value: object, schema: object) -> bool:
    """Whether a value is of the plain type that a schema states; a schema of any other form is let through."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    types = _TYPES.get(kind) if isinstance(kind, str) else None
    if types is None or value is UNKNOWN:
        return True
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _inside(text: str) -> str | None:
    """`text` up to the parenthesis that closes the call; None where there is none."""
    depth, position = 1, 0
    while position < len(text):
        character = text[position]
        string = _STRING.match(text, position) if character in "'\"" else None
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return text[:position]
        position = string.end() if string else position + 1
    return None


def _arguments(inner: str) -> Mapping[str, Any] | None:
    try:
        call = ast.parse(f"f({inner})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(call, ast.Call) or call.args or any(keyword.arg is None for keyword in call.keywords):
        return None
    return {str(keyword.arg): _value(keyword.value) for keyword in call.keywords}


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, RecursionError, MemoryError, TypeError, SyntaxError):
        return UNKNOWN
