"""An hour in which the function cannot work: what it costs, and what brings everything back.

Simulated are time, the stream and the event source mapping; the tables are those of the simulations, and S3 is moto's.
Real are the function, its wrong configuration, and the commands.
"""

import json
from collections import Counter
from random import Random

from aggregator.handler import Aggregator, ConfigurationError
from tests.simulation.mapping import Answer, Mapping, Settings
from tests.simulation.scenario import HOUR, MINUTE
from tests.simulation.scheduler import Scheduler
from tests.simulation.stream import Stream
from tests.support.stack import SOURCE_TABLE, Stack
from tests.support.stream import event, image
from tests.unit.test_operations_replay import failed, s3

__all__ = ["s3"]

AGGREGATES = {
    "by_product": {
        "group_by": ["product"],
        "measures": {
            "quantity": {"function": "sum", "value": "quantity"},
            "most": {"function": "max", "value": "quantity"},
            "buyers": {"function": "distinct", "value": "buyer"},
        },
    }
}
#: Records are given up an hour after the change; the function works for ten minutes, and then not for two hours.
SETTINGS = Settings(
    batch_size=20,
    window=1.0,
    parallelization_factor=2,
    maximum_retry_attempts=None,
    maximum_record_age=HOUR,
    bisect=True,
)
BROKEN, REPAIRED, END = 10 * MINUTE, 130 * MINUTE, 140 * MINUTE
#: Seconds between two writes, on average.
PAUSE = 10.0


class Context:
    def get_remaining_time_in_millis(self):
        return 120_000


def recomputed(items):
    """The rows, from the items as they are now, without the package."""
    rows = {}
    for item in items:
        rows.setdefault(item["product"]["S"], []).append(item)
    return {
        (f"by_product#{product}", "all"): (
            str(len(of_it)),
            str(sum(int(item["quantity"]["N"]) for item in of_it)),
            str(max(int(item["quantity"]["N"]) for item in of_it)),
            str(len({item["buyer"]["S"] for item in of_it})),
        )
        for product, of_it in rows.items()
    }


def rows(stack):
    return {
        key: tuple(row[name] for name in ("items", "quantity", "most", "buyers")) for key, row in stack.rows().items()
    }


def test_after_an_hour_without_a_working_function_a_replay_makes_everything_exact(s3, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.simulation.stream.SOURCE_TABLE", SOURCE_TABLE)
    stack = Stack(AGGREGATES)
    random = Random(0)  # noqa: S311 - no secret
    scheduler = Scheduler(random)
    stream = Stream(scheduler, stack.client.database)
    begin = scheduler.now
    outcomes = Counter()
    given_up = []

    def invoke(batch):
        broken = BROKEN <= scheduler.now - begin < REPAIRED
        variables = stack.environment | ({"AGGREGATES": "nonsense"} if broken else {})
        try:
            answer = Aggregator(variables, lambda: stack.client.database, map).handle(event(batch), Context())
        except ConfigurationError:
            outcomes["failed"] += 1
            return Answer(failed=True)
        outcomes["right"] += 1
        assert answer == {"batchItemFailures": []}
        return Answer()

    def give_up(batch):
        given_up.append(scheduler.now - batch[0]["dynamodb"]["ApproximateCreationDateTime"])
        failed(s3, f"{len(given_up):06}", batch)

    def write():
        while scheduler.now - begin < END:
            scheduler.sleep(random.expovariate(1 / PAUSE))
            key = f"order-{random.randrange(400)}"
            if key in stream.items and random.random() < 0.3:
                stream.delete(key)
            else:
                item = {"product": random.choice(("tea", "coffee")), "quantity": random.randint(-9, 99)}
                stream.put(image(id=key, **item, buyer=f"buyer {random.randrange(9)}"))
        stream.close()

    mapping = Mapping(scheduler, stream, SETTINGS, invoke, give_up)
    scheduler.spawn(write)
    scheduler.run(lambda: mapping.finished)
    scheduler.close()

    assert min(outcomes.values()) > 20, outcomes
    assert len(given_up) > 100
    assert HOUR < min(given_up) < HOUR + 10 * MINUTE, "they were tried for an hour first"
    assert rows(stack) != recomputed(stream.items.values()), "what was given up is missing"

    stack.clients["s3"] = s3
    code, printed = stack.command(tmp_path, "--json", "replay")
    done = json.loads(printed)
    assert (code, done["objects"], done["unusable"]) == (0, len(given_up), {})
    assert done["written"] > 10
    assert rows(stack) == recomputed(stream.items.values())
    code, printed = stack.command(tmp_path, "verify", "--patience", "1")
    assert code == 0, printed
