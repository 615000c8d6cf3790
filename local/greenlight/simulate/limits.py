"""How near a load comes to each limit, and at which load which of them breaks first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from greenlight.simulate.model import SHARDS, Model
from greenlight.simulate.parts import Bucket, Consumer, Meter, percentile

PATIENCE = 30.0
"""Seconds behind a limit that one in twenty may wait before the limit counts as broken."""
TOLERATED = 0.01
"""The share that a limit may refuse before it counts as broken."""
CLOSE = 1.2
"""How exactly the rate is found at which a limit breaks."""
TRIES = 8


@dataclass(frozen=True)
class Limit:
    """One limit under a load.

    capacity  of it, in its own unit
    share     of the capacity in use: during 95 % of the time no more, or on average over the busiest minute
    refused   share of requests that were refused, at least once
    wait      seconds behind it that 95 % did not exceed
    remedy    what to raise: a parameter or setting of template.yaml, a quota, or the design
    """

    key: str
    name: str
    capacity: float
    share: float
    refused: float
    wait: float
    remedy: str

    @property
    def broken(self) -> bool:
        return self.refused > TOLERATED or self.wait > PATIENCE


@dataclass(frozen=True)
class Break:
    """A limit that breaks between two rates of uploads an hour, with all that broke earlier out of the way."""

    limit: Limit
    holds_at: float
    breaks_at: float


def limits(model: Model) -> list[Limit]:
    """Every limit, the nearest first."""
    found = [*_concurrency(model), *_consumers(model), *_buckets(model), *_rates(model), *_counts(model)]
    return sorted(found, key=lambda limit: (not limit.broken, -limit.share))


def _concurrency(model: Model) -> Iterator[Limit]:
    shared = [function for name, function in model.functions.items() if function.pool is model.account]
    quota = model.quotas["lambda_concurrency"]
    yield Limit(
        key="lambda_concurrency",
        name="Lambda, concurrency not reserved",
        capacity=model.account.size,
        share=model.account.level.percentile(0.95) / model.account.size,
        refused=0.0,
        wait=percentile([wait for function in shared for wait in function.waits], 0.95),
        remedy=f"quota {quota.code}",
    )
    for name, function in model.functions.items():
        if function.pool is not model.account:
            yield Limit(
                key=f"{name} reserved",
                name=f"{name}, reserved concurrency",
                capacity=function.pool.size,
                share=function.pool.level.percentile(0.95) / function.pool.size,
                refused=0.0,
                wait=percentile(function.waits, 0.95),
                remedy=f"{name.removesuffix('Function')}Concurrency",
            )


def _consumers(model: Model) -> Iterator[Limit]:
    remedies = {
        "IngestFunction": "IngestConcurrency",
        "PublishFunction": "MaximumConcurrency",
    }
    for name, consumer in (("IngestFunction", model.ingest), ("PublishFunction", model.publish)):
        yield _consumer(name, [consumer], model.app.queues[name].concurrency or 0, model, remedies[name])
    yield _consumer("OutboxFunction", model.outbox, SHARDS, model, "ParallelizationFactor")


def _consumer(name: str, consumers: Sequence[Consumer], pollers: int, model: Model, remedy: str) -> Limit:
    waits = [wait for consumer in consumers for wait in consumer.waits]
    return Limit(
        key=f"{name} source",
        name=f"{name}, batches at once",
        capacity=pollers,
        share=model.functions[name].level.percentile(0.95) / pollers if pollers else 0.0,
        refused=0.0,
        wait=percentile(waits, 0.95),
        remedy=remedy,
    )


def _buckets(model: Model) -> Iterator[Limit]:
    named: dict[str, Bucket] = {"start_execution": model.starts, "state_transitions": model.transitions}
    for key, bucket in named.items():
        quota = model.quotas[key]
        yield Limit(
            key=key,
            name=quota.name,
            capacity=quota.value,
            share=bucket.meter.busiest_minute / quota.value,
            refused=0.0,
            wait=percentile(bucket.waits, 0.95),
            remedy="quota",
        )


def _rates(model: Model) -> Iterator[Limit]:
    """What is counted and not waited for."""
    quotas, known = model.quotas, model.known
    parameters = model.app.parameters
    rates = [
        (f"s3_{kind} {bucket}", f"S3, {kind} a second of one partition: {bucket}", f"s3_{kind}", f"{bucket}_{kind}")
        for bucket in ("uploads", "results", "playback")
        for kind in ("writes", "reads")
    ]
    rates += [
        ("table_writes", quotas["table_writes"].name, "table_writes", "table_writes"),
        ("table_reads", quotas["table_reads"].name, "table_reads", "table_reads"),
        ("index_jobs", "DynamoDB, writes a second: index of open jobs", "partition_writes", "index_jobs"),
        ("index_events", "DynamoDB, writes a second: index of events", "partition_writes", "index_events"),
        ("put_events", quotas["put_events"].name, "put_events", "events"),
        ("rule_targets", quotas["rule_targets"].name, "rule_targets", "rule_targets"),
        ("api_requests", quotas["api_requests"].name, "api_requests", "api"),
    ]
    for key, name, quota, meter in rates:
        remedy = "warm throughput" if quota.startswith("table") else "the design" if "partition" in quota else "quota"
        yield _rate(key, name, model.meters[meter], quotas[quota].value, quotas[quota].burst, remedy)
    yield _rate(
        "api_stage",
        "API Gateway, requests a second: our stage",
        model.meters["api"],
        float(parameters["ApiRateLimit"]),
        float(parameters["ApiBurstLimit"]),
        "ApiRateLimit, ApiBurstLimit",
    )
    one_by_one = 1 / known["latency"]["table_write"]
    yield _rate(
        "budget",
        "DynamoDB, transactions a second: budget item",
        model.meters["bookings"],
        one_by_one,
        one_by_one,
        "the design",
    )
    at_once = quotas["invalidations"].value
    yield _rate(
        "invalidations",
        quotas["invalidations"].name,
        model.meters["invalidations"],
        at_once / known["invalidation_seconds"],
        at_once,
        "quota",
    )


def _rate(key: str, name: str, meter: Meter, rate: float, burst: float, remedy: str) -> Limit:
    refused = meter.refused(rate, burst) / meter.total if meter.total else 0.0
    return Limit(key, name, rate, meter.busiest_minute / rate, refused, 0.0, remedy)


def _counts(model: Model) -> Iterator[Limit]:
    """What ends a run, or keeps it from starting: no wait helps, so it counts as refused."""
    longest = max((upload.events for upload in model.uploads), default=0)
    for key, used, remedy in (
        ("history", longest, "the design"),
        ("open_executions", model.open.most, "quota"),
        ("stream_readers", len(model.app.streams), "the design"),
    ):
        quota = model.quotas[key]
        yield Limit(key, quota.name, quota.value, used / quota.value, float(used > quota.value), 0.0, remedy)


def first_break(run: Callable[[float, frozenset[str]], Model], rate: float, lifted: frozenset[str]) -> Break | None:
    """The limit that breaks at the lowest rate, found by bisection beginning near `rate`; None within a thousandfold.

    run  simulates a rate of uploads an hour without the limits of the given keys
    """
    holds, breaks, broken = 0.0, 0.0, None
    for _ in range(TRIES):
        found = [limit for limit in limits(run(rate, lifted)) if limit.key not in lifted]
        worst = next((limit for limit in found if limit.broken), None)
        if worst is None:
            holds = rate
            nearest = max(limit.share for limit in found if limit.key not in ("history", "stream_readers"))
            rate = rate / min(0.7, max(0.25, nearest)) if not breaks else (holds * breaks) ** 0.5
        else:
            breaks, broken = rate, worst
            rate = (holds * breaks) ** 0.5 if holds else breaks / 2
        if holds and breaks and breaks / holds < CLOSE:
            break
    return Break(broken, holds, breaks) if broken else None
