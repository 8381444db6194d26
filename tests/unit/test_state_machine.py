"""The definition of the backfill's state machine, as modules/backfill renders it."""

import inspect
import json
import re
from typing import Any

import pytest
from cfnlint import api
from cfnlint.config import ManualArgs

from aggregator import backfill, deployed, handler, ledger
from scripts.localstack.settings import ROOT

MODULE = ROOT / "modules" / "backfill"
#: Errors that end an execution; the names of exceptions become names of errors.
DEFINITE = re.search(r"ErrorEquals = (\[.*\])\n +MaxAttempts = 0", (MODULE / "main.tf").read_text())[1]
VALUES = {
    "partition": "aws",
    "function_arn": "arn:aws:lambda:us-east-1:123456789012:function:sales-backfill",
    "max_concurrency": "4",
    "task_timeout": "360",
    "retry": json.dumps(
        [
            {"ErrorEquals": json.loads(DEFINITE), "MaxAttempts": 0},
            {"ErrorEquals": ["States.ALL"], "MaxAttempts": 10, "BackoffRate": 2, "JitterStrategy": "FULL"},
        ]
    ),
}


@pytest.fixture
def definition() -> dict[str, Any]:
    text = re.sub(r"\$\{(\w+)\}", lambda name: VALUES[name[1]], (MODULE / "state_machine.asl.json").read_text())
    return json.loads(text)


def problems(definition: dict[str, Any]) -> list[str]:
    """What cfn-lint finds wrong by its schema of the language, and what a schema cannot tell of the states' names."""
    machine = {"RoleArn": "arn:aws:iam::123456789012:role/r", "DefinitionString": json.dumps(definition)}
    resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine}
    template = json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Machine": resource}})
    found = [match.message for match in api.lint(template, config=ManualArgs(regions=["us-east-1"]))]
    return found + names(definition)


def names(machine: dict[str, Any]) -> list[str]:
    """States that are gone to and not there, or there and never gone to."""
    states = machine["States"]
    reached = {machine["StartAt"]}
    inner = []
    for state in states.values():
        choices = state.get("Choices", [])
        reached |= {one[key] for one in (state, *choices) for key in ("Next", "Default") if key in one}
        inner += names(state["ItemProcessor"]) if "ItemProcessor" in state else []
    return [f"{name} is not there or not reached" for name in sorted(reached ^ set(states))] + inner


def test_the_definition_is_one_of_the_states_language(definition):
    assert problems(definition) == []


def rename(definition):
    definition["States"]["Plan"]["Next"] = "Somewhere"


def misspell(definition):
    definition["States"]["Backfill"]["MaxConcurency"] = 4


def mistype(definition):
    definition["States"]["Plan"]["TimeoutSeconds"] = "long"


def strand(definition):
    definition["States"]["Backfill"]["ItemProcessor"]["States"]["IsSegmentDone"]["Default"] = "SegmentIsDone"
    definition["States"]["Backfill"]["ItemProcessor"]["StartAt"] = "IsSegmentDone"


@pytest.mark.parametrize("damage", [rename, misspell, mistype, strand])
def test_a_definition_that_is_wrong_is_found_out(definition, damage):
    damage(definition)
    assert problems(definition) != []


def test_errors_that_end_an_execution_are_those_that_a_repetition_does_not_mend():
    modules = (backfill, deployed, handler, ledger)
    own = {
        name
        for module in modules
        for name, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, Exception) and value.__module__.startswith("aggregator.")
    }
    # Those of a definition become a DeploymentError, and the last two may be over when it is tried again.
    assert set(json.loads(DEFINITE)) == own - {"DefinitionError", "RowSchemaError", "NoProgress", "Updating"}
