"""AWS's list prices, in USD: the one place to bring up to date."""

import json
from dataclasses import asdict, dataclass, replace

#: Where the prices are published, and when they were looked up there.
SOURCES = (
    "https://aws.amazon.com/dynamodb/pricing/on-demand/",
    "https://aws.amazon.com/lambda/pricing/",
    "https://aws.amazon.com/api-gateway/pricing/",
    "https://aws.amazon.com/cloudwatch/pricing/",
)
LOOKED_UP = "2026-11-25"


class PricesError(ValueError):
    """The file of prices cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Prices:
    """USD for each unit, as of a standard table on demand and the first tier of the others; free tiers left out."""

    region: str = "us-east-1"
    million_write_units: float = 0.625
    million_read_units: float = 0.125
    #: A month, of the standard table class.
    gb_of_table: float = 0.25
    gb_of_point_in_time_recovery: float = 0.20
    #: GetRecords by a Lambda trigger is not charged for.
    million_stream_reads_by_lambda: float = 0.0
    million_lambda_requests: float = 0.20
    gb_second_arm64: float = 0.0000133334
    gb_second_x86_64: float = 0.0000166667
    million_rest_api_requests: float = 3.50
    gb_of_log: float = 0.50
    custom_metric: float = 0.30

    @classmethod
    def read(cls, text: str) -> "Prices":
        """The prices with those in a JSON object in their place. Raises :class:`PricesError`."""
        try:
            given = json.loads(text)
        except ValueError as error:
            raise PricesError(f"the prices are not JSON: {error}") from None
        known = asdict(cls())
        if not isinstance(given, dict) or not given.keys() <= known.keys():
            raise PricesError(f"the prices have to be a JSON object with some of these names: {', '.join(known)}")
        for name, value in given.items():
            number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
            if not (isinstance(value, str) if name == "region" else number):
                raise PricesError(f"{name}: {value!r} is no price; write USD as a number of at least 0")
        return replace(cls(), **given)
