"""Plans and findings as text for people and as data for programs. Prints nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import redact, tracking_uri
from .clients import CLIENTS
from .environment import Environment
from .errors import InstallerError, printable
from .hints import runnable
from .steps import UNCHANGED, EntryStep, Note, Plan, SkillStep, Step

if TYPE_CHECKING:
    from .checks import Result

SCHEMA = 1
_WIDTH = 15  # of the first column
_DETAIL = 21  # where the doctor's details begin, without the column of the checks' names
_ROOM = 40  # columns for details, below which a terminal may break the lines itself


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
        prefix = f"{CLIENTS[result.client].title}: " if name_client else ""
        warned = "warning: " if finding.status in ("warning", "error") else ""
        yield _line(label(result.id), prefix + warned + env.shown_in(finding.detail))
        if finding.fix:
            yield from _fix_lines(finding.fix, env, " " * (_WIDTH + 4))


def doctor_lines(
    results: Sequence[Result], env: Environment, *, colour: bool = False, columns: int | None = None
) -> Iterator[str]:
    """The doctor's report: by client and by what the checks are about, each finding with its fix, the verdict last.

    `columns`: the width to fit in, but for commands, which are copied; None for any.
    """
    from . import checks

    width = max((len(label(result.id)) for result in results), default=0)
    for client in dict.fromkeys(result.client for result in results):
        yield _styled(CLIENTS[client].title if client else "accessing-mlflow", "title", colour)
        own = [(checks.group(result.id), result) for result in results if result.client == client]
        for group in dict.fromkeys(group for group, _ in own):
            heading = group
            for result in (result for other, result in own if other == group):
                yield from _finding_lines(result, env, heading, width, colour, columns)
                heading = ""
        yield ""
    yield from _verdict_lines(results, env, colour)


def _finding_lines(
    result: Result, env: Environment, group: str, width: int, colour: bool, columns: int | None
) -> Iterator[str]:
    finding = result.finding
    status = _styled(f"{finding.status:<7}", finding.status, colour)
    scope = f"{result.scope}: " if result.scope and result.scope != "user" else ""
    detail, path = _shown(finding.detail, env), _shown(finding.path, env)
    where = f"[{path}]" if path and path not in detail else ""
    first, *rest = _pieces(scope + detail, where, None if columns is None else columns - _DETAIL - width, colour)
    yield f"  {group:<8} {status} {label(result.id):<{width}}  {first}"
    yield from (f"{'':<{_DETAIL + width}}{piece}" for piece in rest)
    if finding.fix:
        yield from _fix_lines(finding.fix, env, " " * (_DETAIL - 2), colour)


def _pieces(detail: str, where: str, columns: int | None, colour: bool) -> Iterator[str]:
    """The detail and the place on as many lines as it takes; on one where there is hardly room at all."""
    import textwrap

    aside = _styled(where, "aside", colour) if where else ""
    if columns is None or columns < _ROOM or len(f"{detail}  {where}".rstrip()) <= columns:
        yield f"{detail}  {aside}".rstrip()
        return
    *before, last = textwrap.wrap(detail, columns, break_long_words=False, break_on_hyphens=False) or [""]
    yield from before
    if aside and len(f"{last}  {where}") > columns:
        yield last
        yield aside
    else:
        yield f"{last}  {aside}".rstrip()


def refusal_lines(title: str, error: InstallerError, env: Environment) -> Iterator[str]:
    """What --fix will not mend, and why."""
    yield f"{title}: not mended: {_shown(str(error), env)}"
    if error.fix:
        yield from _fix_lines(error.fix, env, "  ")


def label(check_id: str) -> str:
    """A check's id for people: `MCP server`, `tracking URI`."""
    words = check_id.split("-")
    return " ".join(word.upper() if word in ("mcp", "uri") else word for word in words)


_STYLES: Mapping[str, Mapping[str, Any]] = {
    "title": {"bold": True},
    "aside": {"dim": True},
    "fix": {"fg": "cyan"},
    "ok": {"fg": "green"},
    "info": {"fg": "blue"},
    "skipped": {"dim": True},
    "warning": {"fg": "yellow"},
    "error": {"fg": "red", "bold": True},
}


def _styled(text: str, style: str, colour: bool) -> str:
    if not colour:
        return text
    from click import style as styled

    return styled(text, **_STYLES[style])


def _shown(text: str, env: Environment) -> str:
    """What others have said, on one line: home as `~`, no secrets, nothing that a terminal would act on."""
    text = env.shown_in(redact.text(text))
    return "".join(c if c.isprintable() else " " if c.isspace() else repr(c)[1:-1] for c in text)


def _fix_lines(fix: str, env: Environment, indent: str, colour: bool = False) -> Iterator[str]:
    first, *rest = _fix(fix, env).splitlines()
    yield f"{indent}fix: {_styled(first, 'fix', colour)}"
    yield from (f"{indent}     {_styled(line, 'fix', colour)}" for line in rest)


def _fix(fix: str, env: Environment) -> str:
    return env.shown_in_command(redact.text(runnable(fix, env) if fix.startswith("skill-") else fix))


def _verdict_lines(results: Sequence[Result], env: Environment, colour: bool) -> Iterator[str]:
    """How many errors and warnings there are, and the command that fixes some of them."""
    from .repairs import is_mended

    bad = [result for result in results if result.finding.status in ("error", "warning")]
    if not bad:
        yield _styled("Everything is in order.", "ok", colour)
        return
    count = {status: sum(result.finding.status == status for result in bad) for status in ("error", "warning")}
    text = ", ".join(f"{n} {status}{'s' if n > 1 else ''}" for status, n in count.items() if n)
    fixable = sum(is_mended(result) for result in bad)
    yield _styled(text, "error" if count["error"] else "warning", colour) + (f" ({fixable} fixable)" if fixable else "")
    if fixable:
        yield from _fix_lines("skill-doctor --fix", env, "  ", colour)


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


def doctor_failure(version: str, error: InstallerError, env: Environment | None) -> dict[str, Any]:
    """The same for a doctor that could not look at all: one check, called `doctor`, that tells why."""
    told = error_data("doctor", version, error, env)
    check = {"id": "doctor", "client": "", "scope": "", "status": "error", "detail": told["error"], "path": ""}
    return {"schema": SCHEMA, "ok": False, "version": version, "checks": [{**check, "fix": told["fix"]}]}


def _result_data(result: Result, env: Environment) -> dict[str, Any]:
    finding = result.finding
    return {
        "id": result.id,
        "client": result.client,
        "scope": result.scope,
        "status": finding.status,
        "detail": env.shown_in(redact.text(finding.detail)),
        "path": env.shown_in(redact.text(finding.path)),
        "fix": _fix(finding.fix, env) if finding.fix else "",
    }


def error_data(command: str, version: str, error: InstallerError, env: Environment | None) -> dict[str, Any]:
    """The document of `--json` for a run that was refused or failed. `env`: None where that is what failed."""
    text = "\n".join(map(printable, redact.text(str(error)).split("\n")))
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
