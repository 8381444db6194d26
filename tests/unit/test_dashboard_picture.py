"""What is drawn of the dashboard is what the log lines say."""

import pytest

from benchmarks.cost import DEMO, counted
from benchmarks.dashboard import curves, predictions, summary, with_write_units
from scripts.demo import orders

NAMESPACE = "DynamoDBAggregates"


def line(second, **fields):
    return {"_aws": {"Timestamp": second * 1_000}, **fields}


LINES = [
    line(10, records=3, oldest_record_age=2, rows_by_aggregate={"a": 1}, write_units=100.0),
    line(50, records=4, oldest_record_age=5, rows_by_aggregate={"a": 2, "b": 7}, write_units=50.0),
    line(75, records=5, oldest_record_age=1, rows_by_aggregate={"b": 1}, write_units=1.0),
]


def widget(stat, *metrics):
    return {"type": "metric", "properties": {"stat": stat, "metrics": list(metrics)}}


def own(name, **options):
    return [NAMESPACE, name, "FunctionName", "f", *([options] if options else [])]


def test_a_point_is_the_statistic_of_the_minute_before_it():
    (records,) = curves(widget("Sum", own("records")), LINES, [5, 60, 75, 1_000])
    assert (records.label, records.values) == ("records", [0, 7, 9, 0])
    (largest,) = curves(widget("Maximum", own("records", yAxis="left")), LINES, [60, 120])
    assert largest.values == [4, 5]


def test_metrics_that_the_lines_do_not_have_are_left_out():
    assert curves(widget("Sum", ["AWS/Lambda", "Errors", "FunctionName", "f"]), LINES, [60]) == []
    assert curves(widget("Sum", own("drift")), LINES, [60]) == []
    assert curves(widget("Maximum", own("oldest_record_age")), LINES, [60]) == []
    assert curves({"type": "alarm", "properties": {"alarms": []}}, LINES, [60]) == []


def test_an_expression_is_computed_and_what_it_is_made_of_not_shown():
    shown = curves(
        widget(
            "Sum",
            own("write_units", id="own", visible=False),
            [{"expression": "own * 60 * 0.625 / 1000000", "label": "USD", "id": "usd"}],
            [{"expression": "(table0 + table1) * 60", "label": "all", "id": "all"}],
        ),
        LINES,
        [60],
    )
    assert [it.label for it in shown] == ["USD"]
    assert shown[0].values == [pytest.approx(150 * 60 * 0.625 / 10**6)]


def test_a_query_of_the_log_shows_its_sums():
    stats = "stats sum(rows_by_aggregate.a) as a, sum(rows_by_aggregate.b) as b by bin(1m)"
    query = f"SOURCE 'g' | filter ispresent(rows_written) | {stats}"
    shown = curves({"type": "log", "properties": {"query": query}}, LINES, [60])
    assert [(it.label, it.values) for it in shown] == [("a", [3]), ("b", [7])]


def test_write_units_are_those_of_aws_for_the_same_batches():
    lines = orders.read()[:200]
    logged = [{"records": 50, "write_units": 1.0, "rows_written": 7, "transactions": 1}] * 4
    predicted = predictions(logged, lines)
    found = with_write_units(logged, predicted)
    assert sum(it["write_units"] for it in found) == counted(DEMO, lines, "ledger", 50).written
    rows = sum(it.rows_written for it in predicted)
    assert summary(found, predicted) == (
        f"4 invocations, 200 records; rows written: 28, predicted {rows}; transactions: 4, predicted "
        f"{sum(it.transactions for it in predicted)}"
    )
