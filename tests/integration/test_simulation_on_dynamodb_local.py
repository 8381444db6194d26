"""The simulation against DynamoDB Local instead of the in-process DynamoDB: fewer seeds, AWS's own engine."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.simulation.simulation import simulate
from tests.simulation.stream import SOURCE_TABLE
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE, create_tables, scan

pytestmark = pytest.mark.localstack

SEEDS = 40
KEYS = {SOURCE_TABLE: ("id",), AGGREGATE_TABLE: ("pk", "sk"), LEDGER_TABLE: ("pk", "sk")}


class Engine:
    """The client of a real engine, with what the simulation asks besides."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def cancellation_reasons(self, actions: list[Any]) -> list[dict[str, Any]]:
        """Conflicts are reported alone: what the conditions would say besides cannot be asked without writing."""
        return [{"Code": "None"} for _ in actions]

    def clear(self) -> None:
        """Delete every item."""
        for table, names in KEYS.items():
            for item in scan(self._client, table):
                self._client.delete_item(TableName=table, Key={name: item[name] for name in names})


@pytest.fixture(scope="module")
def engine(client: Callable[[str], Any]) -> Iterator[Engine]:
    dynamodb = client("dynamodb")
    create_tables(dynamodb)
    dynamodb.create_table(
        TableName=SOURCE_TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield Engine(dynamodb)
    for table in KEYS:
        dynamodb.delete_table(TableName=table)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_seed_ends_right(engine, seed):
    engine.clear()
    simulate(seed, database=engine)
