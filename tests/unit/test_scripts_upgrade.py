"""What an upgrade has to keep, and the state that is kept for the tests."""

import json

import pytest

from scripts.stack import Change
from scripts.upgrade import losses, main, only_kept

TABLE, POLICY = (
    ("module.a.aws_dynamodb_table.this", "aws_dynamodb_table"),
    ("aws_iam_role_policy.b", "aws_iam_role_policy"),
)


@pytest.mark.parametrize(
    ("changed", "actions", "lost"),
    [
        (TABLE, ("delete",), [TABLE[0]]),
        (TABLE, ("delete", "create"), [TABLE[0]]),
        (TABLE, ("create", "delete"), [TABLE[0]]),
        (TABLE, ("update",), []),
        (TABLE, (), []),
        (POLICY, ("delete",), []),
    ],
)
def test_a_table_is_lost_where_it_is_destroyed_or_replaced(changed, actions, lost):
    assert losses([Change(*changed, actions, "module.a.aws_dynamodb_table.that")]) == lost


def test_the_state_has_what_is_to_be_kept_and_neither_the_rest_nor_outputs():
    resources = [{"type": TABLE[1], "name": "this"}, {"type": POLICY[1]}, {"type": "aws_s3_bucket", "name": "that"}]
    kept = only_kept(json.dumps({"version": 4, "outputs": {"key": {"value": "k"}}, "resources": resources}))
    assert json.loads(kept) == {
        "version": 4,
        "outputs": {},
        "resources": [resources[0], resources[2]],
        "check_results": None,
    }
    assert len(kept.splitlines()) == 4


def test_a_change_is_shown_with_where_it_was():
    shown = str(Change("a.b[0]", "a", ("delete", "create"), "a.b"))
    assert (shown, str(Change("a.b[0]", "a", (), "a.b"))) == (
        "delete/create a.b[0], moved from a.b",
        "keep a.b[0], moved from a.b",
    )


def test_a_commit_that_is_not_there_is_named_with_what_to_do():
    with pytest.raises(SystemExit, match="no-such-commit") as ended:
        main(["no-such-commit"])
    assert "Name a commit or a tag of this repository." in str(ended.value)
