"""Record a release: stamp the bundle's version into its skills, then write their hashes to skills/releases.json.

    python installer/tools/record_release.py [--repository DIR]

The last step before a release is tagged. By these hashes every later version recognises an unedited copy of this one,
so a release that is recorded is never changed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "installer"))

from accessing_mlflow import bundle as bundles  # noqa: E402
from accessing_mlflow.errors import InstallerError  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Stamp the bundle's version and record the hashes of its skills.")
    parser.add_argument("--repository", type=Path, default=REPOSITORY, metavar="DIR", help="default: this one")
    options = parser.parse_args(arguments)
    try:
        print(record(options.repository))
    except InstallerError as error:
        print(error, error.fix, sep="\n", file=sys.stderr)
        return 1
    return 0


def record(repository: Path) -> str:
    """Stamp and record the version in `skills/bundle.toml`; what was done, for people.

    Raises InstallerError, with nothing recorded: without a dated section in CHANGELOG.md, with a bundle that is not
    valid, or when the version is recorded already with other files.
    """
    root = repository / "skills"
    bundle = bundles.load(root)
    _check_changelog(repository / "CHANGELOG.md", bundle.version)
    for skill in bundle.skills:
        _stamp(skill.folder / "SKILL.md", bundle.version)
    bundles.validate(root)
    bundle = bundles.load(root)
    files = {skill.name: dict(skill.files) for skill in bundle.skills}
    recorded = bundle.releases.get(bundle.version)
    if recorded == files:
        return f"{bundle.version} is recorded already, with these files"
    if recorded is not None:
        raise InstallerError(
            f"{root / bundles.RELEASES_FILE}: {bundle.version} is recorded with other files",
            f"raise the version in {root / bundles.BUNDLE_FILE}; only a release that nobody has may be taken out",
        )
    releases = {**bundle.releases, bundle.version: files}
    (root / bundles.RELEASES_FILE).write_text(json.dumps(releases, indent=2) + "\n", encoding="utf-8")
    return f"{bundle.version} recorded: {', '.join(files)}"


def _check_changelog(path: Path, version: str) -> None:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if not re.search(rf"^## \[?{re.escape(version)}\]?\s.*\d{{4}}-\d{{2}}-\d{{2}}", text, re.MULTILINE):
        raise InstallerError(f"{path}: no dated section for {version}", f"write one: ## {version} - YYYY-MM-DD")


def _stamp(path: Path, version: str) -> None:
    before = path.read_text(encoding="utf-8")
    after = bundles.SKILL_VERSION.sub(rf'\g<before>"{version}"', before, count=1)
    if after != before:
        path.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
