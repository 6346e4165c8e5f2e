"""`--pin`: an entry that starts the tested server, and the tested versions of all it needs, from uv's cache alone.

The entry names files of constraints that come with the bundle. They are copied into a folder of this program's own
whose name says what is in it, so a folder never changes, and entries of several clients share it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from . import entry as entries
from .bundle import BundleError, Hashes, ServerContract, file_hashes
from .entry import Entry
from .environment import Environment

BUNDLE_FOLDER = "server"
"""Where the files lie in a bundle."""

FILES = {"full": "full.txt", "lean": "lean.txt"}
"""The constraints of each form: version, markers and hashes of every package."""

OVERRIDES = "lean-overrides.txt"
SKINNY = "mlflow-skinny"
"""The lean form: the overrides take mlflow away, and the part of it that talks to a server takes its place."""

OFFLINE = "UV_OFFLINE"


class PinFiles(NamedTuple):
    """The bundle's files: `source`, where they are, and `folder`, where they are to lie on this machine."""

    source: Path
    folder: Path
    files: Hashes


class Pin(NamedTuple):
    """How an entry is pinned: by files in `folder`, in the form `lean` or `full`.

    `python`: what uv is to run it with, a version or a path; empty where the user has an own --python. `start` and
    `end`: where this stands in the arguments.
    """

    folder: Path
    form: str
    python: str
    start: int
    end: int

    @property
    def constraints(self) -> Path:
        """The file with all the versions and hashes."""
        return self.folder / FILES[self.form]

    @property
    def overrides(self) -> Path | None:
        """The file that takes mlflow away."""
        return self.folder / OVERRIDES if self.form == "lean" else None


def files_of(server: ServerContract, env: Environment) -> PinFiles:
    """The files of the bundle that `server` is of. Raises BundleError where they are not there."""
    names = (*FILES.values(), OVERRIDES)
    found = file_hashes(server.pins) if server.pins.is_dir() else {}
    files = {name: found[name] for name in sorted(names) if name in found}
    if len(files) < len(names):
        raise BundleError(f"{server.pins}: {', '.join(sorted({*names} - {*files}))} missing, which --pin needs")
    return PinFiles(server.pins, env.server_folder / f"{server.tested}-{digest(files)}", files)


def digest(files: Hashes) -> str:
    """What the name of a folder with these files ends with."""
    import hashlib

    text = "".join(f"{name} {files[name]}\n" for name in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def form_for(tracking_uri: str) -> str:
    """The lean form has no database drivers: it is for tracking servers, and only where the address is known."""
    return "lean" if tracking_uri.lower().startswith(("http://", "https://")) else "full"


def of_entry(entry: Entry, env: Environment) -> Pin | None:
    """How `entry`, one of ours, is pinned; None where it is not, or in another way than ours."""
    args: list[str] = entry.get("args", [])
    for index in range(entries.runner_length(entry), len(args) - 1):
        file = Path(args[index + 1])
        if args[index] == "--constraints" and file.parent.parent == env.server_folder:
            return _pin(args, index, file)
    return None


def uses(entry: object, folder: Path) -> bool:
    """Whether an entry, of any shape, names a file in `folder`."""
    args = entry.get("args") if isinstance(entry, dict) else None
    return isinstance(args, list) and any(isinstance(arg, str) and folder in Path(arg).parents for arg in args)


def _pin(args: list[str], index: int, file: Path) -> Pin:
    has_python = index >= 2 and args[index - 2] == "--python"
    end, form = index + 2, "full" if file.name == FILES["full"] else "lean"
    if args[end : end + 2] == ["--overrides", str(file.parent / OVERRIDES)]:
        end += 2
        if args[end : end + 2] == ["--with", SKINNY]:
            end += 2
    python = args[index - 1] if has_python else ""
    return Pin(file.parent, form, python, index - 2 if has_python else index, end)


def pinned(entry: Entry, server: ServerContract, folder: Path, form: str, python: str, env: Environment) -> Entry:
    """`entry` pinned by the files in `folder`, instead of what pinned it before. The user's own options stay."""
    entry = entries.pinned(_without_options(entry, env), server.package, server.tested)
    options = ["--constraints", str(folder / FILES[form])]
    if form == "lean":
        options += ["--overrides", str(folder / OVERRIDES), "--with", SKINNY]
    if python and not own_python(entry, server.package):
        options = ["--python", python, *options]
    start = entries.runner_length(entry)
    return {**entry, "args": [*entry["args"][:start], *options, *entry["args"][start:]]}


def unpinned(entry: Entry, server: ServerContract, env: Environment) -> Entry:
    """`entry` for the newest version, asked for at each start."""
    variables = {name: value for name, value in (entry.get("env") or {}).items() if name != OFFLINE}
    return {**entries.pinned(_without_options(entry, env), server.package, ""), "env": variables}


def own_python(entry: Entry, package: str) -> str:
    """The value of the first --python among the options of an entry; empty where there is none."""
    options = entries.runner_options(entry, package)
    for option, value in zip(options, [*options, ""][1:], strict=True):
        if option in ("--python", "-p"):
            return value
        if option.startswith("--python="):
            return option.partition("=")[2]
        if option.startswith("-p"):
            return option[2:]
    return ""


def other_options(entry: Entry, package: str, pin: Pin) -> list[str]:
    """The user's own options for uvx in a pinned entry."""
    rest = {**entry, "args": [*entry["args"][: pin.start], *entry["args"][pin.end :]]}
    return entries.runner_options(rest, package)


def _without_options(entry: Entry, env: Environment) -> Entry:
    pin = of_entry(entry, env)
    return entry if pin is None else {**entry, "args": [*entry["args"][: pin.start], *entry["args"][pin.end :]]}
