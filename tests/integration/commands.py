"""The operators' commands as processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.localstack.settings import ROOT


def written(outputs: dict[str, Any], folder: Path) -> Path:
    """A file in a folder with what `terraform output -json` prints of these outputs."""
    file = folder / "outputs.json"
    file.write_text(json.dumps({name: {"value": value} for name, value in outputs.items()}))
    return file


def command(outputs: Path, *arguments: str) -> list[str]:
    """The command line of a command, with its result as JSON."""
    return [sys.executable, "-m", "scripts.aggregates", "--outputs", str(outputs), "--json", *arguments]


def run(outputs: Path, *arguments: str) -> tuple[int, Any]:
    """A command's exit code and result."""
    done = subprocess.run(command(outputs, *arguments), cwd=ROOT, capture_output=True, text=True, env=os.environ)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)
