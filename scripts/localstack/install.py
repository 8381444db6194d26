"""Installs what host mode needs, once, into the runner's folder: LocalStack, a function runtime, DynamoDB Local."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from scripts.localstack.settings import Folder, RunnerError, python_of

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
FUNCTION_REQUIREMENTS = HERE / "requirements-function.txt"
PYTHON_VERSIONS = ("3.13", "3.12")  # in order of preference: 3.13 is what the module's function declares
JAVA_VERSION = 17

# The npm package is used as a parcel only: it carries AWS's DynamoDB Local, which LocalStack would download itself.
DYNAMODB_PACKAGE = "amplify-dynamodb-simulator@2.9.30"
DYNAMODB_SHA256 = "3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9"
DYNAMODB_MEMBERS = "package/emulator/"


def check_java() -> None:
    """Raises RunnerError, with what to install, unless a Java that runs DynamoDB Local is found."""
    advice = (
        f"Install a Java runtime, version {JAVA_VERSION} or newer (Debian, Ubuntu: apt install default-jre-headless)."
    )
    try:
        shown = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        raise RunnerError(f"Java was not found; DynamoDB Local needs it. {advice}") from None
    version = re.search(r'version "(\d+)', shown)
    if version and int(version.group(1)) < JAVA_VERSION:
        raise RunnerError(f"Java {version.group(1)} is too old for DynamoDB Local. {advice}")


def check_npm() -> None:
    """Raises RunnerError, with what to install, unless npm is found."""
    if not shutil.which("npm"):
        raise RunnerError(
            "npm was not found; it fetches DynamoDB Local, once. Install Node.js with npm "
            "(Debian, Ubuntu: apt install npm)."
        )


def find_python() -> Path:
    """Returns a Python that LocalStack runs on: LOCALSTACK_PYTHON, or the best that is found.

    Raises:
        RunnerError: there is none.
    """
    chosen = os.environ.get("LOCALSTACK_PYTHON")
    candidates = [chosen] if chosen else list(_python_candidates())
    for version in PYTHON_VERSIONS:
        for candidate in candidates:
            if _python_version(candidate) == version:
                return Path(candidate)
    tried = f"LOCALSTACK_PYTHON={chosen} is not one" if chosen else "none was found"
    raise RunnerError(
        f"LocalStack without Docker needs Python {' or '.join(PYTHON_VERSIONS)} with venv and pip; {tried}. "
        "Install one (Debian, Ubuntu: apt install python3 python3-venv; pyenv install 3.13; uv python install 3.13), "
        "or set LOCALSTACK_PYTHON to its path."
    )


def _python_candidates() -> Iterator[str]:
    yield sys.executable
    for version in PYTHON_VERSIONS:
        if found := shutil.which(f"python{version}"):
            yield found
        # Version managers keep interpreters where PATH does not show them, or shows a shim that fails.
        pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
        uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
        yield from sorted(map(str, pyenv.glob(f"versions/{version}*/bin/python{version}")), reverse=True)
        yield from sorted(map(str, uv.glob(f"*{version}*/bin/python{version}")), reverse=True)
    if found := shutil.which("python3"):
        yield found


def _python_version(python: str) -> str | None:
    """Returns `3.13` or the like where this interpreter runs and can make a virtual environment, else None."""
    program = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def installed(folder: Folder) -> bool:
    """Whether an installation of exactly what this version of the runner wants was completed and still runs."""
    if not folder.stamp.is_file() or folder.stamp.read_text() != _fingerprint():
        return False
    return all(_python_version(str(python_of(e))) for e in (folder.environment, folder.function_environment))


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for part in (REQUIREMENTS.read_bytes(), FUNCTION_REQUIREMENTS.read_bytes(), DYNAMODB_SHA256.encode()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def install(folder: Folder) -> None:
    """Installs everything anew. An interrupted installation leaves no stamp, so the next one starts over.

    Raises:
        RunnerError: a prerequisite is missing, or a step failed; the message has the last lines of its output.
    """
    check_npm()
    python = find_python()
    folder.stamp.unlink(missing_ok=True)
    folder.install_log.write_bytes(b"")
    print(f"Installing LocalStack into {folder.path.name}/ (once, about 700 MB; details in {folder.install_log.name})")
    _make_environment(folder, python, folder.environment, REQUIREMENTS, "LocalStack")
    _make_environment(folder, python, folder.function_environment, FUNCTION_REQUIREMENTS, "the function runtime")
    fetch_dynamodb(folder)
    unfinished = folder.stamp.with_suffix(".new")
    unfinished.write_text(_fingerprint())
    unfinished.replace(folder.stamp)


def _make_environment(folder: Folder, python: Path, target: Path, requirements: Path, what: str) -> None:
    print(f"  {what}: Python packages for {python}", flush=True)
    shutil.rmtree(target, ignore_errors=True)
    _step(folder, [str(python), "-m", "venv", str(target)])
    pip = [str(python_of(target)), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    _step(folder, [*pip, "--requirement", str(requirements)])


def fetch_dynamodb(folder: Folder) -> None:
    """Fetches DynamoDB Local alone, anew. Raises RunnerError as `install` does."""
    print("  DynamoDB Local: npm package", DYNAMODB_PACKAGE, flush=True)
    shutil.rmtree(folder.dynamodb, ignore_errors=True)
    folder.dynamodb.mkdir(parents=True)
    options = ["--ignore-scripts", "--no-update-notifier", "--pack-destination", str(folder.dynamodb)]
    _step(folder, ["npm", "pack", DYNAMODB_PACKAGE, *options])
    (parcel,) = folder.dynamodb.glob("*.tgz")
    if hashlib.sha256(parcel.read_bytes()).hexdigest() != DYNAMODB_SHA256:
        raise RunnerError(
            f"{DYNAMODB_PACKAGE} is not the file that was expected (SHA-256 differs); nothing was unpacked."
        )
    unpack_dynamodb(parcel, folder.dynamodb)
    parcel.unlink()


def unpack_dynamodb(parcel: Path, target: Path) -> None:
    """Unpacks the emulator from the npm package `parcel` into `target`."""
    with tarfile.open(parcel) as archive:
        for member in archive:
            if member.isfile() and member.name.startswith(DYNAMODB_MEMBERS):
                path = target / member.name[len(DYNAMODB_MEMBERS) :]
                if ".." in path.parts:
                    raise RunnerError(f"{parcel.name} holds a file outside its own folder: {member.name}")
                path.parent.mkdir(parents=True, exist_ok=True)
                source = archive.extractfile(member)
                if source is not None:  # it never is, for a file
                    with source, path.open("wb") as copy:
                        shutil.copyfileobj(source, copy)


def _step(folder: Folder, command: list[str]) -> None:
    with folder.install_log.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
    if code != 0:
        shown = last_lines(folder.install_log.read_text(errors="replace"))
        raise RunnerError(f"`{' '.join(command[:5])} ...` failed:\n{shown}\nAll of it: {folder.install_log}")


def last_lines(text: str, count: int = 15) -> str:
    """Returns the last `count` lines of a log, indented, for a message."""
    return "\n".join("    " + line for line in text.splitlines()[-count:])
