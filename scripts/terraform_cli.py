"""Finds the environment in which Terraform runs here: with the public registry, or offline from a mirror on disk.

A user's own CLI configuration is never overridden. Otherwise, where a mirror of the AWS provider stands on this
machine, it is used; everything else comes from where Terraform takes it by default.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".terraform-cli"
PROVIDER = "hashicorp/aws"
OLDEST_PROVIDER = (5, 100)  # as in versions.tf: a mirror that holds only older ones is of no use
OLDEST_TERRAFORM = (1, 9)

SEARCH_DEPTH = 3  # a mirror is looked for in a root and up to two folders below it
SEARCH_LIMIT = 4000  # folders looked into below one root, so that a large home directory costs no time


class TerraformError(Exception):
    """A message for the user: what is wrong and what to do."""


def terraform_environment(environment: Mapping[str, str] = os.environ, folder: Path = FOLDER) -> dict[str, str]:
    """Returns the environment for a Terraform subprocess; may write a CLI configuration into `folder`.

    - TF_CLI_CONFIG_FILE names a file that exists: it is left alone.
    - Otherwise, where a mirror is found: TF_CLI_CONFIG_FILE names a configuration that uses it for the AWS provider.
    - Otherwise: TF_CLI_CONFIG_FILE is absent, and providers from the registry are kept in `folder`, so that several
      root modules download them once.

    Terraform's check for newer versions of itself is off.
    """
    result = {**environment, "CHECKPOINT_DISABLE": "1"}
    configured = result.get("TF_CLI_CONFIG_FILE")
    if configured and Path(configured).is_file():
        return result
    result.pop("TF_CLI_CONFIG_FILE", None)
    mirror = find_mirror(mirror_roots(environment))
    if mirror:
        result["TF_CLI_CONFIG_FILE"] = str(_write_configuration(mirror, folder))
    elif "TF_PLUGIN_CACHE_DIR" not in result:
        cache = folder / "plugin-cache"
        cache.mkdir(parents=True, exist_ok=True)
        result["TF_PLUGIN_CACHE_DIR"] = str(cache)
        # Without it the cache is not used where there is no lock file yet. Lock files are not committed here.
        result["TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE"] = "1"
    return result


def require_terraform(environment: Mapping[str, str] = os.environ) -> str:
    """Returns the version of the Terraform on PATH, for example `1.11.4`.

    Raises:
        TerraformError: there is none, or it is too old; the message says what to do.
    """
    wanted = ".".join(map(str, OLDEST_TERRAFORM))
    advice = f"Install Terraform {wanted} or newer (developer.hashicorp.com/terraform/install) and put it on PATH."
    try:
        command = ["terraform", "version", "-json"]
        shown = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=True).stdout
        version = str(json.loads(shown)["terraform_version"])
    except OSError:
        raise TerraformError(f"Terraform was not found. {advice}") from None
    except (subprocess.CalledProcessError, ValueError, KeyError) as error:
        raise TerraformError(f"`terraform version` failed ({error}). {advice}") from None
    if _numbers(version) < OLDEST_TERRAFORM:
        raise TerraformError(f"Terraform {version} is too old. {advice}")
    return version


def mirror_roots(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Returns the folders that may be or hold a mirror: those that Terraform documents first, then common ones."""
    home = Path(environment.get("HOME") or Path.home())
    data_home = Path(environment.get("XDG_DATA_HOME") or home / ".local/share")
    data_dirs = (environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    documented = [
        ROOT / "terraform.d/plugins",
        home / ".terraform.d/plugins",
        home / "Library/Application Support/io.terraform/plugins",
        Path("/Library/Application Support/io.terraform/plugins"),
        data_home / "terraform/plugins",
        *(Path(folder) / "terraform/plugins" for folder in data_dirs if folder),
    ]
    common = ["/opt", "/srv", "/usr/local/share", "/usr/local/lib", "/usr/share", "/usr/lib", "/var/lib", "/var/cache"]
    return [*documented, *map(Path, common), home]


def find_mirror(roots: Iterable[Path]) -> Path | None:
    """Returns the first folder that holds `<registry host>/hashicorp/aws` for this platform, or None."""
    for root in roots:
        for folder in _folders(root):
            if _is_mirror(folder):
                return folder
    return None


def _folders(root: Path) -> Iterator[Path]:
    """Yields `root` and the folders below it, nearest first, inside SEARCH_DEPTH and SEARCH_LIMIT."""
    level, seen = [root], 0
    for _ in range(SEARCH_DEPTH):
        below: list[Path] = []
        for folder in level:
            seen += 1
            if seen > SEARCH_LIMIT:
                return
            yield folder
            below.extend(_subfolders(folder))
        level = below


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:  # absent, or not ours to read
        return []


def _is_mirror(folder: Path) -> bool:
    """Whether Terraform's own registry is mirrored here (another tool's mirror has another host)."""
    return any(
        _has_provider(host / PROVIDER)
        for host in _subfolders(folder)
        if "terraform" in host.name and (host / PROVIDER).is_dir()
    )


def _has_provider(provider: Path) -> bool:
    """Whether this folder holds a usable version for this platform, unpacked or packed."""
    here = _platform()
    unpacked = (path.parent.name for path in provider.glob(f"*/{here}") if any(path.iterdir()))
    packed = (path.name.split("_")[1] for path in provider.glob(f"terraform-provider-*_{here}.zip"))
    return any(_numbers(version) >= OLDEST_PROVIDER for version in (*unpacked, *packed))


def _platform() -> str:
    """Returns this platform as Terraform names it, for example `linux_amd64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _write_configuration(mirror: Path, folder: Path) -> Path:
    # JSON strings are valid strings of Terraform's configuration language, but for its two template marks.
    path = json.dumps(str(mirror), ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
    text = f"""# Written by scripts/terraform; safe to delete.
provider_installation {{
  filesystem_mirror {{
    path    = {path}
    include = ["{PROVIDER}"]
  }}
  direct {{
    exclude = ["{PROVIDER}"]
  }}
}}
"""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "terraform.rc"
    if not target.is_file() or target.read_text() != text:
        unfinished = folder / f"terraform.rc.{os.getpid()}"
        unfinished.write_text(text)
        unfinished.replace(target)  # in one step: another process may be reading it
    return target


def main(arguments: list[str]) -> NoReturn:
    """Becomes Terraform with these arguments, or exits with status 1 and a message."""
    environment = terraform_environment()
    try:
        require_terraform(environment)
    except TerraformError as error:
        sys.exit(f"error: {error}")
    os.execvpe("terraform", ["terraform", *arguments], environment)  # noqa: S606
