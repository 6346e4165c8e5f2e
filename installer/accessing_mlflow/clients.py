"""The clients: one row each. A row says where the client reads server entries and skills, and how it spells things.

Templates in rows: `{home}`, `{project}` (this worktree's top level), `{repository}` (the main worktree's), and the
names that a row itself defines with a function, where data cannot say it. What each client reads was measured;
docs/clients.md has the list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from . import dialects, expansion, project
from .documents import Format, jsonc, toml
from .entry import Entry
from .environment import Environment
from .errors import InstallerError, UsageError

Folder = Callable[[Environment], Path]


class Place(NamedTuple):
    """Where server entries lie: the object that `keys` lead to in `file`. In a row these are templates."""

    file: str
    keys: tuple[str, ...] = ("mcpServers",)
    client_lock: bool = False
    """Whether the client takes a lock of its own to write the file: a folder beside it."""
    optional: bool = False
    """Whether it is left out where the file is not there: the client's own, which it makes itself."""


class Entries(NamedTuple):
    """A `Place` on this machine."""

    file: Path
    keys: tuple[str, ...]
    format: Format
    shared: bool
    """Whether the file belongs to a project, and so to other people too."""
    client_lock: bool = False
    within: Path | None = None
    """The project folder that writes must stay in; None for a user's own file."""

    @property
    def label(self) -> str:
        """The path of keys for people: `projects["/home/user/x"].mcpServers`."""
        return "".join((f".{key}" if key.replace("_", "").isalnum() else f'["{key}"]') for key in self.keys).lstrip(".")


class Approval(NamedTuple):
    """Where a client keeps which servers it may start: objects with lists of names in them (see `approval.py`)."""

    scope: str
    """The scope whose entries wait until the user approves them."""
    always: Place
    """The user's own settings."""
    trusted: tuple[Place, ...]
    """What counts only once the user trusts the project's folder."""
    state: Place
    """What the client itself keeps of the project; it counts as the one before. Says whether the folder is trusted."""
    how: str
    """How the user approves."""


class FolderTrust(NamedTuple):
    """The rule of a client that starts a project's servers once the user trusts the folder (see `approval.py`)."""

    scope: str
    """The scope whose entries need this trust."""
    folders: tuple[Place, ...]
    """The user's settings for the folder; the first that sets `member` counts."""
    member: str
    trusted: str
    """The value that trusts the folder."""
    how: str
    """How the user trusts it."""


class StartLimit(NamedTuple):
    """How long a client waits for a server's first answer."""

    seconds: float
    variable: str = ""
    """The variable that changes it, in milliseconds."""
    member: str = ""
    """The member of an entry that changes it, in seconds."""


def as_it_is(entry: Entry) -> Entry:
    """For a client that spells entries as the rest of this program knows them."""
    return entry


class Client(NamedTuple):
    """A row. Scopes are listed as `--scope` offers them; `precedence` has the winning scope first."""

    name: str
    title: str
    precedence: tuple[str, ...]
    entries: Mapping[str, Place]
    skills: Mapping[str, str]
    format: Format
    """How its files are edited: a module of `documents`."""
    reference: str
    """How an entry refers to an environment variable."""
    references: re.Pattern[str]
    """All that the client fills in, and ..."""
    expand: Callable[[str, Environment], str]
    """... how it does."""
    comments: bool
    """Whether the client accepts comments and trailing commas in its files."""
    desktop: bool
    """Whether the client is (also) started from a desktop launcher, with a short PATH and no shell variables."""
    programs: tuple[str, ...]
    """Commands or absolute templates that show that the client is on this machine."""
    ignored: tuple[Place, ...] = ()
    """Places that look right, that people use, and that the client does not read."""
    denials: Mapping[str, Place] = MappingProxyType({})
    """By scope, where the list of tools that the agent is denied lies."""
    tool_rule: str = ""
    """How a rule names a tool: `%(server)s` and `%(tool)s`."""
    denials_in_entry: bool = False
    """Whether that list is a member of the server entry itself."""
    unguarded: str = ""
    """What to tell the user of a client that has no such list everywhere."""
    asks: str = ""
    """How the user can do without being asked for what reads."""
    also_reads_skills: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    passed: frozenset[str] | None = None
    """The variables of its own environment that it passes on to a server, with HOME and PATH; None: all."""
    extras: Mapping[str, Any] = MappingProxyType({})
    """Further members of an entry, where the user has none of that name."""
    read_entry: Callable[[Entry], Entry] = as_it_is
    """An entry as this client spells it, as the rest of this program knows it ..."""
    write_entry: Callable[[Entry], Entry] = as_it_is
    """... and back."""
    next_step: Mapping[str, str] = MappingProxyType({})
    """What to do in the client after an installation, by scope."""
    folders: Mapping[str, Folder] = MappingProxyType({})
    start_limit: StartLimit = StartLimit(30.0)
    variables: Place | None = None
    """Settings whose variables the client adds to its own environment, over the shell's."""
    approval: Approval | FolderTrust | None = None
    """None: approval of a project's server cannot be read, so it counts as not approved."""
    managed: str = ""
    """A file of the organisation's: where it exists, its servers are the only ones."""
    legacy: str = ""
    """A file that, where it exists, is read in place of another."""
    nested: frozenset[str] = frozenset()
    """Scopes whose file counts in every folder from the working directory upwards, the nearest first."""
    skills_winner: str = ""
    """The scope whose copy of a skill is used where several have it; empty where that is not known."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the client has."""
        return tuple(self.entries)


def claude_config(env: Environment) -> Path:
    """Claude Code's folder. CLAUDE_CONFIG_DIR is taken as it is: `~` is not expanded, empty means unset."""
    moved = env.variables.get("CLAUDE_CONFIG_DIR")
    return env.cwd / moved if moved else env.home / ".claude"


def claude_state(env: Environment) -> Path:
    """Claude Code's state file: the legacy `.config.json` in its folder replaces the other where it exists."""
    legacy = claude_config(env) / ".config.json"
    if legacy.exists():
        return legacy
    moved = env.variables.get("CLAUDE_CONFIG_DIR")
    return (env.cwd / moved if moved else env.home) / ".claude.json"


def claude_managed(env: Environment) -> Path:
    """Where an organisation's configuration of Claude Code lies, by its documentation; measured on Linux."""
    by_platform = {"darwin": "/Library/Application Support/ClaudeCode", "win32": "C:/Program Files/ClaudeCode"}
    return Path(by_platform.get(env.platform, "/etc/claude-code"))


def cursor_cli(env: Environment) -> Path:
    """The settings of Cursor's command line program."""
    moved = env.variables.get("XDG_CONFIG_HOME") if env.platform == "linux" else ""
    return Path(moved) / "cursor" if moved else env.home / ".cursor"


_DENY = ("permissions", "deny")

CLAUDE = Client(
    name="claude",
    title="Claude Code",
    precedence=("local", "project", "user"),
    entries={
        "user": Place("{state}", client_lock=True),
        "project": Place("{project}/.mcp.json"),
        "local": Place("{state}", ("projects", "{repository}", "mcpServers"), client_lock=True),
    },
    skills={"user": "{config}/skills", "project": "{project}/.claude/skills", "local": "{config}/skills"},
    format=jsonc,
    reference="${%s}",
    references=expansion.CLAUDE,
    expand=expansion.claude,
    comments=False,
    desktop=False,
    programs=("claude", "{home}/.local/bin/claude", "{home}/.claude/local/claude"),
    ignored=(
        Place("{project}/.claude/settings.json"),
        Place("{project}/.claude/settings.local.json"),
        Place("{config}/settings.json"),
        Place("{config}/settings.local.json"),
        Place("{config}/mcp.json"),
        Place("{config}/.mcp.json"),
        Place("{project}/.claude/mcp.json"),
        Place("{project}/.claude.json"),
        Place("{home}/.claude.json", client_lock=True),  # where CLAUDE_CONFIG_DIR or the legacy file is in force
    ),
    denials={
        "user": Place("{config}/settings.json", _DENY),
        "project": Place("{project}/.claude/settings.json", _DENY),
        "local": Place("{repository}/.claude/settings.local.json", _DENY),
    },
    tool_rule="mcp__%(server)s__%(tool)s",
    asks='Claude Code asks before each tool; to let it read unasked, add "%(rule)s" to permissions.allow in %(file)s',
    next_step={
        "user": "Restart Claude Code; there, /mcp lists MLflow.",
        "project": "Restart Claude Code in this project, and approve the MLflow server when it asks.",
        "local": "Restart Claude Code in this project; there, /mcp lists MLflow.",
    },
    folders={"config": claude_config, "state": claude_state, "managed": claude_managed},
    start_limit=StartLimit(30.0, "MCP_TIMEOUT"),
    variables=Place("{config}/settings.json", ("env",)),
    approval=Approval(
        scope="project",
        always=Place("{config}/settings.json", ()),
        trusted=(
            Place("{project}/.claude/settings.json", ()),
            Place("{repository}/.claude/settings.local.json", ()),
        ),
        state=Place("{state}", ("projects", "{repository}")),
        how="start Claude Code here and approve MLflow under /mcp",
    ),
    managed="{managed}/managed-mcp.json",
    legacy="{config}/.config.json",
    nested=frozenset({"project"}),
    skills_winner="user",
)

CURSOR = Client(
    name="cursor",
    title="Cursor",
    precedence=("project", "user"),
    entries={"user": Place("{home}/.cursor/mcp.json"), "project": Place("{project}/.cursor/mcp.json")},
    skills={"user": "{home}/.cursor/skills", "project": "{project}/.cursor/skills"},
    format=jsonc,
    reference="${env:%s}",
    references=expansion.CURSOR,
    expand=expansion.cursor,
    comments=True,
    desktop=True,
    programs=(
        "cursor",
        "cursor-agent",
        "/Applications/Cursor.app",
        "{home}/Applications/Cursor.app",
        "/opt/Cursor",
        "/usr/share/cursor",
        "{home}/AppData/Local/Programs/cursor",
    ),
    denials={
        "user": Place("{cli}/cli-config.json", _DENY, optional=True),
        "project": Place("{project}/.cursor/cli.json", _DENY, optional=True),
    },
    tool_rule="Mcp(%(server)s:%(tool)s)",
    unguarded="Cursor's editor has no list of denied tools: let it ask before each call,"
    " for %(count)d of %(server)s's tools write or delete",
    also_reads_skills={
        "user": ("{home}/.claude/skills", "{home}/.agents/skills"),
        "project": ("{project}/.claude/skills", "{project}/.agents/skills"),
    },
    next_step={
        "user": "Restart Cursor; MLflow appears under Settings > Tools & MCP.",
        "project": "Open the project in Cursor and switch MLflow on under Settings > Tools & MCP.",
    },
    passed=frozenset(["USER", "LOGNAME", "LANG", "SHELL", "TMPDIR", "DISPLAY"]),
    folders={"cli": cursor_cli},
)


def codex_home(env: Environment) -> Path:
    """Codex's folder. CODEX_HOME, where it is set, has to be there; empty means unset."""
    moved = env.variables.get("CODEX_HOME")
    return env.cwd / moved if moved else env.home / ".codex"


# Codex gives a server 10 s to start unless the entry says otherwise, measured with 0.169.0.
CODEX = Client(
    name="codex",
    title="Codex",
    precedence=("project", "user"),
    entries={
        "user": Place("{codex}/config.toml", ("mcp_servers",)),
        "project": Place("{project}/.codex/config.toml", ("mcp_servers",)),
    },
    skills={"user": "{home}/.agents/skills", "project": "{project}/.agents/skills"},
    format=toml,
    reference="${%s}",
    references=expansion.BY_NAME,
    expand=expansion.by_name,
    comments=True,
    desktop=False,
    programs=("codex",),
    denials={
        "user": Place("{codex}/config.toml", ("mcp_servers", "MLflow", "disabled_tools")),
        "project": Place("{project}/.codex/config.toml", ("mcp_servers", "MLflow", "disabled_tools")),
    },
    tool_rule="%(tool)s",
    denials_in_entry=True,
    passed=frozenset(
        [
            *("USER", "LOGNAME", "LANG", "LC_ALL", "SHELL", "TERM", "TMPDIR", "TZ"),
            *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"),
        ]
    ),
    extras={"startup_timeout_sec": 60},
    start_limit=StartLimit(10.0, member="startup_timeout_sec"),
    read_entry=dialects.read_codex,
    write_entry=dialects.write_codex,
    next_step={
        "user": "Restart Codex; there, /mcp lists MLflow.",
        "project": "Start Codex in this project and trust the folder; there, /mcp lists MLflow.",
    },
    folders={"codex": codex_home},
    # Measured with 0.169.0: this worktree's folder, else the main one's; a folder above them counts for nothing.
    approval=FolderTrust(
        scope="project",
        folders=(
            Place("{codex}/config.toml", ("projects", "{project}")),
            Place("{codex}/config.toml", ("projects", "{repository}")),
        ),
        member="trust_level",
        trusted="trusted",
        how="start Codex here and trust the folder",
    ),
)

CLIENTS: Mapping[str, Client] = {client.name: client for client in (CLAUDE, CURSOR, CODEX)}


def resolve(template: str, client: Client, env: Environment) -> str:
    """`template` with its names filled in. Raises InstallerError where the project is asked for and there is none."""
    for name, folder in {**_COMMON, **client.folders}.items():
        mark = "{" + name + "}"
        if mark in template:
            template = template.replace(mark, str(folder(env)))
    return template


_COMMON: Mapping[str, Folder] = {
    "home": lambda env: env.home,
    "project": project.project,
    "repository": project.repository,
}


def entries(client: Client, scope: str, env: Environment) -> Entries:
    """Where `client` reads server entries of `scope`. Raises UsageError for a scope that it does not have."""
    if scope not in client.entries:
        raise UsageError(f"{client.title} has no {scope} scope", f"choose from: {', '.join(client.scopes)}")
    return _on_this_machine(client.entries[scope], client, env)


def ignored(client: Client, env: Environment) -> list[Entries]:
    """The places that `client` does not read and people use; none of a project's where there is no project."""
    found = []
    for place in client.ignored:
        try:
            found.append(_on_this_machine(place, client, env))
        except InstallerError:  # no project here: the home folder
            continue
    return found


def denials(client: Client, scope: str, env: Environment, *, even_absent: bool = False) -> Entries | None:
    """Where `client` reads the list of tools that the agent is denied in `scope`; None where it has none.

    `even_absent`: also in a file of the client's own that is not there.
    """
    place = client.denials.get(scope)
    if place is None:
        return None
    found = _on_this_machine(place, client, env)
    return None if place.optional and not even_absent and not found.file.exists() else found


def skills_folder(client: Client, scope: str, env: Environment) -> Path:
    """The folder that holds the skills of `scope`."""
    return Path(resolve(client.skills[scope], client, env))


def other_skills_folders(client: Client, scope: str, env: Environment) -> list[Path]:
    """Other clients' skills folders of `scope` that `client` reads as well."""
    return [Path(resolve(template, client, env)) for template in client.also_reads_skills.get(scope, ())]


def is_of_project(client: Client, scope: str) -> bool:
    """Whether entries of `scope` are in a project's file."""
    return client.entries[scope].file.startswith("{project}")


def skills_root(client: Client, scope: str, env: Environment) -> Path | None:
    """The project that contains the skills folder of `scope`; None for the user's own."""
    return _root(client.skills[scope], client, env)


def is_present(client: Client, env: Environment) -> bool:
    """Whether the client itself is on this machine."""
    return next(programs(client, env), None) is not None


def programs(client: Client, env: Environment) -> Iterator[Path]:
    """The client's programs that are on this machine."""
    import shutil

    search = env.variables.get("PATH", "")
    for program in client.programs:
        name = resolve(program, client, env)
        found = name if Path(name).is_absolute() else shutil.which(name, path=search)
        if found and Path(found).exists():
            yield Path(found)


def place_of(place: Place, client: Client, env: Environment) -> Entries | None:
    """A place of a row's on this machine; None for one of a project's where there is no project."""
    try:
        return _on_this_machine(place, client, env)
    except InstallerError:
        return None


def nested(client: Client, scope: str, env: Environment) -> list[Entries]:
    """The files of `scope` that `client` reads in the working directory and above, the nearest first."""
    if scope not in client.nested:
        return []
    place = client.entries[scope]
    folders = (str(folder) for folder in (env.cwd, *env.cwd.parents))
    return [
        Entries(Path(place.file.replace("{project}", folder)), place.keys, client.format, True, within=Path(folder))
        for folder in folders
    ]


def _on_this_machine(place: Place, client: Client, env: Environment) -> Entries:
    return Entries(
        Path(resolve(place.file, client, env)),
        tuple(resolve(key, client, env) for key in place.keys),
        client.format,
        shared=place.file.startswith("{project}"),
        client_lock=place.client_lock,
        within=_root(place.file, client, env),
    )


def _root(template: str, client: Client, env: Environment) -> Path | None:
    name = next((name for name in ("{project}", "{repository}") if template.startswith(name)), None)
    return Path(resolve(name, client, env)) if name else None
