"""What each example costs, by the calculator (docs/cost.md): the table of examples/README.md.

    python -m benchmarks.example_costs

Ten new items a second, evenly over a hundred groups of each aggregate, each with a distinct value of its own.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import hcl2

from aggregator.definition import parse
from aggregator.delivery import LEDGER
from scripts.cost.__main__ import compare
from scripts.cost.estimate import Traffic, batch_of
from scripts.cost.load import Mix, drawn
from scripts.cost.prices import Prices
from scripts.localstack.settings import ROOT

RECORDS_A_SECOND = 10
GROUPS = 100
ITEM_BYTES = 200
_WRITES = 500
_HEADER = """| example | write units an item | USD a month |
| --- | --- | --- |
"""


def calls(configuration: str) -> Iterator[Mapping[str, Any]]:
    """The arguments of the module calls in a configuration."""
    options = hcl2.SerializationOptions(strip_string_quotes=True, with_comments=False)
    for block in hcl2.loads(configuration, serialization_options=options)["module"]:
        yield from block.values()


def costs(call: Mapping[str, Any]) -> tuple[float, float]:
    """Write units an item, and USD a month, of one call of the module with ``delivery = "ledger"``."""
    append_only = call.get("append_only", False)
    definition = parse(json.dumps(call["aggregates"]), append_only=append_only)
    groups = {name: GROUPS for name, it in definition.aggregates.items() if it.group_by}
    writes = drawn(definition, groups, _WRITES, Mix(0, 0))
    batch = batch_of(RECORDS_A_SECOND, ITEM_BYTES, window=1, most=1_000, shards=1)
    traffic = Traffic(records_a_second=RECORDS_A_SECOND, item_bytes=ITEM_BYTES, batch=batch)
    found = compare(definition, writes, traffic, Prices(), append_only=append_only)[LEDGER]
    return found["write_units_a_record"], found["usd_a_month"]


def table() -> str:
    """The table in Markdown: a line for each example, the calls of one added up."""
    lines = []
    for main in sorted(ROOT.glob("examples/*/main.tf")):
        each = [costs(call) for call in calls(main.read_text())]
        name = main.parent.name
        units, usd = (sum(numbers) for numbers in zip(*each, strict=True))
        lines.append(f"| [{name}]({name}) | {units:.2f} | {usd:,.0f} |\n")
    return _HEADER + "".join(lines)


if __name__ == "__main__":
    print(table(), end="")
