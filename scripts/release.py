"""Prepares a release: checks what has to be right, then writes the package, checksums and notes into release/.

    python3 -m scripts.release

The version is that of lambda_src/aggregator/version.py. Nothing is tagged or pushed: the last lines say how.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.build import PACKAGE, build, holds
from scripts.localstack.settings import ROOT

#: Semantic versioning, https://semver.org, without build metadata.
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")


class ReleaseError(Exception):
    """What has to be done before there can be a release; the message lists all of it."""


def version(root: Path = ROOT) -> str:
    """The version of the sources. Raises :class:`ReleaseError` where it is not a semantic one."""
    source = (root / "lambda_src/aggregator/version.py").read_text()
    found = re.search(r'^VERSION = "(.*)"$', source, re.MULTILINE)
    if not found or not _VERSION.fullmatch(found[1]):
        raise ReleaseError('lambda_src/aggregator/version.py: write VERSION = "<major>.<minor>.<patch>"')
    return found[1]


def notes(changelog: str, wanted: str) -> str:
    """The part of the changelog that is about a version. Raises :class:`ReleaseError` where there is none."""
    found = re.search(rf"^## {re.escape(wanted)}(?: [^\n]*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not found or not found[1].strip():
        raise ReleaseError(f"CHANGELOG.md: write what is new under a heading `## {wanted} (<date>)`")
    return found[1].strip() + "\n"


def problems(root: Path, wanted: str, tags: Sequence[str], uncommitted: str, package: Path) -> list[str]:
    """What speaks against a release of a version, each with what to do."""
    found = []
    if uncommitted:
        found.append("there are uncommitted changes; commit them, so that the tag is what was checked")
    if f"v{wanted}" in tags:
        found.append(f"the tag v{wanted} is there already; raise VERSION in lambda_src/aggregator/version.py")
    if not holds(package, build(root / "lambda_src")):
        found.append("dist/aggregator.zip is not what lambda_src/ gives; run `make build` and commit the result")
    for page in sorted(root.glob("**/*.md")):
        if any(part.startswith(".") for part in page.relative_to(root).parts):
            continue
        others = sorted(set(re.findall(r"\?ref=v([^\"\s)`]+)", page.read_text())) - {wanted})
        found += [f"{page.relative_to(root)} shows a call of v{other}; write ?ref=v{wanted}" for other in others]
    return found


def main() -> int:
    """Check and write; returns the exit status."""
    try:
        wanted = version()
        text = notes((ROOT / "CHANGELOG.md").read_text(), wanted)
        against = problems(ROOT, wanted, _git("tag").split(), _git("status", "--porcelain"), PACKAGE)
        if against:
            raise ReleaseError("\n- ".join(["before there can be a release:", *against]))
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    folder = ROOT / "release"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    package = folder / f"aggregator-{wanted}.zip"
    shutil.copyfile(PACKAGE, package)
    # As sha256sum writes and checks it.
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(package.read_bytes()).hexdigest()}  {package.name}\n")
    (folder / "notes.md").write_text(text)
    print(f"release/ has {package.name}, SHA256SUMS and notes.md. After `make test` has passed on this commit:")
    print(f"  git tag --annotate v{wanted} --file release/notes.md --cleanup=verbatim && git push origin v{wanted}")
    return 0


def _git(*arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
