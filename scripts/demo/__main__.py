"""The demo: real order lines through the API, exact aggregates seconds later, on LocalStack.

- `make demo` runs it and takes everything down again;
- `make demo LINES=500` does so with fewer order lines, for the impatient;
- `make demo KEEP=1` leaves it running to look around, `make demo-down` takes that down.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from scripts import build
from scripts.api_client import ApiClient
from scripts.demo import aggregates, orders
from scripts.demo.orders import OrderLine, Rows
from scripts.localstack import server
from scripts.localstack.settings import ROOT, Endpoint, Folder, RunnerError
from scripts.stack import Stack, StackError
from scripts.terraform_cli import TerraformError, require_terraform, terraform_environment

NAME = "retail-demo"
#: Requests under way at the same time; more do not make an emulator on a small machine faster.
CONNECTIONS = 8
#: Changes and as many deletions after the load, each timed from the write's answer to the new row.
CORRECTIONS = 20
#: Seconds in which the aggregates have to catch up; far more than they need.
PATIENCE = 180
TOTAL = ("sales_total", "all")

console = Console(highlight=False)


class DemoError(Exception):
    """The demo did not show what it should; the message says what was wrong."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo, or take a kept one down; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description="Real orders through the whole pipeline.")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end")
    parser.add_argument("--down", action="store_true", help="take down what --keep left running")
    parser.add_argument("--lines", type=int, metavar="N", help="post only the first N order lines, at least 20")
    options = parser.parse_args(arguments)
    if options.lines is not None and options.lines < 20:
        parser.error("--lines: at least 20 are needed for corrections and deletions to be seen")
    try:
        endpoint, folder = Endpoint.from_environment(), Folder()
        isolated = endpoint.isolated(os.environ)
        os.environ.clear()
        os.environ.update(isolated)
        require_terraform(terraform_environment())
        folder.path.mkdir(exist_ok=True)
        backend = server.choose_backend(endpoint, folder)
        state_folder = folder.path / NAME
        stack = Stack(ROOT / "examples" / "complete", state_folder, {"name": NAME, "deletion_protection": False})
        if options.down:
            take_down(backend, stack, state_folder)
            return 0
        with _running(backend, endpoint, stack, state_folder, keep=options.keep):
            run(stack, orders.read()[: options.lines])
            if options.keep:
                tell_how_to_look_further(stack.outputs(), stack.state.relative_to(ROOT))
    except (DemoError, RunnerError, StackError, TerraformError) as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    return 0


@contextmanager
def _running(
    backend: server.Backend, endpoint: Endpoint, stack: Stack, state_folder: Path, *, keep: bool
) -> Iterator[None]:
    """LocalStack with a fresh stack in it; leaves behind only what was there before, unless ``keep``."""
    was_running = backend.running()
    if not was_running:
        # What an earlier LocalStack held is gone with it, and its state says otherwise.
        shutil.rmtree(state_folder, ignore_errors=True)
    with step("Starting LocalStack"):
        server.start(backend, endpoint)
    try:
        with step("Building dist/aggregator.zip"):
            build.write(build.build())
        with step("Applying examples/complete with Terraform"):
            stack.init()
            if stack.has_state:
                console.print("  taking down the stack that an earlier demo left")
                stack.destroy()
            stack.apply()
        yield
    except BaseException:
        if not was_running:
            backend.stop()
        raise
    if not keep:
        with step("Taking it down"):
            stack.destroy()
            shutil.rmtree(state_folder)
            if not was_running:
                backend.stop()
        if was_running:
            console.print("LocalStack still runs, as before; `make demo-down` stops it")
        console.print("To look around in the stack: `make demo KEEP=1`")


def take_down(backend: server.Backend, stack: Stack, state_folder: Path) -> None:
    """Destroy a kept demo and stop LocalStack."""
    with step("Taking the demo down"):
        if backend.running() and stack.has_state:
            stack.init()
            stack.destroy()
        backend.stop()
        shutil.rmtree(state_folder, ignore_errors=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step and say how long it took."""
    begin = time.monotonic()
    console.print(f"[bold]{title}[/bold] ...")
    yield
    console.print(f"  done in {time.monotonic() - begin:.0f} s")


def run(stack: Stack, lines: list[OrderLine]) -> None:
    """Load the order lines, compare; correct and delete some, compare again. Raises :class:`DemoError`."""
    outputs = stack.outputs()
    client = boto3.client("dynamodb")
    table = outputs["aggregate_table_name"]
    api = ApiClient(
        api_id=outputs["api_id"],
        stage_name=outputs["api_stage_name"],
        invoke_url=outputs["api_invoke_url"],
        connections=CONNECTIONS,
    )

    console.print(f"[bold]Posting {len(lines):,} order lines of {lines[0].invoice_date[:10]} to the API[/bold] ...")
    seconds = load(api, lines, lambda: aggregates.scan(client, table))
    wait_for(lambda: aggregates.scan(client, table) == orders.recompute(lines))
    rows = aggregates.scan(client, table)
    console.print(render(rows))
    compare(rows, orders.recompute(lines), "the order lines in the CSV file")
    best = aggregates.top(client, table, outputs["rank_index_names"]["revenue"], "sales_by_country", 3)
    console.print(f"  top countries by one Query: {', '.join(f'{name} {revenue:,.2f}' for name, revenue in best)}")
    console.print(f"  {len(lines):,} order lines in {seconds:.0f} s, {len(lines) / seconds:,.0f} a second")

    corrections = min(CORRECTIONS, len(lines) // 10)
    console.print(f"\n[bold]Correcting {corrections} order lines and deleting {corrections}[/bold] ...")
    lines, latencies = correct(client, outputs["source_table_name"], table, lines, corrections)
    rows = aggregates.scan(client, table)
    compare(rows, orders.recompute(lines), "the order lines after corrections and deletions")
    median, slowest = statistics.median(latencies), max(latencies)
    console.print(
        f"  from write to aggregate: median {median:.2f} s, slowest {slowest:.2f} s of {len(latencies)} writes "
        "(of which the mapping's batching window is 1 s)\n",
        soft_wrap=True,
    )


def load(api: ApiClient, lines: list[OrderLine], read: Callable[[], Rows]) -> float:
    """Post all lines, showing progress and the growing aggregates; returns the seconds it took."""
    progress = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )
    posted = progress.add_task("posted to the API", total=len(lines))
    counted = progress.add_task("counted in the aggregates", total=len(lines))
    begin = shown = time.monotonic()
    with (
        Live(progress, console=console, transient=True, refresh_per_second=4) as live,
        ThreadPoolExecutor(CONNECTIONS) as threads,
        ExitStack() as on_interrupt,
    ):
        on_interrupt.callback(threads.shutdown, cancel_futures=True)
        for done in as_completed([threads.submit(post, api, line) for line in lines]):
            done.result()
            progress.advance(posted)
            if time.monotonic() - shown >= (1 if console.is_terminal else 10):
                shown = time.monotonic()
                rows = read()
                progress.update(counted, completed=int(rows.get(TOTAL, {}).get("items", 0)))
                if console.is_terminal:
                    live.update(Group(progress, render(rows)))
                else:
                    posted_now, counted_now = (int(task.completed) for task in progress.tasks)
                    console.print(f"  posted {posted_now:,}, counted in the aggregates {counted_now:,}")
    return time.monotonic() - begin


def post(api: ApiClient, line: OrderLine) -> None:
    """Post one line. Raises :class:`DemoError` where it is not created."""
    answer = api.post_item(line.body())
    if answer.status != 201:
        raise DemoError(f"POST of {line.key} was answered {answer.status}: {answer.body}")


def correct(
    client: Any, source_table: str, aggregate_table: str, lines: list[OrderLine], corrections: int
) -> tuple[list[OrderLine], list[float]]:
    """Double some quantities and delete some lines, one after the other, as an operator would with the SDK.

    Returns the lines that are there afterwards, and for each write the seconds until its row had changed.
    """
    remaining = {line.key: line for line in lines}
    latencies = []
    for number, line in enumerate(lines[:: len(lines) // (2 * corrections)][: 2 * corrections]):
        key = {"invoice_no": {"S": line.invoice_no}, "line_no": {"N": str(line.line_no)}}
        if number % 2:
            client.delete_item(TableName=source_table, Key=key)
            del remaining[line.key]
        else:
            corrected = remaining[line.key] = line.with_quantity(2 * line.quantity)
            client.update_item(
                TableName=source_table,
                Key=key,
                UpdateExpression="SET quantity = :quantity",
                ExpressionAttributeValues={":quantity": {"N": str(corrected.quantity)}},
            )
        begin = time.monotonic()
        expected = orders.recompute(remaining.values())[TOTAL]
        wait_for(lambda expected=expected: aggregates.get(client, aggregate_table, TOTAL) == expected)  # type: ignore[misc]
        latencies.append(time.monotonic() - begin)
    return list(remaining.values()), latencies


def wait_for(reached: Callable[[], bool]) -> None:
    """Wait until the aggregates have caught up, or for as long as the patience lasts."""
    end = time.monotonic() + PATIENCE
    while not reached() and time.monotonic() < end:
        time.sleep(0.05)


def compare(rows: Rows, expected: Rows, what: str) -> None:
    """Say that every row is right, or raise :class:`DemoError` with those that are not."""
    wrong = aggregates.differences(rows, expected)
    if wrong:
        raise DemoError(f"{len(wrong)} rows differ from a recomputation of {what}:\n" + "\n".join(wrong[:10]))
    console.print(f"[green]✔ all {len(rows):,} rows equal a recomputation of {what}[/green]", soft_wrap=True)


def render(rows: Rows) -> Table:
    """The aggregates as a table: the total, the largest countries, the best products of the day."""
    # Narrow enough for a terminal of 80 columns.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("partition key", no_wrap=True)
    table.add_column("sort key", no_wrap=True)
    for name in ("lines", "quantity", "revenue"):
        table.add_column(name, justify="right", no_wrap=True)
    for aggregate, count in (("sales_total", 1), ("sales_by_country", 5), ("sales_by_product_day", 5)):
        of_it = [(key, row) for key, row in rows.items() if key[0].partition("#")[0] == aggregate]
        of_it.sort(key=lambda pair: -pair[1]["revenue"])
        for (pk, sk), row in of_it[:count]:
            quantity = f"{row['quantity']:,f}" if "quantity" in row else ""
            table.add_row(pk, sk, f"{row['lines']:,f}", quantity, f"{row['revenue']:,.2f}")
        if len(of_it) > count:
            table.add_row(f"… {len(of_it) - count:,} more", "", "", "", "", style="dim")
        table.add_section()
    return table


def tell_how_to_look_further(outputs: dict[str, Any], state: Path) -> None:
    """Commands to go on with, in the repository's folder: the AWS CLI, the API, the operators' commands."""
    console.print("It is still running. To look further, with the AWS CLI and curl:", style="bold")
    table = outputs["aggregate_table_name"]
    line = '{"line_no": 1, "stock_code": "85123A", "description": "", "quantity": 6, "unit_price": 2.55, '
    line += '"invoice_date": "2010-12-01 08:26:00", "country": "France"}'
    for command in (
        'eval "$(python3 scripts/localstack env)"',
        f"aws dynamodb get-item --table-name {table} "
        """--key '{"pk": {"S": "sales_by_country#France"}, "sk": {"S": "all"}}'""",
        f'API="$AWS_ENDPOINT_URL/_aws/execute-api/{outputs["api_id"]}/{outputs["api_stage_name"]}"',
        'curl "$API/aggregates/sales_by_country/groups?limit=3"',
        f"""curl "$API/items" --header 'content-type: application/json' --data '{line}'""",
        f"terraform output -state={state} -json > outputs.json",
        ".venv/bin/python -m scripts.aggregates --outputs outputs.json status",
        f"aws dynamodb scan --table-name {outputs['ledger_table_name']} --index-name quarantined",
        f"aws logs filter-log-events --log-group-name {outputs['log_group_name']} "
        "--query 'events[].message' --output text",
        "make demo-down   # takes it down",
    ):
        console.print(f"  {command}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    sys.exit(main())
