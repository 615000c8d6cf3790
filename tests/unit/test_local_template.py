"""What the local stack changes about the shipped template, and that it changes nothing else."""

from pathlib import Path

import pytest

from greenlight.paths import CHECKOUT
from greenlight.stack.template import Template, functions, localise, read

SHIPPED = read(CHECKOUT / "template.yaml")


@pytest.fixture(scope="module")
def local() -> Template:
    packages = {function.name: {"Bucket": "b", "Key": function.name} for function in functions(SHIPPED, CHECKOUT)}
    return localise(SHIPPED, CHECKOUT, packages, parallel=2)


def test_short_forms_are_read_as_what_they_stand_for(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "a: !Ref X\nb: !GetAtt X.Arn.More\nc: !Sub '${X}-y'\nd: !If [C, !Ref X, !Ref AWS::NoValue]\ne: !Condition C\n"
    )

    assert read(tmp_path / "t.yaml") == {
        "a": {"Ref": "X"},
        "b": {"Fn::GetAtt": ["X", "Arn.More"]},
        "c": {"Fn::Sub": "${X}-y"},
        "d": {"Fn::If": ["C", {"Ref": "X"}, {"Ref": "AWS::NoValue"}]},
        "e": {"Condition": "C"},
    }


def test_only_layers_are_left_out_and_only_routes_added(local: Template) -> None:
    shipped, kept = SHIPPED["Resources"], local["Resources"]

    left_out = {name: shipped[name] for name in shipped.keys() - kept.keys()}
    added = {kept[name]["Type"] for name in kept.keys() - shipped.keys()}

    assert {resource["Type"] for resource in left_out.values()} == {"AWS::Serverless::LayerVersion"}
    assert added == {
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
    }


def test_what_is_kept_is_as_shipped_but_for_code_and_plain_http(local: Template) -> None:
    fitted = {
        "AWS::Serverless::Function",
        "AWS::Serverless::StateMachine",
        "AWS::S3::BucketPolicy",
        "AWS::Lambda::EventSourceMapping",
    }
    for name, resource in SHIPPED["Resources"].items():
        metric_math = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
        if name in local["Resources"] and resource["Type"] not in fitted and not metric_math:
            assert local["Resources"][name] == resource

    for function in functions(SHIPPED, CHECKOUT):
        shipped, kept = (t["Resources"][function.name]["Properties"] for t in (SHIPPED, local))
        for kind in ("Policies", "Environment", "Timeout", "Events", "LoggingConfig"):
            assert kept.get(kind) == shipped.get(kind), (function.name, kind)
        assert kept["CodeUri"] == {"Bucket": "b", "Key": function.name}


def test_an_alarm_over_many_metrics_is_there_over_one_of_them(local: Template) -> None:
    kept = local["Resources"]["JobsFailedAlarm"]["Properties"]

    assert (kept["Namespace"], kept["MetricName"], kept["Statistic"]) == ("AWS/States", "ExecutionsFailed", "Sum")
    assert "Metrics" not in kept
    for name in ("AlarmDescription", "Threshold", "TreatMissingData"):
        assert kept[name] == SHIPPED["Resources"]["JobsFailedAlarm"]["Properties"][name]


def test_event_sources_lose_their_bound_and_nothing_else(local: Template) -> None:
    for name, resource in SHIPPED["Resources"].items():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            wanted = {key: value for key, value in resource["Properties"].items() if key != "ScalingConfig"}
            assert local["Resources"][name]["Properties"] == wanted


def test_every_route_of_the_template_gets_the_templates_authorizer(local: Template) -> None:
    wanted = {
        f"{event['Properties']['Method']} {event['Properties']['Path']}"
        for resource in SHIPPED["Resources"].values()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }

    routes = [r["Properties"] for r in local["Resources"].values() if r["Type"] == "AWS::ApiGatewayV2::Route"]

    assert {route["RouteKey"] for route in routes} == wanted
    assert {route["AuthorizationType"] for route in routes} == {"JWT"}
    assert {route["AuthorizerId"]["Ref"] for route in routes} == {"ApiLocalAuthorizer"}
    shipped = SHIPPED["Resources"]["Api"]["Properties"]["Auth"]["Authorizers"]["Jwt"]["JwtConfiguration"]
    authorizer = local["Resources"]["ApiLocalAuthorizer"]["Properties"]["JwtConfiguration"]
    assert authorizer == {"Issuer": shipped["issuer"], "Audience": shipped["audience"]}


def test_only_the_refusal_of_plain_http_leaves_the_bucket_policies(local: Template) -> None:
    for name, resource in SHIPPED["Resources"].items():
        if resource["Type"] != "AWS::S3::BucketPolicy":
            continue
        shipped = resource["Properties"]["PolicyDocument"]["Statement"]
        kept = local["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]
        assert kept == [statement for statement in shipped if statement.get("Sid") != "OnlyOverTls"]
        assert len(kept) == len(shipped) - 1


def test_maps_run_no_more_at_once_than_this_machine_can(local: Template) -> None:
    shipped = read(CHECKOUT / "functions" / "moderation.asl.yaml")
    definition = local["Resources"]["Moderation"]["Properties"]["Definition"]

    states = definition["States"]

    maps = [state for branch in states["Look"]["Branches"] for state in branch["States"].values()]
    assert [state["MaxConcurrency"] for state in (*maps, states["Windows"])] == [2, 2, 2]
    unbounded = {name: shipped["States"][name] for name in ("Look", "Windows")}
    assert definition | {"States": states | unbounded} == shipped
