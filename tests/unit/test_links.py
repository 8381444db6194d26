"""Every relative link of a Markdown file leads to a file of the repository, and to a heading that is there."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked(*patterns: str) -> set[Path]:
    """The files that git knows, or would know; what is ignored is not published."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {ROOT / name for name in listed.stdout.split("\0") if name}


FILES = tracked()
PAGES = sorted(path for path in FILES if path.suffix == ".md" and path.is_file())


@cache
def prose(page: Path) -> str:
    """A page without its blocks of code, in which brackets and ``#`` mean something else."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    made: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+?) *$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = first = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while anchor in made:
            number += 1
            anchor = f"{first}-{number}"
        made.add(anchor)
    return made


def problems(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for link in re.findall(r"\]\(([^()\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if path and target not in FILES and not any(target in file.parents for file in FILES):
            found.append(f"{link}: there is no such file")
        elif anchor and anchor not in anchors(target):
            found.append(f"{link}: there is no such heading")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    assert problems(page) == []


def test_links_that_lead_nowhere_are_found(tmp_path: Path):
    page = tmp_path / "page.md"
    headings = "# A `b`: c\n\n# A b c\n\n"
    page.write_text(f"{headings}[1](#a-b-c-1) [2](#a-b) [3](gone.md)\n\n```\n# d\n[4](gone.md)\n```\n[5](#d)\n")
    assert problems(page) == [
        "#a-b: there is no such heading",
        "gone.md: there is no such file",
        "#d: there is no such heading",
    ]
