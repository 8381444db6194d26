"""Tries an upgrade on LocalStack: plans and applies over what an earlier commit of the module has applied.

    python -m scripts.upgrade v0.1.0

The configuration is examples/complete with alarms and a dashboard, first as it was and then as it is now. All changes
of the plan are printed. The exit code is 1 where one destroys or replaces what keeps data, an address or a name, or
where a second plan is not empty. LocalStack has to run (scripts/localstack). ``--state FILE`` keeps what the earlier
state has of such resources, for tests/integration/states.
"""

import argparse
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from scripts.localstack.settings import ROOT
from scripts.stack import Change, Stack, StackError

#: Types whose resources keep data, an address, or a name that somebody else refers to.
KEPT = {
    "aws_api_gateway_rest_api",
    "aws_api_gateway_stage",
    "aws_cloudwatch_dashboard",
    "aws_cloudwatch_log_group",
    "aws_dynamodb_table",
    "aws_iam_role",
    "aws_kms_key",
    "aws_lambda_event_source_mapping",
    "aws_lambda_function",
    "aws_s3_bucket",
    "aws_sfn_state_machine",
    "aws_sns_topic",
}
EXAMPLE = Path("examples/complete")
VARIABLES = {"name": "upgrade", "deletion_protection": False, "create_monitoring": True}


def losses(changes: Iterable[Change]) -> list[str]:
    """The addresses of what would be destroyed or replaced, and has to be kept."""
    return [change.address for change in changes if "delete" in change.actions and change.type in KEPT]


def only_kept(state: str) -> str:
    """A state with nothing but what has to be kept, a line for each resource."""
    whole = json.loads(state)
    # Without the registry's host Terraform takes its default one.
    resources = [
        re.sub(r"[^\"/]+/(hashicorp/aws)", r"\1", json.dumps(one)) for one in whole["resources"] if one["type"] in KEPT
    ]
    rest = json.dumps({**whole, "outputs": {}, "resources": [], "check_results": None})
    return rest.replace('"resources": []', '"resources": [\n' + ",\n".join(resources) + "\n]") + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Tries the upgrade and takes everything down; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.upgrade", description=__doc__.partition("\n")[0])
    parser.add_argument("commit", help="the earlier version: a tag or a commit")
    parser.add_argument("--state", type=Path, metavar="FILE", help="where to keep the state that it leaves")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _try(options.commit, Path(folder), options.state)
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {error.stderr.decode().strip()}\nName a commit or a tag of this repository.")
    except StackError as error:
        sys.exit(f"error: {error}\nStart LocalStack, if it does not run: python3 scripts/localstack start")


def _try(commit: str, folder: Path, kept_state: Path | None) -> int:
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder / "earlier", filter="data")
    earlier = Stack(folder / "earlier" / EXAMPLE, folder / "state", VARIABLES)
    now = Stack(ROOT / EXAMPLE, folder / "state", VARIABLES)
    earlier.init()
    try:
        earlier.apply()
        if kept_state:
            kept_state.write_text(only_kept(earlier.state.read_text()))
        now.init()
        changes = now.changes()
        for change in changes:
            print(change)
        print(f"{len(changes)} changes, of {len(now.resources())} resources")
        lost = losses(changes)
        if lost:
            print("destroyed or replaced:", *lost)
            return 1
        now.apply()
        left = now.changes()
        print("a second plan is empty" if not left else f"a second plan is not empty: {[str(one) for one in left]}")
        return 1 if left else 0
    finally:
        now.init()
        now.destroy()


if __name__ == "__main__":
    sys.exit(main())
