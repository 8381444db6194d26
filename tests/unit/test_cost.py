"""The calculator of costs: what it predicts is what is counted, and the pages say what it says."""

import json
import logging
import os
import re
import subprocess
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given

from aggregator.contributions import contributions_of
from aggregator.definition import parse
from aggregator.handler import Aggregator
from aggregator.ledger import entry_key
from benchmarks import cost
from benchmarks.cost import DEMO, Agreement, Counter, agreement_table, agreements, bills, counted, item_of
from benchmarks.subjects import Context
from scripts.cost import load, units
from scripts.cost.__main__ import main
from scripts.cost.estimate import LOG_BYTES, SECONDS, Request, Traffic, batch_of, bill, million, total
from scripts.cost.load import LoadError, Mix, Write
from scripts.cost.prices import Prices, PricesError
from scripts.cost.sizes import item_bytes
from scripts.demo import orders
from scripts.terraform_cli import terraform_environment
from tests.properties.strategies import items
from tests.simulation.attribute_values import canonical, size
from tests.simulation.dynamodb import DynamoDB
from tests.support.function import environment
from tests.support.stream import SourceTable, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE
from tests.unit.test_metrics import lines as logged

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cost.md"
AGGREGATES = ROOT / "benchmarks" / "demo_aggregates.json"
#: All that costs something: an extreme, a distinct value, a ranking, bins of a percentile, a count that stays.
EVERYTHING: dict[str, Any] = {
    "by_product": {
        "group_by": ["product"],
        "measures": {
            "revenue": {"function": "sum", "value": "quantity * 2"},
            "largest": {"function": "max", "value": "quantity"},
            "sizes": {"function": "distinct", "value": "quantity"},
            "typical": {"function": "percentile", "value": "quantity"},
        },
        "rank_by": "revenue",
    },
    "orders": {"measures": {"orders": {"function": "count"}}},
}
LINEAR = {
    "by_product": {
        "group_by": ["product"],
        "measures": {"revenue": {"function": "sum", "value": "quantity * 2"}},
        "rank_by": "revenue",
    },
    "orders": {"measures": {"orders": {"function": "count"}}},
}


@pytest.fixture(scope="module")
def measured() -> list[Agreement]:
    return agreements()


def test_the_predicted_cost_of_the_demo_is_the_counted_one_within_five_percent(measured):
    assert {it.delivery for it in measured} == {"ledger", "watermark", "none"}
    for it in measured:
        assert abs(it.error(it.predicted)) < 0.05, it
        # A sample says how many rows a batch shares if it has several batches.
        if 10 * it.batch <= cost.SAMPLE:
            assert abs(it.error(it.from_sample)) < 0.05, it


def test_the_predicted_reads_of_the_demo_are_the_counted_ones():
    lines = orders.read()[:600]
    spent = units.of("ledger", parse(json.dumps(DEMO)), cost.writes_of(DEMO, lines), 50)
    assert spent.read_units == counted(DEMO, lines, "ledger", 50).read > 0


@pytest.mark.parametrize("table", ["agreement", "bills"])
def test_the_page_has_the_tables_that_the_script_prints(measured, table):
    expected = {"agreement": lambda: agreement_table(measured), "bills": bills}[table]()
    assert expected in PAGE.read_text(), "run python -m benchmarks.cost and put its output into docs/cost.md"


def test_the_readme_has_the_table_of_one_rate():
    assert bills((100,)) in (ROOT / "README.md").read_text(), "take the rows of 100 records a second from docs/cost.md"


def mixed(declared: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Write], int]:
    """Insertions, changes and deletions of some orders, as records and as writes with their contributions, and
    how many are left."""
    definition, random, source = parse(json.dumps(declared)), Random(1), SourceTable()  # noqa: S311
    records, writes = [], []
    for number in range(400):
        there = list(source.items)
        key = random.choice([f"order-{number}", *there]) if len(there) > 5 else f"order-{number}"
        old = source.items.get(key)
        if old is not None and random.random() < 0.3:
            records.append(source.delete(key))
        else:
            product = old["product"]["S"] if old else random.choice("abcde")
            records.append(source.put(key, product=product, quantity=random.randrange(1, 9)))
        new = source.items.get(key)
        source_key = {"id": {"S": key}}
        images = [contributions_of(definition, it, entry_key(source_key)) if it else {} for it in (old, new)]
        writes.append(Write(source_key, *images, deletes=new is None))
    return records, writes, len(source.items)


@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize(
    ("delivery", "declared"), [("ledger", EVERYTHING), ("watermark", LINEAR), ("none", LINEAR), ("ledger", LINEAR)]
)
def test_changes_and_deletions_cost_what_is_predicted(delivery, declared, batch):
    records, writes, there = mixed(declared)
    client = Counter(DynamoDB({AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]}), {"revenue"})
    function = Aggregator(environment(declared, delivery), lambda: client, lambda write, work: [write(w) for w in work])
    for start in range(0, len(records), batch):
        function.handle({**event(records[start : start + batch]), "shardId": "shardId-1"}, Context())
    spent = units.of(delivery, parse(json.dumps(declared)), writes, batch)
    assert spent.written == pytest.approx(client.written, rel=0.05)
    assert spent.read_units == pytest.approx(client.read, rel=0.15)
    assert spent.items == there


@given(items())
def test_the_size_of_an_item_is_that_of_the_simulated_dynamodb(item):
    stored = {name: canonical(value) for name, value in item.items()}
    assert item_bytes(stored) == size(stored)


def test_one_update_a_record_costs_one_unit_a_record_and_row():
    _, writes, _ = mixed(LINEAR)
    inserted = [write._replace(old={}) for write in writes if write.new]
    plain = {name: {**it, "rank_by": None} for name, it in LINEAR.items()}
    spent = units.of(units.UPDATE_PER_RECORD, parse(json.dumps(plain)), inserted, 100)
    assert spent.written == spent.rows_written == 2 * len(inserted)
    assert spent.left_out == ()


def test_drawn_groups_share_rows_as_the_declared_numbers_say():
    definition = parse(json.dumps(LINEAR))
    few = units.of("none", definition, load.drawn(definition, {"by_product": 4}, 1_000, Mix()), 100)
    many = units.of("none", definition, load.drawn(definition, {"by_product": 10**6}, 1_000, Mix()), 100)
    # Four products and the total; a hundred products and the total.
    assert few.rows_written == 10 * 5
    assert 10 * 99 <= many.rows_written <= 10 * 101


def test_without_a_sample_the_demo_is_dearer_than_it_is_by_what_the_page_says(measured):
    definition = parse(json.dumps(DEMO))
    groups = {"sales_by_country": 7, "sales_by_product_day": 1_348}
    spent = units.of("ledger", definition, load.drawn(definition, groups, 2_000, Mix()), 100)
    (real,) = (it.counted for it in measured if (it.aggregates, it.batch) == ("the demo's three", 100))
    said = re.search(r"it says ([\d.]+)\s+write units a record where ([\d.]+) are counted", PAGE.read_text())
    assert said.groups() == (f"{spent.written / spent.records:.2f}", f"{real:.2f}")


def test_a_drawn_item_joins_rows_of_every_unit_and_measure():
    declared = json.loads(json.dumps(EVERYTHING))
    declared["by_product"]["time_bucket"] = {"attribute": "at", "units": ["hour", "day"]}
    declared["by_product"]["measures"]["latest"] = {"function": "last", "value": "quantity", "order_by": "at"}
    definition = parse(json.dumps(declared))
    (write,) = load.drawn(definition, {"by_product": 4}, 1, Mix())
    assert {key.sk.partition("#")[0] for key in write.new} == {"all", "hour", "day"}
    (hour,) = (it for key, it in write.new.items() if key.sk.startswith("hour"))
    assert (set(hour.indexed), set(hour.distinct)) == ({"largest", "latest@at"}, {"sizes"})


def test_the_parts_of_a_mix_are_what_they_say():
    definition = parse(json.dumps(LINEAR))
    writes = load.drawn(definition, {"by_product": 4}, 1_000, Mix(changes=0.2, deletions=0.1))
    assert sum(write.deletes for write in writes) == pytest.approx(100, abs=2)
    changed = [write for write in writes if write.old and write.new]
    assert len(changed) == pytest.approx(200, abs=2)
    assert all(write.old.keys() == write.new.keys() for write in changed)


def test_the_bill_is_the_prices_times_what_is_spent():
    definition = parse(json.dumps(LINEAR))
    _, writes, _ = mixed(LINEAR)
    spent = units.of("ledger", definition, writes, 100)
    traffic = Traffic(records_a_second=10, item_bytes=1_500, batch=100, stored_items=0, api=True)
    lines = {line.what: line for line in bill(traffic, spent, Prices())}
    records = 10 * SECONDS
    assert lines["write units"].quantity == pytest.approx(records * spent.written / len(writes))
    assert lines["write units"].usd == pytest.approx(lines["write units"].quantity * 0.625 / 10**6)
    assert lines["Lambda requests"].quantity == pytest.approx(records / 100)
    assert lines["API requests"].usd == pytest.approx(records * 3.5 / 10**6)
    assert lines["write units of the source table"].quantity == 2 * records
    waited = spent.transaction_turns * 12 + spent.turns * 4 + len(writes) * 0.25
    gb_seconds = records / len(writes) * waited / 1_000 / 2
    assert lines["Lambda duration"].quantity == pytest.approx(gb_seconds)
    assert lines["metrics of the function"].usd == pytest.approx(12 * 0.3)
    assert total(list(lines.values())) == pytest.approx(sum(line.usd for line in lines.values()))


def test_stored_items_are_paid_for_with_their_entries():
    definition = parse(json.dumps(LINEAR))
    _, writes, _ = mixed(LINEAR)
    spent = units.of("ledger", definition, writes, 100)
    none, million = (
        {line.what: line for line in bill(Traffic(1, 100, 1, stored_items=stored), spent, Prices())}
        for stored in (0, 10**6)
    )
    more = million["storage of ledger and rows"].quantity - none["storage of ledger and rows"].quantity
    assert more == pytest.approx(10**6 * (spent.ledger_bytes / spent.items + 100) / 1_024**3)


def test_a_batch_is_what_a_window_brings_within_lambdas_limits():
    assert batch_of(50, 500, window=1, most=1_000, shards=1) == 50
    assert batch_of(50, 500, window=1, most=1_000, shards=10) == 5
    assert batch_of(0.1, 500, window=1, most=1_000, shards=1) == 1
    assert batch_of(10**6, 500, window=1, most=1_000, shards=1) == 1_000
    assert batch_of(10**6, 300_000, window=1, most=1_000, shards=1) == 5


def test_the_log_of_an_invocation_is_not_longer_than_assumed(dynamodb, caplog):
    caplog.set_level(logging.INFO, "aggregator")
    variables = environment(LINEAR, AWS_LAMBDA_FUNCTION_NAME="f" * 64)
    function = Aggregator(variables, lambda: dynamodb, lambda write, work: [write(one) for one in work])
    function.handle(event([SourceTable().put("1", product="tea", quantity=Decimal(1))]), Context())
    (line,) = logged(caplog)
    # The runtime adds time, logger and request; Lambda a start line and a report of some 300 bytes each.
    assert len(json.dumps(line)) + 200 + 2 * 300 < LOG_BYTES


def test_the_aggregates_are_those_of_the_example(tmp_path):
    source = (ROOT / "examples" / "complete" / "main.tf").read_text()
    declared = source[source.index("  aggregates = {") : source.index("  create_api")]
    (tmp_path / "main.tf").write_text(f"locals {{\n{declared}\n}}\n")
    done = subprocess.run(
        ["terraform", "console"],
        cwd=tmp_path,
        env=terraform_environment(os.environ),
        input="jsonencode(local.aggregates)\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(json.loads(done.stdout)) == DEMO


def test_the_command_reads_what_terraform_console_and_a_scan_print(tmp_path, capsys):
    (tmp_path / "aggregates.json").write_text(json.dumps(json.dumps(DEMO)))
    scanned = {"Items": [item_of(line) for line in orders.read()[:200]], "Count": 200}
    (tmp_path / "scan.json").write_text(json.dumps(scanned, indent=2))
    (tmp_path / "prices.json").write_text('{"million_write_units": 1.25}')
    arguments = ["--aggregates", f"{tmp_path}/aggregates.json", "--records-per-second", "50", "--batch", "50"]
    arguments += ["--sample", f"{tmp_path}/scan.json", "--key", "invoice_no,line_no"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"ledger", "update_per_record"}
    lines = orders.read()[:200]
    expected = counted(DEMO, lines, "ledger", 50).written / len(lines)
    assert result["ledger"]["write_units_a_record"] == pytest.approx(expected)
    assert result["update_per_record"]["left_out"] == ["sales_by_country.invoices", "sales_by_country.largest"]
    assert main([*arguments, "--prices", f"{tmp_path}/prices.json", "--json"]) == 0
    (dearer,) = (it for it in json.loads(capsys.readouterr().out)["ledger"]["bill"] if it["what"] == "write units")
    (cheaper,) = (it for it in result["ledger"]["bill"] if it["what"] == "write units")
    assert dearer["usd"] == pytest.approx(2 * cheaper["usd"])
    assert main(arguments) == 0
    assert "update per record is without sales_by_country.invoices" in capsys.readouterr().out


def test_the_page_shows_what_the_command_prints(tmp_path, capsys):
    sample = "\n".join(json.dumps(line.body()) for line in orders.read()[: cost.SAMPLE])
    (tmp_path / "sample.json").write_text(sample)
    arguments = ["--aggregates", str(AGGREGATES), "--sample", f"{tmp_path}/sample.json", "--key", "invoice_no,line_no"]
    assert main([*arguments, "--records-per-second", "50"]) == 0
    assert capsys.readouterr().out.strip() in PAGE.read_text()


def test_every_form_of_a_sample_gives_the_same_items():
    lines = [{"id": "1", "n": Decimal("1.5")}, {"id": "2", "n": Decimal(2)}]
    plain = "\n".join(json.dumps(it, default=float) for it in lines)
    stored = load.read_sample(plain)
    assert stored == [{"id": {"S": "1"}, "n": {"N": "1.5"}}, {"id": {"S": "2"}, "n": {"N": "2.0"}}]
    exported = "\n".join(json.dumps({"Item": it}) for it in stored)
    assert load.read_sample(exported) == load.read_sample(json.dumps({"Items": stored})) == stored


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--groups", "by_nothing=3"], "--groups by_product=<number>"),
        (["--groups", "by_product=3", "--groups", "by_nothing=3"], "there is no aggregate by_nothing"),
        (["--groups", "by_product=3", "--deletions", "0.6"], "nothing to delete"),
        (["--groups", "by_product=3", "--changes", "1"], "less than 1 together"),
        (["--groups", "by_product=3", "--append-only", "--changes", "0.1"], "leave out --changes"),
        (["--sample", "/nowhere"], "/nowhere cannot be read"),
    ],
)
def test_what_cannot_be_computed_is_refused_with_what_to_do(tmp_path, capsys, arguments, message):
    (tmp_path / "aggregates.json").write_text(json.dumps(LINEAR))
    code = main(["--aggregates", f"{tmp_path}/aggregates.json", "--records-per-second", "1", *arguments])
    assert (code, message in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize(
    ("text", "message"), [("", "no items"), ('{"a": 1}\n[1]', "JSON objects"), ('{"a": 1}\nx', "line 2")]
)
def test_a_sample_that_is_none_is_refused(text, message):
    with pytest.raises(LoadError, match=message):
        load.read_sample(text)


def test_a_sample_of_items_that_cannot_be_used_or_have_no_key_is_refused():
    definition = parse(json.dumps(LINEAR))
    with pytest.raises(LoadError, match="no 'order'; name the attributes"):
        load.of_sample(definition, [{"id": {"S": "1"}}], ["order"], Mix())
    with pytest.raises(LoadError, match="attribute product is missing"):
        load.of_sample(definition, [{"id": {"S": "1"}}], ["id"], Mix())


@pytest.mark.parametrize(
    ("text", "message"),
    [("x", "not JSON"), ('{"write": 1}', "some of these names"), ('{"gb_of_log": "1"}', "no price")],
)
def test_prices_that_are_none_are_refused(text, message):
    with pytest.raises(PricesError, match=message):
        Prices.read(text)


@pytest.mark.parametrize(
    ("request_", "usd"),
    [
        # 3.50 for the requests, and a write unit each.
        (Request(write_units=1), 4.125),
        # Half a read unit, an invocation, and 10 ms of 512 MB.
        (Request(read_units=0.5, gb_seconds=0.005), 3.5 + 0.0625 + 0.2 + 0.066667),
    ],
)
def test_a_million_requests_are_charged_by_what_each_spends(request_: Request, usd: float) -> None:
    assert total(million(request_, Prices())) == pytest.approx(usd)
