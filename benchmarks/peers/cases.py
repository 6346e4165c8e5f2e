"""The files that the programs are given: data. What they make of them is judged in `verdicts`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from .state_file import content
from .tools import CLAUDE, CURSOR

SERVERS: dict[str, Any] = {
    "files": {"command": "npx", "args": ["-y", "files-mcp", "/srv"], "env": {"LEVEL": "info"}},
    "web": {"url": "https://example.org/mcp"},
}
DATA = {"mcpServers": SERVERS}
INDENTED = json.dumps(DATA, indent=2)

OTHER_KEYS = """{
  "mcpServers": {
    "files": {
      "command": "npx",
      "args": [
        "files-mcp"
      ],
      "disabled": true,
      "x-team": {
        "owner": "user",
        "tags": []
      },
      "autoApprove": [
        "read"
      ]
    }
  },
  "x-theme": null,
  "inputs": []
}"""

NUMBERS = """{
  "mcpServers": {
    "files": {
      "command": "npx",
      "limits": {
        "ratio": 1.0,
        "big": 12345678901234567890,
        "small": 1e-7,
        "exponent": 1E5
      }
    }
  }
}"""

ESCAPES = r"""{
  "mcpServers": {
    "files": {
      "command": "npx",
      "env": {
        "NAME": "caf\u00e9 \/ \ud83d\ude80",
        "LONE": "\ud800"
      }
    }
  }
}"""

COMMENTS = """{
  // the team's servers
  "mcpServers": {
    "files": {
      "command": "npx", // from the registry
      "args": [
        "files-mcp",
      ]
    },
    /* "off": {"command": "none"}, */
    "web": {
      "url": "https://example.org/mcp"
    }
  }
}
"""

COMMENTS_ABOVE = f"// the team's servers\n{INDENTED}\n"

OTHER = {"command": "/opt/mlflow/serve", "args": ["--port", "7"], "env": {"KEEP": "1"}, "x-note": "made by hand"}


@dataclass(frozen=True)
class Case:
    """A file before the run. `{name}` in its text is the key of the entry that the program writes."""

    title: str
    text: str
    client: str = CURSOR
    """Whose file; a program that does not write it has no result."""
    fallback: bool = True
    """Whether the file may be the other client's, for a program that writes only that one."""
    encoding: str = "utf-8"
    mode: int = 0o600
    file_limit: int = 0
    """The largest file that the program can write, in bytes."""

    def before(self, name: str) -> bytes:
        """The file's bytes."""
        return self.text.replace("{name}", name).encode(self.encoding)


BYTES: tuple[Case, ...] = (
    Case("2 spaces, no final newline", INDENTED),
    Case("2 spaces, final newline", INDENTED + "\n"),
    Case("4 spaces", json.dumps(DATA, indent=4) + "\n"),
    Case("tabs", json.dumps(DATA, indent="\t") + "\n"),
    Case("CRLF", (INDENTED + "\n").replace("\n", "\r\n")),
    Case("all on one line", json.dumps(DATA)),
    Case("lists on one line", re.sub(r"\[[^]]*\]", lambda found: " ".join(found[0].split()), INDENTED) + "\n"),
    Case("byte order mark", INDENTED + "\n", encoding="utf-8-sig"),
    Case("comments, trailing comma", COMMENTS, fallback=False),
    Case("comments outside `mcpServers`", COMMENTS_ABOVE, fallback=False),
    Case("unknown keys", OTHER_KEYS),
    Case("spelling of numbers", NUMBERS),
    Case("escapes, lone surrogate", ESCAPES),
)

REFUSALS: tuple[Case, ...] = (
    Case("truncated file", INDENTED[:-40]),
    Case("comments in strict `~/.claude.json`", COMMENTS_ABOVE, client=CLAUDE),
    Case("`mcpServers` is a list", json.dumps({"mcpServers": [{"name": "files", "command": "npx"}]}, indent=2)),
    Case("differing entry of the same name", json.dumps({"mcpServers": {**SERVERS, "{name}": OTHER}}, indent=2)),
    Case("0444 file", INDENTED, mode=0o444),
    Case("failed write (file size limit)", content(200_000).decode(), file_limit=100_000),
)
