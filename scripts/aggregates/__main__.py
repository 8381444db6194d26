"""Operate a stack: ``python -m scripts.aggregates --outputs FILE COMMAND`` (docs/operations.md)."""

import argparse
import json
import os
import signal
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from aggregator.contributions import ALL_TIME, RowKey
from aggregator.deployed import LONGEST_TIMEOUT, DeploymentError, table_ids
from aggregator.ledger import DamagedEntry
from aggregator.pace import Limits, Pace, shares

from . import backfill, drift, look, verify
from .backfill import StateFile
from .deployment import Deployment, Interrupted, Interruption, connect
from .progress import Progress
from .repair import Repair
from .replay import FailureBucket, Replay, Replayed
from .settings import SettingsError, read_settings
from .verify import Verification
from .watch import View

#: Exit codes: all is right or done; something is wrong or left undone; the command could not work; interrupted.
RIGHT, WRONG, FAILED, INTERRUPTED = 0, 1, 2, 130
#: What a function of this version runs.
PACKAGE = Path(__file__).resolve().parents[2] / "dist" / "aggregator.zip"
#: Seconds between two looks at how far a command is.
TELL_EVERY = 0.5

#: A command: works on a stack, tells how far it is, and gives the exit code and what is printed; a result of None: the
#: command has printed all itself.
Command = Callable[[Deployment, argparse.Namespace, Progress], tuple[int, dict[str, Any] | None, str]]


def main(arguments: Sequence[str], client: Callable[..., Any] | None = None) -> int:
    """Run a command and return its exit code. ``client`` makes boto3 clients in tests."""
    options = _parser().parse_args(arguments)
    interruption = Interruption()
    handlers = {number: signal.signal(number, interruption.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _run(options, interruption, client)
    except (Interrupted, KeyboardInterrupt):
        print(f"\ninterrupted; nothing is half done. {options.go_on}", file=sys.stderr)
        return INTERRUPTED
    except DamagedEntry as error:
        print(
            f"error: {error}; or run repair, which replaces it where its item tells what it has to hold",
            file=sys.stderr,
        )
        return FAILED
    except (SettingsError, DeploymentError, BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _run(options: argparse.Namespace, interruption: Interruption, client: Callable[..., Any] | None) -> int:
    try:
        outputs = sys.stdin.read() if options.outputs == "-" else Path(options.outputs).read_text()
    except OSError as error:
        raise SettingsError(f"{options.outputs} cannot be read: {error.strerror}") from None
    settings = read_settings(outputs, options.output_name)
    deployment = Deployment(
        settings, client or connect(options.endpoint_url, settings.region), interruption, options.segments
    )
    progress = Progress(sys.stderr, deployment.item_count)
    if not deployment.deployed.runs(PACKAGE.read_bytes()):
        progress.say(
            "warning: the function runs another package than dist/aggregator.zip here; these commands are right where "
            "both compute the same, so check out the version that is deployed"
        )
    try:
        code, result, text = options.command(deployment, options, progress)
    finally:
        progress.end()
        interruption.stop()
        deployment.threads.shutdown(wait=False, cancel_futures=True)
    if result is not None:
        print(json.dumps(result, indent=2, default=_base64) if options.json else text)
    return int(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.aggregates", description="Operate a stack of the module.")
    parser.add_argument(
        "--outputs", required=True, metavar="FILE", help="what `terraform output -json` has printed; - for stdin"
    )
    parser.add_argument(
        "--output-name",
        default="operations",
        metavar="NAME",
        help="the output that hands on the module's output operations (default: operations)",
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="endpoint of all services, as of LocalStack")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--segments", type=_positive(int), default=4, help="parallel segments of a scan (default: 4)")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_backfill(commands)
    _add_verify(commands)
    _add_repair(commands)
    _add_replay(commands)
    _add_quarantine(commands)
    _add_status(commands)
    _add_watch(commands)
    _add_top(commands)
    _add_get(commands)
    return parser


def _positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    read.__name__ = "number"
    return read


def _seconds(text: str) -> int:
    seconds = int(text)
    if seconds < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return seconds


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return share


def _add_backfill(commands: Any) -> None:
    parser = commands.add_parser("backfill", help="count items that were there before, or under earlier aggregates")
    parser.add_argument("--rate", type=_positive(float), metavar="ITEMS", help="at most so many items a second")
    parser.add_argument(
        "--capacity-share",
        type=_share,
        metavar="SHARE",
        help="at most this share, such as 0.25, of the capacity of each table that is provisioned",
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep how far it is here, and go on from there")
    parser.add_argument(
        "--earlier-timeout",
        type=_seconds,
        default=LONGEST_TIMEOUT,
        metavar="SECONDS",
        help="the function's timeout before its last change (default: 900, the longest that Lambda allows); 0 for a "
        "function that was never changed",
    )
    parser.set_defaults(
        command=_backfill,
        go_on="Run the same command again: with --state it goes on where it was, without it finds what is up to date.",
    )


def _backfill(
    deployment: Deployment, options: argparse.Namespace, progress: Progress
) -> tuple[int, dict[str, Any], str]:
    deployed = deployment.deployed
    deployed.refuse_expiring_entries()
    tables = deployment.described_tables()
    file = StateFile(options.state)
    state = file.load(table_ids(tables), deployed.digest, options.segments)
    deployment.wait_for_earlier_invocations(options.earlier_timeout, progress.say)
    pace = Pace(_limits(tables, options), deployment.consumption, deployment.clock, time.monotonic)
    work = backfill.Backfill(deployment.source, deployment.bring, deployment.clock, pace, state, file.save)
    before, began = state.total("items"), time.monotonic()
    progress.begin(max(0, deployment.item_count - before))

    def tell(*, last: bool = False) -> None:
        progress.tell(state.total("items") - before, f"{state.total('written'):,} written", last=last)

    deployment.at_once(work.work, range(len(state.segments)), TELL_EVERY, tell)
    tell(last=True)
    deployment.clock.check()
    file.remove()
    result = {name: state.total(name) for name in ("items", "written", "quarantined")}
    result["seconds"] = round(time.monotonic() - began)
    text = "{items:,} items: {written:,} written, of them {quarantined:,} quarantined; {seconds} s".format(**result)
    return RIGHT, {**result, "definition": deployed.definition.fingerprint}, text


def _limits(tables: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> Limits:
    if options.capacity_share is None:
        return Limits(options.rate)
    units = shares(tables, options.capacity_share)
    if not units:
        raise SettingsError(
            "--capacity-share: all tables are on-demand, so that there is no capacity to take a share of; use --rate"
        )
    return Limits(options.rate, units)


def _add_verify(commands: Any) -> None:
    parser = commands.add_parser("verify", help="compare every entry and row with a recomputation; reads only")
    _add_patience(parser)
    parser.add_argument(
        "--publish-metric",
        action="store_true",
        help="publish how much is wrong as metrics of the function, for the alarm drift of modules/monitoring",
    )
    parser.set_defaults(command=_verify, go_on="verify only reads: run it again.")


def _add_repair(commands: Any) -> None:
    parser = commands.add_parser("repair", help="verify, and bring what is wrong to what it has to be")
    _add_patience(parser)
    parser.set_defaults(command=_repair, go_on="Run it again: it verifies first, and repairs what is left.")


def _add_patience(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--patience",
        type=_positive(int),
        default=verify.PATIENCE,
        metavar="SECONDS",
        help=f"how long a difference has to stay as it is (default: {verify.PATIENCE}): longer than changes take to be "
        "delivered",
    )


def _verification(deployment: Deployment, options: argparse.Namespace, progress: Progress) -> Verification:
    deployed = deployment.deployed
    if deployed.ledger_retention is not None:
        raise SettingsError(
            "the ledger's entries expire (ledger_retention_days), so that nobody can tell what the rows have to be"
        )
    return Verification(
        deployment.tables,
        deployed.definition,
        deployment.clock,
        append_only=deployed.append_only,
        patience=options.patience,
        tell=progress.of,
        item_count=deployment.item_count,
    )


def _verified(deployment: Deployment, options: argparse.Namespace, progress: Progress) -> verify.Report:
    report = _verification(deployment, options, progress).verify()
    # What was written under another definition meanwhile would be called wrong: no alarm, and no repair, for that.
    deployment.check_unchanged(at_once=True)
    return report


def _verify(deployment: Deployment, options: argparse.Namespace, progress: Progress) -> tuple[int, dict[str, Any], str]:
    report = _verified(deployment, options, progress)
    if options.publish_metric:
        drift.publish(deployment.client("cloudwatch"), deployment.settings.function_name, report)
    return (RIGHT if report.is_right else WRONG), verify.summary(report), verify.lines(report)


def _repair(deployment: Deployment, options: argparse.Namespace, progress: Progress) -> tuple[int, dict[str, Any], str]:
    found = _verified(deployment, options, progress)
    progress.say(verify.lines(found))
    if found.is_right:
        return RIGHT, {"found": verify.summary(found)}, "nothing to repair"
    verification = _verification(deployment, options, progress)
    done = Repair(deployment.tables, verification, deployment.bring, deployment.clock, progress.of).repair(found)
    deployment.clock.check()
    progress.say(f"repaired {done.entries:,} entries and {done.rows:,} rows; verifying again")
    after = _verified(deployment, options, progress)
    result = {
        "found": verify.summary(found),
        "repaired": {"entries": done.entries, "rows": done.rows, "left": done.left},
        "after": verify.summary(after),
    }
    left = [f"left: {key}: {reason}" for key, reason in done.left.items()]
    return (RIGHT if after.is_right else WRONG), result, "\n".join([*left, verify.lines(after)])


def _add_replay(commands: Any) -> None:
    parser = commands.add_parser("replay", help="bring the items of records in the failure bucket up to date")
    parser.set_defaults(command=_replay, go_on="Run it again: objects that are done are out of the way.")


def _replay(deployment: Deployment, options: argparse.Namespace, progress: Progress) -> tuple[int, dict[str, Any], str]:
    deployed = deployment.deployed
    replaying = Replay(
        FailureBucket(deployment.client("s3"), deployment.settings.failure_bucket_name),
        deployed.definition,
        deployment.bring,
        deployment.apply,
        append_only=deployed.append_only,
        keeps_expired=deployed.keeps_expired,
        aggregate_table=deployed.aggregate_table,
        schema=deployed.schema,
    )

    def tell(number: int, objects: int, done: Replayed) -> None:
        if number == 0:
            progress.begin(objects, "objects")
        progress.tell(number, f"{done.records:,} records, {done.written:,} items written")

    done = replaying.replay(deployment.clock.check, tell)
    text = [
        f"{done.objects:,} objects with {done.records:,} records: {done.written:,} items written, of them "
        f"{done.quarantined:,} quarantined, {done.up_to_date:,} were up to date",
        *(f"left: {key}: {reason}" for key, reason in done.unusable.items()),
    ]
    return (WRONG if done.unusable else RIGHT), asdict(done), "\n".join(text)


def _add_quarantine(commands: Any) -> None:
    parser = commands.add_parser("quarantine", help="list the items that do not count, and why")
    parser.set_defaults(command=_quarantine, go_on="It only reads: run it again.", do="list")
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    again = actions.add_parser(
        "retry", help="compute them anew, after the data, the definition or the rows were mended"
    )
    again.set_defaults(do="retry", go_on="Run it again: items that count are no more in the list.")


def _quarantine(
    deployment: Deployment, options: argparse.Namespace, progress: Progress
) -> tuple[int, dict[str, Any], str]:
    items = look.quarantined(deployment.tables)
    if options.do == "list":
        result = [{"key": item.source_key, "since": item.since, "error": item.error} for item in items]
        text = [f"{item.since}  {look.plain_key(item.source_key)}: {item.error}" for item in items]
        return RIGHT, {"quarantined": result}, "\n".join(text) or "no item"
    brought = look.retry(items, deployment.bring)
    deployment.clock.check()
    still = brought.quarantined
    numbers = {"tried": len(items), "written": brought.written, "still_quarantined": still}
    text_line = f"{len(items):,} items tried: {brought.written - still:,} count now, {still:,} are still quarantined"
    return (WRONG if still else RIGHT), numbers, text_line


def _base64(raw: bytes) -> str:
    """Binary values in JSON."""
    return b64encode(raw).decode()


def _add_status(commands: Any) -> None:
    parser = commands.add_parser("status", help="how the stack is")
    parser.add_argument(
        "--count-entries",
        action="store_true",
        help="read the whole ledger to count entries under an earlier definition: how far a backfill has to go",
    )
    parser.set_defaults(command=_status, go_on="It only reads: run it again.")


def _status(deployment: Deployment, options: argparse.Namespace, progress: Progress) -> tuple[int, dict[str, Any], str]:
    result = _status_of(deployment)
    if options.count_entries:
        entries, earlier = look.conversion(deployment.tables, deployment.deployed.definition)
        result |= {"entries": entries, "entries_under_an_earlier_definition": earlier}
    return RIGHT, result, "\n".join(look.status_lines(result))


def _status_of(deployment: Deployment) -> dict[str, Any]:
    settings, deployed = deployment.settings, deployment.deployed
    mapping = deployment.lambda_client.get_event_source_mapping(UUID=settings.event_source_mapping_uuid)
    age = look.iterator_age(deployment.client("cloudwatch"), settings.function_name, datetime.now(UTC))
    bucket = FailureBucket(deployment.client("s3"), settings.failure_bucket_name)
    return {
        "function_changed_at": datetime.fromtimestamp(deployed.modified_at, UTC).isoformat(timespec="seconds"),
        "definition": deployed.definition.fingerprint,
        "mapping": mapping["State"],
        "last_result": mapping.get("LastProcessingResult"),
        "iterator_age_seconds": age,
        "items_about": deployment.item_count,
        "quarantined": len(deployment.tables.quarantined()),
        "objects_to_replay": sum(1 for _ in bucket.pending()),
    }


def _add_watch(commands: Any) -> None:
    parser = commands.add_parser("watch", help="how the stack is, and rows of an aggregate, again and again")
    parser.add_argument("aggregate", nargs="?", help="an aggregate whose rows are shown, those that rank highest first")
    parser.add_argument("--bucket", help="sort key of the bucket's rows, such as day#2010-12-01")
    parser.add_argument("--limit", type=_positive(int), default=10, help="how many rows (default: 10)")
    parser.add_argument(
        "--interval",
        type=_positive(float),
        default=5.0,
        metavar="SECONDS",
        help="seconds between two looks (default: 5)",
    )
    parser.set_defaults(command=_watch, go_on="It only reads: run it again.")


def _watch(deployment: Deployment, options: argparse.Namespace, progress: Progress) -> tuple[int, None, str]:
    definition, view = deployment.deployed.definition, View(sys.stdout, as_json=options.json)
    try:
        while deployment.clock.remaining() > 0:
            deployment.check_unchanged()
            rows = (
                []
                if options.aggregate is None
                else look.rows_of(deployment.tables, definition, options.aggregate, options.bucket, options.limit)
            )
            status = _status_of(deployment)
            view.show(datetime.now(UTC), status, [look.readable(definition, row) for row in rows])
            deployment.clock.sleep(options.interval)
    except Interrupted:
        # Ctrl-C is how it is meant to end.
        pass
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain once more when it flushes at its end:
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return RIGHT, None, ""


def _add_top(commands: Any) -> None:
    parser = commands.add_parser("top", help="the groups of a bucket that rank highest")
    parser.add_argument("aggregate", help="an aggregate with rank_by")
    parser.add_argument("--bucket", help="sort key of the bucket's rows, such as day#2010-12-01")
    parser.add_argument("--limit", type=_positive(int), default=10, help="how many (default: 10)")
    parser.set_defaults(command=_top, go_on="It only reads: run it again.")


def _top(deployment: Deployment, options: argparse.Namespace, progress: Progress) -> tuple[int, dict[str, Any], str]:
    definition = deployment.deployed.definition
    rows = look.top(deployment.tables, definition, options.aggregate, options.bucket, options.limit)
    said = [look.readable(definition, row) for row in rows]
    return RIGHT, {"rows": said}, "\n".join(map(look.line, said)) or "no row"


def _add_get(commands: Any) -> None:
    parser = commands.add_parser("get", help="what a row says")
    parser.add_argument("pk", help="partition key of the row without a prefix, such as sales_by_product_day#22423")
    parser.add_argument("sk", nargs="?", default=ALL_TIME, help="sort key of the row (default: all)")
    parser.set_defaults(command=_get, go_on="It only reads: run it again.")


def _get(deployment: Deployment, options: argparse.Namespace, progress: Progress) -> tuple[int, dict[str, Any], str]:
    key = RowKey(options.pk, options.sk)
    row = look.get(deployment.tables, deployment.deployed.definition, key)
    if row is None:
        return WRONG, {"row": None}, "no such row"
    said = look.readable(deployment.deployed.definition, row)
    return RIGHT, {"row": said}, look.line(said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
