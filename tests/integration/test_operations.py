"""The operators' commands on LocalStack, as a process of their own, on the stack that the other tests use."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.localstack.settings import ROOT
from tests.integration.commands import command, run, written
from tests.integration.pipeline import Pipeline, keys, order_line
from tests.support.tables import scan

pytestmark = pytest.mark.localstack


@pytest.fixture(scope="module")
def outputs(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `terraform output -json` prints of the stack."""
    return written(pipeline.outputs, tmp_path_factory.mktemp("operations"))


#: Kinds of damage: what is done by hand to a group of its own, and what of that group has to be found as what.
#: The group is named in the place of {}.
DAMAGE: dict[str, tuple[Callable[["Hand", str], None], dict[str, dict[str, str]]]] = {
    "changed number": (
        lambda hand, group: hand.set("rows", f"sales_by_country#{group}", "all", revenue={"N": "1"}),
        {"rows": {"sales_by_country#{}": "wrong"}},
    ),
    "deleted extreme": (
        lambda hand, group: hand.set("rows", f"sales_by_country#{group}", "all", largest=None),
        {"rows": {"sales_by_country#{}": "wrong"}},
    ),
    "deleted row": (
        lambda hand, group: hand.delete("rows", f"sales_by_country#{group}", "all"),
        {"rows": {"sales_by_country#{}": "missing"}},
    ),
    "alien row": (
        lambda hand, group: hand.put("rows", f"sales_by_country#{group} alien", "all", items={"N": "1"}),
        {"rows": {"sales_by_country#{} alien": "superfluous"}},
    ),
    "deleted entry": (
        lambda hand, group: hand.delete("ledger", f"item#{group}#=1", "item"),
        {"entries": {"item#{}#=1": "missing"}},
    ),
    "changed entry": (
        lambda hand, group: hand.set("ledger", f"item#{group}#=1", "item", contributions={"S": "[]"}),
        {"entries": {"item#{}#=1": "wrong"}},
    ),
    "unreadable entry": (
        lambda hand, group: hand.set("ledger", f"item#{group}#=1", "item", contributions=None),
        {"entries": {"item#{}#=1": "unreadable"}},
    ),
    "deleted index entry": (
        lambda hand, group: hand.delete("ledger", *hand.member(f"index#sales_by_country#{group}#")),
        {"rows": {"sales_by_country#{}": "wrong"}},
    ),
    "alien index entry": (
        lambda hand, group: hand.put("ledger", hand.member(f"index#sales_by_country#{group}#")[0], "5#item#alien"),
        {"rows": {"sales_by_country#{}": "wrong"}},
    ),
    "changed reference count": (
        lambda hand, group: hand.set(
            "ledger", *hand.member(f"distinct#sales_by_country#{group}#"), references={"N": "9"}
        ),
        {"rows": {"sales_by_country#{}": "wrong"}},
    ),
}


class Hand:
    """Somebody who edits the tables of a stack."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._client = pipeline.client("dynamodb")
        outputs = pipeline.outputs
        self._tables = {"rows": outputs["aggregate_table_name"], "ledger": outputs["ledger_table_name"]}

    def put(self, table: str, pk: str, sk: str, **attributes: Any) -> None:
        self._client.put_item(TableName=self._tables[table], Item={"pk": {"S": pk}, "sk": {"S": sk}, **attributes})

    def delete(self, table: str, pk: str, sk: str) -> None:
        answer = self._client.delete_item(
            TableName=self._tables[table], Key={"pk": {"S": pk}, "sk": {"S": sk}}, ReturnValues="ALL_OLD"
        )
        assert answer["Attributes"], "there is something to delete"

    def set(self, table: str, pk: str, sk: str, **attributes: Any) -> None:
        """Set attributes of an item that is there; None removes one."""
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        found = self._client.get_item(TableName=self._tables[table], Key=key, ConsistentRead=True)["Item"]
        self.put(
            table,
            pk,
            sk,
            **{name: value for name, value in (found | attributes | key).items() if value and name not in key},
        )

    def member(self, prefix: str) -> tuple[str, str]:
        """The key of the first index entry or reference count whose partition key begins so."""
        found = scan(self._client, self._tables["ledger"])
        return min((item["pk"]["S"], item["sk"]["S"]) for item in found if item["pk"]["S"].startswith(prefix))


def kinds(report: dict[str, Any], what: str) -> dict[str, str]:
    """What a verification has found, by partition key."""
    name = {"rows": "row", "entries": "entry"}[what]
    return {
        one[name] if what == "entries" else one[name][0]: kind
        for kind in ("wrong", "missing", "superfluous", "unreadable")
        for one in report[what].get(kind, [])
    }


def drift(pipeline: Pipeline) -> float:
    """What the last verification that published has found, as CloudWatch has it."""
    now = datetime.now(UTC)
    answer = pipeline.client("cloudwatch").get_metric_statistics(
        Namespace="DynamoDBAggregates",
        MetricName="drift",
        Dimensions=[{"Name": "FunctionName", "Value": pipeline.outputs["function_name"]}],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Maximum"],
    )
    return float(max(answer["Datapoints"], key=lambda point: point["Timestamp"])["Maximum"])


def test_every_kind_of_damage_is_found_repaired_and_right_again(pipeline: Pipeline, outputs: Path) -> None:
    """Each in a group of its own, all at once; nothing else is found or touched."""
    items = [
        order_line(damage, n, country={"S": damage}, stock_code={"S": damage}, unit_price={"N": str(n)})
        for damage in DAMAGE
        for n in (1, 2, 3)
    ]
    for item in items:
        pipeline.put(**item)
    pipeline.drain()
    assert run(outputs, "verify", "--patience", "1")[0] == 0
    before, hand = pipeline.rows(), Hand(pipeline)
    for damage, (act, _) in DAMAGE.items():
        act(hand, damage)

    code, report = run(outputs, "verify", "--patience", "1", "--publish-metric")
    assert code == 1
    for what in ("rows", "entries"):
        assert kinds(report, what) == {
            key.format(damage): kind
            for damage, (_, found) in DAMAGE.items()
            for key, kind in found.get(what, {}).items()
        }
    assert drift(pipeline) == sum(len(found) for _, by in DAMAGE.values() for found in by.values())
    code, result = run(outputs, "repair", "--patience", "1")
    assert (code, result["repaired"]["left"], result["after"]["right"]) == (0, {}, True), result
    assert pipeline.rows() == before
    for key in keys(items):
        pipeline.delete(**key)


def test_a_quarantined_item_is_listed_and_a_group_ranked(pipeline: Pipeline, outputs: Path) -> None:
    good = order_line("operations", 1, country={"S": "Operations"})
    bad = order_line("operations", 2, country={"S": "Operations"}, quantity={"S": "two"})
    for item in (good, bad):
        pipeline.put(**item)
    pipeline.drain()
    code, listed = run(outputs, "quarantine")
    assert code == 0
    assert keys([bad])[0] in [one["key"] for one in listed["quarantined"]]
    code, result = run(outputs, "top", "sales_by_country", "--limit", "100")
    assert "sales_by_country#Operations" in [row["pk"] for row in result["rows"]]
    for key in keys([good, bad]):
        pipeline.delete(**key)


def test_a_watch_shows_what_changes_until_it_is_interrupted(pipeline: Pipeline, outputs: Path) -> None:
    pipeline.put(**order_line("watched", 1, country={"S": "Watched"}, unit_price={"N": "1000000"}))
    pipeline.drain()
    arguments = command(outputs, "watch", "sales_by_country", "--limit", "1", "--interval", "0.5")
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["rows"][0]["pk"] == "sales_by_country#Watched"
        assert (first["mapping"], first["rows"][0]["items"]) == ("Enabled", "1")
        pipeline.put(**order_line("watched", 2, country={"S": "Watched"}))
        for line in process.stdout:
            if json.loads(line)["rows"][0]["items"] == "2":
                break
        process.send_signal(signal.SIGINT)
        for line in process.stdout:
            json.loads(line)
        assert process.wait(30) == 0
    for key in keys([order_line("watched", 1), order_line("watched", 2)]):
        pipeline.delete(**key)


def test_a_backfill_and_a_replay_of_what_counts_already_change_nothing(pipeline: Pipeline, outputs: Path) -> None:
    pipeline.put(**order_line("replayed", 1))
    pipeline.drain()
    event = pipeline.captured_event()
    event["Records"] = [r for r in event["Records"] if r["dynamodb"]["Keys"]["invoice_no"] == {"S": "replayed"}]
    pipeline.client("s3").put_object(
        Bucket=pipeline.outputs["failure_bucket_name"],
        Key="aws/lambda/mapping/shard/2026/01/01/batch",
        Body=json.dumps({"payload": json.dumps(event)}),
    )
    before = pipeline.snapshot()
    code, status = run(outputs, "status", "--count-entries")
    assert (code, status["objects_to_replay"], status["entries_under_an_earlier_definition"]) == (0, 1, 0)
    code, done = run(outputs, "replay")
    assert (code, done["objects"], done["written"], done["up_to_date"]) == (0, 1, 0, 1)
    code, done = run(outputs, "backfill", "--earlier-timeout", "0")
    assert (code, done["written"]) == (0, 0)
    assert pipeline.snapshot() == before
    assert run(outputs, "status")[1]["objects_to_replay"] == 0
