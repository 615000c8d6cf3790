import re
from typing import Any

import yaml

from tests.template import shipped
from tests.template.iam import EXPECTED, table

BUCKETS_AND_BUS = {
    "GREENLIGHT_TABLE": "Table",
    "GREENLIGHT_UPLOADS_BUCKET": "UploadsBucket",
    "GREENLIGHT_RESULTS_BUCKET": "ResultsBucket",
    "GREENLIGHT_PLAYBACK_BUCKET": "PlaybackBucket",
    "GREENLIGHT_EVENT_BUS": "Bus",
    "GREENLIGHT_STATE_MACHINE_ARN": "Moderation",
}


def test_everybody_may_do_what_the_table_says_and_no_more():
    # GIVEN the roles and policies that CloudFormation gets, with all that SAM adds
    found = table(shipped.translated())
    # THEN a change of them shows up in a review, as a change of this file
    expected = yaml.safe_load(EXPECTED.read_text())
    assert found == expected, f"read the difference, then: python -m tests.template.iam > {EXPECTED.name}"


def test_a_function_knows_a_resource_exactly_when_it_may_use_it(functions: dict[str, Any]):
    expected = yaml.safe_load(EXPECTED.read_text())
    for name, properties in functions.items():
        used = {re.split(r"[ /]", line.split(" on ", 1)[1])[0] for line in expected[f"{name}Role"] if " on " in line}
        known = {BUCKETS_AND_BUS[key] for key in properties["Environment"]["Variables"] if key in BUCKETS_AND_BUS}
        assert known == used & set(BUCKETS_AND_BUS.values()), name


def test_no_role_may_do_everything_with_anything(functions: dict[str, Any]):
    for name, properties in functions.items():
        for policy in properties["Policies"]:
            assert isinstance(policy, dict), f"{name}: a policy template or managed policy instead of exact actions"
            assert "*" not in str([statement.get("Action") for statement in policy["Statement"]]), name
            assert "'Resource': '*'" not in str(policy), name


def test_no_service_may_be_talked_into_acting_for_another_account():
    # GIVEN every line of the table that lets a service of AWS in
    table: dict[str, list[str]] = yaml.safe_load(EXPECTED.read_text())
    lines = [(name, line) for name, lines in table.items() for line in lines if ".amazonaws.com may " in line]
    assert len(lines) > 10
    # THEN it says for whom: for a resource of ours, or at least for this account
    for name, line in lines:
        assert re.search(r" when .*(SourceArn|SourceAccount)", line), f"{name}: {line}"


def test_roles_are_taken_on_by_lambda_and_step_functions_alone():
    table: dict[str, list[str]] = yaml.safe_load(EXPECTED.read_text())
    for name, lines in table.items():
        if name.endswith("Role"):
            service = "states" if name == "ModerationRole" else "lambda"
            assert [line for line in lines if line.startswith("taken on")] == [
                f"taken on by {service}.amazonaws.com"
            ], name


def test_every_star_says_why():
    lines = shipped.TEMPLATE.read_text().splitlines()
    for number, line in enumerate(lines):
        code, _, comment = line.partition(" #")
        if "AllowedPattern:" in code or "expression" in code.lower() or code.lstrip().startswith("#"):
            continue  # patterns of text, metric math, and what is said above a line
        if "*" in code or "??" in code:
            before = lines[number - 1].strip()
            assert comment or before.startswith("#"), f"line {number + 1}: {line.strip()}"
