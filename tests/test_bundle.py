"""The bundle: what it must hold to be valid, how it is loaded, and by what a released skill is recognised."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from accessing_mlflow import bundle
from accessing_mlflow.bundle import BundleError, Tool
from tests import product
from tools.record_server_tools import with_tools

skills_ref: Any = importlib.import_module("skills_ref") if sys.version_info >= (3, 11) else None
needs_skills_ref = pytest.mark.skipif(sys.version_info < (3, 11), reason="skills-ref needs Python 3.11")

REPOSITORY = Path(__file__).parents[1]
SKILLS = REPOSITORY / "skills"
SKILL = SKILLS / "accessing-mlflow"
SKILL_TEXT = "\n".join(path.read_text(encoding="utf-8") for path in sorted(SKILL.rglob("*.md")))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of our own bundle that a test may damage."""
    return Path(shutil.copytree(SKILLS, tmp_path / "skills", ignore=shutil.ignore_patterns("upstream")))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def line_of(path: Path, part: str) -> int:
    return next(n for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if part in line)


def run(*command: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )


class TestOurBundle:
    def test_is_valid(self) -> None:
        bundle.validate(SKILLS)

    def test_schema_is_itself_valid(self) -> None:
        jsonschema.Draft202012Validator.check_schema(json.loads(bundle.SCHEMA_FILE.read_text(encoding="utf-8")))

    def test_names_the_server_and_all_its_tools(self) -> None:
        server = bundle.load().server
        assert (server.name, server.package, server.tested, server.download_mib) == (
            "MLflow",
            "mlflow-mcp",
            "0.4.1",
            174,
        )
        assert len(server.tools) == 40
        assert len([tool for tool in server.tools if tool.read_only]) == 27
        assert {tool.name for tool in server.tools if tool.destructive} == {
            "delete_experiment",
            "delete_model_alias",
            "delete_model_version",
            "delete_registered_model",
            "delete_run",
            "transition_model_version_stage",
        }

    def test_recorded_release_is_what_the_folder_holds(self) -> None:
        """A released skill that is changed needs a new version, or no machine knows its unedited copies again."""
        ours = bundle.load()
        assert ours.releases
        recorded = ours.releases.get(ours.version)
        if recorded is not None:
            assert recorded == {skill.name: skill.files for skill in ours.skills}


class TestOurSkill:
    @needs_skills_ref
    def test_is_valid_by_the_specification(self) -> None:
        assert skills_ref.validate(SKILL) == []

    @needs_skills_ref
    def test_version_is_the_bundle_s(self) -> None:
        assert skills_ref.read_properties(SKILL).metadata == {"version": bundle.load().version}

    @needs_skills_ref
    def test_description_fits_every_client(self) -> None:
        description = skills_ref.read_properties(SKILL).description
        assert len(description) <= 1024
        for trigger in ("MLflow", "invocation ID", "experiment results", "comparing runs", "artifacts", "MCP server"):
            assert trigger in description

    def test_names_the_source_of_its_facts(self) -> None:
        frontmatter = (SKILL / "SKILL.md").read_text(encoding="utf-8").split("---\n")[1]
        assert "NVIDIA-NeMo/Evaluator, commit 8fa16b237d11e213ea665d5bad6b44d393762317" in frontmatter

    def test_costs_the_agent_under_2500_tokens(self) -> None:
        characters_per_token = 3.3  # measured on this text with Claude's published tokenizer: 3.38
        assert len((SKILL / "SKILL.md").read_text(encoding="utf-8")) / characters_per_token < 2500

    def test_calls_only_tools_that_exist_and_only_read(self) -> None:
        calls = set(re.findall(r"MLflow:(\w+)\(", SKILL_TEXT)) - {"tool"}
        assert "search_runs_by_tags" in calls
        assert calls <= {tool.name for tool in bundle.load().server.tools if tool.read_only}

    def test_every_search_passes_a_limit(self) -> None:
        searches = re.findall(r"^MLflow:(?:search_runs_by_tags|query_runs|get_runs)\(.*$", SKILL_TEXT, re.MULTILINE)
        assert searches
        assert [call for call in searches if "limit=" not in call] == []

    def test_entry_to_add_by_hand_is_json_with_both_limits(self) -> None:
        (block,) = re.findall(r"```json\n(.*?)```", SKILL_TEXT, re.DOTALL)
        server = bundle.load().server
        entry = json.loads(block)["mcpServers"][server.name]
        assert (entry["command"], entry["args"]) == ("uvx", [server.package])
        assert entry["env"]["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
        assert entry["env"]["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "10"

    def test_every_file_that_it_links_is_there_and_every_reference_is_linked(self) -> None:
        links = set(re.findall(r"\]\(([^)]+)\)", (SKILL / "SKILL.md").read_text(encoding="utf-8")))
        assert links == {f"references/{path.name}" for path in (SKILL / "references").iterdir()}

    def test_scripts_and_references_are_part_of_it(self) -> None:
        (skill,) = bundle.load().skills
        assert {"scripts/find_runs.py", "scripts/compare_runs.py", "references/setup.md"} <= set(skill.files)
        assert os.access(SKILL / "scripts" / "find_runs.py", os.X_OK)


class TestValidate:
    @pytest.mark.parametrize(
        ("old", "new", "line_with", "reason"),
        [
            ('version = "0.', 'version = "v0.', "version = ", "version: 'v0."),
            ("schema = 1", "schema = 1\ncolour = 3", None, "'colour' was unexpected"),
            ("download_mib = 174", "download_mib = 0", "download_mib", "server.download_mib: 0 is less than"),
            ('tested = "0.4.1"\n', "", "[server]", "'tested' is a required property"),
            ("destructive = true}", "destructive = 1}", "= 1}", "1 is not of type 'boolean'"),
            (
                "{read_only = true, destructive = false}",
                "{read_only = true, destructive = true}",
                "true, destructive = true",
                "False was expected",
            ),
        ],
    )
    def test_fault_is_named_with_path_and_line(
        self, copy: Path, old: str, new: str, line_with: str | None, reason: str
    ) -> None:
        path = copy / "bundle.toml"
        edit(path, old, new)
        with pytest.raises(BundleError) as caught:
            bundle.validate(copy)
        assert str(path) in str(caught.value)
        assert reason in str(caught.value)
        if line_with:
            assert f"line {line_of(path, line_with)}:" in str(caught.value)

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ('  version: "', '  version: "9', "metadata.version is '9"),
            ("metadata:\n", "metadata:\n  author: x\nother:\n", "metadata.version is missing"),
            ("name: accessing-mlflow", "name: accessing-mlflows", "name must be 'accessing-mlflow'"),
            ("---\n", "", "no frontmatter"),
        ],
    )
    def test_skill_that_disagrees_is_named(self, copy: Path, old: str, new: str, reason: str) -> None:
        edit(copy / "accessing-mlflow" / "SKILL.md", old, new)
        with pytest.raises(BundleError, match=re.escape(reason)) as caught:
            bundle.validate(copy)
        assert str(copy / "accessing-mlflow" / "SKILL.md") in str(caught.value)

    def test_checkout_with_crlf_is_valid(self, copy: Path) -> None:
        for path in (copy / "bundle.toml", copy / "accessing-mlflow" / "SKILL.md"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        bundle.validate(copy)


class TestLoad:
    def test_without_a_root_takes_the_checkout_s_own(self) -> None:
        ours = bundle.load()
        assert ours.root == SKILLS
        assert re.fullmatch(r"\d+\.\d+\.\d+.*", ours.version)
        assert [(skill.name, skill.folder) for skill in ours.skills] == [("accessing-mlflow", SKILL)]
        assert "SKILL.md" in ours.skills[0].files

    def test_without_a_root_takes_the_wheel_s_own(self) -> None:
        show = (
            "import accessing_mlflow as p; from accessing_mlflow import bundle; print(p.__file__, bundle.load().root)"
        )
        package, _, root = run(product.program("python"), "-c", show).stdout.strip().partition("/__init__.py ")
        assert root == f"{package}/skills"
        assert [skill.files for skill in bundle.load(Path(root)).skills] == [
            skill.files for skill in bundle.load().skills
        ]

    def test_given_root_is_read_whole(self, copy: Path) -> None:
        edit(copy / "bundle.toml", 'tested = "0.4.1"', 'tested = "0.9"')
        (copy / "releases.json").write_text('{"0.0.1": {"accessing-mlflow": {"SKILL.md": "aa"}}}', encoding="utf-8")
        found = bundle.load(copy)
        assert found.server.tested == "0.9"
        assert found.releases == {"0.0.1": {"accessing-mlflow": {"SKILL.md": "aa"}}}
        assert found.skills[0].folder == copy / "accessing-mlflow"

    def test_root_of_another_edition_gives_its_skills_with_our_server(self, tmp_path: Path) -> None:
        for name in ("b-skill", "a-skill"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "SKILL.md").write_text("---\nname: x\n---\n", encoding="utf-8")
        (tmp_path / "notes").mkdir()
        (tmp_path / "provenance.toml").write_text("", encoding="utf-8")
        found, ours = bundle.load(tmp_path), bundle.load()
        assert [skill.name for skill in found.skills] == ["a-skill", "b-skill"]
        assert found.version == ""
        assert (found.server, found.releases) == (ours.server, ours.releases)

    def test_without_releases_none_is_known(self, copy: Path) -> None:
        (copy / "releases.json").unlink()
        assert bundle.load(copy).releases == {}

    def test_does_not_pay_for_what_only_validation_needs(self) -> None:
        show = "import sys; from accessing_mlflow import bundle; bundle.load(); print('jsonschema' in sys.modules)"
        assert run(product.program("python"), "-c", show).stdout == "False\n"


class TestLoadErrors:
    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="no such folder") as caught:
            bundle.load(tmp_path / "gone")
        assert str(tmp_path / "gone") in str(caught.value)

    def test_folder_without_skills_says_what_was_expected(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match=r"neither a bundle\.toml nor a folder with a SKILL\.md"):
            bundle.load(tmp_path)

    def test_a_skill_itself_is_answered_with_its_parent(self, copy: Path) -> None:
        with pytest.raises(BundleError, match="this is a skill") as caught:
            bundle.load(copy / "accessing-mlflow")
        assert str(copy) in caught.value.fix

    def test_bad_name_of_a_foreign_skill(self, tmp_path: Path) -> None:
        (tmp_path / "old.bak").mkdir()
        (tmp_path / "old.bak" / "SKILL.md").touch()
        with pytest.raises(BundleError, match="not a valid name"):
            bundle.load(tmp_path)

    def test_linked_skill(self, copy: Path) -> None:
        (copy / "accessing-mlflow").rename(copy / "elsewhere")
        (copy / "accessing-mlflow").symlink_to("elsewhere")
        with pytest.raises(BundleError, match="this is a link"):
            bundle.load(copy)

    def test_skill_that_is_not_there(self, copy: Path) -> None:
        (copy / "accessing-mlflow" / "SKILL.md").unlink()
        with pytest.raises(BundleError, match=r"no SKILL\.md"):
            bundle.load(copy)

    @pytest.mark.parametrize(
        ("old", "new", "line_with", "reason"),
        [
            ("schema = 1", "schema = ", "schema =", "not valid TOML"),
            ("schema = 1", "schema = 2", "schema =", "another version of this installer"),
            ('name = "accessing-mlflow"', 'name = "../evil"', "../evil", "'../evil' is not a valid skill name"),
            ('tested = "0.4.1"', "tested = 4", "tested", "server.tested: must be of type string"),
            ('package = "mlflow-mcp"\n', "", "[server]", "server.package: is missing"),
            (
                ", destructive = true}",
                "}",
                "delete_experiment",
                "server.tools.delete_experiment.destructive: is missing",
            ),
        ],
    )
    def test_damage_is_named_with_path_and_line(
        self, copy: Path, old: str, new: str, line_with: str, reason: str
    ) -> None:
        path = copy / "bundle.toml"
        edit(path, old, new)
        with pytest.raises(BundleError) as caught:
            bundle.load(copy)
        assert str(path) in str(caught.value)
        assert reason in str(caught.value)
        assert f"line {line_of(path, line_with)}" in str(caught.value)

    @pytest.mark.parametrize("text", ["{", "[]", '{"0.1.0": []}', '{"0.1.0": {"a": {"SKILL.md": 3}}}'])
    def test_damaged_releases(self, copy: Path, text: str) -> None:
        (copy / "releases.json").write_text(text, encoding="utf-8")
        with pytest.raises(BundleError, match=re.escape(str(copy / "releases.json"))):
            bundle.load(copy)

    def test_bundle_file_that_is_not_utf8(self, copy: Path) -> None:
        (copy / "bundle.toml").write_bytes(b"schema = 1\n# \xff\n")
        with pytest.raises(BundleError, match="not UTF-8 at byte 13"):
            bundle.load(copy)


class TestFileHashes:
    def test_one_hash_a_file_under_its_posix_path(self, tmp_path: Path) -> None:
        (tmp_path / "references").mkdir()
        (tmp_path / "references" / "a.md").write_text("a", encoding="utf-8")
        (tmp_path / "SKILL.md").write_text("s", encoding="utf-8")
        assert bundle.file_hashes(tmp_path) == {
            "SKILL.md": "043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89",  # sha256sum of "s"
            "references/a.md": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
        }

    @pytest.mark.parametrize("padding", [0, (1 << 20) - 1, (1 << 20)])
    def test_crlf_counts_as_lf_also_across_a_chunk(self, tmp_path: Path, padding: int) -> None:
        (tmp_path / "a").write_bytes(b"x" * padding + b"\r\n1\r\n")
        (tmp_path / "b").write_bytes(b"x" * padding + b"\n1\n")
        hashes = bundle.file_hashes(tmp_path)
        assert hashes["a"] == hashes["b"]

    def test_a_lone_cr_is_content(self, tmp_path: Path) -> None:
        for name, content in (("a", b"1\r"), ("b", b"1"), ("c", b"1\n"), ("d", b"1\r\r\n")):
            (tmp_path / name).write_bytes(content)
        assert len(set(bundle.file_hashes(tmp_path).values())) == 4

    def test_what_systems_leave_behind_is_not_looked_at(self, tmp_path: Path) -> None:
        (tmp_path / "scripts" / "__pycache__").mkdir(parents=True)
        for name in (".DS_Store", "Thumbs.db", "scripts/x.pyc", "scripts/__pycache__/x.txt", "scripts/x.py"):
            (tmp_path / name).touch()
        assert list(bundle.file_hashes(tmp_path)) == ["scripts/x.py"]

    def test_a_link_is_hashed_as_a_link_and_never_followed(self, tmp_path: Path) -> None:
        folder = tmp_path / "skill"
        folder.mkdir()
        (tmp_path / "outside").write_text("secret", encoding="utf-8")
        (folder / "file").symlink_to(tmp_path / "outside")
        (folder / "loop").symlink_to(folder)
        (folder / "dangling").symlink_to("nowhere")
        before = bundle.file_hashes(folder)
        assert list(before) == ["dangling", "file", "loop"]
        assert len(set(before.values())) == 3
        (tmp_path / "outside").write_text("changed", encoding="utf-8")
        assert bundle.file_hashes(folder) == before

    def test_a_pipe_is_not_opened(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert list(bundle.file_hashes(tmp_path)) == ["pipe"]

    def test_a_folder_that_is_gone_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match=re.escape(str(tmp_path / "gone"))):
            bundle.file_hashes(tmp_path / "gone")

    @pytest.mark.parametrize("name", ["SKILL.md", "references"])
    def test_what_cannot_be_read_is_named(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "references").mkdir()
        (tmp_path / "SKILL.md").touch()
        (tmp_path / name).chmod(0)
        code = (
            "import sys, pathlib\n"
            "from accessing_mlflow import bundle\n"
            "try: bundle.file_hashes(pathlib.Path(sys.argv[1]))\n"
            "except bundle.BundleError as error: print(error)\n"
        )
        found = run(
            *without_root_s_override(),
            product.program("python"),
            "-c",
            code,
            tmp_path,
        )
        (tmp_path / name).chmod(0o700)
        assert found.stdout == f"{tmp_path / name}: cannot be read: Permission denied\n", found.stderr


def without_root_s_override() -> list[str]:
    """A prefix for a command that takes away root's right to ignore a file's mode."""
    if os.geteuid() != 0:
        return []
    rights = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]


class TestReleasedVersion:
    releases = {"0.1.0": {"s": {"SKILL.md": "1"}}, "0.2.0": {"s": {"SKILL.md": "2", "x": "9"}}}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("files", "version"),
        [
            ({"SKILL.md": "1"}, "0.1.0"),
            ({"x": "9", "SKILL.md": "2"}, "0.2.0"),
            ({"SKILL.md": "2"}, None),
            ({"SKILL.md": "1", "x": "9"}, None),
            ({}, None),
        ],
    )
    def test_is_the_release_with_exactly_these_files(self, files: dict[str, str], version: str | None) -> None:
        assert bundle.released_version("s", files, self.releases) == version
        assert bundle.released_version("other", files, self.releases) is None

    def test_is_the_newest_where_releases_are_alike(self) -> None:
        releases = {**self.releases, "0.3.0": self.releases["0.1.0"]}
        assert bundle.released_version("s", {"SKILL.md": "1"}, releases) == "0.3.0"


class TestToolMarks:
    @pytest.mark.parametrize(
        ("read_only", "destructive", "expected"),
        [
            (True, None, (True, False)),
            (False, True, (False, True)),
            (False, None, (False, False)),
            (None, None, (False, False)),
            (True, True, (True, False)),
        ],
    )
    def test_a_tool_only_reads_when_the_server_says_so(
        self, read_only: bool | None, destructive: bool | None, expected: tuple[bool, bool]
    ) -> None:
        assert Tool.from_hints("t", read_only, destructive) == Tool("t", *expected)

    def test_recording_the_same_tools_changes_no_byte(self) -> None:
        text = (SKILLS / "bundle.toml").read_text(encoding="utf-8")
        assert with_tools(text, reversed(bundle.load().server.tools)) == text

    def test_recording_changes_only_the_tools(self) -> None:
        text = (SKILLS / "bundle.toml").read_text(encoding="utf-8")
        start = text.index("[server.tools]\n") + len("[server.tools]\n")
        changed = with_tools(text, [Tool("b", False, True), Tool("a", True, False)])
        assert changed == text[:start] + (
            "a = {read_only = true, destructive = false}\nb = {read_only = false, destructive = true}\n"
        )


class TestRecordRelease:
    SCRIPT = REPOSITORY / "installer" / "tools" / "record_release.py"

    @pytest.fixture
    def repository(self, copy: Path) -> Path:
        text = (copy / "bundle.toml").read_text(encoding="utf-8")
        text = re.sub(r'^version = ".*"', 'version = "7.0.0"', text, flags=re.MULTILINE)
        (copy / "bundle.toml").write_text(text, encoding="utf-8")
        (copy.parent / "CHANGELOG.md").write_text("# Changelog\n\n## 7.0.0 - 2030-01-31\n", encoding="utf-8")
        return copy.parent

    def record(self, repository: Path) -> subprocess.CompletedProcess[str]:
        return run(sys.executable, self.SCRIPT, "--repository", repository)

    def test_stamps_and_adds_the_release(self, repository: Path) -> None:
        earlier = bundle.load(repository / "skills").releases
        assert self.record(repository).returncode == 0
        bundle.validate(repository / "skills")
        found = bundle.load(repository / "skills")
        assert 'version: "7.0.0"' in (found.skills[0].folder / "SKILL.md").read_text(encoding="utf-8")
        assert found.releases == {**earlier, "7.0.0": {"accessing-mlflow": found.skills[0].files}}
        assert list(found.releases)[-1] == "7.0.0"

    def test_again_changes_nothing(self, repository: Path) -> None:
        self.record(repository)
        before = (repository / "skills" / "releases.json").read_bytes()
        assert self.record(repository).returncode == 0
        assert (repository / "skills" / "releases.json").read_bytes() == before

    def test_never_changes_a_recorded_release(self, repository: Path) -> None:
        self.record(repository)
        before = (repository / "skills" / "releases.json").read_bytes()
        edit(repository / "skills" / "accessing-mlflow" / "SKILL.md", "# Accessing", "# accessing")
        found = self.record(repository)
        assert found.returncode == 1
        assert "7.0.0 is recorded with other files" in found.stderr
        assert (repository / "skills" / "releases.json").read_bytes() == before

    @pytest.mark.parametrize("text", [None, "", "## 7.0.0 - unreleased\n", "## 7.0.01 - 2030-01-31\n"])
    def test_needs_a_dated_section_in_the_changelog(self, repository: Path, text: str | None) -> None:
        (repository / "CHANGELOG.md").unlink()
        if text is not None:
            (repository / "CHANGELOG.md").write_text(text, encoding="utf-8")
        before = bundle.load(repository / "skills")
        found = self.record(repository)
        assert found.returncode == 1
        assert "no dated section for 7.0.0" in found.stderr
        assert bundle.load(repository / "skills") == before


class TestBuild:
    @pytest.fixture
    def project(self, copy: Path) -> Path:
        (copy.parent / "installer").mkdir()
        for part in ("accessing_mlflow", "tools"):
            shutil.copytree(REPOSITORY / "installer" / part, copy.parent / "installer" / part)
        shutil.copy(REPOSITORY / "pyproject.toml", copy.parent)
        for name in ("README.md", "LICENSE"):
            (copy.parent / name).touch()
        return copy.parent

    def build(self, project: Path) -> subprocess.CompletedProcess[str]:
        return run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "--hooks-only", "-d", project / "dist")

    def test_refuses_a_bundle_that_is_not_valid(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(project)
        edit(project / "skills" / "accessing-mlflow" / "SKILL.md", '  version: "', '  version: "9')
        found = self.build(project)
        assert found.returncode != 0
        assert "metadata.version is '9" in found.stderr

    def test_builds_one_that_is(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(project)
        found = self.build(project)
        assert found.returncode == 0, found.stderr
