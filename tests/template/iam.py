"""Who may do what: every policy of the translated template as one table, to be read and compared.

`python -m tests.template.iam > tests/template/iam.expected.yaml` writes the table anew; read the difference.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.template import shipped

EXPECTED = Path(__file__).with_name("iam.expected.yaml")
Table = dict[str, list[str]]


def table(resources: dict[str, Any]) -> Table:
    """Sorted lines of every role, bucket policy, queue policy and permission to call a function.

    `[deny] [principal may] action on resource [conditions]`, and for a role who may take it on.
    """
    lines: Table = {}
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::IAM::Role":
                arns = (_text(arn) for arn in properties.get("ManagedPolicyArns", []))
                managed = [f"managed policy {arn.rpartition('/')[2]}" for arn in arns]
                documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
                trusted = (
                    _list(one["Principal"]["Service"]) for one in properties["AssumeRolePolicyDocument"]["Statement"]
                )
                taken = [f"taken on by {', '.join(services)}" for services in trusted]
                lines[name] = sorted(
                    {*managed, *taken, *(line for document in documents for line in _document(document))}
                )
            case "AWS::S3::BucketPolicy" | "AWS::SQS::QueuePolicy":
                lines[name] = sorted(set(_document(properties["PolicyDocument"])))
            case "AWS::Lambda::Permission":
                source = " and ".join(
                    f"{key} {_text(properties[key])}" for key in ("SourceArn", "SourceAccount") if key in properties
                )
                caller, action = properties["Principal"], properties["Action"]
                lines[name] = [f"{caller} may {action} on {_text(properties['FunctionName'])} when {source}"]
    return dict(sorted(lines.items()))


def _document(document: dict[str, Any]) -> Iterator[str]:
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        yield from _statement(statement, "")


def _statement(statement: dict[str, Any], suffix: str) -> Iterator[str]:
    if "Fn::If" in statement:
        condition, then, otherwise = statement["Fn::If"]
        yield from _statement(then, f" if {condition}")
        if otherwise != {"Ref": "AWS::NoValue"}:
            yield from _statement(otherwise, f" unless {condition}")
        return
    who = "".join(f"{_text(principal)} may " for principal in _list(statement.get("Principal", [])))
    denied = "deny " if statement["Effect"] == "Deny" else ""
    for condition, keys in statement.get("Condition", {}).items():
        suffix = "".join(f" when {key} {condition} {_text(value)}" for key, value in keys.items()) + suffix
    for action in _list(statement["Action"]):
        for resource in _list(statement["Resource"]):
            yield f"{denied}{who}{action} on {_text(resource)}{suffix}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """`{Fn::GetAtt: [Table, Arn]}` → `Table`."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return str(name)
        case {"Fn::GetAtt": [name, "Arn"]}:
            return str(name)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{name}.{attribute}"
        case {"Fn::Sub": [str(text), variables]}:
            for name, meant in variables.items():
                text = text.replace(f"${{{name}}}", _text(meant))
            return _text({"Fn::Sub": text})
        case {"Fn::Sub": text}:
            return str(text).replace(".Arn}", "}").replace("${", "").replace("}", "")
        case {"Service": service}:
            return str(service)
    raise ValueError(f"no text for {value}")


if __name__ == "__main__":
    print(yaml.safe_dump(table(shipped.translated()), width=1000), end="")
