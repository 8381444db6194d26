"""The dashboard with the numbers of one day: the picture docs/dashboard.png.

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.dashboard

On a LocalStack that runs (AWS_ENDPOINT_URL) it applies examples/complete with its dashboard and posts the demo's
order lines to the API at the times of the day at which they were written, a day of nine hours in six minutes. It then
draws the dashboard's own widgets from the lines that the function has logged, which CloudWatch makes the metrics of
and LocalStack does not: for every five seconds what the minute before had. Widgets whose metrics are AWS's are left
out. So is the age of records, whose times DynamoDB Local cuts to the minute. The write units are those of
scripts/cost for the same batches, because DynamoDB Local's are not what AWS charges.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import boto3

sys.path.insert(0, str(Path(__file__).parents[1] / "lambda_src"))

from aggregator.definition import parse
from aggregator.delivery import LEDGER
from aggregator.metrics import NAMESPACE
from benchmarks.cost import DEMO, writes_of
from scripts.api_client import ApiClient
from scripts.cost import units
from scripts.demo import aggregates, orders
from scripts.demo.__main__ import CONNECTIONS, TOTAL, post, wait_for
from scripts.localstack.settings import ROOT
from scripts.stack import Stack

PICTURE = ROOT / "docs" / "dashboard.png"
#: Seconds that a point stands for, and from one point to the next.
PERIOD, STEP = 60, 5
#: How many times faster than it was the day goes by.
SPEED = 90

#: DynamoDB Local cuts the times of records to the minute, so this is up to a minute too much.
_OF_ITS_CLOCK = frozenset(("oldest_record_age",))

Line = dict[str, Any]


class Series(NamedTuple):
    """One curve: its label and its values, one a step."""

    label: str
    values: list[float]


def curves(widget: dict[str, Any], lines: Sequence[Line], times: Sequence[float]) -> list[Series]:
    """What a widget shows at these times (epoch seconds), of the metrics and fields that the log lines have."""
    properties = widget["properties"]
    if widget["type"] == "log":
        field, names = _asked(properties["query"])
        return [
            Series(name, [_over(lines, at, lambda line, n=name: line.get(field, {}).get(n, 0), sum) for at in times])  # type: ignore[misc]
            for name in names
        ]
    statistic = {"Sum": sum, "Maximum": max}.get(properties.get("stat", ""))
    found: list[Series] = []
    by_id: dict[str, list[float]] = {}
    for metric in properties.get("metrics", []) if statistic else []:
        *names, last = metric
        options = last if isinstance(last, dict) else {}
        if "expression" in options:
            if set(options["expression"].split()) & by_id.keys():
                values = [_compute(options["expression"], by_id, index) for index in range(len(times))]
                found.append(Series(options["label"], values))
        elif metric[0] == NAMESPACE and metric[1] not in _OF_ITS_CLOCK and all(metric[1] in line for line in lines):
            values = [_over(lines, at, lambda line, n=metric[1]: line[n], statistic) for at in times]  # type: ignore[misc]
            by_id[options.get("id", "")] = values
            if options.get("visible", True):
                found.append(Series(metric[1], values))
    return found


def _asked(query: str) -> tuple[str, list[str]]:
    """The field of a query over the log and the names in it."""
    stats = query.partition("| stats ")[2].partition(" by ")[0]
    fields = [part.partition("(")[2].partition(")")[0] for part in stats.split(", ")]
    return fields[0].partition(".")[0], [field.partition(".")[2] for field in fields]


def _over(
    lines: Sequence[Line], at: float, read: Callable[[Line], float], statistic: Callable[[Iterable[float]], float]
) -> float:
    """A statistic over the lines of the period that ends then; 0 where there are none."""
    return statistic([read(line) for line in lines if at - PERIOD < line["_aws"]["Timestamp"] / 1_000 <= at] or [0])


def _compute(expression: str, by_id: dict[str, list[float]], index: int) -> float:
    """A product of series and numbers, with divisions: what the dashboard's expressions are."""
    value, operator = 1.0, "*"
    for part in expression.split():
        if part in "*/":
            operator = part
            continue
        factor = by_id[part][index] if part in by_id else float(part)
        value = value * factor if operator == "*" else value / factor
    return value


def record(outputs: dict[str, Any], lines: Sequence[orders.OrderLine]) -> list[Line]:
    """Post the order lines at their times, and return what the function has logged once all of them count."""
    dynamodb, table = boto3.client("dynamodb"), outputs["aggregate_table_name"]
    api = ApiClient(
        api_id=outputs["api_id"],
        stage_name=outputs["api_stage_name"],
        invoke_url=outputs["api_invoke_url"],
        connections=CONNECTIONS,
    )
    opened, began = datetime.fromisoformat(lines[0].invoice_date), time.time()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        for line in lines:
            due = (datetime.fromisoformat(line.invoice_date) - opened).total_seconds() / SPEED
            time.sleep(max(0.0, began + due - time.time()))
            threads.submit(post, api, line)
    wait_for(lambda: aggregates.get(dynamodb, table, TOTAL).get("lines") == len(lines))
    pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=outputs["log_group_name"])
    logged = [json.loads(event["message"]) for page in pages for event in page["events"] if event["message"][:1] == "{"]
    return sorted((line for line in logged if line.get("records")), key=lambda line: line["_aws"]["Timestamp"])


def predictions(lines: Iterable[Line], order_lines: Sequence[orders.OrderLine]) -> list[units.Units]:
    """What the batches of these lines spend on AWS, if they came in the order of the file."""
    writes = iter(writes_of(DEMO, order_lines))
    batches = [list(itertools.islice(writes, line["records"])) for line in lines]
    return units.by_batch(LEDGER, parse(json.dumps(DEMO)), batches)


def with_write_units(lines: Sequence[Line], predicted: Sequence[units.Units]) -> list[Line]:
    """The lines with the write units that their batches cost on AWS."""
    return [{**line, "write_units": spent.written} for line, spent in zip(lines, predicted, strict=True)]


def summary(lines: Sequence[Line], predicted: Sequence[units.Units]) -> str:
    """How much was delivered, and what the function counted of it beside what is predicted."""
    text = f"{len(lines):,} invocations, {sum(line['records'] for line in lines):,} records"
    for name in ("rows_written", "transactions"):
        counted = sum(line[name] for line in lines)
        text += f"; {name.replace('_', ' ')}: {counted:,}, predicted {sum(getattr(it, name) for it in predicted):,}"
    return text


def draw(widgets: Sequence[dict[str, Any]], lines: Sequence[Line], picture: Path) -> None:
    """Draw the widgets that the lines have anything for, two in a row."""
    from matplotlib import pyplot

    begin, end = (lines[index]["_aws"]["Timestamp"] / 1_000 for index in (0, -1))
    times = [begin + STEP * step for step in range(int((end - begin) / STEP) + 1)]
    drawn = [(widget, curves(widget, lines, times)) for widget in widgets]
    drawn = [(widget, found) for widget, found in drawn if found]
    rows = -(-len(drawn) // 2)
    style = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10}
    with pyplot.rc_context(style):
        figure, grid = pyplot.subplots(rows, 2, figsize=(12.5, 2.55 * rows), squeeze=False, layout="constrained")
        for axes, (widget, found) in zip(grid.flat, drawn, strict=False):
            minutes = [(at - begin) / 60 for at in times]
            if widget["properties"]["stacked"]:
                axes.stackplot(minutes, [it.values for it in found], labels=[it.label for it in found], alpha=0.85)
            else:
                for index, it in enumerate(found):
                    # Of curves that lie on each other, the one below is wider.
                    covered = any(it.values == other.values for other in found[index + 1 :])
                    axes.plot(minutes, it.values, label=it.label, linewidth=4 if covered else 1.6)
            axes.set_title(widget["properties"]["title"], loc="left", fontweight="bold")
            axes.set_xlim(0, minutes[-1])
            axes.set_ylim(bottom=0)
            if not any(any(it.values) for it in found):
                axes.set_ylim(0, 1)
                axes.set_yticks([0, 1])
            axes.grid(axis="y", color="#dddddd", linewidth=0.7)
            axes.xaxis.set_major_formatter("{x:.0f} min")
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.12), ncols=5, frameon=False, fontsize=8)
        for axes in grid.flat[len(drawn) :]:
            axes.set_axis_off()
        figure.savefig(picture, dpi=110)


def main() -> int:
    """Apply, record, draw, take down."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as state:
        variables = {"name": "retail-picture", "deletion_protection": False, "create_monitoring": True}
        stack = Stack(ROOT / "examples" / "complete", Path(state), variables)
        stack.init()
        try:
            stack.apply()
            lines = record(stack.outputs(), orders.read())
            board = boto3.client("cloudwatch").get_dashboard(DashboardName="retail-picture")
            widgets = json.loads(board["DashboardBody"])["widgets"]
        finally:
            stack.destroy()
    predicted = predictions(lines, orders.read())
    draw(widgets, with_write_units(lines, predicted), PICTURE)
    print(summary(lines, predicted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
