"""The whole simulation, on small loads."""

import json
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from greenlight.cli import app as command_line
from greenlight.paths import CHECKOUT
from greenlight.simulate.costs import by_service, costs
from greenlight.simulate.history import worst
from greenlight.simulate.limits import first_break, limits
from greenlight.simulate.load import BURST, CYCLE, Load, segments
from greenlight.simulate.model import Model
from greenlight.simulate.published import prices, quotas, steps
from greenlight.simulate.shipped import Shipped, shipped
from moderation.models.media import MAX_COVERS
from moderation.refine import MAX_QUESTIONS

SMALL = Load(rate=1200, burst=1)


@pytest.fixture(scope="module")
def app() -> Shipped:
    return shipped(CHECKOUT, {})


def with_extracts(app: Shipped, reserved: int) -> Shipped:
    """The application with so much concurrency for extract."""
    extract = replace(app.functions["ExtractFunction"], reserved=reserved)
    return replace(app, functions={**app.functions, "ExtractFunction": extract})


def model(app: Shipped, load: Load, **more: Any) -> Model:
    return Model(app, load, quotas("us-east-1"), **more)


def test_every_upload_gets_one_verdict(app: Shipped):
    # GIVEN a load that the functions cannot do at once
    few = with_extracts(app, 20)
    ran = model(few, SMALL).run(300)
    # THEN what waits gets its turn, and nothing is lost or doubled
    assert len(ran.uploads) > 50
    assert ran.functions["ExtractFunction"].throttled > 0
    assert all(upload.verdicts + upload.lost == 1 for upload in ran.uploads)
    assert len(ran.to_verdict) == sum(upload.verdicts for upload in ran.uploads)
    assert ran.open.now == 0
    assert all(function.level.now == 0 for function in ran.functions.values())
    ended = sum(1 for upload in ran.uploads if upload.video.normal)
    assert len(ran.to_play) == ended


def test_the_same_seed_gives_the_same_result(app: Shipped):
    first, again, other = (model(app, replace(SMALL, seed=seed)).run(120) for seed in (1, 1, 2))
    assert list(first.to_verdict) == list(again.to_verdict)
    assert costs(first) == costs(again)
    assert list(first.to_verdict) != list(other.to_verdict)


def test_uploads_come_at_their_rate_and_more_of_them_in_bursts():
    times = [time for time, _ in Load(rate=18_000, burst=4).arrivals(4 * CYCLE)]
    assert len(times) == pytest.approx(4 * CYCLE * 5, rel=0.05)
    bursts = sum(time % CYCLE < BURST for time in times) / BURST
    calm = sum(time % CYCLE >= BURST for time in times) / (CYCLE - BURST)
    assert bursts / calm == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(("seconds", "count"), [(10, 1), (60, 2), (1800, 60), (21_600, 88)])
def test_videos_are_cut_as_plan_cuts_them(seconds: float, count: int):
    # GIVEN a key frame every two seconds, and segments of 30 s at least
    cuts = segments(seconds)
    assert len(cuts) == count
    assert sum(cuts) == pytest.approx(seconds)


def test_six_hours_stay_within_the_history_and_the_time_of_a_run(app: Shipped):
    ran = model(app, Load(rate=600, burst=1, lengths={21_600.0: 1.0}, heights={1080: 1.0})).run(60)
    longest = max(upload.events for upload in ran.uploads)
    counts = {"segments": 88, "covers": MAX_COVERS, "windows": MAX_QUESTIONS}
    assert 88 * 19 < longest < worst(app.machine, counts) < 22_000
    assert max(ran.to_verdict) < app.machine["TimeoutSeconds"]


def test_a_step_that_takes_too_long_fails_its_segment_and_not_the_job(app: Shipped):
    slow = steps() | {"scan": 13.5 * 1000}
    ran = model(app, replace(SMALL, refused=0.0), known=slow).run(20)
    assert ran.functions["ScanFramesFunction"].timed_out > 0
    assert all(upload.verdicts == 1 for upload in ran.uploads)


def test_a_function_that_is_not_known_is_named(app: Shipped):
    text = json.dumps(app.machine).replace("${ScanFramesFunction}", "${ExtractFunction}")
    strange = replace(app, machine=json.loads(text.replace("${AggregateFunction}", "${UploadFunction}")))
    with pytest.raises(KeyError, match="UploadFunction"):
        model(strange, SMALL).run(30)


def test_waits_are_shorter_with_more_concurrency_and_calls_cost_the_same(app: Shipped):
    few, many = (with_extracts(app, n) for n in (15, 250))
    slow, fast = (model(version, SMALL).run(180) for version in (few, many))
    assert sum(slow.functions["ExtractFunction"].waits) > sum(fast.functions["ExtractFunction"].waits)
    assert slow.functions["ExtractFunction"].calls == fast.functions["ExtractFunction"].calls
    assert slow.transitions.meter.total > fast.transitions.meter.total  # every retry is one


def test_reservations_that_aws_would_refuse_are_refused(app: Shipped):
    with pytest.raises(ValueError, match="unreserved"):
        model(with_extracts(app, 900), SMALL)


def test_what_lambda_costs_is_seconds_and_memory(app: Shipped):
    ran = model(app, SMALL).run(60)
    extract = ran.functions["ExtractFunction"]
    gigabytes = app.functions["ExtractFunction"].memory_mb / 1024
    paid = costs(ran)
    assert paid["Lambda, Extract"] == pytest.approx(extract.seconds * gigabytes * prices("arm64")["lambda_gb_second"])
    assert sum(by_service(paid).values()) == pytest.approx(sum(paid.values()))


def test_the_limit_that_breaks_first_is_found(app: Shipped):
    # GIVEN one narrow place
    narrow = with_extracts(app, 4)

    def run(rate: float, lifted: frozenset[str]) -> Model:
        load = Load(rate=rate, burst=1, lengths={60.0: 1.0}, heights={720: 1.0}, covers=0.0)
        return model(narrow, load, lifted=lifted).run(300, drain=False)

    found = first_break(run, 500, frozenset())
    assert found is not None
    assert found.limit.key == "ExtractFunction reserved"
    # THEN it breaks about where arithmetic says: 4 at once, and each upload takes so many seconds of them
    taken = 4 * (steps()["extract"][720] / 4 / steps()["extract_threads"] + 4 * 0.03 + 0.006)
    assert found.breaks_at == pytest.approx(4 / taken * 3600, rel=0.3)
    assert found.holds_at < found.breaks_at <= 1.2 * found.holds_at
    # AND without it something else does
    assert not [limit for limit in limits(run(found.breaks_at, frozenset({found.limit.key}))) if limit.broken]


def test_the_command_prints_plain_data():
    ran = CliRunner().invoke(command_line, ["simulate", "--rate", "600", "--minutes", "1", "--breaks", "0", "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["outcome"]["verdicts"] + told["outcome"]["failed_jobs"] == told["load"]["uploads"]
    assert told["cost"]["a_video_minute"] > 0
    assert {"lambda_concurrency", "state_transitions", "history", "table_writes"} <= {
        limit["key"] for limit in told["limits"]
    }


def test_the_command_refuses_a_parameter_that_there_is_not():
    assert CliRunner().invoke(command_line, ["simulate", "--set", "Nonsense=1"]).exit_code == 2
