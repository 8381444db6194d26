"""One set of aggregates replaced by another by `terraform apply`, while items are written all the time."""

import json
import os
import random
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from scripts.localstack.settings import ROOT
from scripts.stack import Stack
from tests.integration.commands import command, run, written
from tests.integration.pipeline import Pipeline, applied, eventually

pytestmark = pytest.mark.localstack

#: by_product goes, by_country comes, total gets another sum under its name, and a maximum.
BEFORE = {
    "by_product": {"group_by": ["product"], "measures": {"quantity": {"function": "sum", "value": "quantity"}}},
    "total": {"measures": {"orders": {"function": "count"}, "amount": {"function": "sum", "value": "quantity"}}},
}
AFTER = {
    "by_country": {
        "group_by": ["country"],
        "measures": {
            "quantity": {"function": "sum", "value": "quantity"},
            "products": {"function": "distinct", "value": "product"},
        },
    },
    "total": {
        "measures": {
            "orders": {"function": "count"},
            "amount": {"function": "sum", "value": "quantity * price"},
            "largest": {"function": "max", "value": "quantity * price"},
        }
    },
}
#: Items that are there from the beginning; only the first of them are written while the aggregates change.
ITEMS, WRITTEN = 400, 100
#: Seconds between two writes.
PAUSE = 0.1
#: The backfill in items a second, so slow that it can be watched.
RATE = 15
#: Seconds until a change counts.
PATIENCE = 180


def declare(folder: Path, aggregates: dict[str, Any]) -> None:
    """Write the configuration, as somebody edits it."""
    call = {
        "source": str(ROOT),
        "name": "${var.name}",
        "deletion_protection": False,
        "source_table": {"hash_key": {"name": "id", "type": "S"}},
        "aggregates": aggregates,
    }
    names = ("source_table_name", "aggregate_table_name", "ledger_table_name", "function_name", "operations")
    configuration = {
        "variable": {"name": {}},
        "provider": {"aws": {"region": "us-east-1"}},
        "module": {"orders": call},
        "output": {name: {"value": f"${{module.orders.{name}}}"} for name in names},
    }
    (folder / "main.tf.json").write_text(json.dumps(configuration, indent=2))


@pytest.fixture
def stack(_localstack: None, tmp_path: Path) -> Iterator[Stack]:
    """A stack of its own, with the aggregates as they are before."""
    (tmp_path / "configuration").mkdir()
    declare(tmp_path / "configuration", BEFORE)
    variables = {"name": f"it-{uuid.uuid4().hex[:8]}"}
    yield from applied(Stack(tmp_path / "configuration", tmp_path / "state", variables))


class Traffic:
    """Items written one after the other by a thread: inserted, changed, moved, deleted."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._random = random.Random(1)  # noqa: S311 - no secret
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.items: dict[str, dict[str, Any]] = {}
        self.count = 0

    def put(self, key: str) -> None:
        chance = self._random
        item = {
            "id": {"S": key},
            "product": {"S": chance.choice(("tea", "coffee", "cocoa"))},
            "country": {"S": chance.choice(("France", "Norway"))},
            "quantity": {"N": str(chance.randint(1, 9))},
            "price": {"N": chance.choice(("1.5", "2.25"))},
        }
        self._pipeline.put(**item)
        self.items[key] = item

    def _write(self) -> None:
        while not self._enough.wait(PAUSE):
            key = f"order-{self._random.randrange(WRITTEN):03}"
            if key in self.items and self._random.random() < 0.3:
                self._pipeline.delete(id={"S": key})
                del self.items[key]
            else:
                self.put(key)
            self.count += 1

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._enough.set()
        self._thread.join()


def numbers(item: dict[str, Any]) -> tuple[Decimal, Decimal]:
    return Decimal(item["quantity"]["N"]), Decimal(item["quantity"]["N"]) * Decimal(item["price"]["N"])


def recomputed(items: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Decimal]]:
    """The rows of AFTER, without the package."""
    amounts = [numbers(item)[1] for item in items]
    rows = {
        ("total", "all"): {"items": len(items), "orders": len(items), "amount": sum(amounts), "largest": max(amounts)}
    }
    for country in {item["country"]["S"] for item in items}:
        of_it = [item for item in items if item["country"]["S"] == country]
        rows[f"by_country#{country}", "all"] = {
            "items": len(of_it),
            "quantity": sum(numbers(item)[0] for item in of_it),
            "products": len({item["product"]["S"] for item in of_it}),
        }
    return {key: {name: Decimal(value) for name, value in row.items()} for key, row in rows.items()}


def found(pipeline: Pipeline) -> dict[tuple[str, str], dict[str, Decimal]]:
    """The rows with their numbers."""
    texts = ("aggregate", "group", "bucket", "bucket_start")
    return {
        key: {name: Decimal(value) for name, value in row.items() if name not in texts}
        for key, row in pipeline.rows().items()
    }


def test_aggregates_come_go_and_change_while_items_are_written(
    stack: Stack, client: Callable[[str], Any], tmp_path: Path
):
    pipeline = Pipeline(client, stack.outputs())
    outputs = written(pipeline.outputs, tmp_path)

    def left() -> int:
        """Entries under the earlier definition: how far the conversion has to go."""
        code, status = run(outputs, "status", "--count-entries")
        assert code == 0
        return int(status["entries_under_an_earlier_definition"])

    traffic = Traffic(pipeline)
    for number in range(ITEMS):
        traffic.put(f"order-{number:03}")
    eventually(lambda: (pipeline.row("total") or {}).get("orders") == str(ITEMS), pipeline.rows, patience=PATIENCE)
    assert left() == 0
    assert {key.partition("#")[0] for key, _ in pipeline.rows()} == {"by_product", "total"}

    with traffic:
        declare(stack.configuration, AFTER)
        stack.apply()
        # What is written from here on counts under the new aggregates; what is not stays under the earlier ones.
        eventually(lambda: any(key.startswith("by_country") for key, _ in pipeline.rows()), pipeline.rows)
        assert ITEMS - WRITTEN <= left() <= ITEMS
        # The function's invocations take far less than 5 seconds here.
        arguments = ("backfill", "--earlier-timeout", "5", "--rate", str(RATE))
        backfill = subprocess.Popen(
            command(outputs, *arguments), cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        progress = []
        while backfill.poll() is None:
            progress.append(left())
            time.sleep(1)
        printed, _ = backfill.communicate()
        done = json.loads(printed)
        assert backfill.returncode == 0, printed
        assert ITEMS - WRITTEN <= done["written"] <= ITEMS
        assert progress == sorted(progress, reverse=True), "the conversion goes on and never back"
        assert any(0 < number < ITEMS - WRITTEN for number in progress), progress
        assert left() == 0
        writes = traffic.count
        eventually(lambda: traffic.count > writes + 20)

    wanted = recomputed(list(traffic.items.values()))
    eventually(lambda: found(pipeline) == wanted, lambda: (found(pipeline), wanted), patience=PATIENCE)
    code, report = run(outputs, "verify", "--patience", "2")
    assert code == 0, report
    assert report["entries"]["under_an_earlier_definition"] == 0
    assert not [key for key, _ in pipeline.rows() if key.startswith("by_product")], "old rows are gone"
