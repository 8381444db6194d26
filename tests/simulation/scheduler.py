"""Virtual time and cooperative tasks: one thread, one random generator, so that a seed decides every interleaving."""

import heapq
from collections.abc import Callable
from random import Random

from greenlet import GreenletExit, getcurrent, greenlet

#: The epoch second at which every simulation starts: 2026-01-05T00:00:00Z.
START = 1_767_571_200.0


class Signal:
    """Something that tasks wait for."""

    def __init__(self) -> None:
        self.waiting: list[Task] = []


class Process:
    """Tasks that die together, as the threads of an execution environment do."""

    def __init__(self) -> None:
        self.alive = True
        self.ended = Signal()


class Task:
    """One thread of control. ``result`` or ``error`` is set when it is ``done``."""

    def __init__(self, process: Process | None) -> None:
        self.process = process
        self.greenlet: greenlet
        self.wake = 0
        self.done = Signal()
        self.is_done = False
        self.result: object = None
        self.error: Exception | None = None

    @property
    def alive(self) -> bool:
        """Whether the process that it belongs to is alive."""
        return self.process is None or self.process.alive


class Scheduler:
    """Runs the task whose time has come; of several at the same time, one chosen by the random generator."""

    def __init__(self, random: Random, trace: Callable[[str], None] | None = None) -> None:
        self.random = random
        self.now = START
        self.steps = 0
        # Where tasks switch to, so that the next one can be chosen.
        self._hub = getcurrent()
        self.traced = trace is not None
        self._trace = trace
        self._queue: list[tuple[float, float, int, Task, int]] = []
        self._tasks: dict[greenlet, Task] = {}
        self._pushed = 0

    def log(self, text: str, *arguments: object) -> None:
        """Add a line to the trace, where one is wanted; ``%s`` stands for the arguments."""
        if self._trace is not None:
            self._trace(f"{self.now - START:14.3f}  {text % arguments if arguments else text}")

    @property
    def task(self) -> Task:
        """The task that runs now."""
        return self._tasks[getcurrent()]

    def spawn(self, run: Callable[[], object], *, delay: float = 0.0, process: Process | None = None) -> Task:
        """Start a task after ``delay`` seconds. An exception of a task without process ends the simulation."""
        task = Task(process)

        def main() -> None:
            try:
                task.result = run()
            except Exception as error:
                if task.process is None:
                    raise
                task.error = error
            finally:
                task.is_done = True
                del self._tasks[task.greenlet]
            self.notify(task.done)

        task.greenlet = greenlet(main, self._hub)
        self._tasks[task.greenlet] = task
        self._push(task, delay)
        return task

    def sleep(self, seconds: float) -> None:
        """Let others run for so many seconds of virtual time."""
        task = self.task
        self._push(task, seconds)
        self._switch(task)

    def wait(self, signal: Signal, seconds: float | None = None) -> None:
        """Let others run until somebody notifies the signal, or the time is over."""
        task = self.task
        signal.waiting.append(task)
        if seconds is not None:
            self._push(task, seconds)
        self._switch(task)
        if task in signal.waiting:
            signal.waiting.remove(task)

    def notify(self, signal: Signal) -> None:
        """Wake all that wait for the signal."""
        waiting, signal.waiting = signal.waiting, []
        for task in waiting:
            self._push(task, 0.0)

    def join(self, task: Task) -> object:
        """Wait for a task of the own process; returns its result or raises its error."""
        while not task.is_done:
            self.wait(task.done)
        if task.error is not None:
            raise task.error
        return task.result

    def end(self, process: Process) -> None:
        """End a process: none of its tasks takes another step. Returns only where another process is ended."""
        process.alive = False
        self.notify(process.ended)
        if not self.task.alive:
            raise GreenletExit

    def run(self, finished: Callable[[], bool]) -> None:
        """Run tasks until ``finished``, or until none is left that could run."""
        while self._queue and not finished():
            at, _, _, task, wake = heapq.heappop(self._queue)
            if wake != task.wake or task.is_done:
                continue
            self.now = max(self.now, at)
            if not task.alive:
                task.is_done = True
                task.greenlet.throw()
                continue
            self.steps += 1
            task.greenlet.switch()

    def close(self) -> None:
        """End all tasks."""
        for task in list(self._tasks.values()):
            task.process = Process()
            task.process.alive = False
            if task.greenlet:
                task.greenlet.throw()
        self._tasks.clear()
        self._queue.clear()

    def _push(self, task: Task, delay: float) -> None:
        task.wake += 1
        self._pushed += 1
        heapq.heappush(self._queue, (self.now + delay, self.random.random(), self._pushed, task, task.wake))

    def _switch(self, task: Task) -> None:
        self._hub.switch()
        if not task.alive:
            raise GreenletExit
