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
from pathlib import Path

# The package that the function runs is what the commands compute with.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lambda_src"))
