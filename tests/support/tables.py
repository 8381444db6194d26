"""The aggregate and ledger tables as modules/tables makes them, and reading them whole."""

from decimal import Decimal
from typing import Any

AGGREGATE_TABLE = "orders-aggregates"
LEDGER_TABLE = "orders-ledger"


def create_tables(client: Any) -> None:
    """Create both tables with a boto3 DynamoDB client."""
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    client.create_table(
        TableName=AGGREGATE_TABLE, KeySchema=keys, AttributeDefinitions=attributes, BillingMode="PAY_PER_REQUEST"
    )
    client.create_table(
        TableName=LEDGER_TABLE,
        KeySchema=keys,
        AttributeDefinitions=[*attributes, {"AttributeName": "quarantined_at", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "quarantined",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "quarantined_at", "KeyType": "RANGE"},
                ],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": ["error", "source_key", "version"],
                },
            }
        ],
    )


def delete_tables(client: Any) -> None:
    """Delete what :func:`create_tables` has created."""
    for name in (AGGREGATE_TABLE, LEDGER_TABLE):
        client.delete_table(TableName=name)


def scan(client: Any, table: str, **arguments: Any) -> list[dict[str, Any]]:
    """All items of a table, or of an index with ``IndexName``, in DynamoDB JSON."""
    pages = client.get_paginator("scan").paginate(TableName=table, **arguments)
    return [item for page in pages for item in page["Items"]]


def rows(client: Any, table: str = AGGREGATE_TABLE) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows by key, without key and revision, numbers as plain text: ``{("total", "all"): {"items": "2", ...}}``."""
    found = {}
    for item in scan(client, table):
        key = (item.pop("pk")["S"], item.pop("sk")["S"])
        item.pop("revision", None)
        found[key] = {name: _plain(value) for name, value in item.items()}
    return found


def _plain(value: dict[str, Any]) -> Any:
    # moto keeps trailing zeros, which DynamoDB does not.
    return f"{Decimal(value['N']).normalize():f}" if "N" in value else next(iter(value.values()))


def entries(client: Any, table: str = LEDGER_TABLE) -> dict[str, dict[str, Any]]:
    """The ledger entries of source items by partition key."""
    return {item["pk"]["S"]: item for item in scan(client, table) if item["sk"]["S"] == "item"}
