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


def declared(file: str):
    with (ROOT / file).open() as text:
        return hcl2.load(text, serialization_options=hcl2.SerializationOptions(strip_string_quotes=True))


@pytest.fixture(scope="module")
def modules():
    return {name: body for module in declared("main.tf")["module"] for name, body in module.items()}


def test_nothing_is_made_but_by_modules_that_create_can_leave_out(modules):
    assert not declared("main.tf").keys() & {"resource", "data"}
    for name, body in modules.items():
        others = "" if name in ("tables", "aggregator") else f" && var.create_{name}"
        assert body["count"] == f"${{var.create{others} ? 1 : 0}}", name


def test_every_output_is_null_where_there_is_no_module():
    for output in declared("outputs.tf")["output"]:
        for name, body in output.items():
            assert body["value"].startswith("${one("), name


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
