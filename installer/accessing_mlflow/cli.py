"""The three commands: they parse, print and set the exit code; all else is done by the modules they call."""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from . import bundle as bundles
from . import record as records
from . import report
from .apply import carry_out
from .bundle import Bundle
from .clients import CLIENTS, Client
from .environment import Environment
from .errors import InstallerError, UsageError
from .hints import runnable
from .plan_install import plan_install
from .record import Record
from .request import Ask, Request
from .request import Context as InstallContext
from .steps import Plan
from .streams import Streams

if TYPE_CHECKING:
    from .apply import MakePlans
    from .checks import Result
    from .tracking_uri import Candidate
    from .verify import Compared

_CLIENTS = click.Choice(list(CLIENTS))
_SCOPES = click.Choice(list(dict.fromkeys(scope for client in CLIENTS.values() for scope in client.scopes)))
_SETTINGS = {"help_option_names": ["-h", "--help"]}


class _Command(click.Command):
    """A command that tolerates closed streams and lost output, also while parsing arguments."""

    def main(self, *args: Any, **more: Any) -> Any:
        with Streams():
            return super().main(*args, **more)


def _version_option(function: Callable[..., None]) -> Callable[..., None]:
    def show(context: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not context.resilient_parsing:
            with _edge(context.info_name or "", as_json=False):
                _print(f"accessing-mlflow {bundles.load().version}")
            context.exit()

    return click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the bundle's version.",
    )(function)


def _variables(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise click.BadParameter("write NAME=VALUE, or NAME for a reference to the user's own variable")
        found[name] = value if equals else None
    return found


_clients = click.argument("names", metavar="CLIENT...", nargs=-1, required=True, type=_CLIENTS)
_scope = click.option("--scope", type=_SCOPES, default="user", show_default=True, help="Whose configuration to edit.")
_check = click.option(
    "--check", is_flag=True, help="Write nothing; show what would change, and exit with 1 if anything would."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command(cls=_Command, context_settings=_SETTINGS)
@_clients
@_scope
@click.option("--tracking-uri", metavar="URI", help="The MLflow server, such as https://mlflow.example.org.")
@click.option(
    "--env",
    "variables",
    metavar="NAME[=VALUE]",
    multiple=True,
    callback=_variables,
    help="Add a variable to the entry; NAME alone refers to the user's own variable. Repeatable.",
)
@click.option(
    "--pin/--no-pin",
    default=None,
    help="Run the tested version of the MCP server and of all it needs, without asking the package index.",
)
@click.option("--allow-writes", is_flag=True, help="Do not deny the agent the server's tools that write and delete.")
@click.option("--demo", is_flag=True, help="Fill the local store with made-up runs to try it with.")
@click.option("--bundle", "folder", metavar="DIR", type=click.Path(), help="Install the skill from another bundle.")
@_check
@_json
@click.option("--force", is_flag=True, help="Replace what is in the way; an edited skill is kept in the backups.")
@click.option("--no-verify", is_flag=True, help="Do not look for uvx, and do not start the server afterwards.")
@_version_option
def install(
    names: tuple[str, ...],
    scope: str,
    tracking_uri: str | None,
    variables: dict[str, str | None],
    pin: bool | None,
    allow_writes: bool,
    demo: bool,
    folder: str | None,
    check: bool,
    as_json: bool,
    force: bool,
    no_verify: bool,
) -> None:
    """Install the accessing-mlflow skill and its MCP server entry for CLIENT (claude, cursor, codex)."""
    with _edge("install", as_json) as run:
        if demo and no_verify:
            raise UsageError("--demo needs MLflow to fill the store, and --no-verify starts nothing")
        request = Request(scope, tracking_uri, variables, pin, allow_writes, force, not no_verify, demo)
        run.use(folder)
        run.remember()
        make_plans = _install_plans(_rows(names), request, run, ask=not (check or as_json))
        if check:
            run.show_check(make_plans(run.record))
            return
        missing = _absent(_rows(names), run.env)
        compared: Compared = {}
        if request.verify:
            make_plans = _comparing(make_plans, compared, run)
        plans, saved = carry_out(make_plans, run.bundle.version, run.env)
        run.remember()
        run.show_done(plans, saved)
        results = _verified(plans, run, demo, compared) if request.verify else []
        run.show_document(plans, results)
        run.say(*_closing(plans, missing, run.env))


@click.command(cls=_Command, context_settings=_SETTINGS)
@_clients
@_scope
@click.option("--purge", is_flag=True, help="Remove the local store and the backups as well.")
@_check
@_json
@click.option("--force", is_flag=True, help="Remove a skill that was edited; a copy is kept in the backups.")
@_version_option
def uninstall(names: tuple[str, ...], scope: str, purge: bool, check: bool, as_json: bool, force: bool) -> None:
    """Remove what skill-install installed for CLIENT (claude, cursor, codex), and nothing else."""
    from .plan_uninstall import Context, plan_purge, plan_uninstall, unused_pins

    with _edge("uninstall", as_json) as run:
        run.use()
        run.remember()
        removing = _rows(names)

        def make_plans(record: Record) -> list[Plan]:
            context = Context(scope, force, run.env, run.bundle, record, removing)
            plans = [plan_uninstall(client, context) for client in removing]
            plans[-1] = plans[-1]._replace(steps=(*plans[-1].steps, *unused_pins(context)))
            return [*plans, plan_purge(context, run.embedded_uri)] if purge else plans

        if check:
            run.show_check(make_plans(run.record))
            return
        plans, saved = carry_out(make_plans, run.bundle.version, run.env)
        run.show_done(plans, saved)
        run.show_document(plans, [])


@click.command(cls=_Command, context_settings=_SETTINGS)
@click.argument("names", metavar="[CLIENT]...", nargs=-1, type=_CLIENTS)
@click.option("--offline", is_flag=True, help="Start no server and ask none.")
@click.option("--fix", is_flag=True, help="Mend what can be mended safely, and look again.")
@click.option("-v", "--verbose", is_flag=True, help="Also name the earlier versions of files that are kept.")
@_json
@_version_option
def doctor(names: tuple[str, ...], offline: bool, fix: bool, verbose: bool, as_json: bool) -> None:
    """Say what is wrong with the installation for CLIENT (claude, cursor, codex), and what mends it.

    Without CLIENT: for every client found on this machine.
    """
    with _edge("doctor", as_json) as run:
        run.use()
        examined = _rows(names) or _found_here(run.env)
        if fix:
            _mend(_examined(examined, run, offline=True, verbose=False), run, offline=offline)
        results = _examined(examined, run, offline=offline, verbose=verbose)
        run.show_report(results)


class _Run:
    """One run of a command: what it works on, and how it prints."""

    env: Environment
    bundle: Bundle

    def __init__(self, command: str, as_json: bool) -> None:
        self.command = command
        self.as_json = as_json
        self.exit_code = 0
        self.version = ""
        self.record = Record()

    def use(self, folder: str | None = None) -> None:
        """Loads the bundle. Raises BundleError."""
        from pathlib import Path

        self.bundle = bundles.load(None if folder is None else Path(folder).absolute())
        self.version = self.bundle.version

    def remember(self) -> None:
        """Reads the record. Raises InstallerError."""
        self.record = records.read(self.env.state_folder)

    @property
    def embedded_uri(self) -> str:
        """The local store's; empty where MLflow could not use one in that folder."""
        from . import embedded_store

        try:
            return embedded_store.uri(self.env.store_folder)
        except embedded_store.StoreError:
            return ""

    def say(self, *lines: str) -> None:
        if not self.as_json:
            for line in lines:
                _print(line)

    def show_check(self, plans: list[Plan]) -> None:
        changes = any(plan.changes for plan in plans)
        if self.as_json:
            data = report.plans_data(self.command, self.version, plans, self.env, check=True)
            _print(json.dumps(data, indent=2))
        for plan in plans:
            self.say(*report.check_lines(plan, self.env))
        self.say(*report.note_lines(plans, self.env))
        self.say("Nothing was written." if changes else "Nothing would change.")
        self.exit_code = 1 if changes else 0

    def show_done(self, plans: list[Plan], saved: list[str]) -> None:
        for plan in plans:
            self.say(*report.plan_lines(plan, self.env))
        self.say(*report.note_lines(plans, self.env), *saved)

    def show_report(self, results: Sequence[Result]) -> None:
        from .terminal import columns, has_colours

        if self.as_json:
            _print(json.dumps(report.doctor_data(results, self.version, self.env), indent=2))
        else:
            colour = has_colours(sys.stdout, self.env.variables)
            width = columns(sys.stdout, coloured=colour)
            for line in report.doctor_lines(results, self.env, colour=colour, columns=width):
                _print(line, colour=colour)
        self.exit_code = 1 if report.failed(results) else 0

    def show_document(self, plans: list[Plan], results: list[Any]) -> None:
        if self.as_json:
            data = report.plans_data(self.command, self.version, plans, self.env, check=False, results=results)
            _print(json.dumps(data, indent=2))


@contextmanager
def _edge(command: str, as_json: bool) -> Iterator[_Run]:
    """Where errors are printed, once, and become the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    run = _Run(command, as_json)
    try:
        run.env = Environment.of_process()
        yield run
    except InstallerError as error:
        _show_error(error, run)
        run.exit_code = 2 if isinstance(error, UsageError) else 1
    except OSError as error:
        _show_error(_refused_by_the_system(error), run)
        run.exit_code = 1
    except RecursionError:
        _show_error(InstallerError("an entry is nested too deeply; the file was left as it was"), run)
        run.exit_code = 1
    except (click.ClickException, click.Abort, click.exceptions.Exit):  # click's own, which it shows itself
        raise
    except Exception as error:
        from . import crash

        _show_error(InstallerError(crash.line(error)), run)
        run.exit_code = 1
    if run.exit_code:
        sys.exit(run.exit_code)


def _refused_by_the_system(error: OSError) -> InstallerError:
    place = f"{error.filename}: " if error.filename else ""
    fix = "check the permissions of the file and of the folders above it" if isinstance(error, PermissionError) else ""
    return InstallerError(f"{place}{error.strerror or error}", fix)


def _print(text: str, *, error: bool = False, colour: bool = False) -> None:
    """A line, in the stream's own encoding: click would write UTF-8 where that is ASCII."""
    click.echo(text, file=sys.stderr if error else sys.stdout, color=colour or None)


def _show_error(error: InstallerError, run: _Run) -> None:
    env = getattr(run, "env", None)
    data = report.error_data(run.command, run.version, error, env)
    if run.as_json:
        if run.command == "doctor":
            data = report.doctor_failure(run.version, error, env)
        _print(json.dumps(data, indent=2))
        return
    _print(f"error: {data['error']}", error=True)
    for line in data["fix"].splitlines():
        _print(f"  {line}", error=True)


def _rows(names: tuple[str, ...]) -> tuple[Client, ...]:
    return tuple(CLIENTS[name] for name in dict.fromkeys(names))


def _found_here(env: Environment) -> tuple[Client, ...]:
    """The clients on this machine; all, where none is found: their files may be prepared for another one."""
    from .clients import is_present

    return tuple(client for client in CLIENTS.values() if is_present(client, env)) or tuple(CLIENTS.values())


def _examined(clients: Sequence[Client], run: _Run, *, offline: bool, verbose: bool) -> list[Result]:
    """What the checks find, every scope looked at."""
    from . import checks
    from .checks.subject import in_use
    from .terminal import Progress

    results = []
    try:
        run.remember()
    except InstallerError as error:  # the checks can do without
        results.append(checks.of_record(error))
    subjects = [
        subject for client in clients for subject in in_use(client, run.env, run.bundle, run.record, run.embedded_uri)
    ]
    with Progress(sys.stderr, run.env.variables) as progress:

        def waiting(ids: Sequence[str], seconds: float) -> None:
            progress.show(f"Looking at: {', '.join(dict.fromkeys(map(report.label, ids)))}", seconds)

        results += checks.run_all(subjects, offline=offline, verbose=verbose, waiting=waiting)
    return results


def _mend(results: Sequence[Result], run: _Run, *, offline: bool) -> None:
    """Carries out the repairs one by one, each shown first; with --json on standard error."""
    from . import repairs, verify

    def tell(*lines: str) -> None:
        for line in lines:
            _print(line, error=run.as_json)

    progress = sys.stderr.isatty()
    for title, make_plans in repairs.of(results, run.env, run.bundle, run.embedded_uri):
        compared: Compared = {}
        if not offline:
            make_plans = verify.comparing(make_plans, compared, run.env, run.bundle, say=tell, progress=progress)
        try:
            planned = make_plans(records.read(run.env.state_folder))
            if any(plan.changes for plan in planned):
                for plan in planned:
                    tell(*report.check_lines(plan, run.env))
                tell(*report.note_lines(planned, run.env))
                planned, saved = carry_out(make_plans, run.version, run.env)
                tell(*saved, "")
            for plan in planned if not offline else ():
                if plan.uvx is None:  # a removal
                    continue
                known = records.read(run.env.state_folder)
                made = verify.prepare(plan, run.env, run.bundle, known, compared, say=tell, progress=progress)
                tell(*report.result_lines(made, run.env, name_client=False))
        except InstallerError as error:
            tell(*report.refusal_lines(title, error, run.env), "")


def _install_plans(
    clients: tuple[Client, ...], request: Request, run: _Run, *, ask: bool
) -> Callable[[Record], list[Plan]]:
    """How to plan an installation. It may be planned twice; the user is asked once."""
    person = ask and sys.stdin.isatty() and sys.stderr.isatty()
    asker = Ask(functools.cache(_ask), functools.cache(_consent)) if person else None

    def make_plans(record: Record) -> list[Plan]:
        plans: list[Plan] = []
        for client in clients:
            earlier = tuple(plans)
            context = InstallContext(request, run.env, run.bundle, record, run.embedded_uri, asker, earlier)
            plans.append(plan_install(client, context))
        return plans

    return make_plans


def _consent(text: str) -> bool:
    _print(text, error=True)
    return click.confirm("Install this entry?", default=False, err=True)


def _ask(offered: tuple[Candidate, ...]) -> str:
    from .tracking_uri import TrackingUriError, check

    def checked(text: str) -> str:
        try:
            if text:
                check(text, "the prompt")
        except TrackingUriError as error:
            raise click.BadParameter(f"{error}; {error.fix}") from None
        return text

    for candidate in offered:
        _print(f"This project's files name the tracking URI {candidate.value} ({candidate.source}).", error=True)
    if offered:
        _print("Enter it only if you trust that server: your MLflow credentials will be sent to it.", error=True)
    return str(
        click.prompt(
            "MLflow tracking URI [Enter: local store]",
            default="",
            show_default=False,
            value_proc=checked,
            err=True,
        )
    )


def _absent(clients: tuple[Client, ...], env: Environment) -> list[str]:
    from .clients import is_present

    return [client.title for client in clients if not is_present(client, env)]


def _comparing(make_plans: MakePlans, compared: Compared, run: _Run) -> MakePlans:
    from . import verify

    progress = not run.as_json and sys.stderr.isatty()
    return verify.comparing(make_plans, compared, run.env, run.bundle, say=run.say, progress=progress)


def _verified(plans: list[Plan], run: _Run, demo: bool, compared: Compared) -> list[Any]:
    """The proofs, each shown as soon as it is there. Interrupted, only they are missing: what was installed stays."""
    from .verify import verify

    results = []
    progress = not run.as_json and sys.stderr.isatty()
    try:
        proofs = verify(
            plans,
            run.env,
            run.bundle,
            run.record,
            run.embedded_uri,
            say=run.say,
            progress=progress,
            demo=demo,
            compared=compared,
        )
        for result in proofs:
            results.append(result)
            run.say(*report.result_lines([result], run.env, name_client=len(plans) > 1))
    except KeyboardInterrupt:
        names = " ".join(plan.client.name for plan in plans)
        run.say(
            f"Interrupted: what was installed stays. To prove it later: {runnable(f'skill-doctor {names}', run.env)}"
        )
        run.exit_code = 1
    return results


def _closing(plans: list[Plan], missing: list[str], env: Environment) -> Iterator[str]:
    """What to do now, and the way back."""
    for plan in plans:
        if plan.client.title in missing:
            yield f"{plan.client.title} not found; its files are ready."
        else:
            yield plan.client.next_step.get(plan.scope, "")
    names = " ".join(plan.client.name for plan in plans)
    scope = "" if plans[0].scope == "user" else f" --scope {plans[0].scope}"
    yield f"Undo: {runnable(f'skill-uninstall {names}{scope}', env)}"
    if any(plan.choice is not None and plan.choice.embedded for plan in plans):
        command = runnable(f"skill-install {names}{scope} --tracking-uri URI", env)
        yield f"The local store {_store_state(env)}. To use your server: {command}"


def _store_state(env: Environment) -> str:
    from . import embedded_store

    try:
        runs = embedded_store.describe(env.store_folder).runs
    except embedded_store.StoreError:
        return "cannot be read"
    return f"holds {runs} runs" if runs else "is empty"
