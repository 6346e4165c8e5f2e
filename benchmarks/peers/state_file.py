"""A Claude Code state file as long use makes it: projects, their histories, emoji. The same bytes every time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

LARGE = 31_000_000
"""Bytes; files of this size have been reported by users."""
SMALL = 30_000

_WORDS = (
    "compare",
    "the",
    "last",
    "run",
    "with",
    "its",
    "baseline",
    "list",
    "every",
    "metric",
    "that",
    "moved",
    "percent",
)
_MARKS = ("", "", "", " 🚀", " ✅ naïve", " 日本語", ' "quoted" \\ back', " 🧪\ttab\n- item")


def content(size: int) -> bytes:
    """About `size` bytes, never less, in the layout that Claude Code writes: two spaces, no final newline."""
    projects: dict[str, Any] = {}
    written = 0
    for path, project in _projects(random.Random(3)):
        projects[path] = project
        text = json.dumps({path: project}, indent=2, ensure_ascii=False)
        written += len(text.encode()) + 2 * text.count("\n")  # it lies one level deeper
        if written >= size:
            break
    state = {
        "numStartups": 412,
        "installMethod": "global",
        "hasCompletedOnboarding": True,
        "tipsHistory": {"new-user-warmup": 3, "shift-enter": 207},
        "projects": projects,
        "mcpServers": {"files": {"type": "stdio", "command": "npx", "args": ["-y", "files-mcp"], "env": {}}},
        "cachedChangelog": "## 2.1\n- Fixed: 🐛 a crash\n",
    }
    return json.dumps(state, indent=2, ensure_ascii=False).encode()


def _projects(chance: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    while True:
        number += 1
        yield (
            f"/home/user/code/project-{number:05}",
            {
                "allowedTools": [],
                "history": [_message(chance) for _ in range(100)],
                "mcpContextUris": [],
                "mcpServers": {},
                "enabledMcpjsonServers": [],
                "disabledMcpjsonServers": [],
                "hasTrustDialogAccepted": True,
                "lastCost": round(chance.uniform(0, 9), 6),
                "lastSessionId": f"{chance.getrandbits(128):032x}",
            },
        )


def _message(chance: random.Random) -> dict[str, Any]:
    words = " ".join(chance.choices(_WORDS, k=chance.randint(4, 60)))
    return {"display": words + chance.choice(_MARKS), "pastedContents": {}}
