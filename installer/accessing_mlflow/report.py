"""Plans and findings as text for people and as data for programs. Prints nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import redact, tracking_uri
from .clients import CLIENTS
from .environment import Environment
from .errors import InstallerError
from .hints import runnable
from .steps import UNCHANGED, EntryStep, Note, Plan, SkillStep, Step

if TYPE_CHECKING:
    from .checks import Result

SCHEMA = 1
_WIDTH = 15  # of the first column
_LABELS = {
    "mcp-server": "MCP server",
    "tracking-server": "tracking server",
    "tracking-uri": "tracking URI",
    "ignored-entry": "ignored entry",
    "other-spelling": "other spelling",
    "kept-versions": "kept versions",
}


def plan_lines(plan: Plan, env: Environment) -> Iterator[str]:
    """What an installation or uninstallation did for one client; a line a step."""
    yield from _head_lines(plan, env)
    for step in plan.steps:
        yield _line(step.name, _step_text(step, env))


def _head_lines(plan: Plan, env: Environment) -> Iterator[str]:
    yield f"{plan.client.title}, {plan.scope} scope"
    choice = plan.choice
    if choice is not None:
        origin = f"the embedded default: {choice.source}" if choice.embedded else f"from {choice.source}"
        yield _line("tracking URI", env.shown_in(f"{redact.uri(choice.value)} ({origin})"))


def note_lines(plans: Sequence[Plan], env: Environment) -> Iterator[str]:
    """What the user should know, each once."""
    for note in dict.fromkeys(note for plan in plans for note in plan.notes):
        yield _note(note, env)


def _note(note: Note, env: Environment) -> str:
    return f"{note.level}: {env.shown_in(note.text)}"


def _step_text(step: Step, env: Environment) -> str:
    where = env.shown(step.path)
    if isinstance(step, EntryStep):
        where += f", {_pointer(step, env)}"
    detail = f" ({step.detail})" if step.detail else ""
    return f"{step.outcome:<9} {where}{detail}"


def _pointer(step: EntryStep, env: Environment) -> str:
    keys = [key if key.isidentifier() else f'["{env.shown_in(key)}"]' for key in step.keys]
    return ".".join(keys).replace(".[", "[")


def check_lines(plan: Plan, env: Environment) -> Iterator[str]:
    """What would change; of a file only the edited member, before and after: other lines hold people's tokens."""
    yield from _head_lines(plan, env)
    for step in plan.steps:
        yield _line(step.name, _step_text(step, env))
        if isinstance(step, EntryStep) and step.outcome not in UNCHANGED:
            yield from (f"    {line}" for line in _entry_difference(step))


def _entry_difference(step: EntryStep) -> Iterator[str]:
    import difflib

    texts = [
        [] if entry is None else json.dumps(redact.entry(entry), indent=2, ensure_ascii=False).splitlines()
        for entry in (step.before, step.after)
    ]
    for line in difflib.ndiff(texts[0], texts[1]):
        if not line.startswith("?"):
            yield line.rstrip()


def result_lines(results: Iterable[Result], env: Environment, *, name_client: bool) -> Iterator[str]:
    """The proofs after an installation, each with its next step."""
    for result in results:
        finding = result.finding
        label = _LABELS.get(result.id, result.id)
        prefix = f"{CLIENTS[result.client].title}: " if name_client else ""
        warned = "warning: " if finding.status in ("warning", "error") else ""
        yield _line(label, prefix + warned + env.shown_in(finding.detail))
        if finding.fix:
            yield from _fix_lines(finding.fix, env, " " * (_WIDTH + 4))


def doctor_lines(results: Sequence[Result], env: Environment) -> Iterator[str]:
    """The doctor's report: grouped by client, each finding with its fix, the verdict last."""
    for client in dict.fromkeys(result.client for result in results):
        yield CLIENTS[client].title if client else "accessing-mlflow"
        for result in (result for result in results if result.client == client):
            finding = result.finding
            scope = f"{result.scope}: " if result.scope and result.scope != "user" else ""
            where = f"  [{env.shown_in(finding.path)}]" if finding.path and finding.path not in finding.detail else ""
            label = _LABELS.get(result.id, result.id)
            yield f"  {finding.status:<8} {label:<{_WIDTH}} {scope}{env.shown_in(finding.detail)}{where}"
            if finding.fix:
                yield from _fix_lines(finding.fix, env, " " * 11)
    yield verdict(results)


def _fix_lines(fix: str, env: Environment, indent: str) -> Iterator[str]:
    first, *rest = _fix(fix, env).splitlines()
    yield f"{indent}fix: {first}"
    yield from (f"{indent}     {line}" for line in rest)


def _fix(fix: str, env: Environment) -> str:
    return env.shown_in(redact.text(runnable(fix, env) if fix.startswith("skill-") else fix))


def verdict(results: Sequence[Result]) -> str:
    """One line: how many errors and warnings."""
    count = {status: sum(result.finding.status == status for result in results) for status in ("error", "warning")}
    if not any(count.values()):
        return "Everything is in order."
    return ", ".join(f"{n} {status}{'s' if n > 1 else ''}" for status, n in count.items() if n)


def failed(results: Iterable[Result]) -> bool:
    """Whether the doctor fails: on an error, and on nothing less."""
    return any(result.finding.status == "error" for result in results)


def plans_data(
    command: str,
    version: str,
    plans: Sequence[Plan],
    env: Environment,
    *,
    check: bool,
    results: Iterable[Result] = (),
) -> dict[str, Any]:
    """The document of `--json` for an installation or uninstallation."""
    return {
        "schema": SCHEMA,
        "command": command,
        "version": version,
        "ok": True,
        "check": check,
        "changed": any(plan.changes for plan in plans),
        "steps": [_step_data(step, env) for plan in plans for step in plan.steps],
        "tracking_uris": [
            {
                "client": plan.client.name,
                "uri": env.shown_in(redact.uri(plan.choice.value)),
                "source": plan.choice.source,
                "embedded": plan.choice.embedded,
                "reference": tracking_uri.is_reference(plan.choice.value),
            }
            for plan in plans
            if plan.choice is not None
        ],
        "notes": [
            {"client": plan.client.name, "level": note.level, "text": env.shown_in(note.text)}
            for plan in plans
            for note in plan.notes
        ],
        "verification": [_result_data(result, env) for result in results],
    }


def _step_data(step: Step, env: Environment) -> dict[str, Any]:
    data: dict[str, Any] = {
        "client": step.client,
        "scope": step.scope,
        "step": step.name,
        "path": env.shown(step.path),
        "outcome": step.outcome,
        "changed": step.outcome not in UNCHANGED,
        "detail": step.detail,
    }
    if isinstance(step, EntryStep):
        data["keys"] = [env.shown_in(key) for key in step.keys]
        data["before"], data["after"] = redact.entry(step.before), redact.entry(step.after)
    if isinstance(step, SkillStep) and step.save:
        data["saved"] = True
    return data


def doctor_data(results: Sequence[Result], version: str, env: Environment) -> dict[str, Any]:
    """The document of `skill-doctor --json`."""
    checks = [_result_data(result, env) for result in results]
    return {"schema": SCHEMA, "ok": not failed(results), "version": version, "checks": checks}


def _result_data(result: Result, env: Environment) -> dict[str, Any]:
    finding = result.finding
    return {
        "id": result.id,
        "client": result.client,
        "scope": result.scope,
        "status": finding.status,
        "detail": env.shown_in(finding.detail),
        "path": env.shown_in(finding.path),
        "fix": _fix(finding.fix, env) if finding.fix else "",
    }


def error_data(command: str, version: str, error: InstallerError, env: Environment | None) -> dict[str, Any]:
    """The document of `--json` for a run that was refused or failed. `env`: None where that is what failed."""
    text = redact.text(str(error))
    return {
        "schema": SCHEMA,
        "command": command,
        "version": version,
        "ok": False,
        "error": env.shown_in(text) if env else text,
        "fix": (_fix(error.fix, env) if env else error.fix) if error.fix else "",
    }


def _line(label: str, text: str) -> str:
    return f"  {label:<{_WIDTH}} {text}"
