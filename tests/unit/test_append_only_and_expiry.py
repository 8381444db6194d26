"""Sources whose items never change, and what becomes of contributions when TTL deletes an item of the source."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from aggregator.handler import Aggregator
from tests.support.function import environment
from tests.support.stream import SourceTable, event
from tests.support.tables import entries, rows
from tests.unit.test_handler import Context

TOTAL = {
    "total": {
        "measures": {
            "quantity": {"function": "sum", "value": "quantity"},
            "most": {"function": "max", "value": "quantity"},
        }
    }
}


@pytest.fixture
def deliver(dynamodb: Any) -> Callable[..., None]:
    """Deliver records to a function with further environment variables."""

    def deliver(*batch: dict[str, Any], **variables: str) -> None:
        function = Aggregator(
            environment(TOTAL, **variables), lambda: dynamodb, lambda write, wave: [write(one) for one in wave]
        )
        assert function.handle(event(batch), Context()) == {"batchItemFailures": []}

    return deliver


def total(dynamodb: Any) -> tuple[str, str, str] | None:
    row = rows(dynamodb).get(("total", "all"))
    return row and (row["items"], row["quantity"], row["most"])


def item(quantity: int) -> dict[str, Decimal]:
    return {"quantity": Decimal(quantity)}


def test_changes_and_deletions_in_an_append_only_source_are_ignored(dynamodb, deliver):
    source = SourceTable()
    batch = [source.put("1", **item(5)), source.put("2", **item(7)), source.put("1", **item(100)), source.delete("2")]
    deliver(*batch, APPEND_ONLY="true")
    assert total(dynamodb) == ("2", "12", "7")
    deliver(*batch, APPEND_ONLY="true")
    assert total(dynamodb) == ("2", "12", "7")


def test_entries_of_an_append_only_source_expire_when_it_is_declared(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **item(5)), APPEND_ONLY="true")
    deliver(source.put("2", **item(5)), APPEND_ONLY="true", LEDGER_RETENTION_DAYS="90")
    ledger = entries(dynamodb)
    assert "expires_at" not in ledger["item#1"]
    left = int(ledger["item#2"]["expires_at"]["N"]) - time.time()
    assert 90 * 86_400 - 60 < left <= 90 * 86_400


def test_an_item_that_expires_is_taken_back_like_any_other(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **item(5)), source.put("2", **item(7)))
    deliver(source.delete("2", expired=True))
    assert total(dynamodb) == ("1", "5", "5")


def test_what_an_expired_item_contributed_is_kept_where_that_is_declared(dynamodb, deliver):
    source = SourceTable()
    inserted, expired = source.put("1", **item(7)), source.delete("1", expired=True)
    deliver(inserted, ON_SOURCE_EXPIRY="keep")
    for _ in range(2):
        deliver(expired, ON_SOURCE_EXPIRY="keep")
        assert total(dynamodb) == ("1", "7", "7")
    # A new item under the same key counts anew, and only that one goes with it.
    deliver(source.put("1", **item(5)), ON_SOURCE_EXPIRY="keep")
    assert total(dynamodb) == ("2", "12", "7")
    deliver(source.delete("1"), ON_SOURCE_EXPIRY="keep")
    assert total(dynamodb) == ("1", "7", "7")
    kept = {key: entry for key, entry in entries(dynamodb).items() if key.startswith("expired#1#")}
    assert [json.loads(entry["contributions"]["S"])[0][2] for entry in kept.values()] == [{"quantity": "7"}]


def test_an_item_that_expired_is_kept_whenever_its_record_comes(dynamodb, deliver):
    """As after a replay: its key was used again, and deleted again, in the meantime."""
    source = SourceTable()
    batch = [source.put("1", **item(7)), source.delete("1", expired=True), source.put("1", **item(5))]
    for record in (batch[0], batch[2], batch[1]):
        deliver(record, ON_SOURCE_EXPIRY="keep")
    assert total(dynamodb) == ("2", "12", "7")
    deliver(*batch, source.delete("1"), ON_SOURCE_EXPIRY="keep")
    assert total(dynamodb) == ("1", "7", "7")


def test_an_item_that_contributed_nothing_leaves_nothing_when_it_expires(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", quantity="many"), source.delete("1", expired=True), ON_SOURCE_EXPIRY="keep")
    assert total(dynamodb) is None
    assert list(entries(dynamodb)) == ["item#1"]
