"""The package: the committed one holds what the sources give, and nobody's build changes it without need."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts.build import PACKAGE, SOURCES, build, holds, main, write


def test_the_committed_package_is_what_the_sources_give():
    assert holds(PACKAGE, build()), "run `make build` and commit the result"


def test_the_package_is_small():
    # Lambda unpacks it at every cold start.
    assert PACKAGE.stat().st_size <= 150_000


def test_neither_times_nor_line_ends_nor_the_order_of_the_folder_change_the_bytes(tmp_path: Path):
    modules = sorted(SOURCES.rglob("*.py"), reverse=True)
    for module in modules:
        copy = tmp_path / module.relative_to(SOURCES)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(module.read_bytes().replace(b"\n", b"\r\n"))
    assert build(tmp_path) == build()


def test_the_package_holds_the_modules_alone_and_can_be_imported(tmp_path: Path):
    with zipfile.ZipFile(io.BytesIO(build())) as package:
        assert all(name.startswith("aggregator/") and name.endswith(".py") for name in package.namelist())
        package.extractall(tmp_path)
    loaded = subprocess.run(
        [sys.executable, "-c", "import aggregator.handler as h; print(h.handler.__doc__)"],
        cwd=tmp_path,
        env={"PATH": "", "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "aggregator.handler.handler" in loaded.stdout


def test_check_says_whether_the_committed_package_is_stale(tmp_path: Path, monkeypatch, capsys):
    package = tmp_path / "dist" / "aggregator.zip"
    monkeypatch.setattr("scripts.build.REPOSITORY", tmp_path)
    monkeypatch.setattr("scripts.build.PACKAGE", package)
    monkeypatch.setattr(sys, "argv", ["build.py", "--check"])
    assert main() == 1
    assert "run `make build` and commit the result" in capsys.readouterr().err
    package.parent.mkdir()
    package.write_bytes(build())
    assert main() == 0
    package.write_bytes(build()[:-1])
    assert main() == 1


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("scripts.build.PACKAGE", tmp_path / "dist" / "aggregator.zip")
    return tmp_path / "dist" / "aggregator.zip"


def recompressed(built: bytes, **changes: Any) -> bytes:
    """The same members, as another zlib may compress them, with changed attributes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(built)) as old, zipfile.ZipFile(buffer, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            member.compress_type = zipfile.ZIP_STORED
            for name, value in changes.items():
                setattr(member, name, value)
            new.writestr(member, content)
    return buffer.getvalue()


def test_what_another_zlib_has_compressed_is_left_as_it_is(package: Path):
    package.parent.mkdir()
    other = recompressed(build())
    package.write_bytes(other)
    write(build())
    assert package.read_bytes() == other != build()


@pytest.mark.parametrize("changes", [{"external_attr": 0o100755 << 16}, {"date_time": (2026, 1, 1, 0, 0, 0)}])
def test_other_permissions_and_times_are_another_package(package: Path, changes: dict[str, Any]):
    package.parent.mkdir()
    package.write_bytes(recompressed(build(), **changes))
    assert not holds(package, build())
    write(build())
    assert package.read_bytes() == build()
