"""The aggregates of the orders, against what `terraform apply` has made: LocalStack in CI, or a stack of your own.

Reads `terraform output -json` from the folder of the configuration, and the endpoint from AWS_ENDPOINT_URL.
"""

import json
import subprocess
import time
from decimal import Decimal
from pathlib import Path

import boto3
import pytest

CONFIGURATION = Path(__file__).parents[1]
PATIENCE = 60


@pytest.fixture(scope="module")
def outputs():
    shown = subprocess.run(
        ["terraform", "output", "-json"], cwd=CONFIGURATION, check=True, capture_output=True, text=True
    )
    return {name: output["value"] for name, output in json.loads(shown.stdout).items()}


@pytest.fixture(scope="module")
def dynamodb():
    return boto3.client("dynamodb")


def put(dynamodb, outputs, order_id, status, amount, customer="Ada"):
    item = {
        "order_id": {"S": order_id},
        "customer": {"S": customer},
        "status": {"S": status},
        "amount": {"N": amount},
    }
    dynamodb.put_item(TableName=outputs["source_table_name"], Item=item)


def eventually(dynamodb, outputs, revenue, customer="Ada"):
    key = {"pk": {"S": f"revenue_by_customer#{customer}"}, "sk": {"S": "all"}}
    end = time.monotonic() + PATIENCE
    while True:
        row = dynamodb.get_item(TableName=outputs["aggregate_table_name"], Key=key).get("Item")
        seen = row and Decimal(row["revenue"]["N"])
        if seen == Decimal(revenue):
            return
        assert time.monotonic() < end, f"revenue is {seen}, not {revenue}"
        time.sleep(0.5)


def test_only_paid_orders_count_and_a_refund_is_taken_back(dynamodb, outputs):
    put(dynamodb, outputs, "1", "paid", "12.5")
    put(dynamodb, outputs, "2", "open", "100")
    eventually(dynamodb, outputs, "12.5")
    put(dynamodb, outputs, "2", "paid", "100")
    eventually(dynamodb, outputs, "112.5")
    put(dynamodb, outputs, "1", "refunded", "12.5")
    eventually(dynamodb, outputs, "100")
