"""The package: the same bytes from the same sources, and the committed one is what the sources give."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from scripts.build import PACKAGE, SOURCES, build, main


def test_the_committed_package_is_what_the_sources_give():
    assert build() == PACKAGE.read_bytes(), "run `make build` and commit the result"


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
    package.write_bytes(build() + b"x")
    assert main() == 1
