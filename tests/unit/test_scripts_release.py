"""What a release needs, and the one place that says the version."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from aggregator import handler, metrics
from aggregator.version import VERSION
from scripts import release
from scripts.build import PACKAGE, build
from scripts.localstack.settings import ROOT

CHANGELOG = """# Changelog

## 1.1.0 (2026-12-01)

- Newer.

## 1.0.0 (2026-11-25)

- First.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    package = tmp_path / "lambda_src" / "aggregator"
    package.mkdir(parents=True)
    (package / "version.py").write_text('"""Version."""\n\nVERSION = "1.0.0"\n')
    (tmp_path / "README.md").write_text('source = "git::https://example.com/x.git?ref=v1.0.0"\n')
    return tmp_path


def against(root: Path, tags: tuple[str, ...] = (), uncommitted: str = "") -> list[str]:
    (root / "aggregator.zip").write_bytes(build(root / "lambda_src"))
    return release.problems(root, "1.0.0", tags, uncommitted, root / "aggregator.zip")


def test_nothing_speaks_against_a_release_that_is_ready(root: Path) -> None:
    assert release.version(root) == "1.0.0"
    assert against(root, tags=("v0.9.0",)) == []


def test_a_release_is_of_what_is_committed(root: Path) -> None:
    assert against(root, uncommitted=" M README.md\n") == [
        "there are uncommitted changes; commit them, so that the tag is what was checked"
    ]


def test_a_version_is_released_once(root: Path) -> None:
    assert against(root, tags=("v1.0.0",)) == [
        "the tag v1.0.0 is there already; raise VERSION in lambda_src/aggregator/version.py"
    ]


def test_the_package_is_that_of_the_sources(root: Path) -> None:
    assert release.problems(root, "1.0.0", (), "", root / "missing.zip") == [
        "dist/aggregator.zip is not what lambda_src/ gives; run `make build` and commit the result"
    ]


def test_pages_show_calls_of_the_version_that_they_come_with(root: Path) -> None:
    (root / "docs").mkdir()
    (root / "docs" / "tables.md").write_text('source = "git::https://example.com/x.git//modules/tables?ref=v0.9.0"\n')
    assert against(root) == ["docs/tables.md shows a call of v0.9.0; write ?ref=v1.0.0"]


@pytest.mark.parametrize("wrong", ["1.0", "v1.0.0", "01.0.0", "1.0.0 beta"])
def test_a_version_is_a_semantic_one(root: Path, wrong: str) -> None:
    (root / "lambda_src" / "aggregator" / "version.py").write_text(f'VERSION = "{wrong}"\n')
    with pytest.raises(release.ReleaseError, match="major"):
        release.version(root)


def test_the_notes_are_the_part_of_the_changelog_about_the_version() -> None:
    assert release.notes(CHANGELOG, "1.0.0") == "- First.\n"
    assert release.notes(CHANGELOG, "1.1.0") == "- Newer.\n"


@pytest.mark.parametrize("wanted", ["2.0.0", "1.1"])
def test_a_version_without_notes_is_refused(wanted: str) -> None:
    with pytest.raises(release.ReleaseError, match=re.escape(f"## {wanted}")):
        release.notes(CHANGELOG, wanted)


def test_this_version_has_notes_and_every_page_shows_calls_of_it() -> None:
    assert release.notes((ROOT / "CHANGELOG.md").read_text(), VERSION)
    assert release.problems(ROOT, VERSION, (), "", PACKAGE) == []


def test_the_function_names_its_version_to_dynamodb_and_in_its_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert f"dynamodb-aggregates/{VERSION}" in handler.connect().meta.config.user_agent
    assert metrics.embedded({}, (), function_name="sales", milliseconds=0)["version"] == VERSION


def test_the_command_tells_what_is_left_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from scripts import release; release.problems = lambda *_: ['a', 'b']; "
         "sys.exit(release.main())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "error: before there can be a release:\n- a\n- b\n")
