"""The three deliveries, and which measures each of them can keep right."""

from .definition import Definition

LEDGER = "ledger"
WATERMARK = "watermark"
NONE = "none"
#: What DELIVERY may say, the default first.
DELIVERIES = (LEDGER, WATERMARK, NONE)


def problems(delivery: str, definition: Definition, *, append_only: bool, keeps_expired: bool) -> list[str]:
    """Why a delivery cannot keep these aggregates, one text for each problem with its place; empty where it can.

    ``append_only`` and ``keeps_expired`` say that the function is to treat its source so.

    Without a ledger nobody remembers what the single items contributed: a measure is kept right only where what goes
    can be subtracted from what is there.
    """
    if delivery not in DELIVERIES:
        return [f"DELIVERY: {delivery!r} is not a delivery; set it to {', '.join(DELIVERIES[:-1])} or {DELIVERIES[-1]}"]
    if delivery == LEDGER:
        return []
    settings = {"APPEND_ONLY": append_only, "ON_SOURCE_EXPIRY": keeps_expired}
    return [
        f"{name}: needs delivery ledger, which remembers what has been counted; unset it, or set delivery to ledger"
        for name, declared in settings.items()
        if declared
    ] + [
        f"aggregates.{aggregate.name}.measures.{measure.name}: cannot be kept with delivery {delivery}, because what a "
        "deletion takes away cannot be subtracted from it; remove the measure, or set delivery to ledger"
        for aggregate in definition.aggregates.values()
        for measure in aggregate.measures
        if not measure.is_linear
    ]
