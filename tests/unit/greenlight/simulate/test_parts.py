"""Known answers of queueing theory, for the parts that make work wait."""

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
import simpy

from greenlight.simulate.parts import AT_ONCE, Backoff, Bucket, Consumer, Flow, Function, Level, Meter, Pool, percentile

SERVICE = 1.0


def function(env: simpy.Environment, size: float, **more: Any) -> Function:
    settings = {"timeout": 900.0, "init": 0.0, "keep_alive": 600.0, "scaling": math.inf} | more
    return Function(env, Pool(env, size), random_=random.Random(1), **settings)


def consume(servers: int, load: float, customers: int) -> Consumer:
    """A queue with a Poisson arrival and a service that always takes as long: M/D/c at `load` of its capacity."""
    env, chance = simpy.Environment(), random.Random(7)
    pollers = Consumer(
        env, function(env, servers), batch=1, pollers=servers, seconds=lambda batch: SERVICE, done=lambda message: None
    )

    def arrive() -> Flow:
        for number in range(customers):
            yield env.timeout(chance.expovariate(load * servers / SERVICE))
            pollers.put(number)

    env.process(arrive())
    env.run()
    return pollers


def test_one_server_keeps_waiting_as_pollaczek_and_khinchine_say():
    # GIVEN M/D/1 at 80 % of its capacity: mean wait = load x service / (2 x (1 - load))
    waits = consume(servers=1, load=0.8, customers=20_000).waits
    assert sum(waits) / len(waits) == pytest.approx(0.8 * SERVICE / (2 * 0.2), rel=0.1)


def test_more_servers_wait_less_at_the_same_load():
    # GIVEN M/D/4 at 80 %: about half of the wait of M/M/4, which Erlang's C gives as .746 x service
    waits = consume(servers=4, load=0.8, customers=20_000).waits
    assert sum(waits) / len(waits) == pytest.approx(0.746 / 2, rel=0.12)


def test_little_holds():
    # GIVEN any queue THEN what is in it on average = rate of arrival x average wait
    pollers = consume(servers=2, load=0.7, customers=5_000)
    mean_wait = sum(pollers.waits) / len(pollers.waits)
    assert pollers.depth.mean == pytest.approx(0.7 * 2 / SERVICE * mean_wait, rel=0.05)


def test_batches_are_as_large_as_what_waits_and_nothing_is_lost():
    env = simpy.Environment()
    seen: list[int] = []

    def seconds(batch: Sequence[int]) -> float:
        sizes.append(len(batch))
        return 1.0

    sizes: list[int] = []
    pollers = Consumer(env, function(env, 1), batch=10, pollers=1, seconds=seconds, done=seen.append)
    for number in range(25):
        pollers.put(number)
    env.run()
    assert sizes == [10, 10, 5]
    assert seen == list(range(25))


def test_a_full_function_is_asked_again_until_given_up():
    # GIVEN a function of one, busy for 100 s
    env = simpy.Environment()
    called = function(env, 1)
    ended: list[bool] = []

    def caller(seconds: float, backoff: Backoff) -> Flow:
        ended.append((yield from called.call(seconds, backoff)))

    env.process(caller(100, AT_ONCE))
    env.process(caller(1, Backoff(first=1, rate=2, longest=8, attempts=3)))
    env.process(caller(1, Backoff(first=10, rate=2, longest=300, attempts=20)))
    env.run()
    # THEN the impatient caller gives up, and the patient one gets its turn
    assert sorted(ended) == [False, True, True]
    assert called.given_up == 1
    assert called.calls == 2
    assert called.level.most == 1


def test_a_call_ends_at_its_time_limit():
    env = simpy.Environment()
    called = function(env, 1, timeout=60.0)
    process = env.process(called.call(61, AT_ONCE))
    assert env.run(process) is False
    assert (env.now, called.timed_out) == (60, 1)


def test_environments_stay_warm_and_start_cold():
    # GIVEN calls one after the other, and one after a long pause
    env = simpy.Environment()
    called = function(env, 10, init=2.0)

    def caller() -> Flow:
        for pause in (0, 1, 599, 601):
            yield env.timeout(pause)
            yield from called.call(1.0, AT_ONCE)

    env.process(caller())
    env.run()
    assert (called.calls, called.cold) == (4, 2)
    assert called.seconds == 4 * 1.0 + 2 * 2.0


def test_a_token_bucket_lets_the_burst_through_and_then_the_rate():
    env = simpy.Environment()
    bucket = Bucket(env, rate=10, burst=5)
    assert [bucket.take() for _ in range(7)] == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2])


def test_a_meter_says_what_a_bucket_would_have_refused():
    meter = Meter()
    for second, amount in ((0, 30), (1, 10), (2, 10), (9, 45)):
        meter.add(second, amount)
    # GIVEN 10 a second and 20 at once: 10 too many at first, none then, 25 too many at last
    assert meter.refused(rate=10, burst=20) == 10 + 0 + 0 + 25
    assert (meter.total, meter.busiest_second) == (95, 45)
    assert meter.busiest_minute == pytest.approx(95 / 60)


def test_levels_are_weighed_by_time():
    env = simpy.Environment()
    level = Level(env)

    def change() -> Flow:
        level.add(1)
        yield env.timeout(90)
        level.add(9)
        yield env.timeout(10)
        level.add(-10)

    env.process(change())
    env.run()
    assert (level.percentile(0.5), level.percentile(0.9), level.percentile(0.95), level.most) == (1, 1, 10, 10)
    assert level.mean == pytest.approx((90 * 1 + 10 * 10) / 100)


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_percentiles(share: float, value: float):
    assert percentile([float(n) for n in range(100, 0, -1)], share) == value
    assert percentile([], share) == 0
