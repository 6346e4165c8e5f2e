"""The bundle: the skills, their version, the MCP server that they call, and the hashes of every release.

A bundle is a folder: `bundle.toml`, `releases.json` and one folder for each skill. `load` is on the path of every
command, so it only reads and checks what it returns; `validate` is the thorough check, for builds and tests.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .errors import InstallerError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Hashes = Mapping[str, str]
"""Files of a skill: path inside its folder (with `/`) to the hash of its content, see `file_hashes`."""

Releases = Mapping[str, Mapping[str, Hashes]]
"""Version to skill to files, oldest release first."""

BUNDLE_FILE = "bundle.toml"
RELEASES_FILE = "releases.json"
SCHEMA_FILE = Path(__file__).parent / "data" / "bundle.schema.json"

SKILL_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""What the Agent Skills specification allows, of at most 64 characters; the folder has the same name."""

SKILL_VERSION = re.compile(r'(?P<before>^metadata:\n(?:[ ]+.*\n)*?[ ]+version: )"(?P<version>[^"\n]*)"', re.MULTILINE)
"""Where a SKILL.md of ours states its version: `version: "X"` under `metadata:` in the frontmatter."""

_NOISE = frozenset({".DS_Store", "Thumbs.db"})
_CHUNK = 1 << 20
_T = TypeVar("_T")


class BundleError(InstallerError):
    """A folder that is not a bundle, or a bundle that is damaged; the path, and the line where there is one."""


class Tool(NamedTuple):
    """A tool of the MCP server, with the server's own marks (annotations of the MCP tool)."""

    name: str
    read_only: bool
    destructive: bool

    @classmethod
    def from_hints(cls, name: str, read_only: bool | None, destructive: bool | None) -> Tool:
        """A tool from its `readOnlyHint` and `destructiveHint`, None where the server sends none.

        Without `readOnlyHint` a tool counts as writing (MCP's own default). `destructive` is only what the server
        marks: MCP's default (any writing tool may destroy) would make it say the same as `not read_only`.
        """
        return cls(name, read_only is True, destructive is True and read_only is not True)


class ServerContract(NamedTuple):
    """The MCP server that the skills were written for and tested with.

    `name` is the entry's name in a client's configuration, `package` the one on PyPI, `tested` its version,
    `download_mib` what a first `uvx` of it downloads, in MiB, and `lean_download_mib` in the lean form; `tools` are
    sorted by name. `pins`: the folder of the files for `--pin`, which is not looked into here.
    """

    name: str
    package: str
    tested: str
    download_mib: int
    tools: tuple[Tool, ...]
    pins: Path
    lean_download_mib: int


class Skill(NamedTuple):
    """A skill as the bundle holds it."""

    name: str
    folder: Path
    files: Hashes


class Bundle(NamedTuple):
    """A loaded bundle.

    `version` of a folder of skills that are not ours (`skill-install --bundle`): "", or "upstream 8fa16b2" where
    sync-upstream-skills.sh has made it.
    """

    root: Path
    version: str
    skills: tuple[Skill, ...]
    server: ServerContract
    releases: Releases


def load(root: Path | None = None) -> Bundle:
    """The bundle at `root`; without one, our own.

    A root without `bundle.toml` but with `<name>/SKILL.md` folders is somebody else's edition: its skills, with our
    own server and releases. Raises BundleError.
    """
    if root is None:
        return _load_own()
    if (root / BUNDLE_FILE).is_file():
        return _load_with_manifest(root)
    names = _skill_folders(root)
    if not names:
        raise _not_a_bundle(root)
    own = _load_own()
    return Bundle(root, _edition(root, names[0]), tuple(_skill(root, name) for name in names), own.server, own.releases)


UPSTREAM = "upstream "
"""How the version of upstream's own edition begins; the commit follows."""


def _edition(root: Path, name: str) -> str:
    """What sync-upstream-skills.sh has written beside the skill of where it comes from."""
    try:
        found = re.search(r"^\s*commit = (\w{7})", (root / f"{name}.provenance").read_text("utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return ""
    return UPSTREAM + found[1] if found else ""


def file_hashes(folder: Path, *, bytecode: bool = False) -> dict[str, str]:
    """The SHA-256 of each file below `folder`, by its path with `/`, sorted.

    `bytecode`: Python's too, which it runs in place of the source: a project may bring it.

    CRLF counts as LF, so that a clone made with autocrlf is still the unedited skill. Files that a system or Python
    leaves behind are not looked at. A link, or anything else that is no regular file, is hashed as what it is and
    never followed or opened. Raises BundleError for what cannot be read.
    """
    return {name: _hash(path) for name, path in sorted(_files(folder, "", bytecode))}


def released_version(name: str, files: Hashes, releases: Releases) -> str | None:
    """The newest release of which these files of the skill `name` are an unedited copy."""
    for version, skills in reversed(list(releases.items())):
        if name in skills and dict(skills[name]) == dict(files):
            return version
    return None


def validate(root: Path) -> None:
    """Check the bundle at `root` thoroughly: JSON Schema, and that folder, name and version of each skill agree.

    Raises BundleError at the first fault. Needs jsonschema.
    """
    _check_schema(root / BUNDLE_FILE)
    bundle = load(root)
    for skill in bundle.skills:
        _check_skill(skill, bundle.version)
    _check_pins(bundle.server)


def _load_own() -> Bundle:
    packaged = Path(__file__).parent / "skills"  # a wheel carries it; a checkout has it at its top
    root = packaged if (packaged / BUNDLE_FILE).is_file() else Path(__file__).parents[2] / "skills"
    return _load_with_manifest(root)


def _load_with_manifest(root: Path) -> Bundle:
    manifest = _Manifest(root / BUNDLE_FILE)
    if manifest.get((), "schema", int) != 1:
        raise manifest.error(("schema",), "made for another version of this installer", "upgrade accessing-mlflow")
    skills = tuple(_skill(root, name) for name in _skill_names(manifest))
    return Bundle(root, manifest.get((), "version", str), skills, _server(manifest), _releases(root / RELEASES_FILE))


class _Manifest:
    """`bundle.toml`, read with errors that name path, line and key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = _read_text(path)
        try:
            self.data = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise BundleError(f"{path}: not valid TOML: {error}") from None

    def get(self, table: tuple[str | int, ...], key: str | int, kind: type[_T]) -> _T:
        """The member `key` of `table` (keys and indexes from the top), which must be of exactly the type `kind`."""
        value: Any = self.data
        for step in (*table, key):
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                raise self.error((*table, key), "is missing") from None
        if type(value) is not kind:
            raise self.error((*table, key), f"must be of type {_TOML_TYPES[kind]}")
        return value

    def error(self, keys: tuple[str | int, ...], reason: str, fix: str = "") -> BundleError:
        line = _line_of(self.text, keys)
        place = f"{self.path}, line {line}" if line else f"{self.path}"
        return BundleError(f"{place}: {'.'.join(map(str, keys)) or 'the file'}: {reason}", fix)


_TOML_TYPES: Mapping[type, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    list: "array",
    dict: "table",
}


def _line_of(text: str, keys: tuple[str | int, ...]) -> int | None:
    """The line of the deepest of `keys` that the file writes in a plain form, counted from 1.

    Enough for a file of ours: headers and `key = value` on lines of their own.
    """
    found, depth = None, 0
    table: tuple[str | int, ...] = ()
    arrays: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([\w.-]+)\s*\]", line):
            table = tuple(header[2].split("."))
            if header[1] == "[[":
                arrays[header[2]] = arrays.get(header[2], -1) + 1
                table += (arrays[header[2]],)
            here = table
        elif member := re.match(r"\s*([\w-]+)\s*=", line):
            here = (*table, member[1])
        else:
            continue
        if depth < len(here) <= len(keys) and keys[: len(here)] == here:
            found, depth = number, len(here)
    return found


def _skill_names(manifest: _Manifest) -> list[str]:
    names = []
    for index in range(len(manifest.get((), "skills", list))):
        name = manifest.get(("skills", index), "name", str)
        if not _is_skill_name(name):
            raise manifest.error(("skills", index, "name"), f"{name!r} is not a valid skill name")
        names.append(name)
    return names


def _is_skill_name(name: str) -> bool:
    return len(name) <= 64 and SKILL_NAME.fullmatch(name) is not None


def _server(manifest: _Manifest) -> ServerContract:
    names = sorted(manifest.get(("server",), "tools", dict))
    return ServerContract(
        name=manifest.get(("server",), "name", str),
        package=manifest.get(("server",), "package", str),
        tested=manifest.get(("server",), "tested", str),
        download_mib=manifest.get(("server",), "download_mib", int),
        tools=tuple(_tool(manifest, name) for name in names),
        pins=manifest.path.parent / "server",
        lean_download_mib=manifest.get(("server",), "lean_download_mib", int),
    )


def _tool(manifest: _Manifest, name: str) -> Tool:
    table = ("server", "tools", name)
    return Tool(name, manifest.get(table, "read_only", bool), manifest.get(table, "destructive", bool))


def _releases(path: Path) -> Releases:
    if not path.exists():
        return {}
    try:
        data = json.loads(_read_text(path))
    except ValueError as error:
        raise BundleError(f"{path}: not valid JSON: {error}") from None
    if not _is_releases(data):
        raise BundleError(f"{path}: expected version -> skill -> file -> hash")
    releases: Releases = data
    return releases


def _is_releases(data: object) -> bool:
    if not isinstance(data, dict) or not all(isinstance(skills, dict) for skills in data.values()):
        return False
    skills = [files for release in data.values() for files in release.values()]
    return all(isinstance(files, dict) and all(isinstance(h, str) for h in files.values()) for files in skills)


def _skill(root: Path, name: str) -> Skill:
    folder = root / name
    if folder.is_symlink():
        raise BundleError(f"{folder}: a skill of a bundle must be a folder, and this is a link")
    if not (folder / "SKILL.md").is_file():
        raise BundleError(f"{folder}: the bundle lists this skill, but it has no SKILL.md")
    files = file_hashes(folder)
    for file in files:
        if (folder / file).is_symlink() or not (folder / file).is_file():
            raise BundleError(f"{folder / file}: a skill of a bundle holds plain files only")
    return Skill(name, folder, files)


def _skill_folders(root: Path) -> list[str]:
    try:
        found = sorted(path.parent.name for path in root.glob("*/SKILL.md") if not path.parent.name.startswith("."))
    except OSError as error:
        raise BundleError(f"{root}: cannot be read: {error.strerror}") from None
    for name in found:
        if not _is_skill_name(name):
            raise BundleError(f"{root / name}: not a valid name for a skill", "rename or move this folder")
    return found


def _not_a_bundle(root: Path) -> BundleError:
    if not root.is_dir():
        return BundleError(f"{root}: no such folder", "give a folder that holds skills")
    if (root / "SKILL.md").is_file():
        return BundleError(f"{root}: this is a skill, not a folder of skills", f"give its parent: {root.parent}")
    return BundleError(f"{root}: neither a {BUNDLE_FILE} nor a folder with a SKILL.md in it")


def _files(folder: Path, prefix: str, bytecode: bool) -> Iterator[tuple[str, Path]]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise BundleError(f"{folder}: cannot be read: {error.strerror}") from None
    for entry in entries:
        if entry.name in _NOISE or (not bytecode and (entry.name == "__pycache__" or entry.name.endswith(".pyc"))):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), f"{prefix}{entry.name}/", bytecode)
        else:
            yield prefix + entry.name, Path(entry.path)


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        if path.is_symlink():
            digest.update(b"symlink:" + os.fsencode(os.readlink(path)))
        elif not path.is_file():
            digest.update(b"special:")  # a pipe or a socket: opening it could block
        else:
            _hash_content(path, digest)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def _hash_content(path: Path, digest: hashlib._Hash) -> None:
    carry = b""  # a CR at the end of a chunk, whose LF may open the next one
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            chunk = carry + chunk
            carry = b"\r" if chunk.endswith(b"\r") else b""
            digest.update(chunk[: len(chunk) - len(carry)].replace(b"\r\n", b"\n"))
    digest.update(carry)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: not UTF-8 at byte {error.start}") from None


def _check_schema(path: Path) -> None:
    import jsonschema  # 65 ms: only builds and tests come here

    manifest = _Manifest(path)
    validator = jsonschema.Draft202012Validator(json.loads(_read_text(SCHEMA_FILE)))
    for error in sorted(validator.iter_errors(manifest.data), key=lambda found: list(map(str, found.absolute_path))):
        raise manifest.error(tuple(error.absolute_path), error.message)


def _check_pins(server: ServerContract) -> None:
    for name in ("full.txt", "lean.txt"):
        if f"\n{server.package}=={server.tested} " not in _read_text(server.pins / name):
            raise BundleError(
                f"{server.pins / name} is not for {server.package} {server.tested}",
                "python installer/tools/lock_server.py writes it",
            )


def _check_skill(skill: Skill, version: str) -> None:
    path = skill.folder / "SKILL.md"
    text = _read_text(path)
    frontmatter = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    if not frontmatter:
        raise BundleError(f"{path}: no frontmatter between two lines of ---")
    name = re.search(r"^name: *(\S+) *$", frontmatter[1], re.MULTILINE)
    if not name or name[1] != skill.name:
        raise BundleError(f"{path}: name must be {skill.name!r}, as its folder is")
    found = SKILL_VERSION.search(frontmatter[1])
    if not found or found["version"] != version:
        stated = repr(found["version"]) if found else "missing"
        raise BundleError(
            f"{path}: metadata.version is {stated}, the bundle's version is {version!r}",
            "python installer/tools/record_release.py stamps it",
        )
