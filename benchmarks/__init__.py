"""Measurements of the function: what it costs, how fast it is, next to how others do it.

Each of these is a command, ``python -m benchmarks.<name>``, and makes numbers of a page in docs:

=======================  ====================================================================
``compare``              time, calls and write units next to how others do it (performance)
``own_work``             what the function's own code takes for an event (performance)
``request_body``         what a transaction and a batch take of the client, written in two ways (performance)
``threads``              what writing with 1 to 8 threads makes of it (performance)
``prediction``           ledger entries predicted, and read first (performance)
``cold_start``           what it does before its first event (performance)
``scale``                what a record costs as things grow (performance)
``cost``                 predicted against counted cost of the demo (cost)
``example_costs``        what the examples cost (examples/README.md)
``measure_costs``        what each function of measures costs (measures)
``api_latency``          what a request to the API takes, and what a million of them cost (api)
``backfill_under_load``  a backfill that is killed, next to live traffic (operations)
``freshness``            seconds from a write to the row that counts it (performance)
``dashboard``            the picture of the dashboard with the numbers of a day (monitoring)
=======================  ====================================================================

These serve them:

==================  =========================================================================
``workloads``       stream records in batches, and the aggregates that are kept of them
``subjects``        who is compared: the function with each delivery, and how others do it
``capacity``        counts calls and capacity units on a DynamoDB in memory, by AWS's rules
``counts``          what a subject asks of DynamoDB for a workload, counted so
``engines``         what is measured against: DynamoDB Local, and the ``stub``
``stub``            an endpoint that answers as DynamoDB would, after a fixed time
``measure``         one subject, workload and engine, measured in a process of its own
``report``          the report of a comparison in Markdown
``plots``           its plots
``local_pipeline``  a pipeline on DynamoDB Local alone, for ``backfill_under_load``
``noted_writes``    a command of scripts/aggregates that notes each write before it is sent
==================  =========================================================================
"""

import sys
from pathlib import Path

# The package is in the zip, not installed.
sys.path.insert(0, str(Path(__file__).parents[1] / "lambda_src"))
