"""Checks what cannot be installed from here, then installs the Python tools into .venv: python3 -m scripts.setup."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.localstack import install
from scripts.localstack.server import DockerBackend
from scripts.localstack.settings import ROOT, Folder, RunnerError, python_of
from scripts.terraform_cli import TerraformError, require_terraform, terraform_environment

ENVIRONMENT = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements-dev.txt"


def missing_prerequisites() -> list[str]:
    """What has to be installed by hand, each with how; all of it, so that nobody has to come back for the next."""
    checks: list[Callable[[], object]] = [lambda: require_terraform(terraform_environment()), install.find_python]
    if not DockerBackend.available():
        checks.append(install.check_java)
        if not install.installed(Folder()):
            checks.append(install.check_npm)
    missing = []
    for check in checks:
        try:
            check()
        except (RunnerError, TerraformError) as error:
            missing.append(str(error))
    return missing


def install_tools(environment: Path = ENVIRONMENT, requirements: Path = REQUIREMENTS) -> None:
    """Make the virtual environment, or make it anew where its requirements have changed or it was left unfinished.

    Raises ``RunnerError`` with the output of a step that fails.
    """
    stamp = environment / "installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"Installing the Python tools into {environment.name}/ (once)", flush=True)
    shutil.rmtree(environment, ignore_errors=True)
    _step(str(install.find_python()), "-m", "venv", str(environment))
    pip = (str(python_of(environment)), "-m", "pip", "install", "--disable-pip-version-check", "--no-input")
    _step(*pip, "--requirement", str(requirements))
    stamp.write_text(wanted)


def _step(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RunnerError(f"`{' '.join(command)}` failed:\n{install.last_lines(done.stdout)}")


def main() -> int:
    """Check and install; returns the exit status."""
    missing = missing_prerequisites()
    if missing:
        print("error: before this can run:\n" + "\n".join(f"- {one}" for one in missing), file=sys.stderr)
        return 1
    try:
        install_tools()
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
