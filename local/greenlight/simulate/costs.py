"""What a run of the simulation would have cost, by service."""

from greenlight.simulate.model import Model
from greenlight.simulate.published import prices, steps

GB = 1024.0
"""Lambda's MB in its GB."""
FREE_STORAGE_MB = 512
NONCURRENT_DAYS = 1
"""In a versioned bucket what expires is kept for a day more."""
MONTH_DAYS = 30
BUCKETS = ("uploads", "results", "playback")


def costs(model: Model) -> dict[str, float]:
    """US dollars at list prices by what they are paid for. Originals and published copies kept are the owner's."""
    price = prices(model.app.architecture)
    known = steps()
    meters = {name: meter.total for name, meter in model.meters.items()}

    def metered(*names: str) -> float:
        return sum(meters.get(name, 0.0) for name in names)

    paid: dict[str, float] = {}
    calls = storage = 0.0
    for name, function in model.functions.items():
        spec = model.app.functions[name]
        paid[f"Lambda, {name.removesuffix('Function')}"] = (
            function.seconds * spec.memory_mb / GB * price["lambda_gb_second"]
        )
        storage += function.seconds * max(0, spec.storage_mb - FREE_STORAGE_MB) / GB
        calls += function.calls
    paid["Lambda, requests"] = calls * price["lambda_request"]
    paid["Lambda, disk"] = storage * price["lambda_storage_gb_second"]
    paid["Step Functions"] = model.transitions.meter.total * price["state_transition"]
    writes = metered(*(f"{bucket}_{kind}" for bucket in BUCKETS for kind in ("writes", "lists")))
    paid["S3, requests"] = (
        writes * price["s3_write"] + metered(*(f"{bucket}_reads" for bucket in BUCKETS)) * price["s3_read"]
    )
    paid["S3, frames, sound and traces"] = price["s3_gb_month"] * sum(
        model.minutes * known[size] / 1000 * (model.app.kept_days[prefix] + NONCURRENT_DAYS) / MONTH_DAYS
        for prefix, size in (
            ("work/", "frames_mb_a_minute"),
            ("work/", "sound_mb_a_minute"),
            ("traces/", "trace_mb_a_minute"),
        )
    )
    paid["DynamoDB"] = (
        metered("table_writes") * price["table_write_unit"] + metered("table_reads") * price["table_read_unit"]
    )
    paid["SQS"] = metered("queue_requests") * price["queue_request"]
    paid["EventBridge"] = metered("events") * price["event"]
    paid["API Gateway"] = metered("api") * price["api_request"]
    paid["CloudFront, invalidations"] = metered("invalidations") * price["invalidation"]
    paid["CloudWatch, logs"] = calls * known["log_kb_a_call"] / 1e6 * price["log_gb"]
    traced = metered("api") + len(model.uploads)
    sampled = min(traced, known["traced"]["a_second"] * model.window + known["traced"]["share"] * traced)
    paid["X-Ray"] = sampled * price["trace"]
    return {name: dollars for name, dollars in paid.items() if dollars > 0}


def by_service(paid: dict[str, float]) -> dict[str, float]:
    """The same by service alone, the dearest first."""
    sums: dict[str, float] = {}
    for name, dollars in paid.items():
        service = name.partition(",")[0]
        sums[service] = sums.get(service, 0.0) + dollars
    return dict(sorted(sums.items(), key=lambda item: -item[1]))
