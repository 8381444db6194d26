"""What a subject asks of DynamoDB for a workload, counted on a DynamoDB in memory: the same numbers on any machine."""

from typing import NamedTuple

from benchmarks.capacity import Metered
from benchmarks.subjects import SUBJECTS
from benchmarks.workloads import BATCH_SIZE, Workload
from tests.simulation.dynamodb import DynamoDB
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE


class Counts(NamedTuple):
    """Records, calls, of which transactions, single writes in transactions or not, and capacity units."""

    records: int
    calls: int
    transactions: int
    actions: int
    write_units: int
    read_units: float


def count(subject: str, workload: Workload, batches: int | None = None, *, batch_size: int = BATCH_SIZE) -> Counts:
    """Let a subject do the first ``batches`` of a workload (None: all), each of so many records."""
    client = Metered(DynamoDB({AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]}))
    handle = SUBJECTS[subject](client, workload, lambda call, arguments: [call(each) for each in arguments])
    records = 0
    for number, batch in enumerate(workload.batches(batch_size)):
        if number == batches:
            break
        handle(batch)
        records += len(batch)
    calls = client.calls
    return Counts(records, calls.total(), calls["transact_write_items"], client.actions, client.written, client.read)
