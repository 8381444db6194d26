"""main.tf hands on what variables.tf says, where no output of a module tells."""

import hcl2
import pytest

from scripts.reference import ROOT

AS_THE_FUNCTION_THAT_KEEPS_THE_ROWS = (
    "package_path",
    "package_object",
    "code_signing_config_arn",
    "architecture",
    "log_retention_days",
    "log_kms_key_arn",
    "log_level",
)


@pytest.fixture(scope="module")
def modules():
    with (ROOT / "main.tf").open() as file:
        declared = hcl2.load(file, serialization_options=hcl2.SerializationOptions(strip_string_quotes=True))["module"]
    return {name: body for module in declared for name, body in module.items()}


@pytest.mark.parametrize("name", AS_THE_FUNCTION_THAT_KEEPS_THE_ROWS)
def test_rows_are_read_by_what_keeps_them(modules, name):
    assert modules["aggregator"][name] == f"${{var.{name}}}"
    assert f"{name} = var.{name}" in " ".join(str(modules["api"]["read"]).replace('"', "").split())


@pytest.mark.parametrize("name", [*AS_THE_FUNCTION_THAT_KEEPS_THE_ROWS, "kms_key_arn"])
def test_a_backfill_is_done_by_what_keeps_the_rows(modules, name):
    assert modules["backfill"][name] == modules["aggregator"][name] == f"${{var.{name}}}"


@pytest.mark.parametrize("name", ["cors", "web_acl"])
def test_what_stands_before_the_api_is_handed_on(modules, name):
    assert modules["api"][name] == f"${{var.api.{name}}}"
