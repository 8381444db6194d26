"""What happens in a simulation, decided by the seed before it starts."""

from dataclasses import dataclass, replace
from random import Random

from aggregator.transactions import MAX_ACTIONS

from .mapping import Settings
from .weather import FAULTS, Weather

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
#: What a change of one item can need: its entry, and what it takes back from and puts into rows and their indexes.
LEAST_ACTIONS = 1 + 2 * 13
#: What it needs besides for the row that is spread over parts.
SPREAD_ACTIONS = 2 * 5


@dataclass(frozen=True)
class Scenario:
    """One simulation: how much is written by whom, what the mapping is like, and what else goes on.

    ``pause`` is the mean of seconds between two writes of the source table. ``old_items`` are there before the
    stream is, so that no record tells of them. In a ``storm`` of so many seconds hardly any write succeeds, in an
    ``outage`` none is allowed. In the middle of the writes there is a ``lull``, long enough for rows to pass their
    retention. ``keeps_expired`` says that what an item contributed stays when TTL deletes it. ``actions`` is how many a
    transaction may have: with fewer than DynamoDB's 100, a small batch becomes many transactions. ``same_table`` says
    that rows are kept in the source table, ``spread`` that there is a row that is spread over parts. Of what happens
    once or several times, ``None`` and 0 mean never.
    """

    keys: int
    writes: int
    pause: float
    bad: float
    old_items: int
    settings: Settings
    weather: Weather
    timeout: float
    reshardings: int
    outage: float | None
    storm: float | None
    refusing_row: bool
    definition_change: bool
    second_mapping: bool
    second_backfill: bool
    idle: float
    replays_at_once: bool
    lull: float = 0.0
    keeps_expired: bool = False
    actions: int = MAX_ACTIONS
    same_table: bool = False
    spread: bool = False

    @property
    def backfills(self) -> bool:
        """Whether a backfill is needed: nothing else brings in what no record tells of."""
        return self.old_items > 0 or self.definition_change or self.refusing_row


def scenario(random: Random) -> Scenario:
    """Draw a scenario. Most of them leave most troubles out: where everything goes wrong, nothing goes far."""

    def sometimes(probability: float) -> bool:
        return random.random() < probability

    settings = Settings(
        batch_size=random.choice((1, 2, 5, 20, 100)),
        window=random.choice((0.0, 1.0, 5.0)),
        parallelization_factor=random.choice((1, 1, 2, 4)),
        maximum_retry_attempts=random.choice((None, None, None, 0, 2)),
        maximum_record_age=random.choice((MINUTE, HOUR, 22 * HOUR, 22 * HOUR)),
        bisect=sometimes(0.5),
        duplicates=random.choice((0.0, 0.0, 0.1, 0.4)),
        disorder=sometimes(0.15),
    )
    weather = Weather(
        intensity=random.choice((0.0, 0.02, 0.1, 0.2, 0.4)),
        faults=tuple(random.sample(FAULTS, random.choice((1, 2, 4, len(FAULTS))))),
        latency=random.choice((0.01, 0.1, 1.0)),
    )
    drawn = Scenario(
        keys=random.choice((1, 2, 3, 5, 8)),
        writes=random.choice((6, 12, 25, 40)),
        pause=random.choice((0.01, 0.3, 3.0, MINUTE)),
        bad=random.choice((0.0, 0.1, 0.3)),
        old_items=random.choice((0, 0, 0, 0, 3, 6)),
        settings=settings,
        weather=weather,
        timeout=random.choice((30.0, 60.0, 120.0)),
        reshardings=random.choice((0, 0, 1, 3)),
        outage=random.choice((MINUTE, 2 * HOUR, 30 * HOUR)) if sometimes(0.1) else None,
        storm=random.choice((MINUTE, 5 * MINUTE)) if sometimes(0.2) else None,
        refusing_row=sometimes(0.1),
        definition_change=sometimes(0.2),
        second_mapping=sometimes(0.15),
        second_backfill=sometimes(0.3),
        idle=random.choice((0.0, 0.0, HOUR, 10 * DAY)),
        replays_at_once=sometimes(0.5),
        lull=random.choice((0.0, 0.0, 0.0, DAY, 2 * DAY, 4 * DAY)),
        keeps_expired=sometimes(0.15),
        actions=random.choice((LEAST_ACTIONS, LEAST_ACTIONS + 12, MAX_ACTIONS)),
        spread=sometimes(0.05),
    )
    if drawn.spread:
        drawn = replace(drawn, actions=max(drawn.actions, LEAST_ACTIONS + SPREAD_ACTIONS))
    if drawn.keeps_expired:
        # What has expired is not computed anew, neither under another declaration nor for a row that refused it.
        return replace(drawn, definition_change=False, refusing_row=False)
    return drawn
