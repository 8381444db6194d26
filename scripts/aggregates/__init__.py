"""The operators' command line: ``python -m scripts.aggregates``.

==============  ====================================================================
``settings``    what a stack is made of: from Terraform's output and the function
``tables``      the three tables, read consistently and whole
``deployment``  a stack in use: clients, definition, threads, interruption
``progress``    lines that say how far a long command has come
``backfill``    items that were there before: parallel segments, paced, resumable
``expected``    what rows have to be, from the contributions of ledger entries
``verify``      entries against source items, rows against contributions
``drift``       what a verification has found, as metrics
``repair``      what a verification has found is brought to what it has to be
``replay``      records of the failure bucket
``look``        how a stack is, which items are quarantined, what rows say
``watch``       the same again and again, redrawn
==============  ====================================================================
"""

import sys
from importlib.util import find_spec
from pathlib import Path

# Older versions cannot even read the other files, so this one has nothing new in it.
if sys.version_info < (3, 12) or find_spec("boto3") is None:
    print(
        "error: the commands need Python 3.12 or newer with boto3, and this is "
        + sys.version.split()[0]
        + " in "
        + sys.prefix
        + ". `make setup` installs both; then run .venv/bin/python -m scripts.aggregates in that folder",
        file=sys.stderr,
    )
    sys.exit(2)

# The package that the function runs is what the commands compute with.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lambda_src"))
