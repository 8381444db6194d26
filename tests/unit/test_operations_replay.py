"""Replay of the failure bucket: what Lambda writes there, S3 by moto, the tables simulated."""

import json

import boto3
import pytest
from moto import mock_aws

from scripts.aggregates.replay import DONE, PENDING, UnusableObject, records_of
from tests.support.stack import Stack
from tests.support.stream import event

TOTAL = {"total": {"measures": {"quantity": {"function": "sum", "value": "quantity"}}}}
BUCKET = "orders-failures"


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def failed(s3, name, records, as_text=True):
    """An object as Lambda writes it."""
    payload = event(records)
    invocation = {
        "requestContext": {"condition": "RecordAgeExceeded", "approximateInvokeCount": 7},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "DDBStreamBatchInfo": {"shardId": "shardId-1", "batchSize": len(records)},
        "payload": json.dumps(payload) if as_text else payload,
    }
    s3.put_object(Bucket=BUCKET, Key=f"{PENDING}6f2f4b5e/shardId-1/{name}", Body=json.dumps(invocation))


def keys(s3):
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def replay(stack, s3, tmp_path):
    stack.clients["s3"] = s3
    code, printed = stack.command(tmp_path, "--json", "replay")
    return code, json.loads(printed)


@pytest.mark.parametrize("as_text", [True, False])
def test_what_was_given_up_counts_after_a_replay_and_its_objects_are_out_of_the_way(s3, tmp_path, as_text):
    stack = Stack(TOTAL)
    records = [stack.put(str(number), delivered=False, quantity=number) for number in range(5)]
    records.append(stack.put("4", delivered=False, quantity=40))
    records.append(stack.delete("0", delivered=False))
    stack.put("1", quantity=100)
    # The newer object comes first by name.
    failed(s3, "a", records[4:], as_text)
    failed(s3, "b", records[:4], as_text)
    code, done = replay(stack, s3, tmp_path)
    assert (code, done["objects"], done["records"]) == (0, 2, 7)
    assert stack.rows()["total", "all"]["quantity"] == str(100 + 2 + 3 + 40)
    assert [key.startswith(f"{DONE}{PENDING}") for key in keys(s3)] == [True, True]
    assert replay(stack, s3, tmp_path)[1]["objects"] == 0


def test_how_far_it_is_is_told_by_the_objects(s3, tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.aggregates.progress.EVERY", 0)
    stack = Stack(TOTAL)
    for number in range(3):
        failed(s3, str(number), [stack.put(str(number), delivered=False, quantity=number)])
    replay(stack, s3, tmp_path)
    told = [line.split(", ") for line in stack.stderr.splitlines() if "objects" in line]
    assert [(line[0], line[-2:]) for line in told] == [
        (f"{number} of about 3 objects", [f"{number} records", f"{number} items written"]) for number in range(3)
    ]
    assert "s left" in told[2][2]


def test_a_replay_that_dies_between_copy_and_deletion_is_replayed_for_nothing(s3, tmp_path):
    stack = Stack(TOTAL)
    failed(s3, "a", [stack.put("1", delivered=False, quantity=5)])

    class Dying:
        def __getattr__(self, name):
            if name == "delete_object":
                raise KeyboardInterrupt
            return getattr(s3, name)

    stack.clients["s3"] = Dying()
    assert stack.command(tmp_path, "replay")[0] == 130
    assert len(keys(s3)) == 2
    code, done = replay(stack, s3, tmp_path)
    assert (code, done["written"], done["up_to_date"]) == (0, 0, 1)
    assert len(keys(s3)) == 1
    assert stack.rows()["total", "all"]["quantity"] == "5"


def test_an_object_without_records_stays_and_is_told(s3, tmp_path):
    stack = Stack(TOTAL)
    failed(s3, "a", [stack.put("1", delivered=False, quantity=5)])
    s3.put_object(Bucket=BUCKET, Key=f"{PENDING}note", Body=b"hello")
    code, done = replay(stack, s3, tmp_path)
    assert (code, list(done["unusable"]), done["objects"]) == (1, [f"{PENDING}note"], 1)
    assert f"{PENDING}note" in keys(s3)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"payload": "x"}', b'{"payload": {"Records": [{}]}}'])
def test_what_is_not_a_failed_batch_is_refused_with_the_reason(content):
    with pytest.raises(UnusableObject, match="not what Lambda writes"):
        records_of(content)


def test_what_an_expired_item_contributed_stays_where_it_is_to_be_kept(s3, tmp_path):
    stack = Stack(TOTAL, ON_SOURCE_EXPIRY="keep")
    stack.put("1", quantity=5)
    failed(s3, "a", [stack.delete("1", delivered=False, expired=True)])
    for _ in range(2):
        assert replay(stack, s3, tmp_path)[0] == 0
    assert stack.rows()["total", "all"]["quantity"] == "5"
    stack.put("1", quantity=7)
    assert stack.rows()["total", "all"]["quantity"] == "12"


def test_an_append_only_item_counts_even_if_it_was_deleted_since(s3, tmp_path):
    stack = Stack(TOTAL, APPEND_ONLY="true")
    record = stack.put("1", delivered=False, quantity=5)
    deletion = stack.delete("1", delivered=False)
    failed(s3, "a", [record, deletion])
    assert replay(stack, s3, tmp_path)[1]["written"] == 1
    assert stack.rows()["total", "all"]["quantity"] == "5"


def test_an_item_that_cannot_be_used_is_quarantined_and_counted(s3, tmp_path):
    stack = Stack(TOTAL)
    failed(s3, "a", [stack.put("1", delivered=False, quantity="two")])
    code, done = replay(stack, s3, tmp_path)
    assert (code, done["written"], done["quarantined"]) == (0, 1, 1)
