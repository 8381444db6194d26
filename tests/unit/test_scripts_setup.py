"""Setting up: all missing prerequisites in one message, tools installed once and whole."""

from pathlib import Path

import pytest

from scripts import setup
from scripts.localstack.settings import RunnerError
from scripts.terraform_cli import TerraformError


def missing(error: Exception):
    def check(*arguments: object) -> None:
        raise error

    return check


def test_all_that_is_missing_is_said_at_once(monkeypatch, capsys):
    monkeypatch.setattr(setup.DockerBackend, "available", staticmethod(lambda: False))
    monkeypatch.setattr(setup.install, "installed", lambda folder: False)
    monkeypatch.setattr(setup, "require_terraform", missing(TerraformError("no Terraform")))
    for name in ("find_python", "check_java", "check_npm"):
        monkeypatch.setattr(setup.install, name, missing(RunnerError(f"{name} says no")))
    assert setup.main() == 1
    assert capsys.readouterr().err == (
        "error: before this can run:\n"
        "- no Terraform\n- find_python says no\n- check_java says no\n- check_npm says no\n"
    )


def test_with_docker_neither_java_nor_npm_is_wanted(monkeypatch):
    monkeypatch.setattr(setup.DockerBackend, "available", staticmethod(lambda: True))
    monkeypatch.setattr(setup, "require_terraform", lambda environment: "1.11.4")
    monkeypatch.setattr(setup.install, "find_python", lambda: Path("python3"))
    for name in ("check_java", "check_npm"):
        monkeypatch.setattr(setup.install, name, missing(RunnerError("wanted")))
    assert setup.missing_prerequisites() == []


def test_tools_are_installed_once_and_again_where_that_was_interrupted_or_they_changed(tmp_path, monkeypatch):
    steps: list[str] = []
    monkeypatch.setattr(setup, "_step", lambda *command: steps.append(command[3]))
    requirements, environment = tmp_path / "requirements.txt", tmp_path / "environment"
    requirements.write_text("rich")

    def install() -> list[str]:
        steps.clear()
        environment.mkdir(exist_ok=True)
        setup.install_tools(environment, requirements)
        return steps.copy()

    def fail(*command: str) -> None:
        raise RunnerError("no network")

    monkeypatch.setattr(setup.shutil, "rmtree", lambda path, ignore_errors: None)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(setup, "_step", fail)
        with pytest.raises(RunnerError, match="no network"):
            install()
    assert len(install()) == 2
    assert install() == []
    requirements.write_text("rich==15")
    assert len(install()) == 2
