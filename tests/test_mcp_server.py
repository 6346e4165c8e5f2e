"""Probing MCP servers, good and hostile: each is a real process that speaks, or does not speak, real JSON-RPC."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from accessing_mlflow.bundle import Tool
from accessing_mlflow.mcp_server import ServerError, ServerReport, probe
from tests.children import PATIENCE, PYTHON, all_gone, pids, python_program, start_python, wait_for

START = """
import json, os, signal, subprocess, sys, time
def born(pid):
    with open(os.environ["PIDS"], "a") as file:
        print(pid, file=file)
def say(message):
    print(json.dumps(message), flush=True)
def answer(request, result):
    say({"jsonrpc": "2.0", "id": request["id"], "result": result})
def welcome(request):
    about = {"name": "fake", "version": "1.2"}
    answer(request, {"protocolVersion": request["params"]["protocolVersion"], "capabilities": {"tools": {}},
                     "serverInfo": about})
def tool(name, **annotations):
    return {"name": name, "inputSchema": {"type": "object"}, **({"annotations": annotations} if annotations else {})}
def serve(pages=None):
    pages = pages or [[tool("look", readOnlyHint=True)]]
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("method") == "initialize":
            welcome(request)
        elif request.get("method") == "tools/list":
            number = int((request.get("params") or {}).get("cursor", 0))
            more = {"nextCursor": str(number + 1)} if number + 1 < len(pages) else {}
            answer(request, {"tools": pages[number], **more})
born(os.getpid())
"""


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


class Fake:
    """A server made of a few lines of Python, which `probe` starts; it writes down its process numbers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.born = folder / "born"
        self.env = {"PATH": "/usr/bin:/bin", "PIDS": str(self.born), "LC_ALL": "C.UTF-8"}

    def write(self, script: str) -> Path:
        path = self.folder / "server.py"
        path.write_text(f"{START}{script}\n", encoding="utf-8")
        return path

    def probe(self, script: str, *, timeout: float = 20.0, env: Mapping[str, str] | None = None) -> ServerReport:
        return probe(PYTHON, [str(self.write(script))], env or self.env, timeout=timeout)

    def fails(self, script: str, *, timeout: float = 20.0) -> str:
        with pytest.raises(ServerError) as caught:
            self.probe(script, timeout=timeout)
        assert "\n" not in str(caught.value)
        return str(caught.value)


def test_a_good_server_tells_its_tools(fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    report = fake.probe("""
serve([[tool("look", readOnlyHint=True), tool("change", readOnlyHint=False, idempotentHint=True)],
       [tool("delete", readOnlyHint=False, destructiveHint=True), tool("unmarked")]])
""")

    assert report.tools == (
        Tool("look", read_only=True, destructive=False),
        Tool("change", read_only=False, destructive=False),
        Tool("delete", read_only=False, destructive=True),
        Tool("unmarked", read_only=False, destructive=False),
    )
    assert (report.name, report.version) == ("fake", "1.2")
    assert report.seconds > 0
    assert all_gone(fake.born)
    assert capfd.readouterr() == ("", "")


def test_a_list_of_tools_without_end_is_cut(fake: Fake) -> None:
    report = fake.probe("serve([[tool('again')]] * 100000)")

    assert len(report.tools) == 100


def test_the_environment_is_exactly_the_given_one(fake: Fake) -> None:
    report = fake.probe("serve([[tool(f'{name}={value}') for name, value in sorted(os.environ.items())]])")

    assert [tool.name for tool in report.tools] == [f"{name}={value}" for name, value in sorted(fake.env.items())]


def test_the_command_is_looked_up_on_the_path_of_that_environment(fake: Fake) -> None:
    python_program(fake.folder / "server", f"{START}serve()")

    report = probe("server", [], {**fake.env, "PATH": str(fake.folder)}, timeout=20)
    assert report.name == "fake"

    with pytest.raises(ServerError, match="command not found: server"):
        probe("server", [], fake.env, timeout=20)


def test_the_working_directory_is_the_root(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own may be anybody's project."""
    monkeypatch.chdir(fake.folder)
    assert fake.probe("serve([[tool(os.getcwd())]])").tools[0].name == "/"


def test_what_is_no_program_cannot_be_started(fake: Fake) -> None:
    (fake.folder / "notes").write_text("not a program", encoding="utf-8")

    with pytest.raises(ServerError, match="cannot be started: Permission denied"):
        probe(str(fake.folder / "notes"), [], fake.env, timeout=20)


def test_a_server_that_dies_tells_why(fake: Fake) -> None:
    reason = fake.fails("""
print("Starting\\nERROR:mlflow_mcp.server:MLFLOW_TRACKING_URI is not set", file=sys.stderr)
sys.exit(1)
""")

    assert reason == "ended before it answered (exit code 1): MLFLOW_TRACKING_URI is not set"


def test_its_last_words_are_shown_without_secrets(fake: Fake) -> None:
    script = fake.write("sys.exit('cannot reach https://me:pw@h/ with TOKEN=abc')")

    with pytest.raises(ServerError) as caught:
        probe(PYTHON, [str(script), "--token", "abc"], fake.env, timeout=20)

    assert "cannot reach https://***@h/ with TOKEN=***" in str(caught.value)
    assert caught.value.fix.endswith("--token '***'")


def test_a_server_that_dies_after_half_a_message(fake: Fake) -> None:
    reason = fake.fails("""
sys.stdin.readline()
sys.stdout.write('{"jsonrpc": "2.0", "id"')
""")

    assert "ended before it answered (exit code 0)" in reason
    assert '{"jsonrpc": "2.0", "id"' in reason


def test_a_silent_server_has_its_time_limit(fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    reason = fake.fails("print('waiting for the index', file=sys.stderr, flush=True)\ntime.sleep(600)", timeout=1)

    assert reason == "no answer within 1 s: waiting for the index"
    assert all_gone(fake.born)
    assert capfd.readouterr() == ("", "")


def test_a_server_that_only_initializes_has_its_time_limit(fake: Fake) -> None:
    assert fake.fails("welcome(json.loads(sys.stdin.readline()))\ntime.sleep(600)", timeout=1).startswith("no answer")
    assert all_gone(fake.born)


def test_one_that_ignores_sigterm_and_the_end_of_its_input_is_ended(fake: Fake) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"

    assert fake.probe(f"{stubborn}serve()\nwhile True: time.sleep(60)").name == "fake"
    assert all_gone(fake.born)

    fake.fails(f"{stubborn}while True: time.sleep(60)", timeout=1)
    assert all_gone(fake.born)


@pytest.mark.parametrize("ending", ["serve()", "time.sleep(600)"])
def test_its_children_are_ended_with_it(fake: Fake, ending: str) -> None:
    """Also where the server itself ends in good order, and the child ignores SIGTERM and holds the pipes."""
    script = f"""
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
born(subprocess.Popen([sys.executable, "-c", stubborn]).pid)
{ending}
"""
    if ending == "serve()":
        fake.probe(script)
    else:
        fake.fails(script, timeout=1)

    assert len(pids(fake.born)) == 2
    assert all_gone(fake.born)


def test_a_flood_of_errors_does_no_harm(fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    flood = "for _ in range(3000): print('x' * 10000, file=sys.stderr)\n"

    assert fake.probe(f"{flood}serve()").name == "fake"
    assert len(fake.fails(f"while True:\n    {flood}", timeout=1)) < 500
    assert all_gone(fake.born)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("line", ["hello", "\\\\x00" * 50, '{"not": "MCP"}', "x" * 20000])
def test_a_flood_of_output_that_is_no_message_is_cut_off(fake: Fake, line: str) -> None:
    reason = fake.fails(f"while True: print({line!r})")

    assert "not MCP on its standard output" in reason
    assert all_gone(fake.born)


def test_one_endless_line_is_cut_off(fake: Fake) -> None:
    assert "not MCP" in fake.fails("while True: sys.stdout.write('x' * 65536)")
    assert all_gone(fake.born)


def test_a_flood_of_requests_does_not_block(fake: Fake) -> None:
    """It never reads the answers, so its pipe is soon full."""
    reason = fake.fails(
        """
number = 0
while True:
    number += 1
    say({"jsonrpc": "2.0", "id": number, "method": "ping"})
""",
        timeout=1,
    )

    assert reason.startswith("no answer within 1 s")
    assert all_gone(fake.born)


def test_words_before_the_first_message_are_passed_over(fake: Fake) -> None:
    assert fake.probe("print('Welcome!')\nprint()\nserve()").name == "fake"


def test_another_program_is_not_mcp(fake: Fake) -> None:
    reason = fake.fails("print('Usage: server [OPTIONS]')")

    assert reason == "ended before it answered (exit code 0): not MCP on its standard output: 'Usage: server [OPTIONS]'"


@pytest.mark.parametrize("result", [{"hello": "world"}, {"protocolVersion": "1999-01-01", "capabilities": {}}])
def test_an_answer_that_is_not_mcp(fake: Fake, result: object) -> None:
    reason = fake.fails(
        f"answer(json.loads(sys.stdin.readline()), json.loads({json.dumps(result)!r}))\ntime.sleep(600)"
    )

    assert reason == "its answer is not MCP"
    assert all_gone(fake.born)


def test_an_error_for_an_answer(fake: Fake) -> None:
    reason = fake.fails("""
request = json.loads(sys.stdin.readline())
say({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32000, "message": "licence expired"}})
time.sleep(600)
""")

    assert reason == "refuses to answer: licence expired"


def test_signal_handlers_are_as_before(fake: Fake) -> None:
    def mine(number: int, frame: object) -> None: ...

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    fake.probe("serve()")
    assert [signal.getsignal(number) for number in numbers] == before

    previous = signal.signal(signal.SIGTERM, mine)
    try:
        fake.probe("serve()")
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, previous)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 128 + signal.SIGTERM)])
@pytest.mark.parametrize("after", ["", "serve()"], ids=["before an answer", "while it ends"])
@pytest.mark.slow
def test_nothing_is_left_after_a_signal(fake: Fake, number: signal.Signals, code: int, after: str) -> None:
    """A second signal, while the server is being ended, changes nothing."""
    script = fake.write(f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{after}\nborn(os.getpid())\ntime.sleep(600)")
    ours = start_python(
        "from accessing_mlflow.mcp_server import probe\n"
        f"probe({PYTHON!r}, [{str(script)!r}], {fake.env!r}, timeout=60)",
        stderr=subprocess.PIPE,
    )
    with ours:
        assert wait_for(lambda: len(pids(fake.born)) == 2)
        ours.send_signal(number)
        os.kill(ours.pid, number)
        ours.communicate(timeout=PATIENCE)

    assert ours.returncode == code
    assert all_gone(fake.born)
