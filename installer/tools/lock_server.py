"""Write skills/server: the exact versions and hashes of all that the tested MCP server resolves to, for `--pin`.

    python installer/tools/lock_server.py [--check | --upgrade] [--folder DIR]

`full.txt` is what `mlflow-mcp` asks for; `lean.txt` the same with mlflow-skinny in place of mlflow, by the override in
`lean-overrides.txt`. Both hold for Python 3.10 and newer on every platform (markers), name no package index, and keep
the versions that are in them unless --upgrade is given or `tested` in bundle.toml has changed. Needs uv and the
network. Exits with 1 where --check finds a difference, with 2 where uv fails.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "installer"))

from accessing_mlflow import bundle as bundles  # noqa: E402
from accessing_mlflow import pin  # noqa: E402

OLDEST_PYTHON = "3.10"
HEADER = "# Made by installer/tools/lock_server.py: change nothing here by hand.\n"
OVERRIDES = f"""{HEADER}# No Python is that old: mlflow is left out, and mlflow-skinny takes its place.
mlflow ; python_version < '3'
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Record what the tested MCP server resolves to.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if anything would change")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "skills" / pin.BUNDLE_FOLDER, metavar="DIR")
    options = parser.parse_args(arguments)
    server = bundles.load(REPOSITORY / "skills").server
    try:
        made = files(options.folder, f"{server.package}=={server.tested}", upgrade=options.upgrade)
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return 2
    changed = [name for name, text in made.items() if text != _text(options.folder / name)]
    for name in made:
        print(f"{options.folder / name}: {'differs' if name in changed else 'the same'}")
    if options.check:
        return 1 if changed else 0
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        (options.folder / name).write_text(made[name], encoding="utf-8")
    return 0


def files(folder: Path, requirement: str, *, upgrade: bool) -> dict[str, str]:
    """The text of each file. `folder`: where the present ones are, whose versions are kept where they fit."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / pin.OVERRIDES).write_text(OVERRIDES, encoding="utf-8")
        lean = _compiled([requirement, pin.SKINNY], folder / pin.FILES["lean"], place, upgrade, overridden=True)
        full = _compiled([requirement], folder / pin.FILES["full"], place, upgrade, overridden=False)
    return {pin.FILES["full"]: full, pin.FILES["lean"]: lean, pin.OVERRIDES: OVERRIDES}


def _compiled(requirements: list[str], present: Path, place: Path, upgrade: bool, *, overridden: bool) -> str:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    output = place / present.name
    if present.exists() and not upgrade:
        output.write_text(present.read_text(encoding="utf-8"), encoding="utf-8")
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes"]
    command += ["--strip-extras", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--overrides", pin.OVERRIDES] if overridden else []
    given = "\n".join(requirements)
    subprocess.run(
        [*command, "-", "--output-file", output.name],
        cwd=place,
        input=given,
        check=True,
        capture_output=True,
        text=True,
    )
    return HEADER + output.read_text(encoding="utf-8")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
