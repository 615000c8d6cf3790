"""What is simulated is what is shipped: memory, concurrency, queues and retries are read from the template."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from greenlight.stack.template import read

MB_OF_A_VCPU = 1769.0
_NOTHING = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True)
class FunctionSpec:
    """One function. `reserved` is None where it shares the account's concurrency."""

    name: str
    memory_mb: int
    timeout: float
    storage_mb: int
    reserved: int | None

    @property
    def vcpus(self) -> float:
        return self.memory_mb / MB_OF_A_VCPU


@dataclass(frozen=True)
class Source:
    """What feeds a function from a queue or a stream. `concurrency` is None where nothing bounds it."""

    function: str
    batch: int
    concurrency: int | None
    visibility: float
    receives: int


@dataclass(frozen=True)
class Shipped:
    """The application as its template describes it with these parameters. `kept_days` is by prefix of the results."""

    parameters: Mapping[str, Any]
    functions: Mapping[str, FunctionSpec]
    queues: Mapping[str, Source]
    streams: Mapping[str, Source]
    machine: Mapping[str, Any]
    kept_days: Mapping[str, int]

    @property
    def architecture(self) -> str:
        return str(self.parameters["Architecture"])


def shipped(root: Path, overrides: Mapping[str, str]) -> Shipped:
    """The template below `root`, with some parameters set otherwise. Raises KeyError for one that there is not."""
    template = _template(root)
    parameters = {name: parameter["Default"] for name, parameter in template["Parameters"].items()}
    for name, text in overrides.items():
        parameters[name] = type(parameters[name])(text)
    values = _Values(parameters, template.get("Conditions", {}))
    resources = template["Resources"]
    defaults = template["Globals"]["Function"]
    return Shipped(
        parameters=parameters,
        functions={
            name: _function(name, {**defaults, **resource["Properties"]}, values)
            for name, resource in resources.items()
            if resource["Type"] == "AWS::Serverless::Function"
        },
        queues=dict(_sources(resources, values, "AWS::SQS::Queue")),
        streams=dict(_sources(resources, values, "AWS::DynamoDB::Table")),
        machine=read(root / resources["Moderation"]["Properties"]["DefinitionUri"]),
        kept_days={
            rule["Prefix"]: int(rule["ExpirationInDays"])
            for rule in resources["ResultsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
            if "ExpirationInDays" in rule
        },
    )


@cache
def _template(root: Path) -> dict[str, Any]:
    return read(root / "template.yaml")


def _function(name: str, properties: Mapping[str, Any], values: "_Values") -> FunctionSpec:
    reserved = values.of(properties.get("ReservedConcurrentExecutions", _NOTHING))
    return FunctionSpec(
        name=name,
        memory_mb=int(values.of(properties["MemorySize"])),
        timeout=float(values.of(properties["Timeout"])),
        storage_mb=int(properties.get("EphemeralStorage", {"Size": 512})["Size"]),
        reserved=None if reserved is None else int(reserved),
    )


def _sources(resources: Mapping[str, Any], values: "_Values", kind: str) -> Iterator[tuple[str, Source]]:
    for resource in resources.values():
        if resource["Type"] != "AWS::Lambda::EventSourceMapping":
            continue
        properties = resource["Properties"]
        name = properties["EventSourceArn"]["Fn::GetAtt"][0]
        if resources[name]["Type"] != kind:
            continue
        fed = resources[name]["Properties"]
        function = properties["FunctionName"]["Ref"]
        most = properties.get("ScalingConfig", {}).get("MaximumConcurrency")
        yield (
            function,
            Source(
                function=function,
                batch=int(properties["BatchSize"]),
                concurrency=None if most is None else int(values.of(most)),
                visibility=float(fed.get("VisibilityTimeout", 30)),
                receives=int(fed.get("RedrivePolicy", {}).get("maxReceiveCount", 0)),
            ),
        )


@dataclass(frozen=True)
class _Values:
    """The functions of CloudFormation that settings use."""

    parameters: Mapping[str, Any]
    conditions: Mapping[str, Any]

    def of(self, value: Any) -> Any:
        """A setting's value; None for AWS::NoValue."""
        if value == _NOTHING:
            return None
        if not isinstance(value, dict):
            return value
        ((word, inner),) = value.items()
        match word:
            case "Ref":
                return self.parameters[inner]
            case "Condition":
                return self.of(self.conditions[inner])
            case "Fn::If":
                return self.of(inner[1] if self.of(self.conditions[inner[0]]) else inner[2])
            case "Fn::Not":
                return not self.of(inner[0])
            case "Fn::Equals":
                return str(self.of(inner[0])) == str(self.of(inner[1]))
        raise ValueError(f"{word} is not understood here")
