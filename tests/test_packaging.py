"""What users see of the package itself: commands, versions, help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accessing_mlflow import bundle
from accessing_mlflow.clients import CLIENTS
from tests.homes import COMMANDS, Home

TOP = Path(__file__).parents[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_version_is_the_bundles(home: Home, command: str) -> None:
    assert home.run(f"{command} --version").output == f"accessing-mlflow {bundle.load().version}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_client(home: Home, command: str) -> None:
    output = home.run(f"{command} --help").output
    assert all(name in output for name in CLIENTS)


@pytest.mark.parametrize("line", ["skill-install", "skill-install vim", "skill-uninstall", "skill-doctor vim"])
def test_wrong_words_are_usage_errors(home: Home, line: str) -> None:
    home.run(line, expect=2)
    assert home.files() == {}


def test_install_has_just_the_options_that_the_readme_lists(home: Home) -> None:
    options = set(re.findall(r"--[a-z-]+", home.run("skill-install --help").output)) - {"--help"}
    table = (TOP / "README.md").read_text(encoding="utf-8").partition("## Options")[2].partition("\n## ")[0]
    assert options == set(re.findall(r"`(--[a-z-]+)", table))


def test_the_changelog_has_a_section_for_every_released_bundle() -> None:
    text = (TOP / "CHANGELOG.md").read_text(encoding="utf-8")
    dated = re.findall(r"^## \[([\d.]+)\] - \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert set(bundle.load().releases) == set(dated)
