"""States that earlier versions of the module have left (scripts/upgrade.py), planned with the module as it is here."""

import json
import shutil
from pathlib import Path

import pytest

from scripts.stack import Stack
from scripts.upgrade import EXAMPLE, KEPT, VARIABLES, losses
from tests.integration.conftest import ROOT

pytestmark = pytest.mark.localstack

STATES = sorted(Path(__file__).with_name("states").glob("*.json"))


@pytest.mark.parametrize("state", STATES, ids=lambda path: path.stem)
def test_what_an_earlier_version_has_made_is_kept(state: Path, tmp_path: Path):
    stack = Stack(ROOT / EXAMPLE, tmp_path, VARIABLES)
    stack.init()
    shutil.copy(state, stack.state)
    assert {one["type"] for one in json.loads(state.read_text())["resources"]} == KEPT
    # By the state alone: the resources themselves are gone, or were never on this LocalStack.
    assert losses(stack.changes(refresh=False)) == []
