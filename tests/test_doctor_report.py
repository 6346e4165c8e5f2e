"""What `skill-doctor` prints: for people, on a terminal and elsewhere, and for programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from accessing_mlflow import checks
from accessing_mlflow.checks import Check, Finding, Subject
from tests.homes import URI, Home
from tests.servers import GOOD, start_doctor, with_server

INSTALL = f"skill-install claude --no-verify --tracking-uri {URI}"
NO_STORE = "sqlite:////nowhere/mlflow.db"
DOCTOR = "skill-doctor claude --offline"
COLOUR = "\x1b["
NOTHING: Mapping[str, str] = {}


def schema() -> Any:
    return json.loads(resources.files("accessing_mlflow").joinpath("data/doctor.schema.json").read_text("utf-8"))


def valid(data: Any) -> Any:
    jsonschema.validate(data, schema())
    return data


class TestText:
    def test_a_report_whole(self, home: Home) -> None:
        home.program("claude")
        home.run(INSTALL)
        home.write("settings", "")
        state = home.read(".claude/settings.json")
        home.write(".claude/settings.json", {**state, "mcpServers": home.read(".claude.json")["mcpServers"]})
        home.run("skill-install cursor --no-verify --tracking-uri http://user:hunter2@h")
        lines = home.run("skill-doctor claude cursor --offline", expect=None).output.splitlines()
        rows = [line for line in lines if re.match(r" {2}\w+ +(ok|info|skipped|warning|error) ", line)]
        assert len({line.index(word) for line in rows if (word := line.split()[1])}) == 1, "aligned"
        assert [line for line in lines if line and not line.startswith(" ")][:2] == ["Claude Code", "Cursor"]
        assert "                   fix: skill-doctor claude --fix" in lines
        assert lines[-2].endswith("(1 fixable)")
        assert lines[-1] == "  fix: skill-doctor --fix"
        assert "hunter2" not in "".join(lines)
        assert str(home.path) not in "".join(lines)

    def test_each_group_is_named_once(self, home: Home) -> None:
        home.run(INSTALL)
        groups = re.findall(r"^ {2}(\w+) ", home.run(DOCTOR).output, re.MULTILINE)
        assert groups == list(dict.fromkeys(groups))
        assert {"machine", "skill", "entry", "server"} <= set(groups)

    def test_what_others_said_cannot_act_on_the_terminal(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        def said(_subject: Subject) -> Finding:
            return Finding("error", "a\x1b[2J\x07b\nc\udc80 TOKEN=hunter2", "/x\x1b[1m", "say\x1b[2J it")

        monkeypatch.setattr(checks, "CHECKS", (Check("said", "client", said),))
        lines = home.run(DOCTOR, expect=1).output.splitlines()
        assert "a\\x1b[2J\\x07b c\\udc80 TOKEN=***  [/x\\x1b[1m]" in lines[1]
        assert not any(c in "".join(lines) for c in "\x1b\x07")

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
    def test_any_encoding(self, home: Home, encoding: str) -> None:
        folder = home.cd("Pläne – 計画")
        home.write("Pläne – 計画/.mcp.json", {"mcpServers": {"MLflow": {"command": "uvx", "args": ["é計"]}}})
        with start_doctor(
            "--offline", env={"PYTHONIOENCODING": encoding}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as ours:
            out, err = ours.communicate(timeout=60)
        assert err == b""
        text = out.decode(encoding)
        assert ("計画" if encoding == "utf-8" else "\\u8a08\\u753b") in text
        assert folder.name.encode() in out or encoding != "utf-8"
        assert re.search(r"^\d errors?", text, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
class TestColours:
    """On a real pseudo-terminal, standard output and standard error apart."""

    def shown(
        self, *arguments: str, out: bool, err: bool = False, variables: Mapping[str, str] = NOTHING
    ) -> tuple[str, str]:
        """What the doctor writes to its standard output and error; `out`, `err`: whether that is a terminal."""
        import pty

        ends = [pty.openpty() if terminal else os.pipe() for terminal in (out, err)]
        environ = {"TERM": "xterm-256color", **variables}
        with start_doctor(*arguments, env=environ, stdout=ends[0][1], stderr=ends[1][1]) as ours:
            for _, theirs in ends:
                os.close(theirs)
            texts = [self.read(mine) for mine, _ in ends]
            ours.wait(60)
        return texts[0], texts[1]

    def read(self, end: int) -> str:
        text = b""
        while True:
            try:
                piece = os.read(end, 65536)
            except OSError:  # how the end of a terminal reads
                piece = b""
            if not piece:
                os.close(end)
                return text.decode()
            text += piece

    @pytest.mark.parametrize(
        ("terminal", "variables", "coloured"),
        [
            (True, {}, True),
            (False, {}, False),
            (True, {"NO_COLOR": "1"}, False),
            (True, {"NO_COLOR": ""}, True),
            (True, {"CLICOLOR": "0"}, False),
            (True, {"TERM": "dumb"}, False),
            (False, {"CLICOLOR_FORCE": "1"}, True),
            (False, {"CLICOLOR_FORCE": "0"}, False),
            (False, {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
        ],
    )
    def test_colours(self, home: Home, terminal: bool, variables: dict[str, str], coloured: bool) -> None:
        out, err = self.shown("claude", "--offline", out=terminal, variables=variables)
        assert (COLOUR in out) == coloured
        assert err == ""

    @pytest.mark.parametrize("columns", [80, 100, 120])
    def test_it_fits_the_terminal_and_commands_stay_whole(self, home: Home, columns: int) -> None:
        home.write(".claude.json", {"mcpServers": {"MLflow": {"command": "uvx", "args": ["mlflow-mcp"]}}})
        wide, _ = self.shown("--offline", out=False)
        variables = {"COLUMNS": str(columns), "NO_COLOR": "1"}
        narrow, _ = self.shown("--offline", out=True, variables=variables)
        assert wide.split() == narrow.split()
        for line in narrow.splitlines():
            assert "fix: " in line or len(line.rpartition(" ")[0]) < columns, "only a long word sticks out"

    def test_they_change_no_word(self, home: Home) -> None:
        plain, _ = self.shown("--offline", out=False)
        coloured, _ = self.shown("--offline", out=False, variables={"CLICOLOR_FORCE": "1"})
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == plain.split()

    def test_no_colours_in_a_document(self, home: Home) -> None:
        out, _ = self.shown("--offline", "--json", out=True, variables={"CLICOLOR_FORCE": "1"})
        assert COLOUR not in out
        valid(json.loads(out))

    @pytest.mark.parametrize("terminal", [True, False])
    @pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
    def test_progress(self, home: Home, terminal: bool, options: Sequence[str]) -> None:
        with_server(home, f"time.sleep(1)\n{GOOD}")
        home.run("skill-install claude --no-verify --tracking-uri", NO_STORE)
        out, err = self.shown("claude", *options, out=False, err=terminal)
        assert "Looking at" not in out
        if terminal:
            assert "Looking at: MCP server" in err
            assert err.endswith("\r\x1b[K"), "it is gone at the end"
        else:
            assert err == ""


class TestDocument:
    def test_it_follows_its_schema(self, home: Home) -> None:
        with_server(home)
        empty = valid(home.json("skill-doctor", expect=1))
        assert empty["ok"] is False
        home.run("skill-install claude cursor --no-verify --tracking-uri", NO_STORE)
        for options in ("", " --offline", " -v"):
            data = valid(home.json(f"skill-doctor claude cursor{options}", expect=None))
            assert {check["client"] for check in data["checks"]} == {"claude", "cursor"}
        next(home.path.rglob("record.json")).write_text("{")
        valid(home.json("skill-doctor --offline", expect=None))
        home.write(".claude.json", "{")
        valid(home.json("skill-doctor --offline", expect=1))

    def test_a_doctor_that_cannot_look_says_so_in_the_same_form(self, home: Home) -> None:
        home.cd("gone").rmdir()
        data = valid(home.json(DOCTOR, expect=1))
        assert [(check["id"], check["status"]) for check in data["checks"]] == [("doctor", "error")]

    @pytest.mark.parametrize(
        "data",
        [
            {"schema": 1, "ok": True, "version": "", "checks": [], "more": 1},
            {"schema": 1, "ok": False, "version": "", "checks": []},
            {"schema": 2, "ok": True, "version": "", "checks": []},
        ],
    )
    def test_the_schema_is_strict(self, data: object) -> None:
        with pytest.raises(jsonschema.ValidationError):
            valid(data)

    def test_the_documentation_shows_a_valid_document(self) -> None:
        text = (
            (Path(__file__).parents[1] / "docs" / "json.md")
            .read_text(encoding="utf-8")
            .partition("## `skill-doctor`")[2]
        )
        example = re.search(r"```json\n(.*?)```", text, re.DOTALL)
        assert example
        valid(json.loads(example[1]))

    @pytest.mark.parametrize("fault", [False, True])
    def test_the_same_exit_code_either_way(self, home: Home, fault: bool) -> None:
        home.run(INSTALL)
        if fault:
            home.write(".claude.json", "{}")
        code = 1 if fault else 0
        home.run(DOCTOR, expect=code)
        assert home.json(DOCTOR, expect=code)["ok"] is not fault
        home.run("skill-doctor --no-such-option", expect=2)
        home.run("skill-doctor vim --json", expect=2)
