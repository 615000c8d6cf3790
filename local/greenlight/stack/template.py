"""The shipped template, fitted to the local AWS. Everything that differs from a deployment to AWS is in this file."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Template = dict[str, Any]

RUNTIME = "provided.al2023"
"""With python3.* MiniStack loses the class of an exception, so each function brings `bootstrap`, the real runtime."""


class _Loader(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation's functions."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101 -- YAML has no fourth kind
        value = loader.construct_mapping(node, deep=True)
    if suffix in ("Ref", "Condition"):
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


def read(path: Path) -> Template:
    """A template or a state machine as plain data, short forms written out."""
    document: Template = yaml.load(path.read_text(), _Loader)  # noqa: S506 -- a SafeLoader  # nosec B506
    return document


@dataclass(frozen=True)
class Function:
    """One function of the template."""

    name: str
    folder: Path


def functions(template: Template, root: Path) -> Iterator[Function]:
    """Every function, with the folder of its code."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            yield Function(name, root / resource["Properties"]["CodeUri"])


def localise(template: Template, root: Path, packages: dict[str, Any], parallel: int) -> Template:
    """A copy of the template that MiniStack can deploy.

    packages  the local code of each function by logical name, as a SAM CodeUri
    parallel  the most a Map state may run at once: what Lambda runs on as many machines shares this one here
    """
    local = copy.deepcopy(template)
    resources: Template = local["Resources"]
    defaults = local.get("Globals", {}).get("Function", {})
    for name in ("Layers", "Architectures", "Tracing"):
        defaults.pop(name, None)
    defaults["Runtime"] = RUNTIME
    for name, resource in list(resources.items()):
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function":
                _fit_function(properties, packages[name])
                resources |= _routes(name, properties, resources)
                resource.pop("Metadata", None)
            case "AWS::Serverless::LayerVersion":
                del resources[name]
            case "AWS::CloudWatch::Alarm" if "Metrics" in properties:
                _watch_one_metric(properties)
            case "AWS::Lambda::EventSourceMapping":
                properties.pop("ScalingConfig", None)  # MiniStack takes a number from a parameter for text, and stops
            case "AWS::S3::BucketPolicy":
                _allow_http(properties["PolicyDocument"])
            case "AWS::Serverless::StateMachine":
                definition = read(root / properties.pop("DefinitionUri"))
                properties["Definition"] = _bounded(definition, parallel)
    return local


def _watch_one_metric(alarm: Template) -> None:
    """MiniStack has no metric math: the alarm is there, over the first of its metrics."""
    first = next(metric["MetricStat"] for metric in alarm.pop("Metrics") if "MetricStat" in metric)
    alarm |= {**first["Metric"], "Period": first["Period"], "Statistic": first["Stat"]}


def _fit_function(properties: Template, package: Any) -> None:
    for name in ("Layers", "Architectures", "Tracing", "Runtime"):
        properties.pop(name, None)
    properties["CodeUri"] = package


def _allow_http(policy: Template) -> None:
    """Drop the statements that refuse plain HTTP: on loopback there is nothing else."""
    policy["Statement"] = [
        statement
        for statement in policy["Statement"]
        if str(statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")).lower() != "false"
    ]


def _bounded(node: Any, parallel: int) -> Any:
    """The state machine with every Map's concurrency at most `parallel`."""
    if isinstance(node, list):
        return [_bounded(item, parallel) for item in node]
    if not isinstance(node, dict):
        return node
    bounded = {key: _bounded(value, parallel) for key, value in node.items()}
    if node.get("Type") == "Map":
        bounded["MaxConcurrency"] = min(node.get("MaxConcurrency") or parallel, parallel)
    return bounded


def _routes(function: str, properties: Template, resources: Template) -> Template:
    """The routes of a function as resources of their own.

    SAM puts them into the OpenAPI body of the HttpApi, which MiniStack does not import.
    """
    added: Template = {}
    for event in properties.get("Events", {}).values():
        if event["Type"] != "HttpApi":
            continue
        route = event["Properties"]
        api = route["ApiId"]["Ref"]
        authorizer = f"{api}LocalAuthorizer"
        if authorizer not in resources:
            added[authorizer] = _authorizer(api, resources[api]["Properties"]["Auth"])
        integration = f"{function}LocalIntegration"
        added[integration] = {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": api},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": {"Fn::GetAtt": [function, "Arn"]},
                "PayloadFormatVersion": "2.0",
            },
        }
        key = f"{route['Method'].upper()} {route['Path']}"
        added["".join(filter(str.isalnum, f"Local{key}"))] = {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": api},
                "RouteKey": key,
                "AuthorizationType": "JWT",
                "AuthorizerId": {"Ref": authorizer},
                "Target": {"Fn::Sub": f"integrations/${{{integration}}}"},
            },
        }
    return added


def _authorizer(api: str, auth: Template) -> Template:
    name = auth["DefaultAuthorizer"]
    chosen = auth["Authorizers"][name]
    configuration = chosen["JwtConfiguration"]
    return {
        "Type": "AWS::ApiGatewayV2::Authorizer",
        "Properties": {
            "ApiId": {"Ref": api},
            "Name": name,
            "AuthorizerType": "JWT",
            "IdentitySource": [chosen.get("IdentitySource", "$request.header.Authorization")],
            "JwtConfiguration": {"Issuer": configuration["issuer"], "Audience": configuration["audience"]},
        },
    }
