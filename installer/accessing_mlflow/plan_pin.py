"""What `--pin` adds to the plan of an installation: to the entry, and the files that it names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from . import entry as entries
from . import pin, reading
from . import uvx as uvxs
from .bundle import file_hashes
from .clients import Client, Entries
from .entry import Entry
from .hints import runnable
from .pin import Pin
from .request import Context
from .steps import Note, PinStep, Step
from .uvx import Uvx


class Planned(NamedTuple):
    """`entry` as it is to be, steps to take `before` it is written and `after`, and notes."""

    entry: Entry
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    notes: tuple[Note, ...] = ()


def plan_pin(
    client: Client, place: Entries, existing: Entry | None, entry: Entry, uvx: Uvx | None, context: Context
) -> Planned:
    """`entry`, which `existing` becomes, pinned or not. Raises BundleError where the bundle has no files for it.

    Without --pin and --no-pin a pinned entry stays one, and follows the bundle and its own tracking URI.
    """
    request, env, server = context.request, context.env, context.bundle.server
    old = None if existing is None else pin.of_entry(existing, env)
    if request.pin is None and old is None:
        return Planned(entry, after=_unused(client, place, entry, context))
    if request.pin is False or request.scope == "project":
        return _without_files(client, place, entry, old, context)
    files = pin.files_of(server, env)
    form = pin.form_for(reading.variable(entry, "MLFLOW_TRACKING_URI"))
    python = _python(client, entry, old, uvx, context)
    entry = pin.pinned(entry, server, files.folder, form, python, env)
    defaults = uvxs.shell_settings(env) if client.passed is not None else {}
    if request.verify:
        defaults[pin.OFFLINE] = "1"
    entry = entries.with_variables(entry, {}, defaults=defaults)
    step = _files_step(client, files, f"{server.package} {server.tested}, {form}", context)
    gone = _unused(client, place, entry, context)
    return Planned(entry, (step,), gone, tuple(_not_fetched(client, entry, context)))


def _without_files(client: Client, place: Entries, entry: Entry, old: Pin | None, context: Context) -> Planned:
    """No pin, or the one of a project: its file is for other machines too, where our files are not."""
    request, env, server = context.request, context.env, context.bundle.server
    notes = []
    if request.pin is False or old is not None:
        entry = pin.unpinned(entry, server, env)
    if old is not None and client.passed is not None:
        ours = uvxs.shell_settings(env).items()
        entry = {**entry, "env": {name: value for name, value in entry["env"].items() if (name, value) not in ours}}
    if request.pin is not False:
        entry = entries.pinned(entry, server.package, server.tested)
        text = f"a project's entry is pinned to {server.package} {server.tested} only, not to all that it needs"
        notes.append(Note("info", f"{text}: the files for that are on this machine"))
    return Planned(entry, (), _unused(client, place, entry, context), tuple(notes))


def _python(client: Client, entry: Entry, old: Pin | None, uvx: Uvx | None, context: Context) -> str:
    """The one that the entry has while that can work; with --pin it is looked for anew."""
    if pin.of_entry(entry, context.env) is None and pin.own_python(entry, context.bundle.server.package):
        return ""
    if (
        old is not None
        and not context.request.pin
        and (not Path(old.python).is_absolute() or Path(old.python).exists())
    ):
        return old.python
    return uvxs.python(uvx, context.env, desktop=client.desktop)


def _files_step(client: Client, files: pin.PinFiles, detail: str, context: Context) -> PinStep:
    planned = any(isinstance(step, PinStep) and step.source for plan in context.earlier for step in plan.steps)
    there = file_hashes(files.folder) if files.folder.is_dir() else None
    outcome = "unchanged" if planned or there == files.files else "added" if there is None else "replaced"
    return PinStep(client.name, context.request.scope, files.folder, files.source, files.files, outcome, detail)


def _unused(client: Client, place: Entries, entry: Entry, context: Context) -> tuple[Step, ...]:
    """Folders that no entry names when this plan is carried out go: this one's earlier, or one of a killed run."""
    folder, planned = context.env.server_folder, [step for plan in context.earlier for step in plan.steps]
    settled = [step.folder for step in planned if isinstance(step, PinStep)]
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    others = [path for path in found if path not in settled and not pin.uses(entry, path)]
    if not others:
        return ()
    changes = [plan.entry for plan in context.earlier]
    changing = {(step.place.file, step.place.keys) for step in changes} | {(place.file, place.keys)}
    name = context.bundle.server.name
    known = reading.known_entries(name, context.env, context.record)
    stays = [step.after for step in changes]
    stays += [there for _, other, there in known if (other.file, other.keys) not in changing]
    scope = context.request.scope
    return tuple(
        PinStep(client.name, scope, path, None, {}, "removed")
        for path in others
        if not any(pin.uses(staying, path) for staying in stays)
    )


def _not_fetched(client: Client, entry: Entry, context: Context) -> list[Note]:
    if entry["env"].get(pin.OFFLINE):
        return []
    scope = "" if context.request.scope == "user" else f" --scope {context.request.scope}"
    command = runnable(f"skill-install {client.name}{scope}", context.env)
    return [
        Note("info", f"the server is not fetched ahead: its starts ask the package index until this is run: {command}")
    ]
