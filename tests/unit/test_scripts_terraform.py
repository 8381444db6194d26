"""The environment for Terraform: a user's configuration first, then a mirror on disk, then the registry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import terraform_cli
from scripts.terraform_cli import TerraformError, find_mirror, require_terraform, terraform_environment

HOST = "registry.terraform.example"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(terraform_cli, "_platform", lambda: "linux_amd64")
    return "linux_amd64"


def put_unpacked(mirror: Path, version: str = "5.100.0", platform: str = "linux_amd64", host: str = HOST) -> Path:
    folder = mirror / host / "hashicorp/aws" / version / platform
    folder.mkdir(parents=True)
    (folder / f"terraform-provider-aws_v{version}").touch()
    return mirror


def put_packed(mirror: Path, version: str = "5.100.0", platform: str = "linux_amd64") -> Path:
    folder = mirror / HOST / "hashicorp/aws"
    folder.mkdir(parents=True)
    (folder / f"terraform-provider-aws_{version}_{platform}.zip").touch()
    return mirror


@pytest.mark.usefixtures("here")
class TestFindMirror:
    @pytest.mark.parametrize("below", [".", "plugins", "terraform/plugins"])
    @pytest.mark.parametrize("put", [put_unpacked, put_packed])
    def test_is_found_in_a_root_or_not_far_below(self, tmp_path: Path, below: str, put: object) -> None:
        assert callable(put)
        mirror = put(tmp_path / below)
        assert find_mirror([tmp_path / "absent", tmp_path]) == mirror

    def test_is_not_searched_for_deeply(self, tmp_path: Path) -> None:
        put_unpacked(tmp_path / "a/b/c/d")
        assert find_mirror([tmp_path]) is None

    def test_search_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(10):
            (tmp_path / f"a{number}").mkdir()
        put_unpacked(tmp_path / "z")
        monkeypatch.setattr(terraform_cli, "SEARCH_LIMIT", 5)
        assert find_mirror([tmp_path]) is None

    def test_first_root_wins(self, tmp_path: Path) -> None:
        put_unpacked(tmp_path / "second")
        first = put_unpacked(tmp_path / "first")
        assert find_mirror([first, tmp_path / "second"]) == first

    @pytest.mark.parametrize("put", [put_unpacked, put_packed])
    @pytest.mark.parametrize("wrong", [{"version": "4.67.0"}, {"platform": "windows_amd64"}])
    def test_unusable_one_is_passed_over(self, tmp_path: Path, wrong: dict[str, str], put: object) -> None:
        assert callable(put)
        put(tmp_path, **wrong)
        assert find_mirror([tmp_path]) is None

    def test_one_of_another_tool_is_passed_over(self, tmp_path: Path) -> None:
        put_unpacked(tmp_path, host="registry.opentofu.example")
        assert find_mirror([tmp_path]) is None


@pytest.mark.usefixtures("here")
class TestEnvironment:
    @pytest.fixture(autouse=True)
    def roots(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Only this folder is searched, not what the machine happens to have."""
        root = tmp_path / "root"
        monkeypatch.setattr(terraform_cli, "mirror_roots", lambda _: [root])
        return root

    def test_configuration_of_the_user_is_left_alone(self, tmp_path: Path, roots: Path) -> None:
        put_unpacked(roots)
        own = tmp_path / "own.rc"
        own.touch()
        result = terraform_environment({"TF_CLI_CONFIG_FILE": str(own), "A": "1"}, tmp_path / "out")
        assert (result["TF_CLI_CONFIG_FILE"], result["A"]) == (str(own), "1")
        assert "TF_PLUGIN_CACHE_DIR" not in result

    def test_missing_configuration_is_replaced_by_the_mirror(self, tmp_path: Path, roots: Path) -> None:
        put_unpacked(roots)
        result = terraform_environment({"TF_CLI_CONFIG_FILE": "/nowhere/terraform.rc"}, tmp_path / "out")
        text = Path(result["TF_CLI_CONFIG_FILE"]).read_text()
        assert f'path    = "{roots}"' in text
        assert text.count('"hashicorp/aws"') == 2

    def test_without_mirror_a_missing_configuration_is_unset_and_downloads_are_kept(self, tmp_path: Path) -> None:
        result = terraform_environment({"TF_CLI_CONFIG_FILE": "/nowhere/terraform.rc"}, tmp_path / "out")
        assert "TF_CLI_CONFIG_FILE" not in result
        assert Path(result["TF_PLUGIN_CACHE_DIR"]).is_dir()

    def test_odd_characters_of_a_path_are_quoted(
        self, tmp_path: Path, roots: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        odd = put_unpacked(tmp_path / 'a "b" ${c}')
        monkeypatch.setattr(terraform_cli, "mirror_roots", lambda _: [odd])
        text = Path(terraform_environment({}, tmp_path / "out")["TF_CLI_CONFIG_FILE"]).read_text()
        assert r'/a \"b\" $${c}"' in text


class TestRequireTerraform:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(TerraformError, match=r"not found\. Install Terraform 1\.9 or newer"):
            self.run(tmp_path)

    @pytest.mark.parametrize(
        ("version", "fine"), [("1.8.5", False), ("1.9.0", True), ("1.11.4", True), ("2.0.0", True)]
    )
    def test_version(self, tmp_path: Path, version: str, fine: bool) -> None:
        self.put(tmp_path, f"""echo '{{"terraform_version": "{version}"}}'""")
        if fine:
            assert self.run(tmp_path) == version
        else:
            with pytest.raises(TerraformError, match=rf"Terraform {version} is too old"):
                self.run(tmp_path)

    def test_broken(self, tmp_path: Path) -> None:
        self.put(tmp_path, "exit 1")
        with pytest.raises(TerraformError, match="failed"):
            self.run(tmp_path)

    def test_wrapper_passes_arguments_and_exit_status(self, tmp_path: Path) -> None:
        self.put(tmp_path, """[ "$1" = version ] && echo '{"terraform_version": "1.9.0"}' && exit; echo "$@"; exit 7""")
        wrapper = terraform_cli.ROOT / "scripts/terraform"
        done = subprocess.run(
            [sys.executable, str(wrapper), "plan", "-out=a b"],
            env={**os.environ, "PATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert (done.stdout, done.returncode) == ("plan -out=a b\n", 7)

    @staticmethod
    def put(folder: Path, script: str) -> None:
        program = folder / "terraform"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    @staticmethod
    def run(folder: Path) -> str:
        return require_terraform({"PATH": str(folder)})
