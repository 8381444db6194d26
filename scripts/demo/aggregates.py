"""Reads the aggregate table and compares it with what it has to be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from scripts.demo.orders import Row, Rows


def scan(client: Any, table: str) -> Rows:
    """All rows with their numbers, by key, from a boto3 DynamoDB client."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return {(item["pk"]["S"], item["sk"]["S"]): _numbers(item) for page in pages for item in page["Items"]}


def get(client: Any, table: str, key: tuple[str, str]) -> Row:
    """The numbers of one row; none where there is no such row."""
    answer = client.get_item(TableName=table, Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}}, ConsistentRead=True)
    return _numbers(answer.get("Item", {}))


def top(client: Any, table: str, index: str, aggregate: str, count: int) -> list[tuple[str, Decimal]]:
    """The first groups of an aggregate without time bucket in order of the measure of an index, by one Query."""
    answer = client.query(
        TableName=table,
        IndexName=index,
        KeyConditionExpression="rank_group = :group",
        ExpressionAttributeValues={":group": {"S": f"{aggregate}#all"}},
        ScanIndexForward=False,
        Limit=count,
    )
    measure = index.removeprefix("rank-")
    return [(item["pk"]["S"].partition("#")[2], Decimal(item[measure]["N"])) for item in answer["Items"]]


def _numbers(item: dict[str, Any]) -> Row:
    return {name: Decimal(value["N"]) for name, value in item.items() if "N" in value}


def differences(found: Rows, expected: Rows) -> list[str]:
    """What is wrong with the rows found, a line each; none where every row is as expected and no other is there."""
    lines = []
    for key in sorted(found.keys() | expected.keys()):
        name = " ".join(key)
        if key not in found:
            lines.append(f"{name}: is missing")
        elif key not in expected:
            lines.append(f"{name}: should not be there")
        elif found[key] != expected[key]:
            lines.append(f"{name}: is {_text(found[key])}, should be {_text(expected[key])}")
    return lines


def _text(row: Row) -> str:
    return ", ".join(f"{name} {amount:f}" for name, amount in sorted(row.items()))
