"""Builds dist/aggregator.zip from lambda_src/, the same bytes on every machine and Python version.

    python3 scripts/build.py            build
    python3 scripts/build.py --check    fail where the zip in dist/ is not what the sources give

The zip is committed, so that a Terraform module call from a git source needs no build step. Its members are stored,
not compressed: compressed bytes differ between versions of zlib, and the sources are small.
"""

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
    """The bytes of the package: every Python module below ``sources``, sorted by name, without times or owners."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:
        for module in sorted(sources.rglob("*.py"), key=lambda path: path.relative_to(sources).as_posix()):
            member = zipfile.ZipInfo(module.relative_to(sources).as_posix(), _TIMESTAMP)
            member.external_attr = _REGULAR_FILE_0644
            member.create_system = _UNIX
            # A checkout on Windows may have other line ends; the package has not.
            package.writestr(member, module.read_bytes().replace(b"\r\n", b"\n"))
    return buffer.getvalue()


def write(package: bytes) -> None:
    """Put the package into dist/, in one step: an interrupt leaves no half of it in git's working tree."""
    PACKAGE.parent.mkdir(exist_ok=True)
    unfinished = PACKAGE.with_suffix(".new")
    unfinished.write_bytes(package)
    unfinished.replace(PACKAGE)


def main() -> int:
    """Build or check; returns the exit status."""
    parser = argparse.ArgumentParser(description="Build dist/aggregator.zip from lambda_src/.")
    parser.add_argument("--check", action="store_true", help="only compare the committed zip with the sources")
    package = build()
    name = PACKAGE.relative_to(REPOSITORY)
    if parser.parse_args().check:
        if not PACKAGE.is_file() or PACKAGE.read_bytes() != package:
            print(f"{name} is not what lambda_src/ gives; run `make build` and commit the result", file=sys.stderr)
            return 1
        print(f"{name} is what lambda_src/ gives")
        return 0
    write(package)
    print(f"built {name}, {len(package) / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
