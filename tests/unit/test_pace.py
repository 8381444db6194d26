"""How fast a backfill may go: items a second, and shares of provisioned capacity."""

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from aggregator.pace import Capacity, Consumption, Limits, Pace, shares

LEDGER = Capacity("ledger", "write")
SOURCE = Capacity("source", "read")


class Clock:
    """Time that only passes by sleeping."""

    def __init__(self, remaining=10_000.0):
        self.time = 0.0
        self._end = remaining

    def sleep(self, seconds):
        self.time += seconds

    def remaining(self):
        return self._end - self.time


class Consumed(Consumption):
    """Units as a test says them."""

    def __init__(self, *takes):
        self._takes = list(takes)

    def take(self):
        return self._takes.pop(0)


def paced(limits, clock, *takes):
    return Pace(limits, Consumed(*takes), clock, lambda: clock.time)


def test_without_limits_nothing_is_waited_for():
    clock = Clock()
    pace = paced(Limits(), clock, {})
    pace.pay(100, pace.begin())
    assert (clock.time, pace.page) == (0, 100)


def test_all_segments_together_keep_to_the_rate():
    clock = Clock()
    pace = paced(Limits(50.0), clock, *[{}] * 11)
    assert pace.page == 50
    for _ in range(11):
        pace.pay(100, pace.begin())
    assert clock.time == 22.0


def test_pages_at_the_same_time_are_paid_one_after_the_other():
    clock = Clock()
    pace = paced(Limits(50.0), clock, {}, {})
    both = [pace.begin(), pace.begin()]
    clock.time = 1.0
    pace.pay(100, both[0])
    assert clock.time == 2.0
    pace.pay(100, both[1])
    assert clock.time == 4.0


def test_time_that_a_page_took_is_not_waited_for_again():
    clock = Clock()
    pace = paced(Limits(50.0), clock, {}, {})
    began = pace.begin()
    clock.time = 1.5
    pace.pay(100, began)
    assert clock.time == 2.0
    began = pace.begin()
    clock.time = 7.0
    pace.pay(100, began)
    assert clock.time == 7.0, "slower than the rate is no reason to wait"


def test_the_scarcest_capacity_decides_whatever_an_item_costs():
    clock = Clock()
    limits = Limits(1_000.0, {LEDGER: 10.0, SOURCE: 100.0})
    pace = paced(
        limits, clock, {LEDGER: 4.0, SOURCE: 2.0}, {LEDGER: 10.0, SOURCE: 400.0}, {Capacity("other", "read"): 9.0}
    )
    assert pace.page == 1, "what an item costs is not known yet"
    pace.pay(1, pace.begin())
    assert (clock.time, pace.page) == (0.4, 2)
    pace.pay(2, pace.begin())
    assert (clock.time, pace.page) == (4.4, 1)
    pace.pay(2, pace.begin())
    assert clock.time == pytest.approx(4.402), "the rate of items holds too"


def test_pages_are_as_large_as_a_seconds_worth_and_never_more_than_a_call_reads():
    clock = Clock()
    pace = paced(Limits(units={LEDGER: 60.0}), clock, {LEDGER: 2.0}, {LEDGER: 1.0}, {LEDGER: 5.0})
    sizes = []
    for items in (1, 30, 0):
        pace.pay(items, pace.begin())
        sizes.append(pace.page)
    assert sizes == [30, 100, 100]


def test_nobody_waits_beyond_the_time_that_there_is():
    clock = Clock(remaining=3.0)
    pace = paced(Limits(1.0), clock, {}, {})
    pace.pay(100, pace.begin())
    assert clock.time == 3.0
    clock.time = 5.0
    pace.pay(100, pace.begin())
    assert clock.time == 5.0


def test_a_share_is_taken_of_tables_that_are_provisioned():
    provisioned = {
        "TableName": "ledger",
        "ProvisionedThroughput": {"ReadCapacityUnits": 20, "WriteCapacityUnits": 10},
    }
    on_demand = {"TableName": "source", "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}}
    assert shares([provisioned, on_demand, {"TableName": "rows"}], 0.5) == {Capacity("ledger", "read"): 10, LEDGER: 5}


def test_consumption_is_what_dynamodb_says_that_its_answers_cost():
    client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    consumption = Consumption()
    assert consumption.watch(client) is client
    with Stubber(client) as answers:
        key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
        request = {"TableName": "ledger", "Item": key, "ReturnConsumedCapacity": "TOTAL"}
        answers.add_response("put_item", {"ConsumedCapacity": {"TableName": "ledger", "CapacityUnits": 1.5}}, request)
        answers.add_response(
            "transact_write_items",
            {"ConsumedCapacity": [{"TableName": name, "CapacityUnits": 4.0} for name in ("ledger", "rows")]},
        )
        answers.add_client_error("put_item", "ConditionalCheckFailedException")
        answers.add_response("scan", {"ConsumedCapacity": {"TableName": "source", "CapacityUnits": 0.5}})
        answers.add_response("batch_get_item", {"ConsumedCapacity": [{"TableName": "source", "CapacityUnits": 3.0}]})
        answers.add_response("query", {"ConsumedCapacity": {"TableName": "ledger", "CapacityUnits": 2.0}})
        client.put_item(TableName="ledger", Item=key)
        client.transact_write_items(TransactItems=[{"Delete": {"TableName": "ledger", "Key": key}}])
        with pytest.raises(ClientError):
            client.put_item(TableName="ledger", Item=key)
        client.scan(TableName="source")
        client.batch_get_item(RequestItems={"source": {"Keys": [key]}})
        client.query(TableName="ledger", KeyConditionExpression="pk = :x")
    assert consumption.take() == {
        LEDGER: 5.5,
        Capacity("rows", "write"): 4.0,
        SOURCE: 3.5,
        Capacity("ledger", "read"): 2.0,
    }
    assert consumption.take() == {}
