"""Every step of an installation, an update and a removal goes wrong once, in every way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.machine import CLIENT_FILES, LOCK, SKILL, STATE, Machine, Outcome, Tree, below, machine, of_others

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

CLIENTS = "claude cursor"
INSTALL = f"skill-install {CLIENTS} --no-verify --tracking-uri https://one.example.org"
UPDATE = f"skill-install {CLIENTS} --no-verify --force --tracking-uri https://two.example.org"
UNINSTALL = f"skill-uninstall {CLIENTS}"
ERRORS = ("ENOSPC", "EIO", "EACCES")


@dataclass(frozen=True)
class Scenario:
    """A command line, and the home before and after it."""

    line: str
    before: Tree
    after: Tree
    steps: tuple[str, ...]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


def on_other_content(user: Machine) -> None:
    """Files of the clients with more in them than ours."""
    (user.home / ".claude.json").write_text('{"numStartups": 1.50, "projects": {"/p": {"history": ["\U0001f642"]}}}')
    (user.home / ".claude.json").chmod(0o600)
    (user.home / ".cursor").mkdir()
    (user.home / ".cursor/mcp.json").write_text('{\n\t"mcpServers": {"other": {"command": "true"}}\n}')


def first_install(_: Machine) -> str:
    return INSTALL


def update_over_an_edited_skill(user: Machine) -> str:
    user.succeed(INSTALL)
    with (user.home / SKILL / "SKILL.md").open("a") as stream:
        stream.write("My own words.\n")
    return UPDATE


def removal(user: Machine) -> str:
    user.succeed(f"{INSTALL} --pin")
    return UNINSTALL


def pinning(user: Machine) -> str:
    user.succeed(INSTALL)
    return f"{INSTALL} --pin"


def unpinning(user: Machine) -> str:
    user.succeed(f"{INSTALL} --pin")
    return f"{INSTALL} --no-pin"


SCENARIOS: dict[str, Callable[[Machine], str]] = {
    "install": first_install,
    "update": update_over_an_edited_skill,
    "uninstall": removal,
    "pin": pinning,
    "unpin": unpinning,
}


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest, user: Machine) -> Scenario:
    """The scenario as it goes without a fault: in the end the home is given back as it was before the first run."""
    if request.param != "install":
        on_other_content(user)
    original = user.tree()
    line = SCENARIOS[request.param](user)
    before = user.tree()
    user.restore(before)  # the backups of the preparation are no part of it
    steps = user.succeed(line).steps
    after = user.tree()
    assert len(steps) > 20
    user.succeed(UNINSTALL)
    assert user.tree() == original
    return Scenario(line, before, after, steps)


def run_at(user: Machine, scenario: Scenario, step: int, fault: str, other: str = "") -> Outcome:
    user.restore(scenario.before)
    return user.run(scenario.line, step=step, fault=fault, other=other)


def numbers(scenario: Scenario) -> range:
    """Those of its steps."""
    return range(1, len(scenario.steps) + 1)


def until_written(user: Machine, scenario: Scenario, file: str) -> range:
    """Its steps, up to the one that puts the new content of `file` in its place."""
    writes = [f"{call} {user.home / file}" for call in ("os.rename", "os.link")]
    return range(1, next(number for number in numbers(scenario) if scenario.steps[number - 1] in writes) + 1)


def problems_after(user: Machine, scenario: Scenario, allowed: str = "") -> list[str]:
    """What is wrong once the same command has run again. `allowed`: may be left by then.

    Where nothing is, the removal gives the home back: it has done so from just this state.
    """
    user.age_lock()
    again = user.run(scenario.line)
    if again.code:
        return [f"the next run ends with {again.code}: {again.output}"]
    return differences(user.tree(), scenario.after, "after the next run", allowed)


def differences(found: Tree, expected: Tree, when: str, allowed: str = "") -> list[str]:
    names = sorted(name for name in {*found, *expected} if _item(found, name) != _item(expected, name))
    return [
        f"{when}: {'too much' if name not in expected else 'lost' if name not in found else 'other'}: {name}"
        for name in names
        if not f"{allowed}/".startswith(f"{name}/")
    ]


def _item(tree: Tree, name: str) -> object:
    """The folders that the record lies in are made before there is a record, which a fault may keep from them."""
    if name != f"{STATE}/record.json" or name not in tree:
        return tree.get(name)
    mode, data = tree[name]
    record = json.loads(data or b"")
    record["folders"] = [folder for folder in record["folders"] if "/.local" not in folder]
    return mode, record


def test_killed(user: Machine, scenario: Scenario) -> None:
    problems = {}
    for number in numbers(scenario):
        outcome = run_at(user, scenario, number, "kill")
        assert outcome.code == -9, outcome.output
        found = torn(user, scenario) + problems_after(user, scenario)
        if found:
            problems[f"{number} {outcome.steps[-1]}"] = found
    assert problems == {}


def torn(user: Machine, scenario: Scenario) -> list[str]:
    """What is neither as before nor as after."""
    now = user.tree()
    states = (scenario.before, scenario.after)
    found = [name for name in CLIENT_FILES if now.get(name) not in [state.get(name) for state in states]]
    if below(now, SKILL) not in [below(state, SKILL) for state in states] and not waits(now, scenario):
        found.append(SKILL)
    return [f"torn: {name}" for name in found]


def waits(now: Tree, scenario: Scenario) -> bool:
    """Between the two renames the folder waits, whole, where the journal says."""
    old = {name.partition("/old/")[2]: item for name, item in now.items() if "/old/" in name}
    there = {name.removeprefix(SKILL + "/"): item for name, item in below(scenario.before, SKILL).items()}
    return f"{STATE}/journal.json" in now and SKILL not in now and old == there


def test_refused_by_the_system(user: Machine, scenario: Scenario) -> None:
    """Each step with one of the errors in turn."""
    problems = {}
    for number in numbers(scenario):
        outcome = run_at(user, scenario, number, ERRORS[number % len(ERRORS)])
        step = scenario.steps[number - 1]
        allowed = not_removed(user, step)
        found = half_done(user, scenario, outcome, step, allowed) + problems_after(user, scenario, allowed)
        if found:
            problems[f"{number} {step}"] = [*found, outcome.output]
    assert problems == {}


def not_removed(user: Machine, step: str) -> str:
    """A lock that the system refused to remove cannot but stay, with the folders that it lies in."""
    call, _, path = step.partition(" ")
    name = path.removeprefix(f"{user.home}/")
    return name if call in ("os.remove", "os.rmdir") and name in (LOCK, f"{STATE}/lock") else ""


def half_done(user: Machine, scenario: Scenario, outcome: Outcome, step: str, allowed: str) -> list[str]:
    """What is not as before although it failed, or not as after although it did not.

    Where only the clearing up at the end fails, the files are as after; an empty folder that the system refused to
    remove is left to the next run.
    """
    now = user.tree()
    if outcome.code == 0 and not step.startswith("os.rmdir"):
        return differences(now, scenario.after, "exit code 0", allowed)
    if outcome.code not in (0, 1):
        return [f"exit code {outcome.code}"]
    if of_others(now) == of_others(scenario.after):
        return []
    return differences(now, scenario.before, f"exit code {outcome.code}", allowed)


def test_disk_full(user: Machine, scenario: Scenario) -> None:
    """From each step on; what has to be written to undo does not fit either. The next run has space again."""
    problems = {}
    for number in numbers(scenario):
        outcome = run_at(user, scenario, number, "full")
        found = torn(user, scenario) + problems_after(user, scenario)
        if found or outcome.code not in (0, 1):
            problems[f"{number} {scenario.steps[number - 1]}"] = [*found, outcome.output]
    assert problems == {}


@pytest.mark.parametrize("file", CLIENT_FILES)
def test_swapped_by_another_program(user: Machine, scenario: Scenario, file: str) -> None:
    """Its member stays and ours is there. Between the last look and the replacement itself nothing can be seen."""
    problems = {}
    for number in until_written(user, scenario, file):
        if scenario.steps[number - 1] == f"os.rename {user.home / file}":
            continue
        outcome = run_at(user, scenario, number, "swap", file)
        found = unlike(user, scenario.after, file)
        if found or outcome.code:
            problems[f"{number} {scenario.steps[number - 1]}"] = [*found, outcome.output]
    assert problems == {}


def unlike(user: Machine, expected: Tree, file: str) -> list[str]:
    """What is not in `file` as expected and with the other program's member, and the other files that are not."""
    path = user.home / file
    found = json.loads(path.read_bytes()) if path.exists() else {}
    data = expected[file][1] if file in expected else None
    wanted = {**json.loads(data or b"{}"), "theirs": True}
    others = of_others({**user.tree(), file: (0, b"")})
    rest = [] if others == of_others({**expected, file: (0, b"")}) else ["the other files"]
    return rest + ([f"{found}"] if found != wanted else [])


@pytest.mark.parametrize("file", CLIENT_FILES)
def test_deleted_by_another_program(user: Machine, scenario: Scenario, file: str) -> None:
    """It ends well or with a reason, and the next run ends well."""
    problems = {}
    for number in until_written(user, scenario, file):
        outcome = run_at(user, scenario, number, "delete", file)
        again = user.run(scenario.line)
        entry = entry_in(user, file)
        if outcome.code not in (0, 1) or again.code or (entry is None) != (scenario.line == UNINSTALL):
            problems[f"{number} {scenario.steps[number - 1]}"] = [outcome.output, again.output, str(entry)]
    assert problems == {}


def entry_in(user: Machine, file: str) -> object:
    path = user.home / file
    return json.loads(path.read_bytes()).get("mcpServers", {}).get("MLflow") if path.exists() else None
