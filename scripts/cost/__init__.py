"""What a pipeline costs, before there is one: write and read units from the declared aggregates, and USD a month.

``prices``     AWS's list prices
``sizes``      bytes of items, and units by AWS's rules
``load``       a sequence of changes: made of a sample of real items, or drawn from assumed numbers of groups
``units``      what that sequence costs in units with each delivery
``estimate``   from units to a month's bill
``__main__``   the command

Nothing here talks to AWS. How records share transactions is not modelled: it is computed by the package's own code
(:mod:`aggregator.transactions`). docs/cost.md says how well the result agrees with what is counted.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "lambda_src"))
