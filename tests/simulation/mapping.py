"""The event source mapping: polls shards, forms batches, retries, splits, gives up, as AWS documents it.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .scheduler import Scheduler, Signal
from .stream import STREAM_ARN, Shard, Stream, slot

Record = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """The settings of a mapping, and how far it goes beyond what AWS promises.

    ``duplicates`` is the probability that a batch is delivered once more although it was done, at the same time or
    later; ``disorder`` deals the records of an item out to several lanes, so that any order is possible.
    ``tumbling_window`` is its length in seconds (None: there is none); it ends early with probability ``early_end``.
    """

    batch_size: int
    window: float
    parallelization_factor: int
    maximum_retry_attempts: int | None
    maximum_record_age: float
    bisect: bool
    duplicates: float = 0.0
    disorder: bool = False
    tumbling_window: float | None = None
    early_end: float = 0.05


@dataclass(frozen=True)
class Answer:
    """What an invocation came to: failed as a whole, or with a sequence number to go on from, or neither."""

    failed: bool = False
    go_on_from: str | None = None
    state: Any = None


@dataclass
class Window:
    """A tumbling window of a shard, by its number since 1970, and the state that is handed from call to call."""

    shard: str
    number: int
    seconds: float
    state: Any

    def event(self, *, final: bool = False, early: bool = False) -> dict[str, Any]:
        """What the event says of the window."""
        start, end = (
            datetime.fromtimestamp((self.number + more) * self.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            for more in (0, 1)
        )
        return {
            "window": {"start": start, "end": end},
            "state": self.state,
            "shardId": self.shard,
            "eventSourceARN": STREAM_ARN,
            "isFinalInvokeForWindow": final,
            "isWindowTerminatedEarly": early,
        }


#: Takes the records of a batch and, with a tumbling window, what the event says of it.
Invoke = Callable[..., Answer]


class Mapping:
    """One event source mapping from TRIM_HORIZON. A lane is what one of its concurrent batches is taken from."""

    def __init__(
        self,
        scheduler: Scheduler,
        stream: Stream,
        settings: Settings,
        invoke: Invoke,
        give_up: Callable[[list[Record]], None],
    ) -> None:
        """``give_up`` is the on-failure destination."""
        self._scheduler = scheduler
        self._stream = stream
        self._settings = settings
        self._invoke = invoke
        self._give_up = give_up
        self._lanes_left: dict[Shard, int] = {}
        self._windows: dict[Shard, Window] = {}
        self._progress = Signal()
        self._started = 0
        scheduler.spawn(self._watch)

    @property
    def finished(self) -> bool:
        """Whether every shard is closed and everything in it delivered or given up."""
        shards = self._stream.shards
        return self._started == len(shards) and all(s.closed and self._lanes_left[s] == 0 for s in shards)

    def _watch(self) -> None:
        while True:
            while self._started < len(self._stream.shards):
                shard = self._stream.shards[self._started]
                self._started += 1
                self._lanes_left[shard] = self._settings.parallelization_factor
                for number in range(self._settings.parallelization_factor):
                    self._scheduler.spawn(lambda shard=shard, number=number: self._poll(shard, number))  # type: ignore[misc]
            self._scheduler.wait(self._stream.grown)

    def _poll(self, shard: Shard, number: int) -> None:
        settings = self._settings
        while shard.parent is not None and self._lanes_left[shard.parent] > 0:
            self._scheduler.wait(self._progress)
        position = 0
        while True:
            lane = self._lane(shard, number)
            if position < len(lane):
                if len(lane) - position < settings.batch_size and settings.window:
                    self._scheduler.sleep(self._scheduler.random.random() * settings.window)
                    lane = self._lane(shard, number)
                position = self._deliver(shard, number, position, min(len(lane), position + settings.batch_size))
            elif shard.closed:
                break
            else:
                self._wait_for_records(shard)
        self._end_window(shard)
        self._lanes_left[shard] -= 1
        self._scheduler.notify(self._progress)

    def _lane(self, shard: Shard, number: int) -> list[Record]:
        factor = self._settings.parallelization_factor
        if factor == 1:
            return shard.records
        if self._settings.disorder:
            return [record for index, record in enumerate(shard.records) if index * 7 % factor == number]
        return [r for r in shard.records if slot("lane " + r["dynamodb"]["Keys"]["id"]["S"]) % factor == number]

    def _deliver(self, shard: Shard, number: int, start: int, end: int) -> int:
        """Deliver the records of a lane from ``start`` to ``end`` or another end; returns where the next batch is."""
        random, settings = self._scheduler.random, self._settings
        todo = [(start, end, 0)]
        while todo:
            start, end, attempts = todo.pop()
            lane = self._lane(shard, number)
            while start < end and self._age(lane[start]) > settings.maximum_record_age:
                self._give_up([lane[start]])
                start += 1
            if start == end:
                continue
            if settings.tumbling_window is not None:
                cut = self._end_of_window(lane, start, end)
                if cut < end:
                    todo.append((cut, end, 0))
                    end = cut
            batch = lane[start:end]
            window = self._window(shard, batch[0])
            if random.random() < settings.duplicates:
                self._deliver_beside(batch, *window)
            answer = self._invoke(batch, *window)
            if window and not answer.failed:
                self._windows[shard].state = answer.state
                if random.random() < settings.early_end:
                    self._end_window(shard, early=True)
            if answer.failed or answer.go_on_from is not None:
                if answer.go_on_from is not None:
                    start += _index(batch, answer.go_on_from)
                splits = answer.failed and settings.bisect and end - start > 1
                # Splitting a batch does not count towards the retry quota.
                spent = settings.maximum_retry_attempts is not None and attempts >= settings.maximum_retry_attempts
                if spent and not splits:
                    self._give_up(lane[start:end])
                    continue
                self._scheduler.sleep(random.random() * min(300.0, 2.0 ** min(attempts, 10)))
                if splits:
                    middle = (start + end) // 2
                    todo += [(middle, end, attempts), (start, middle, attempts)]
                    continue
                if not todo and not (settings.bisect and answer.go_on_from is not None):
                    # Nothing says that the batch is formed anew as it was.
                    end = random.randint(start + 1, min(len(self._lane(shard, number)), start + settings.batch_size))
                todo.append((start, end, attempts + 1))
            elif random.random() < settings.duplicates:
                todo.append((start, end, 0))
        return end

    def _deliver_beside(self, batch: list[Record], *window: dict[str, Any]) -> None:
        delay = self._scheduler.random.choice((0.0, 1.0, 60.0)) * self._scheduler.random.random()
        self._scheduler.spawn(lambda: self._invoke(batch, *window), delay=delay)

    # Tumbling windows: every batch lies in one, by the time at which its records were written

    def _number(self, record: Record) -> int:
        seconds = self._settings.tumbling_window
        return int(float(record["dynamodb"]["ApproximateCreationDateTime"]) // seconds) if seconds else 0

    def _end_of_window(self, lane: list[Record], start: int, end: int) -> int:
        return next((i for i in range(start, end) if self._number(lane[i]) != self._number(lane[start])), end)

    def _window(self, shard: Shard, record: Record) -> list[dict[str, Any]]:
        """What the event says of the window of a record; empty without tumbling windows."""
        seconds = self._settings.tumbling_window
        if seconds is None:
            return []
        if shard in self._windows and self._windows[shard].number != self._number(record):
            self._end_window(shard)
        if shard not in self._windows:
            self._windows[shard] = Window(shard.name, self._number(record), seconds, {})
        return [self._windows[shard].event()]

    def _end_window(self, shard: Shard, *, early: bool = False) -> None:
        """The last invocation of a window: no records, only its state."""
        window = self._windows.pop(shard, None)
        while window and self._invoke([], window.event(final=True, early=early)).failed:
            self._scheduler.sleep(self._scheduler.random.random() * 10)

    def _wait_for_records(self, shard: Shard) -> None:
        window = self._windows.get(shard)
        if window is None:
            self._scheduler.wait(self._stream.grown)
            return
        left = (window.number + 1) * window.seconds - self._scheduler.now
        if left <= 0:
            self._end_window(shard)
        else:
            self._scheduler.wait(self._stream.grown, left)

    def _age(self, record: Record) -> float:
        return self._scheduler.now - float(record["dynamodb"]["ApproximateCreationDateTime"])


def _index(batch: list[Record], sequence_number: str) -> int:
    return [record["dynamodb"]["SequenceNumber"] for record in batch].index(sequence_number)
