"""The parts of AWS that make work wait: concurrency, token buckets and queues; and what counts what passes by."""

import random
from array import array
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy

Flow = Generator[simpy.Event, Any, Any]
"""A process, or a part of one."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))])


class Level:
    """A number of things at once, and for how long there were how many."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._since = 0.0
        self._seconds: Counter[int] = Counter()
        self.now = 0
        self.most = 0

    def add(self, change: int) -> None:
        time = self._env.now
        if time > self._since:
            self._seconds[self.now] += time - self._since  # type: ignore[assignment] # seconds are no integers
            self._since = time
        self.now += change
        self.most = max(self.most, self.now)

    def percentile(self, share: float) -> int:
        """The level that is not exceeded during `share` of the time."""
        self.add(0)
        left = share * sum(self._seconds.values())
        for level in sorted(self._seconds):
            left -= self._seconds[level]
            if left <= 0:
                return level
        return self.most

    @property
    def mean(self) -> float:
        self.add(0)
        total = sum(self._seconds.values())
        return sum(level * seconds for level, seconds in self._seconds.items()) / total if total else 0.0


class Meter:
    """How much passed in each second; what nothing waits for is judged afterwards."""

    def __init__(self) -> None:
        self._by_second: Counter[int] = Counter()

    def add(self, time: float, amount: float = 1.0) -> None:
        self._by_second[int(time)] += amount  # type: ignore[assignment] # units may be fractions

    @property
    def total(self) -> float:
        return float(sum(self._by_second.values()))

    @property
    def busiest_second(self) -> float:
        return float(max(self._by_second.values(), default=0))

    @property
    def busiest_minute(self) -> float:
        """How much passed in a second of the busiest minute, on average."""
        by_minute: Counter[int] = Counter()
        for second, amount in self._by_second.items():
            by_minute[second // 60] += amount
        return max(by_minute.values(), default=0) / 60

    def refused(self, rate: float, burst: float) -> float:
        """What a token bucket would have refused of it, had nobody tried again."""
        tokens, last, refused = burst, 0, 0.0
        for second, amount in sorted(self._by_second.items()):
            tokens = min(burst, tokens + (second - last) * rate)
            last = second
            over = max(0.0, amount - tokens)
            refused += over
            tokens -= amount - over
        return refused


class Bucket:
    """A token bucket in front of which requests wait in line."""

    def __init__(self, env: simpy.Environment, rate: float, burst: float) -> None:
        self._env = env
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, 0.0
        self.meter = Meter()
        self.waits = array("d")

    def take(self, amount: int = 1) -> float:
        """The seconds until this many tokens are there."""
        now = self._env.now
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate) - amount
        self._at = now
        self.meter.add(now, amount)
        wait = max(0.0, -self._tokens / self._rate)
        self.waits.append(wait)
        return wait


@dataclass(frozen=True)
class Backoff:
    """When to try again: full jitter up to `first` seconds, growing by `rate` up to `longest`, `attempts` times."""

    first: float
    rate: float
    longest: float
    attempts: float

    def delays(self, random_: random.Random) -> Iterator[float]:
        attempt = 0
        while attempt < self.attempts:
            yield random_.uniform(0, min(self.longest, self.first * self.rate**attempt))
            attempt += 1


AT_ONCE = Backoff(first=2.0, rate=1.0, longest=2.0, attempts=float("inf"))
"""How pollers of queues and streams and clients of the API come again."""


class Pool:
    """Concurrency that functions share, or that is reserved for one."""

    def __init__(self, env: simpy.Environment, size: float) -> None:
        self.size = size
        self.level = Level(env)


class Function:
    """One Lambda function: warm environments are used first, new ones are made as fast as Lambda makes them."""

    def __init__(
        self,
        env: simpy.Environment,
        pool: Pool,
        *,
        timeout: float,
        init: float,
        keep_alive: float,
        scaling: float,
        random_: random.Random,
    ) -> None:
        self._env, self.pool, self._random = env, pool, random_
        self._timeout, self._init, self._keep_alive = timeout, init, keep_alive
        self._new = Bucket(env, scaling / 10, scaling)
        self._idle: deque[float] = deque()
        self.level = Level(env)
        self.calls = 0
        self.cold = 0
        self.throttled = 0
        self.timed_out = 0
        self.given_up = 0
        self.seconds = 0.0
        self.waits = array("d")

    def call(self, seconds: float, backoff: Backoff, on_throttle: Callable[[], None] = lambda: None) -> Flow:
        """Run for `seconds`. Returns whether it ended well: neither timed out nor throttled until given up."""
        asked = self._env.now
        delays: Iterator[float] | None = None
        while self.pool.level.now >= self.pool.size:
            self.throttled += 1
            on_throttle()
            delays = delays or backoff.delays(self._random)
            delay = next(delays, None)
            if delay is None:
                self.given_up += 1
                return False
            yield self._env.timeout(delay)
        self.pool.level.add(1)
        self.level.add(1)
        self.calls += 1
        begun = self._env.now
        self.waits.append(begun - asked)
        cold = 0.0
        if not self._warm(begun):
            self.cold += 1
            cold = self._init + self._new.take()
        lasts = cold + min(seconds, self._timeout)
        yield self._env.timeout(lasts)
        self.seconds += lasts
        self._idle.append(self._env.now)
        self.pool.level.add(-1)
        self.level.add(-1)
        if seconds > self._timeout:
            self.timed_out += 1
            return False
        return True

    def _warm(self, now: float) -> bool:
        while self._idle and self._idle[0] < now - self._keep_alive:
            self._idle.popleft()
        if self._idle:
            self._idle.pop()
            return True
        return False


class Consumer:
    """Pollers that give a function batches from a queue, or from one shard of a stream, so many at once."""

    def __init__(
        self,
        env: simpy.Environment,
        function: Function,
        *,
        batch: int,
        pollers: int,
        seconds: Callable[[Sequence[Any]], float],
        done: Callable[[Any], None],
    ) -> None:
        self._env, self._function = env, function
        self._batch, self._seconds, self._done = batch, seconds, done
        self._waiting: deque[tuple[float, Any]] = deque()
        self._hungry: deque[simpy.Event] = deque()
        self.depth = Level(env)
        self.waits = array("d")
        for _ in range(pollers):
            env.process(self._poll())

    def put(self, message: Any) -> None:
        self._waiting.append((self._env.now, message))
        self.depth.add(1)
        if self._hungry:
            self._hungry.popleft().succeed()

    def _poll(self) -> Flow:
        while True:
            if not self._waiting:
                asked = self._env.event()
                self._hungry.append(asked)
                yield asked
                continue
            batch: list[Any] = []
            while self._waiting and len(batch) < self._batch:
                since, message = self._waiting.popleft()
                self.waits.append(self._env.now - since)
                batch.append(message)
            self.depth.add(-len(batch))
            yield from self._function.call(self._seconds(batch), AT_ONCE)
            for message in batch:
                self._done(message)
