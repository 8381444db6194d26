"""The environment that modules/aggregator gives the function."""

import base64
import gzip
import json
from typing import Any

from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE


def environment(aggregates: dict[str, Any], delivery: str = "ledger", **more: str) -> dict[str, str]:
    """The environment variables for these aggregates; ``more`` are further ones."""
    return {
        "AGGREGATES": base64.b64encode(gzip.compress(json.dumps(aggregates).encode(), mtime=0)).decode(),
        "AGGREGATE_TABLE": AGGREGATE_TABLE,
        "LEDGER_TABLE": LEDGER_TABLE,
        "DELIVERY": delivery,
        **more,
    }
