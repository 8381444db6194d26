"""Builds dist/aggregator.zip from lambda_src/.

    python3 scripts/build.py            build
    python3 scripts/build.py --check    fail where the zip in dist/ is not what the sources give

The zip is committed, so that a Terraform module call from a git source needs no build step. What counts is what is in
it: compressed bytes differ between versions of zlib, so a zip that holds what the sources give is left as it is, and
nobody's build changes the hash by which Terraform tells whether there is something to deploy.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from io import BytesIO
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = REPOSITORY / "lambda_src"
PACKAGE = REPOSITORY / "dist" / "aggregator.zip"

#: The earliest time that a zip can hold; any fixed one would do.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE_0644 = 0o100644 << 16
_UNIX = 3


def build(sources: Path = SOURCES) -> bytes:
    """A package: every Python module below ``sources``, sorted by name, without times or owners."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for module in sorted(sources.rglob("*.py"), key=lambda path: path.relative_to(sources).as_posix()):
            member = zipfile.ZipInfo(module.relative_to(sources).as_posix(), _TIMESTAMP)
            member.external_attr = _REGULAR_FILE_0644
            member.create_system = _UNIX
            member.compress_type = zipfile.ZIP_DEFLATED
            # A checkout on Windows may have other line ends; the package has not.
            package.writestr(member, module.read_bytes().replace(b"\r\n", b"\n"))
    return buffer.getvalue()


def holds(package: Path, built: bytes) -> bool:
    """Whether a file is a package with the members of ``built``, in their order, and their times and permissions."""
    try:
        return _members(package.read_bytes()) == _members(built)
    except (FileNotFoundError, zipfile.BadZipFile):
        return False


def _members(package: bytes) -> list[tuple[object, ...]]:
    with zipfile.ZipFile(BytesIO(package)) as members:
        return [
            (it.filename, it.date_time, it.external_attr, it.create_system, members.read(it))
            for it in members.infolist()
        ]


def write(built: bytes) -> None:
    """Put a package into dist/ unless that holds it already; in one step, so that an interrupt leaves no half of it."""
    if holds(PACKAGE, built):
        return
    PACKAGE.parent.mkdir(exist_ok=True)
    unfinished = PACKAGE.with_suffix(".new")
    unfinished.write_bytes(built)
    unfinished.replace(PACKAGE)


def main() -> int:
    """Build or check; returns the exit status."""
    parser = argparse.ArgumentParser(description="Build dist/aggregator.zip from lambda_src/.")
    parser.add_argument("--check", action="store_true", help="only compare the committed zip with the sources")
    built = build()
    name = PACKAGE.relative_to(REPOSITORY)
    if parser.parse_args().check:
        if not holds(PACKAGE, built):
            print(f"{name} is not what lambda_src/ gives; run `make build` and commit the result", file=sys.stderr)
            return 1
        print(f"{name} is what lambda_src/ gives")
        return 0
    write(built)
    print(f"built {name}, {PACKAGE.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
