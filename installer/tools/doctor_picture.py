"""Draw docs/doctor.svg: a report of the real skill-doctor, about a home with three faults.

    python installer/tools/doctor_picture.py [--check]

The home is a temporary one, with uv's own cache and a stand-in for Claude Code. Needs uvx and the
installed commands on PATH, and the network, or the server's package in uv's cache. Exits with 1 where --check finds
that the report says something else now; how long the server took to start does not count.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURE = REPOSITORY / "docs" / "doctor.svg"
COMMAND = "skill-doctor claude"
NOBODY = "http://127.0.0.1:9"  # where nothing listens

_SIZE, _WIDE, _HIGH, _EDGE = 13, 7.83, 19, 16
_COLOURS = {
    "1": "#ffffff",
    "2": "#8b949e",
    "31": "#ff7b72",
    "32": "#7ee787",
    "33": "#e3b341",
    "34": "#79c0ff",
    "36": "#76e3ea",
}
_PLAIN = "#c9d1d9"
_FONTS = "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Draw docs/doctor.svg.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the picture is not current")
    options = parser.parse_args(arguments)
    lines = [f"$ {COMMAND}", *report()]
    if options.check:
        before, after = (drawn(PICTURE.read_text(encoding="utf-8")), drawn(picture(lines)))
        print("\n".join(after))
        return int(before != after)
    PICTURE.write_text(picture(lines), encoding="utf-8")
    return 0


def report() -> list[str]:
    """The report's lines, with a terminal's colours."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        variables = _machine(home)
        _run(["skill-install", "claude", "--no-verify", "--tracking-uri", NOBODY], home, variables)
        _break(home)
        return _run(COMMAND.split(), home, {**variables, "CLICOLOR_FORCE": "1", "COLUMNS": "108"}).splitlines()


def _machine(home: Path) -> dict[str, str]:
    """A home with programs in ~/.local/bin; gives the variables of its shell."""
    programs = home / ".local" / "bin"
    programs.mkdir(parents=True)
    claude = home / ".local" / "share" / "claude" / "versions" / "2.1.330"  # as its own installer lays it out
    claude.parent.mkdir(parents=True)
    claude.touch(mode=0o755)
    (programs / "claude").symlink_to(claude)
    for name in ("uv", "uvx"):
        shutil.copy2(shutil.which(name) or name, programs / name)
    for name in ("skill-install", "skill-doctor"):
        (programs / name).symlink_to(shutil.which(name) or name)
    cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    kept = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_", "HTTPS_", "PIP_"))}
    return {**kept, "HOME": str(home), "PATH": f"{programs}:/usr/bin:/bin", "UV_CACHE_DIR": cache}


def _break(home: Path) -> None:
    """The entry where older instructions put it, and no limits in the one that counts."""
    state, settings = home / ".claude.json", home / ".claude" / "settings.json"
    data, other = json.loads(state.read_text("utf-8")), json.loads(settings.read_text("utf-8"))
    entry = data["mcpServers"]["MLflow"]
    entry["env"] = {"MLFLOW_TRACKING_URI": NOBODY}
    state.write_text(json.dumps(data), encoding="utf-8")
    settings.write_text(json.dumps({**other, "mcpServers": {"MLflow": entry}}), encoding="utf-8")


def _run(command: list[str], home: Path, variables: dict[str, str]) -> str:
    program = shutil.which(command[0], path=variables["PATH"]) or command[0]
    done = subprocess.run(
        [program, *command[1:]], cwd=home, env=variables, stdout=subprocess.PIPE, text=True, check=False, timeout=300
    )
    assert done.returncode in (0, 1), done.stdout
    return done.stdout


def picture(lines: list[str]) -> str:
    """Lines with a terminal's colours as an SVG; every piece stands in its column, whatever the font."""
    columns = max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines)
    width, height = round(columns * _WIDE) + 2 * _EDGE, len(lines) * _HIGH + 2 * _EDGE
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            f' font-family="{_FONTS}" font-size="{_SIZE}" fill="{_PLAIN}">',
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
            *(_line(number, line) for number, line in enumerate(lines)),
            "</svg>\n",
        )
    )


def _line(number: int, line: str) -> str:
    y = _EDGE + number * _HIGH + _SIZE
    return f'<text xml:space="preserve" y="{y}">{"".join(_pieces(line))}</text>'


def _pieces(line: str) -> Iterator[str]:
    """A line's pieces between changes of colour and wide gaps."""
    column, style = 0, ""
    for code, gap, text in re.findall(r"\x1b\[([0-9;]*)m|( {2,})|((?:(?! {2}|\x1b).)+)", line):
        if text:
            bold = ' font-weight="bold"' if style.startswith("1") or style.endswith(";1") else ""
            colour = next((f' fill="{_COLOURS[one]}"' for one in style.split(";") if one in _COLOURS), "")
            yield f'<tspan x="{_EDGE + column * _WIDE:.1f}"{colour}{bold}>{html.escape(text, quote=False)}</tspan>'
        elif not gap:
            style = "" if code == "0" else f"{style};{code}".strip(";")
        column += len(gap) + len(text)


def drawn(svg: str) -> list[str]:
    """The words of a picture, line by line, without how long something took."""
    lines = (" ".join(re.findall(r"<tspan[^>]*>([^<]*)", line)) for line in re.findall(r"<text.*", svg))
    return [re.sub(r"\d+\.\d s\b", "N s", html.unescape(line)) for line in lines]


if __name__ == "__main__":
    sys.exit(main())
