"""What the function asks of DynamoDB for fixed workloads: counts, which do not depend on the machine.

A number that falls is good news: put it in. One that rises is a regression, or has to be worth it.
"""

import http.client
import json
import subprocess
import sys
from decimal import Decimal

import pytest

from benchmarks import api_latency, engines, measure, own_work, plots, prediction, report, scale, threads
from benchmarks.cold_start import ColdStart
from benchmarks.counts import Counts, count
from benchmarks.report import Case, Results
from benchmarks.subjects import OURS, SUBJECTS
from benchmarks.workloads import BY_PRODUCT, WORKLOADS, Workload
from scripts.cost.estimate import Request
from scripts.cost.prices import Prices
from tests.simulation.dynamodb import DynamoDB
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

BY_NAME = {workload.name: workload for workload in WORKLOADS}

#: Of the first two batches of 1,000 records: calls, transactions, single writes, write units, read units.
COUNTS = {
    ("retail", "none"): (55, 0, 1_355, 1_355, 0.0),
    ("retail", "watermark"): (55, 0, 1_355, 1_355, 0.0),
    ("retail", "ledger"): (36, 36, 3_504, 7_008, 0.0),
    ("retail-1", "none"): (55, 0, 1_345, 1_345, 0.0),
    ("retail-1", "watermark"): (55, 0, 1_345, 1_345, 0.0),
    ("retail-1", "ledger"): (60, 34, 3_352, 6_678, 0.0),
    ("retail-8", "none"): (119, 0, 2_966, 2_966, 0.0),
    ("retail-8", "watermark"): (119, 0, 2_966, 2_966, 0.0),
    ("retail-8", "ledger"): (65, 65, 6_348, 12_696, 0.0),
    ("hot", "none"): (2, 0, 2, 2, 0.0),
    ("hot", "watermark"): (2, 0, 2, 2, 0.0),
    ("hot", "ledger"): (22, 22, 2_022, 4_044, 0.0),
    ("distinct", "none"): (80, 0, 1_974, 1_974, 0.0),
    ("distinct", "watermark"): (80, 0, 1_974, 1_974, 0.0),
    ("distinct", "ledger"): (66, 40, 3_974, 7_922, 0.0),
    ("zipf", "none"): (33, 0, 802, 802, 0.0),
    ("zipf", "watermark"): (33, 0, 802, 802, 0.0),
    ("zipf", "ledger"): (55, 29, 2_814, 5_602, 0.0),
    ("changes", "none"): (193, 0, 377, 377, 0.0),
    ("changes", "watermark"): (1_206, 0, 1_371, 1_371, 0.0),
    ("changes", "ledger"): (400, 7, 1_009, 1_629, 47.5),
    ("demo", "ledger"): (102, 65, 6_307, 12_614, 53.0),
}


@pytest.mark.parametrize(("workload", "subject"), COUNTS)
def test_the_function_asks_no_more_than_before(workload, subject):
    assert count(subject, BY_NAME[workload], 2) == Counts(2_000, *COUNTS[workload, subject])


def test_every_workload_and_delivery_is_guarded():
    expected = {(each.name, "ledger") for each in WORKLOADS}
    expected |= {(each.name, delivery) for each in WORKLOADS for delivery in OURS if not each.for_ledger}
    assert set(COUNTS) == expected


def numbers(subject: str, workload: str) -> dict[tuple[str, str], dict[str, Decimal]]:
    """The numbers of the rows that a subject makes of a workload, without the count of items."""
    database = DynamoDB({AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]})
    handle = SUBJECTS[subject](database, BY_NAME[workload], map)
    for batch in BY_NAME[workload].batches():
        handle(batch)
    return {
        (row["pk"]["S"], row["sk"]["S"]): {
            name: Decimal(value["N"]) for name, value in row.items() if "N" in value and name != "items"
        }
        for row in database.items(AGGREGATE_TABLE)
        # What an emptied row is differs.
        if row.get("lines") != {"N": "0"}
    }


@pytest.mark.parametrize("workload", ["retail", "retail-8", "zipf"])
def test_all_make_the_same_rows_of_insertions(workload):
    wanted = numbers("ledger", workload)
    assert len(wanted) > 100
    for subject in SUBJECTS:
        assert numbers(subject, workload) == wanted, subject


def test_all_but_the_naive_one_make_the_same_rows_of_changes():
    wanted = numbers("ledger", "changes")
    for subject in SUBJECTS:
        assert (numbers(subject, "changes") == wanted) == (not subject.startswith("naive")), subject


def test_the_stub_counts_what_the_database_in_memory_counts():
    with engines.stub(0, 0) as endpoint:
        for subject in ("marker", "ledger"):
            measured = measure.measure(endpoint, subject=subject, workload="hot", seconds=60)
            connection = http.client.HTTPConnection(endpoint.removeprefix("http://"))
            connection.request("GET", "/")
            counted, wanted = json.loads(connection.getresponse().read()), count(subject, BY_NAME["hot"])
            connection.close()
            assert measured.records == wanted.records
            assert counted["TransactWriteItems"] == {"calls": wanted.transactions, "actions": wanted.actions}
    assert measured.seconds > 0
    assert len(measured.batches) == 3


def test_a_report_says_what_is_not_reached():
    def results(rate: int) -> Results:
        measurements = {
            Case("stub", "hot", subject): [measure.Measurement(records, 1.0, 1.0, [0.1], 10**8)]
            for subject, records in (("naive", 100), ("none", rate))
        }
        counts = {("hot", subject): count(subject, BY_NAME["hot"], 1) for subject in ("naive", "none")}
        return Results(counts, measurements, {}, ColdStart(0.2, 0.25, 0.3, 100_000))

    assert "| at least 20 | 25 × |" in report.render(results(2_500))
    assert "| at least 20 | **15 ×** |" in report.render(results(1_500))
    assert "1.25 ×" in report.render(results(1_500))


def test_own_work_is_measured_without_a_client(monkeypatch):
    monkeypatch.setattr(own_work, "ROUNDS", 1)
    found = own_work.own_work(BY_NAME["demo"])
    assert found.json_loads > 0
    assert list(found.deliveries) == ["ledger"]
    assert found.deliveries["ledger"] > 0
    assert found.by_hand is None
    assert own_work.own_work(BY_NAME["hot"]).by_hand
    monkeypatch.setattr(own_work, "WORKLOADS", [BY_NAME["demo"], BY_NAME["hot"]])
    of_demo, of_hot = (own_work.table().splitlines()[line].split(" | ") for line in (2, 3))
    assert of_demo[2:4] == ["", ""]
    assert of_demo[5].strip(" |") == ""
    assert all("×" in cell for cell in of_hot[2:])


def test_entries_that_are_read_first_cost_reads_always_and_save_writes_only_of_what_comes_again():
    calls, _, _, write_units, read_units = COUNTS["retail-1", "ledger"]
    workload = BY_NAME["retail-1"]
    assert prediction.counted(workload, read_first=False) == [(calls, write_units, read_units)] * 2
    # 2,000 entries, a hundred a call: a read unit each, also of one that is not there.
    assert prediction.counted(workload, read_first=True) == [(calls + 20, write_units, 2_000), (20, 0, 2_000)]


def test_all_numbers_of_threads_take_turns_and_the_median_counts(monkeypatch):
    def measured(endpoint: str, **arguments: object) -> measure.Measurement:
        turns.append((arguments["workload"], arguments["threads"]))
        return measure.Measurement(next(records), 1.0, 0.001, [], 0)

    turns: list[tuple[object, object]] = []
    records = iter([100, 200, 500, 300, 800, 700])
    monkeypatch.setattr(threads, "measure", measured)
    monkeypatch.setattr(threads, "THREADS", (1, 8))
    monkeypatch.setattr(threads, "CASES", (("none", "hot"),))
    assert threads.table(3, ("stub",)).splitlines()[-1] == (
        "| stub | `none` | hot | 500 a second, 2 µs | 300 a second, 3 µs |"
    )
    assert turns == [("hot", 1), ("hot", 8)] * 3


def test_latencies_are_told_apart_from_what_the_emulator_takes():
    # Of 100 times the 99th is the highest but one, and half of them lie below the middle.
    through, direct = [2.0 * number for number in range(101)], [0.5 * number for number in range(101)]
    kinds = {"one row": api_latency.Kind(through, direct, Request(read_units=0.5))}
    assert "| one row | 100 ms | 198 ms | 25 ms | 50 ms | 75% | 3.56 USD |" in api_latency.table(kinds, Prices())


def test_what_is_read_is_counted_in_units_of_eventually_consistent_reads(dynamodb):
    counted = api_latency.Counted(dynamodb)
    for name in ("small", "large"):
        item = {"pk": {"S": "p"}, "sk": {"S": name}, "text": {"S": "x" * (10 if name == "small" else 5_000)}}
        dynamodb.put_item(TableName=AGGREGATE_TABLE, Item=item)
    keys = [{"pk": {"S": "p"}, "sk": {"S": name}} for name in ("small", "large")]
    dynamodb.batch_get_item(RequestItems={AGGREGATE_TABLE: {"Keys": keys}})
    assert (counted.calls, counted.read_units) == (1, 1.5)
    dynamodb.query(
        TableName=AGGREGATE_TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "p"}}
    )
    assert (counted.calls, counted.read_units) == (2, 2.5)


def test_a_latency_is_that_of_the_right_answer():
    assert api_latency.milliseconds(lambda: 1, bool) >= 0
    with pytest.raises(RuntimeError, match="no such answer"):
        api_latency.milliseconds(lambda: 0, bool)


def test_nothing_but_a_plot_needs_matplotlib():
    program = "import sys, benchmarks.compare; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=engines.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert plots.REQUIREMENTS.read_text().startswith("#")


def test_the_next_batch_costs_the_same_whatever_is_in_the_table():
    lines = scale.table_sizes((0, 2_000)).splitlines()[2:]
    assert len({line.partition("|")[2].partition("|")[2] for line in lines}) == 1, lines


def test_the_largest_batches_fit_in_the_memory_of_a_function():
    with engines.stub(0, 0) as endpoint:
        lines = scale.large_batches(endpoint).splitlines()[2:]
    assert len(lines) == 2 * len(OURS)
    assert all(10 < int(line.split("|")[3].removesuffix(" MB ")) < 256 for line in lines), lines


def test_the_memory_of_a_process_is_its_own_not_that_of_its_parent():
    program = "from benchmarks.measure import peak_memory; print(peak_memory())"
    before = bytearray(300_000_000)
    done = subprocess.run([sys.executable, "-c", program], cwd=engines.ROOT, capture_output=True, text=True, check=True)
    assert len(before) > int(done.stdout)


@pytest.mark.parametrize("long", ["backfill_under_load", "compare", "dashboard", "scale", "threads"])
def test_a_measurement_that_takes_long_does_not_begin_when_it_is_asked_what_it_is(long):
    command = [sys.executable, "-m", f"benchmarks.{long}", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=engines.ROOT, timeout=60)
    assert (done.returncode, done.stdout.startswith("usage: ")) == (0, True), done.stderr


def test_a_curve_is_plotted_by_what_a_record_costs():
    small = Workload("small", "", (BY_PRODUCT,), scale.uniform(10, 100))
    plotted = scale.plotted([scale.point(50, small, batch_size=50)])
    assert plotted["write units"]["none"] == {50: 0.2}
    assert plotted["write units"]["none"][50] < plotted["write units"]["ledger"][50]
    assert all(list(points) == [50] for lines in plotted.values() for points in lines.values())
