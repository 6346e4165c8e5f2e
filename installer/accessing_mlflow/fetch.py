"""Has uv fetch packages ahead, so that a client's first start of the server is a warm one, and that of a script too.

`UV_COMPILE_BYTECODE` compiles an environment only while uv makes it. One that was made without it (by `uvx mlflow-mcp`
under PYTHONDONTWRITEBYTECODE, say) stays as slow as it is whatever uvx does later, so Python compiles it from inside.
Measured with uv 0.13.9 and mlflow-mcp 0.4.1, 8,690 files: uv 12 s, Python 16 to 24 s; asking whether it is done 0.1 s.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import InstallerError
from .processes import last_error, run

_LOOK = """
import importlib.util, os, sys
from importlib.metadata import PackageNotFoundError, files
try:
    sources = [str(file.locate()) for file in files(sys.argv[1]) or () if file.suffix == ".py"]
except PackageNotFoundError:
    sources = []
compiled = not sources or any(os.path.exists(importlib.util.cache_from_source(source)) for source in sources)
"""
"""Sets `compiled`, too, where the server was only started once: then all that it imports is compiled."""

_CHECK = f"{_LOOK}sys.exit(not compiled)"
_COMPILE = f"""{_LOOK}
if not compiled:
    import compileall, sysconfig
    compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0)
"""

_NETWORK = (
    "check the network (a proxy goes into HTTPS_PROXY, another package index into UV_DEFAULT_INDEX), run it again"
)
_REMEDIES = (
    (
        r"No space left|os error 28\b|disk quota",
        "make room (it takes about 1 GB) or set UV_CACHE_DIR, then run it again",
    ),
    (r"network was disabled", "unset UV_OFFLINE for the first time, then run it again"),
    (r"certificate", "name your authority's certificate in SSL_CERT_FILE or set UV_SYSTEM_CERTS=1, then run it again"),
    (r"\b40[137]\b", "check the credentials of the package index or proxy that uv uses, then run it again"),
    (r"dns error|lookup address|sending request|[Cc]onnect|timed out|timeout|HTTP status", _NETWORK),
    (r"not found in the package registry", "check the name, and the package index that uv uses (UV_DEFAULT_INDEX)"),
    (r"unexpected argument", "upgrade uv (uv self update, or as it was installed), then run it again"),
    (
        r"interpreter|Python[ >=<]|no wheels with a matching|platform",
        "let uv use another Python: uv python install 3.12",
    ),
    (r"no version of|unsatisfiable", "check the version, and the package index that uv uses (UV_DEFAULT_INDEX)"),
    (r"initialize cache|Permission denied", "make the folder that `uv cache dir` prints writable, then run it again"),
)


SCRIPT_PYTHON = ">=3.10"
"""The Python version that the skill's scripts require."""

_SCRIPT_SECONDS = 120.0

_MISMATCH = r"Hash mismatch for `([^`]+)`"


class FetchError(InstallerError):
    """uv could not fetch the package; with its last error line and a next step."""


class HashMismatch(FetchError):
    """The package index serves another file than the one that was tested."""


def check_hashes(
    uv: str,
    python: str,
    constraints: Path,
    overrides: Path | None,
    environ: Mapping[str, str],
    *,
    progress: bool,
) -> None:
    """Fetches what `constraints` names for `python` into uv's cache; uv compares every archive with its hashes there.

    Archives that are in the cache already are compared too: uv keeps their hashes. The network is asked only for what
    is missing. Afterwards `uvx` can make the server's environment from the cache alone. Raises FetchError.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="accessing-mlflow-", ignore_cleanup_errors=True) as folder:
        environment = str(Path(folder).absolute() / "environment")
        made = _run(uv, ["venv", "--no-project", "--python", python, environment], environ, progress)
        if made is None:
            command = [
                "pip",
                "install",
                "--python",
                environment,
                "--require-hashes",
                "--requirement",
                str(constraints),
            ]
            command += ["--overrides", str(overrides)] if overrides else []
            if os.name != "nt":
                command += ["--link-mode", "symlink"]  # nothing is copied
            made = _run(uv, [*command, "--offline"], environ, echo=False)
            if made is not None and not re.search(_MISMATCH, made):
                made = _run(uv, command, environ, progress)
    if made is None:
        return
    if found := re.search(_MISMATCH, made):
        raise HashMismatch(
            f"the package index serves another file for {found[1]} than the one that was tested",
            "see which index uv uses (UV_DEFAULT_INDEX, uv.toml); until that is known, start no MLflow server from it",
        )
    raise FetchError(
        f"cannot fetch the pinned server: {last_error(made) or 'uv failed'}", _remedy(made, _by_hand(uv, "mlflow-mcp"))
    )


def _run(uv: str, arguments: list[str], environ: Mapping[str, str], echo: bool) -> str | None:
    """None where uv succeeds, otherwise what it says. Raises FetchError where it cannot be started."""
    try:
        done = run([uv, *arguments], environ, echo=echo)
    except OSError as error:
        raise FetchError(f"{uv} cannot be started: {error.strerror}", "install uv, then run it again") from error
    return None if done.returncode == 0 else done.stderr


def fetched(uvx: str, requirement: str, environ: Mapping[str, str], options: Sequence[str] = ()) -> bool:
    """Whether `requirement` is in uv's cache, compiled, so that uvx starts it without a download. Asks no network.

    `options`: what else uvx is given, such as `--python 3.12`.
    """
    try:
        command = [uvx, "--offline", *options, *_python(requirement, _CHECK)]
        done = run(command, environ)
    except OSError:
        return False
    return done.returncode == 0


def fetch(
    uvx: str, requirement: str, environ: Mapping[str, str], options: Sequence[str] = (), *, progress: bool
) -> float:
    """Fetches and compiles `requirement`, and returns the seconds that it took.

    `progress`: uv's own progress goes to standard error. What it does is safe to interrupt and to repeat.
    Raises FetchError.
    """
    started = time.monotonic()
    variables = {**environ, "UV_COMPILE_BYTECODE": "1"}
    try:
        command = [uvx, *options, *_python(requirement, _COMPILE)]
        done = run(command, variables, echo=progress)
    except OSError as error:
        raise FetchError(f"{uvx} cannot be started: {error.strerror}", "install uv, then run it again") from error
    if done.returncode != 0:
        reason = last_error(done.stderr) or f"uvx ended with {done.returncode}"
        raise FetchError(f"cannot fetch {requirement}: {reason}", _remedy(done.stderr, _by_hand(uvx, requirement)))
    return time.monotonic() - started


def fetch_for_script(uv: str, script: Path, python: str, environ: Mapping[str, str], settings: Path | None) -> None:
    """Has uv make the environment in which `uv run --no-project` starts a script, with `python`, without starting it.

    Afterwards it is in uv's cache, and taken from there without a question to the network (measured with uv 0.13.9).
    `settings`: the user's own for uv. Those that uv would find in the folders above the script count for nothing: a
    project must not say where programs come from. Raises FetchError.
    """
    import subprocess

    variables, options = dict(environ), ["--no-config"]
    if settings is not None:
        variables, options = {**variables, "UV_CONFIG_FILE": str(settings)}, []
    # With --python, a `.python-version` there counts for nothing either.
    arguments = ["sync", *options, "--python", python, "--script", str(script)]
    try:
        done = run([uv, *arguments], variables, timeout=_SCRIPT_SECONDS)
    except OSError as error:
        raise FetchError(f"{uv} cannot be started: {error.strerror}", "install uv, then run it again") from error
    except subprocess.TimeoutExpired as error:
        reason = f"uv has not fetched what {script.name} needs within {_SCRIPT_SECONDS:.0f} s"
        raise FetchError(reason, _NETWORK) from error
    if done.returncode != 0:
        reason = last_error(done.stderr) or f"uv ended with {done.returncode}"
        by_hand = f"for details, run: uv run --directory / --no-project {shlex.quote(str(script))} --help"
        raise FetchError(f"cannot fetch what {script.name} needs: {reason}", _remedy(done.stderr, by_hand))


def _python(requirement: str, script: str) -> list[str]:
    return ["--from", requirement, "python", "-c", script, _name(requirement)]


def _name(requirement: str) -> str:
    """The package's name alone: `mlflow-mcp` of `mlflow-mcp==0.4.1`."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _remedy(stderr: str, otherwise: str) -> str:
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, stderr):
            return remedy
    return otherwise


def _by_hand(uvx: str, requirement: str) -> str:
    return f"see what it says: {uvx} --from '{requirement}' python -c pass"
