"""Compares the function with how others do it, all in one run, and writes the report with its plots.

    python -m benchmarks.compare                  # everything, about 15 minutes on two processors
    python -m benchmarks.compare --workloads hot --engines stub --rounds 1 --report /tmp/report

In each round every subject works on every workload and engine in turn, so that what else the machine does at a time
meets all of them; of the rounds the median counts. The plots need ``pip install -r benchmarks/requirements.txt``.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import cold_start, own_work, plots, report
from benchmarks.counts import Counts, count
from benchmarks.engines import ENGINES
from benchmarks.measure import Measurement, measure
from benchmarks.report import Case, Results
from benchmarks.subjects import SUBJECTS
from benchmarks.workloads import WORKLOADS

#: Seconds of each subject in which the engine's own compiler may do its work before anything is measured: each asks for
#: other operations.
_WARM_UP = 15


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.partition("\n")[0])
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument("--workloads", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), help="default: all")
    parser.add_argument("--subjects", nargs="+", choices=list(SUBJECTS), default=list(SUBJECTS), help="default: all")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each subject in each round (1.5)")
    parser.add_argument("--report", type=Path, default=report.FOLDER, help="folder to write into (benchmarks/report)")
    options = parser.parse_args()
    # Now, not after all has been measured.
    plots.check()
    cases = [
        Case(engine, workload.name, subject)
        for engine in options.engines
        for workload in WORKLOADS
        if workload.name in options.workloads
        for subject in options.subjects
        if not workload.for_ledger or subject == "ledger"
    ]
    results = Results(
        counts=_counts(cases),
        measurements=defaultdict(list),
        own_work={each.name: own_work.own_work(each) for each in WORKLOADS if each.name in options.workloads},
        cold_start=cold_start.cold_start(),
    )
    options.report.mkdir(parents=True, exist_ok=True)
    for _ in _rounds(cases, results.measurements, options.rounds, options.seconds):
        # After every round: an interrupt costs no more than the one that was begun.
        (options.report / "README.md").write_text(report.render(results))
        plots.draw(results, options.report)
        print(f"wrote {options.report / 'README.md'}", flush=True)
    return 0


def _counts(cases: list[Case]) -> dict[tuple[str, str], Counts]:
    wanted = dict.fromkeys((case.workload, case.subject) for case in cases)
    workloads = {workload.name: workload for workload in WORKLOADS}
    return {(workload, subject): count(subject, workloads[workload]) for workload, subject in wanted}


def _rounds(cases: list[Case], found: dict[Case, list[Measurement]], rounds: int, seconds: float) -> Iterator[None]:
    """Measure every case once a round, and give way after each."""
    began = time.monotonic()
    with ExitStack() as stack:
        endpoints = {name: stack.enter_context(ENGINES[name]()) for name in {case.engine: None for case in cases}}
        compiling = ((case.engine, case.subject) for case in cases if case.engine != "stub")
        for engine, subject in dict.fromkeys(compiling):
            warm = time.monotonic() + _WARM_UP
            while time.monotonic() < warm:
                measure(endpoints[engine], subject=subject, workload="retail", seconds=_WARM_UP)
        for number in range(rounds):
            ones = []
            for place, case in enumerate(cases):
                endpoint = endpoints[case.engine]
                one = measure(endpoint, subject=case.subject, workload=case.workload, seconds=seconds)
                ones.append((case, one))
                print(
                    f"{time.monotonic() - began:5.0f} s, round {number + 1} of {rounds}, {place + 1} of {len(cases)}: "
                    f"{' / '.join(case)}: {one.records / one.seconds:,.0f} records a second",
                    file=sys.stderr,
                    flush=True,
                )
            for case, one in ones:
                found[case].append(one)
            yield


if __name__ == "__main__":
    sys.exit(main())
