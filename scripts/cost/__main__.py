"""The command: ``python -m scripts.cost``. See docs/cost.md."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aggregator import delivery
from aggregator.definition import Definition, DefinitionError, parse

from . import load, units
from .estimate import Line, Traffic, batch_of, bill, total
from .load import LoadError, Mix, Write
from .prices import LOOKED_UP, SOURCES, Prices, PricesError
from .sizes import item_bytes

#: Of a drawn load, at least so many records and batches: enough for the groups to mix.
_DRAWN_RECORDS = 2_000
_DRAWN_BATCHES = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what a load costs a month, with each method; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        definition = _definition(options)
        prices = Prices.read(options.prices.read_text() if options.prices else "{}")
        mix = Mix(options.changes, options.deletions)
        if options.append_only and (mix.changes or mix.deletions):
            raise LoadError("append_only ignores changes and deletions: leave out --changes and --deletions")
        items = load.read_sample(options.sample.read_text()) if options.sample else []
        size = round(sum(map(item_bytes, items)) / len(items)) if items else options.item_bytes
        batch = options.batch or batch_of(
            options.records_per_second, size, window=options.window, most=1_000, shards=options.shards
        )
        if items:
            writes = load.of_sample(definition, items, options.key.split(","), mix)
        else:
            count = max(_DRAWN_RECORDS, _DRAWN_BATCHES * batch)
            writes = load.drawn(definition, dict(options.groups), count, mix)
    except OSError as error:
        print(f"error: {error.filename} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    except (DefinitionError, LoadError, PricesError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    traffic = Traffic(
        records_a_second=options.records_per_second,
        item_bytes=size,
        batch=batch,
        stored_items=options.stored_items,
        memory_mb=options.memory,
        arm64=options.architecture == "arm64",
        write_ms=options.write_ms,
        transaction_ms=options.transaction_ms,
        record_ms=options.record_ms,
        api=options.api,
    )
    result = compare(definition, writes, traffic, prices, append_only=options.append_only, shards=options.shards)
    print(json.dumps(result, indent=2) if options.json else text(result, traffic, prices))
    return 0


def compare(
    definition: Definition,
    writes: Sequence[Write],
    traffic: Traffic,
    prices: Prices,
    *,
    append_only: bool = False,
    shards: int = 1,
) -> dict[str, dict[str, Any]]:
    """By method the units of a record and the bill, of the deliveries that can keep these aggregates, and of one
    update a record and row, which keeps none exact."""
    found = {}
    for method in units.METHODS:
        if method != units.UPDATE_PER_RECORD and delivery.problems(
            method, definition, append_only=append_only, keeps_expired=False
        ):
            continue
        spent = units.of(method, definition, writes, traffic.batch, shards=shards)
        lines = bill(traffic, spent, prices)
        found[method] = {
            "write_units_a_record": spent.written / spent.records,
            "read_units_a_record": spent.read_units / spent.records,
            "rows_written_a_record": spent.rows_written / spent.records,
            "write_units_by": {name: number / spent.records for name, number in spent.write_units.items()},
            "left_out": list(spent.left_out),
            "usd_a_month": total(lines),
            "bill": [asdict(line) for line in lines],
        }
    return found


def text(result: dict[str, dict[str, Any]], traffic: Traffic, prices: Prices) -> str:
    """A table: a column for each method, a line for each position of the bill."""
    methods = list(result)
    head = ["USD a month", *(method.replace("_", " ") for method in methods)]
    rows = [["write units a record", *(f"{result[method]['write_units_a_record']:.2f}" for method in methods)]]
    rows += [["read units a record", *(f"{result[method]['read_units_a_record']:.2f}" for method in methods)]]
    bills = {method: {line["what"]: Line(**line) for line in result[method]["bill"]} for method in methods}
    for what in dict.fromkeys(what for lines in bills.values() for what in lines):
        rows.append([what, *(f"{lines[what].usd:,.2f}" if what in lines else "" for lines in bills.values())])
    rows.append(["together", *(f"{result[method]['usd_a_month']:,.2f}" for method in methods)])
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = []
    for name, *cells in [head, *rows]:
        numbers = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *numbers]))
    rate, size = f"{traffic.records_a_second:g} records a second", f"{traffic.item_bytes:,} bytes"
    said = f"{rate} of {size}, {traffic.batch:,} an invocation; list prices of {prices.region}, {LOOKED_UP}"
    lacking = [
        f"{method.replace('_', ' ')} is without {', '.join(result[method]['left_out'])}, which it cannot keep"
        for method in methods
        if result[method]["left_out"]
    ]
    return "\n".join([said, "", *lines, *lacking])


def _definition(options: argparse.Namespace) -> Definition:
    declared = options.aggregates.read_text()
    try:
        # What `terraform console` prints of jsonencode() is a string with JSON in it.
        inner = json.loads(declared)
    except ValueError as error:
        raise LoadError(
            f"{options.aggregates} is not JSON: {error}; write what "
            "`echo 'jsonencode(local.aggregates)' | terraform console` prints"
        ) from None
    return parse(inner if isinstance(inner, str) else declared, append_only=options.append_only)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.cost",
        description="What aggregates cost a month, with each delivery.",
        epilog=f"Prices: {', '.join(SOURCES)}, {LOOKED_UP}.",
    )
    parser.add_argument(
        "--aggregates", type=Path, required=True, metavar="FILE", help="the module's input aggregates, as JSON"
    )
    parser.add_argument("--records-per-second", type=_positive, required=True, metavar="N", help="changes of items")
    parser.add_argument(
        "--sample", type=Path, metavar="FILE", help="items: what aws dynamodb scan prints, or a JSON object a line"
    )
    parser.add_argument("--key", default="id", metavar="NAMES", help="the source table's key: id, or customer,order")
    parser.add_argument(
        "--groups",
        type=_groups,
        action="append",
        default=[],
        metavar="AGGREGATE=N",
        help="without a sample: groups of an aggregate that are written to in the same minutes",
    )
    parser.add_argument("--item-bytes", type=int, default=500, metavar="N", help="without a sample (default: 500)")
    parser.add_argument("--changes", type=float, default=0.0, metavar="PART", help="of the records (default: 0)")
    parser.add_argument("--deletions", type=float, default=0.0, metavar="PART", help="of the records (default: 0)")
    parser.add_argument("--append-only", action="store_true", help="the module's input append_only")
    parser.add_argument("--batch", type=int, metavar="N", help="records an invocation (default: from rate and window)")
    parser.add_argument("--window", type=_positive, default=1.0, metavar="SECONDS", help="batching window (default: 1)")
    parser.add_argument("--shards", type=int, default=1, metavar="N", help="of the stream (default: 1)")
    parser.add_argument("--stored-items", type=float, metavar="N", help="in the source table (default: of one month)")
    parser.add_argument("--memory", type=int, default=512, metavar="MB", help="of the function (default: 512)")
    parser.add_argument("--architecture", choices=("arm64", "x86_64"), default="arm64")
    for name, what in (("write", "a write"), ("transaction", "a transaction"), ("record", "the function for a record")):
        default = getattr(Traffic, f"{name}_ms")
        help_text = f"time of {what} in milliseconds (assumed: {default:g})"
        parser.add_argument(f"--{name}-ms", type=_positive, default=default, metavar="MS", help=help_text)
    parser.add_argument("--api", action="store_true", help="with API requests and the writes of the source table")
    parser.add_argument("--prices", type=Path, metavar="FILE", help="other prices: JSON, by the names in prices.py")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _positive(given: str) -> float:
    number = float(given)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{given} is not above 0")
    return number


def _groups(given: str) -> tuple[str, int]:
    name, _, number = given.partition("=")
    if not number.isdecimal() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is not <aggregate>=<number of groups>")
    return name, int(number)


if __name__ == "__main__":
    sys.exit(main())
