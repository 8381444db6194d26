"""Every small example, applied, used by the commands of its README as they stand there, and planned again."""

import functools
import json
import os
import re
import shlex
import subprocess
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from scripts.localstack.settings import ROOT
from scripts.stack import Stack
from tests.integration.pipeline import eventually

pytestmark = pytest.mark.localstack

EXAMPLES = ROOT / "examples"
#: What the commands that read find, of each example in the order of its README, with the item that is put before.
FOUND = {
    "events": [[{"pk": "views_by_page#/home", "views": "1", "visitors": "1"}]],
    "existing-table": [[{"pk": "orders_by_customer#Ada", "revenue": "12.5"}]],
    "leaderboard": [[{"pk": "points_by_week#Ada", "sk": "week#2026-W02", "points": "120"}]],
    "minimal": [[{"pk": "orders_by_customer#Ada", "orders": "1"}]],
    "multi-stack": [
        [{"pk": "revenue_by_product#tea", "revenue": "12.5"}],
        [{"pk": "orders_by_customer#Ada", "orders": "1"}],
    ],
    "time-series": [
        [{"pk": "temperature_by_day#Leeds#a1", "sk": "day#2026-01-05", "readings": "1", "highest": "20.5"}]
    ],
}


def test_every_example_is_tested():
    # Two have fixtures of their own, which many tests share; that for CI is tested by its own workflow.
    assert {path.parent.name for path in EXAMPLES.glob("*/main.tf")} == {*FOUND, "ci", "complete", "same-table"}


@pytest.fixture(scope="module")
def stacks(_localstack: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stack]]:
    """All of them, applied at the same time: an apply is mostly waiting."""
    run = uuid.uuid4().hex[:5]

    def stack(example: str, name: str, **variables: Any) -> Stack:
        return Stack(EXAMPLES / example, tmp_path_factory.mktemp(name), {"name": f"{name}-{run}", **variables})

    owner = stack("existing-table/owner", "owner")
    made: dict[str, Stack] = {}
    with ThreadPoolExecutor() as threads:
        try:
            owner.init()
            owner.apply()
            theirs = owner.outputs()
            for example in FOUND:
                existing = {"stream_arn": theirs["stream_arn"], "source_kms_key_arn": theirs["kms_key_arn"]}
                given = existing if example == "existing-table" else {}
                made[example] = stack(example, example[:9].rstrip("-"), deletion_protection=False, **given)
            list(threads.map(lambda one: (one.init(), one.apply()), made.values()))
            yield made
        finally:
            list(threads.map(Stack.destroy, made.values()))
            owner.destroy()


@pytest.mark.parametrize("example", FOUND)
def test_the_commands_of_the_readme_show_what_they_promise(
    example: str, stacks: dict[str, Stack], client: Callable[[str], Any]
):
    outputs = stacks[example].outputs()
    read = [command for command in _commands(EXAMPLES / example / "README.md") if not _put(command, outputs, client)]
    assert len(read) == len(FOUND[example])
    for command, expected in zip(read, FOUND[example], strict=True):
        shows = functools.partial(_rows, command, outputs, client, names=[list(row) for row in expected])
        eventually(lambda shows=shows, expected=expected: shows() == expected, shows)


def test_the_configuration_for_a_table_of_ones_own_can_be_planned(stacks: dict[str, Stack], tmp_path: Path):
    """That of the README in a folder of its own, with the ARN of the other team's stream."""
    call = (EXAMPLES / "existing-table" / "README.md").read_text().split("```hcl\n")[1].split("```")[0]
    call = re.sub(r'"git::https://[^"]+"', f'"{os.path.relpath(ROOT, tmp_path)}"', call)
    theirs = json.loads(stacks["existing-table"].state.read_text())["resources"]
    (stream,) = [one["instances"][0]["attributes"]["stream_arn"] for one in theirs if one["mode"] == "data"]
    (tmp_path / "main.tf").write_text(re.sub(r'"arn:aws:dynamodb:[^"]+"', f'"{stream}"', call))
    stack = Stack(tmp_path, tmp_path / "state", {})
    stack.init()
    assert {change.actions for change in stack.changes()} == {("create",)}


#: LocalStack 4.14 does not say by which key it encrypts a function's environment, so it has to be said again.
FORGOTTEN = {"existing-table": [["~", "resource", '"aws_lambda_function"'], ["+", "kms_key_arn", "="]]}


@pytest.mark.parametrize("example", FOUND)
def test_a_second_plan_is_empty(example: str, stacks: dict[str, Stack]):
    lines = [line.split()[:3] for line in stacks[example].plan().splitlines() if line.strip()]
    changes = [words for words in lines if words[0] in ("+", "-", "~", "-/+", "+/-")]
    assert [words for words in changes if words[1:] != ["update", "in-place"]] == FORGOTTEN.get(example, [])


def _commands(readme: Path) -> list[list[str]]:
    """The commands of the AWS command line in a README, as words."""
    blocks = readme.read_text().replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in blocks if line.startswith("    aws dynamodb ")]


def _options(command: list[str], outputs: dict[str, Any]) -> dict[str, Any]:
    """The parameters of boto3 for the options of a command, with the outputs that the shell would put in."""
    options: dict[str, Any] = {}
    words = iter(command[3:])
    for word in words:
        name = "".join(part.capitalize() for part in word.removeprefix("--").removeprefix("no-").split("-"))
        if word.startswith("--no-"):
            options[name] = False
            continue
        value = next(words)
        if value.startswith("$(terraform output"):
            shown = shlex.split(value.removeprefix("$(").removesuffix(")"))
            output = outputs[shown[3]]
            # jq -r .name, of an output that is a map.
            value = output[shown[-1].removeprefix(".")] if "|" in shown else output
        options[name] = json.loads(value) if value.startswith("{") else int(value) if value.isdigit() else value
    return options


def _put(command: list[str], outputs: dict[str, Any], client: Callable[[str], Any]) -> bool:
    if command[2] != "put-item":
        return False
    client("dynamodb").put_item(**_options(command, outputs))
    return True


def _rows(
    command: list[str], outputs: dict[str, Any], client: Callable[[str], Any], names: list[list[str]]
) -> list[dict[str, Any]]:
    """What a command that reads finds, of each row the attributes of these names."""
    options = _options(command, outputs)
    if command[2] == "query":
        items = client("dynamodb").query(**options)["Items"]
    else:
        items = list(filter(None, [client("dynamodb").get_item(**options).get("Item")]))
    return [
        {name: next(iter(item.get(name, {}).values()), None) for name in wanted}
        for item, wanted in zip(items, names, strict=False)
    ]


def test_the_commands_of_the_readmes_are_commands_of_a_shell():
    for example in FOUND:
        blocks = (EXAMPLES / example / "README.md").read_text().split("\n\n")
        for block in blocks:
            if block.startswith("    "):
                script = "\n".join(line.removeprefix("    ") for line in block.splitlines())
                subprocess.run(["bash", "-n", "-c", script], check=True)
