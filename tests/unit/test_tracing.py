"""The root module's `tracing` reaches the function, its role and the stage of the API."""

import pytest

from tests.support.terraform import made_by


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_by("tracing", tmp_path_factory.mktemp("terraform"))


@pytest.mark.parametrize(
    ("run", "mode", "traced"),
    [
        ("with_tracing", "Active", True),
        ("without_tracing", "PassThrough", False),
    ],
)
def test_function_role_and_stage_are_traced_together(made, run, mode, traced):
    resources = made[run]
    (function,) = resources["aws_lambda_function"].values()
    assert function["tracing_config"] == [{"mode": mode}]
    (stage,) = resources["aws_api_gateway_stage"].values()
    assert stage["xray_tracing_enabled"] is traced
    policies = [policy["policy"] for policy in resources["aws_iam_role_policy"].values()]
    assert any("xray:PutTraceSegments" in policy for policy in policies) is traced
