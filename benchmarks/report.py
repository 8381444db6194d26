"""The report of a comparison in Markdown: what was measured, next to what was wanted."""

import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import botocore

from benchmarks import cold_start
from benchmarks.cold_start import ColdStart
from benchmarks.counts import Counts
from benchmarks.engines import ROOT, SINGLE_MS, TRANSACTION_MS
from benchmarks.measure import Measurement
from benchmarks.own_work import OwnWork
from benchmarks.subjects import OURS
from benchmarks.workloads import BATCH_SIZE, WORKLOADS

#: Where the reports are that the repository has.
FOLDER = ROOT / "benchmarks" / "report"
#: What the others are compared with.
PEER = "naive"
STUB = "stub"


class Case(NamedTuple):
    """What is measured, by the names of the engine, the workload and the subject."""

    engine: str
    workload: str
    subject: str


@dataclass
class Results:
    """All that a run has found. ``counts`` are by workload and subject, ``own_work`` by workload."""

    counts: dict[tuple[str, str], Counts]
    measurements: dict[Case, list[Measurement]]
    own_work: dict[str, OwnWork]
    cold_start: ColdStart

    @property
    def rounds(self) -> int:
        """How often every case was measured."""
        return len(next(iter(self.measurements.values())))

    def rate(self, case: Case) -> float:
        """Records a second, the median of the rounds."""
        return statistics.median(one.records / one.seconds for one in self.measurements[case])

    def cpu(self, case: Case) -> float:
        """CPU microseconds of the client for a record, the median of the rounds."""
        return statistics.median(one.cpu_seconds / one.records * 1e6 for one in self.measurements[case])

    def batch(self, case: Case, percent: int) -> float | None:
        """Milliseconds that so many percent of the whole batches took at most; None where there was none."""
        batches = sorted(seconds * 1_000 for one in self.measurements[case] for seconds in one.batches)
        return batches[min(len(batches) - 1, len(batches) * percent // 100)] if batches else None

    def megabytes(self, case: Case) -> float:
        """The peak of the client's memory."""
        return max(one.peak_bytes for one in self.measurements[case]) / 1e6

    def units(self, workload: str, subject: str) -> float:
        """Write units a record."""
        counts = self.counts[workload, subject]
        return counts.write_units / counts.records


def render(results: Results) -> str:
    """The whole page."""
    parts = [_head(results), "## What was wanted\n", _wanted(results)]
    for engine in dict.fromkeys(case.engine for case in results.measurements):
        parts.append(f"## {engine}\n")
        for workload in WORKLOADS:
            cases = [case for case in results.measurements if case[:2] == (engine, workload.name)]
            if cases:
                parts.append(f"### {workload.name}: {workload.what}\n\n{_cases(results, cases)}")
    parts += ["## The function's own work\n", _own_work(results), "## Start\n", cold_start.table(results.cold_start)]
    parts.append(f"The package has {results.cold_start.package / 1_000:.0f} KB.")
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _head(results: Results) -> str:
    engines = dict.fromkeys(case.engine for case in results.measurements)
    plots = "\n\n".join(f"![Records a second, {engine}]({plot_name(engine)})" for engine in engines)
    return f"""# Comparison

Written by `python -m benchmarks.compare`; [docs/performance.md](../../docs/performance.md) says what is compared and
how to read it. Medians of {results.rounds} rounds in which all took turns, on {os.cpu_count()} processors, Python
{platform.python_version()}, botocore {botocore.__version__}. Rates and times are this machine's at that time: read the
ratios. Batches have {BATCH_SIZE:,} records; the stub answers a call after {SINGLE_MS} ms and a transaction after
{TRANSACTION_MS} ms. Calls and write units are counted, those of tables
without their indexes, and the same on any machine.

{plots}"""


def plot_name(engine: str) -> str:
    """The file that an engine's plot is in."""
    return f"{engine.replace(' ', '-').lower()}.svg"


def _cases(results: Results, cases: list[Case]) -> str:
    peer = next((case for case in cases if case.subject == PEER), None)
    lines = [
        "| | records a second | CPU a record | calls a record | write units a record | batch p50 | p99 | memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case in cases:
        counts = results.counts[case.workload, case.subject]
        rate, cpu = results.rate(case), results.cpu(case)
        middle, most = (_milliseconds(results.batch(case, percent)) for percent in (50, 99))
        lines.append(
            f"| {case.subject} | {rate:,.0f}{_ratio(rate, peer and results.rate(peer))} "
            f"| {cpu:,.0f} µs{_ratio(cpu, peer and results.cpu(peer))} | {counts.calls / counts.records:.3f} "
            f"| {results.units(case.workload, case.subject):.3f} | {middle} | {most} "
            f"| {results.megabytes(case):.0f} MB |"
        )
    return "\n".join(lines)


def _ratio(value: float, peer: float | None) -> str:
    return "" if peer is None else f" ({_short(value / peer)} ×)"


def _short(number: float) -> str:
    return f"{number:.2g}" if number < 10 else f"{number:,.0f}"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} ms"


class _Target(NamedTuple):
    """What is wanted of the ratio of a subject to :data:`PEER`: at least ``bound``, or at most where not ``least``."""

    what: str
    workload: str
    subject: str
    value: Callable[[Results, Case, Case], float]
    bound: float
    least: bool


def _rate(results: Results, case: Case, peer: Case) -> float:
    return results.rate(case) / results.rate(peer)


def _cpu(results: Results, case: Case, peer: Case) -> float:
    return results.cpu(case) / results.cpu(peer)


def _units(results: Results, case: Case, peer: Case) -> float:
    return results.units(case.workload, case.subject) / results.units(peer.workload, peer.subject)


def _units_alone(results: Results, case: Case, peer: Case) -> float:
    return results.units(case.workload, case.subject)


_TARGETS = [
    *(_Target("records a second", "retail", name, _rate, 8 if name == "ledger" else 12, True) for name in OURS),
    *(_Target("records a second", "retail-1", name, _rate, 3 if name == "ledger" else 5, True) for name in OURS),
    *(_Target("CPU a record", "retail", name, _cpu, 0.1, False) for name in OURS),
    *(_Target("write units a record", "retail", name, _units, 0.25, False) for name in OURS[:2]),
    *(_Target("records a second", "hot", name, _rate, 20, True) for name in OURS[:2]),
    *(_Target("write units a record, not as a ratio", "hot", name, _units_alone, 0.02, False) for name in OURS[:2]),
]


def _wanted(results: Results) -> str:
    engines = list(dict.fromkeys(case.engine for case in results.measurements))
    lines = [
        f"Ratios to `{PEER}`. Bold is what is not reached.\n",
        f"| what | workload | delivery | wanted | {' | '.join(engines)} |",
        "| --- | --- | --- | --- |" + " --- |" * len(engines),
    ]
    for target in _TARGETS:
        cells = []
        for engine in engines:
            case, peer = (Case(engine, target.workload, subject) for subject in (target.subject, PEER))
            if case in results.measurements and peer in results.measurements:
                value = target.value(results, case, peer)
                text = _short(value) + ("" if target.value is _units_alone else " ×")
                reached = value >= target.bound if target.least else value <= target.bound
                cells.append(text if reached else f"**{text}**")
        if cells:
            bound = f"{'at least' if target.least else 'at most'} {target.bound:g}"
            lines.append(f"| {target.what} | {target.workload} | {target.subject} | {bound} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _own_work(results: Results) -> str:
    lines = [
        "CPU a record without any client, next to reading the event; `botocore` is what the client adds on the stub.\n",
        f"| workload | json.loads | {' | '.join(f'{name} | botocore' for name in OURS)} |",
        "| --- | --- |" + " --- | --- |" * len(OURS),
    ]
    for workload, found in results.own_work.items():
        cells = []
        for name in OURS:
            case, cpu = Case(STUB, workload, name), found.deliveries.get(name)
            cells.append("" if cpu is None else f"{cpu:.0f} µs ({cpu / found.json_loads:.1f} ×)")
            measured = cpu is not None and case in results.measurements
            cells.append(f"{results.cpu(case) - (cpu or 0):,.0f} µs" if measured else "")
        lines.append(f"| {workload} | {found.json_loads:.1f} µs | {' | '.join(cells)} |")
    return "\n".join(lines)
