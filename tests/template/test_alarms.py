"""Alarms that mean something: each has its section in the runbook, and looks at a metric that somebody really tells."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from greenlight.paths import CHECKOUT
from moderation.services.watch import DEADLINE, GRACE
from tests.emitted import EMITTED
from tests.template.shipped import properties_of

HEADINGS = ["What it means", "See", "Do", "Afterwards"]
OF_AWS = {
    ("AWS/States", "StateMachineArn"): {
        "ExecutionsStarted",
        "ExecutionsSucceeded",
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
        "ExecutionTime",
    },
    ("AWS/Lambda", "FunctionName"): {"Errors", "Throttles", "Duration", "ConcurrentExecutions", "IteratorAge"},
    ("AWS/SQS", "QueueName"): {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
    ("AWS/ApiGateway", "ApiId"): {"Count", "4xx", "5xx", "Latency"},
    ("AWS/DynamoDB", "TableName"): {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
    ("AWS/S3", "StorageType+BucketName"): {"BucketSizeBytes"},
}
"""The metrics that services document, by namespace and dimension."""
KNOWN = OF_AWS | {("Greenlight", "service"): set().union(*EMITTED.values())}
Metric = tuple[str, str, str, Any]
"""Namespace, name, dimension's name, dimension's value."""


@pytest.fixture(scope="session")
def alarms(resources: dict[str, Any]) -> dict[str, Any]:
    return properties_of(resources, "AWS::CloudWatch::Alarm")


@pytest.fixture(scope="session")
def widgets(resources: dict[str, Any]) -> list[dict[str, Any]]:
    body = json.loads(resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    return body["widgets"]


def sections() -> dict[str, list[str]]:
    """The sections of the runbook, with their headings."""
    found: dict[str, list[str]] = {}
    for line in (CHECKOUT / "docs" / "runbook.md").read_text().splitlines():
        if line.startswith("## "):
            found[line.removeprefix("## ")] = []
        elif line.startswith("### "):
            list(found.values())[-1].append(line.removeprefix("### "))
    return found


def of_alarm(alarm: dict[str, Any]) -> Iterator[Metric]:
    metrics = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", [alarm]) if "MetricStat" in one] or [alarm]
    for metric in metrics:
        (dimension,) = metric["Dimensions"]
        yield metric["Namespace"], metric["MetricName"], dimension["Name"], dimension["Value"]


def of_widgets(widgets: list[dict[str, Any]]) -> Iterator[Metric]:
    for widget in widgets:
        for metric in widget["properties"].get("metrics", []):
            parts = [part for part in metric if isinstance(part, str)]
            if parts:
                namespace, name, *dimensions = parts
                yield namespace, name, "+".join(dimensions[::2]), dimensions[-1]


# ── the runbook ──


def test_every_alarm_has_a_section_and_every_section_an_alarm(alarms: dict[str, Any]):
    found = sections()
    assert sorted(found) == sorted(alarms)
    for name, headings in found.items():
        assert headings == HEADINGS, name


def test_every_alarm_says_where_to_read_on(alarms: dict[str, Any]):
    for name, alarm in alarms.items():
        text, _, anchor = alarm["AlarmDescription"].rpartition(" Runbook docs/runbook.md#")
        assert anchor == name.lower()
        assert len(text) > 20, name


# ── alarms ──


def test_every_alarm_reaches_whoever_is_to_hear_it_and_knows_what_silence_means(alarms: dict[str, Any]):
    for name, alarm in alarms.items():
        topic, nobody = alarm["AlarmActions"]["Fn::If"][1:]
        assert "AlarmTopic" in str(topic), name
        assert nobody == {"Ref": "AWS::NoValue"}
        # No watching is no comfort: there alone silence is an alarm.
        assert alarm["TreatMissingData"] == ("breaching" if name == "JobsStuckAlarm" else "notBreaching"), name
        periods = {one["MetricStat"]["Period"] for one in alarm.get("Metrics", []) if "MetricStat" in one}
        (period,) = periods or {alarm["Period"]}
        assert period in (60, 300, 600, 3600), name
        assert period * alarm["EvaluationPeriods"] <= 3600, name


def test_alarms_and_dashboard_look_at_metrics_that_exist(
    alarms: dict[str, Any], widgets: list[dict[str, Any]], resources: dict[str, Any]
):
    metrics = [metric for alarm in alarms.values() for metric in of_alarm(alarm)] + list(of_widgets(widgets))
    assert len(metrics) > 60
    for namespace, name, dimension, value in metrics:
        assert name in KNOWN[namespace, dimension], (namespace, name, dimension)
        shown = str(value)
        if namespace == "Greenlight":
            assert "AWS::StackName" in shown, "two stacks of an account must not share an alarm"
        else:
            names = set(re.findall(r"[A-Z]\w+", shown)) & resources.keys()
            assert len(names) == 1, f"{shown} is no resource of the template"


def test_every_metric_of_ours_is_looked_at(alarms: dict[str, Any], widgets: list[dict[str, Any]]):
    shown = {name for _, name, *_ in [*of_widgets(widgets), *(m for alarm in alarms.values() for m in of_alarm(alarm))]}
    assert set().union(*EMITTED.values()) <= shown


def test_metrics_carry_the_name_of_their_stack(template: dict[str, Any]):
    environment = template["Globals"]["Function"]["Environment"]["Variables"]
    assert environment["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
    assert environment["POWERTOOLS_METRICS_NAMESPACE"] == "Greenlight"


def test_metrics_are_lines_of_the_log_that_no_level_hides(functions: dict[str, Any]):
    for name in EMITTED:
        function = functions["".join(part.title() for part in name.split("_")) + "Function"]
        assert function["LoggingConfig"]["ApplicationLogLevel"] == "INFO", name


@pytest.mark.parametrize("name", ["JobsFailedAlarm", "ApiErrorsAlarm"])
def test_a_share_counts_what_has_no_value_as_none_and_few_as_no_trend(alarms: dict[str, Any], name: str):
    # GIVEN the alarm's expressions, and the rule that a sum with a missing part is missing itself
    metrics = alarms[name]["Metrics"]
    measured = [one["Id"] for one in metrics if "MetricStat" in one]

    def share(**values: float) -> float | None:
        scope: dict[str, Any] = {one: values.get(one) for one in measured}
        scope |= {"FILL": lambda value, other: other if value is None else value}
        scope |= {"IF": lambda condition, then, otherwise: then if condition else otherwise}
        for one in sorted((one for one in metrics if "Expression" in one), key=lambda one: one.get("ReturnData", True)):
            try:
                scope[one["Id"]] = eval(one["Expression"], scope)  # noqa: S307 -- of our own template
            except (TypeError, ZeroDivisionError):
                scope[one["Id"]] = None
        return scope["share"]

    bad, good = {"JobsFailedAlarm": ("late", "judged"), "ApiErrorsAlarm": ("errors", "requests")}[name]
    whole = 0 if name == "JobsFailedAlarm" else 1
    threshold = alarms[name]["Threshold"]
    # THEN one kind of failure alone is enough, if there are three
    assert (share(**{bad: 3, good: 3 * whole}) or 0) > threshold
    assert not share(**{bad: 2, good: 2 * whole})
    # AND three of very many are not
    assert (share(**{bad: 3, good: 1000}) or 0) <= threshold
    # AND an hour without any is quiet
    assert not share(**{good: 1000})


def test_late_is_much_later_than_the_watch_looks_and_stuck_later_than_that(alarms: dict[str, Any]):
    late = alarms["JobsLateAlarm"]["Threshold"]
    assert 4 * GRACE.total_seconds() <= late <= DEADLINE.total_seconds() / 4


def test_dead_letters_of_every_queue_alarm_at_the_first(alarms: dict[str, Any], resources: dict[str, Any]):
    queues = properties_of(resources, "AWS::SQS::Queue")
    watched = {name: alarm for name, alarm in alarms.items() if name.endswith("DeadLettersAlarm")}
    assert {name.removesuffix("Alarm") for name in watched} == {name for name in queues if name.endswith("DeadLetters")}
    assert {alarm["Threshold"] for alarm in watched.values()} == {0}


def test_messages_of_every_queue_are_late_before_they_are_dead(alarms: dict[str, Any], resources: dict[str, Any]):
    ages = {
        value["Fn::GetAtt"][0]: alarm["Threshold"]
        for alarm in alarms.values()
        for _, name, _, value in of_alarm(alarm)
        if name == "ApproximateAgeOfOldestMessage"
    }
    queues = properties_of(resources, "AWS::SQS::Queue")
    assert set(ages) == {name for name in queues if not name.endswith("DeadLetters")}
    for name, age in ages.items():
        tries = queues[name]["RedrivePolicy"]["maxReceiveCount"]
        assert age < tries * queues[name]["VisibilityTimeout"]


# ── the dashboard ──


def test_the_dashboard_answers_three_questions_and_shows_every_alarm(
    alarms: dict[str, Any], widgets: list[dict[str, Any]]
):
    rows = [widget["properties"]["markdown"] for widget in widgets if widget["type"] == "text"]
    assert [row.partition("?")[0] for row in rows] == ["## Is it healthy", "## Is it slow", "## What does it cost"]
    (shown,) = [widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm"]
    assert sorted(shown) == sorted(f"${{{name}.Arn}}" for name in alarms)


def test_widgets_of_the_dashboard_lie_side_by_side(widgets: list[dict[str, Any]]):
    taken: set[tuple[int, int]] = set()
    for widget in widgets:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not taken & cells, widget["properties"].get("title")
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_prices_are_of_the_memory_that_functions_have(
    widgets: list[dict[str, Any]], functions: dict[str, Any], template: dict[str, Any]
):
    (lambdas,) = [widget for widget in widgets if widget["properties"].get("title") == "Lambda (USD)"]
    expression, *durations = lambdas["properties"]["metrics"]
    default = template["Globals"]["Function"]["MemorySize"]
    for _, _, _, function, options in durations:
        gigabytes = functions[function[2:-1]].get("MemorySize", default) / 1024
        assert f"FILL({options['id']}, 0) * {gigabytes:g}" in expression[0]["expression"]
