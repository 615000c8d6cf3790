"""What runs locally is what is shipped."""

import json
import re
from typing import Any

from greenlight.paths import CHECKOUT
from greenlight.stack.stack import Stack
from greenlight.stack.template import functions, read


def _maps(node: Any) -> list[dict[str, Any]]:
    """Every Map state, however deep."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    here = [node] if isinstance(node, dict) and node.get("Type") == "Map" else []
    return here + [found for each in inner for found in _maps(each)]


def test_the_deployed_state_machine_is_the_shipped_one(stack: Stack) -> None:
    # GIVEN the shipped definition, with the names of the deployed functions put in
    names = {
        f"{re.sub(r'(^|_)(.)', lambda found: found[2].upper(), folder)}Function": name
        for folder, name in stack.functions().items()
    }
    text = (CHECKOUT / "functions" / "moderation.asl.yaml").read_text().replace("${Partition}", "aws")
    for logical, name in names.items():
        text = text.replace(f"${{{logical}}}", f"arn:aws:lambda:us-east-1:000000000000:function:{name}")
    assert "${" not in text
    (stack.state_dir / "definition.yaml").write_text(text)
    shipped = read(stack.state_dir / "definition.yaml")

    # WHEN the deployed one is read
    machine = stack.client("stepfunctions").describe_state_machine(stateMachineArn=stack.outputs["StateMachineArn"])
    deployed = json.loads(machine["definition"])

    # THEN it is the same, but that fewer steps run at a time
    assert len(_maps(shipped)) == len(_maps(deployed)) == 3
    for ours, theirs in zip(_maps(shipped), _maps(deployed), strict=True):
        assert 1 <= theirs.pop("MaxConcurrency") <= ours.pop("MaxConcurrency", 1000)
    assert deployed == shipped
    assert machine["type"] == "STANDARD"


def test_every_function_of_the_template_is_deployed_with_its_environment(stack: Stack) -> None:
    template = read(CHECKOUT / "template.yaml")
    shipped = {function.folder.name: function.name for function in functions(template, CHECKOUT)}
    deployed = stack.functions()
    assert deployed.keys() == shipped.keys()

    for folder, logical in shipped.items():
        properties = template["Resources"][logical]["Properties"]
        configuration = stack.client("lambda").get_function_configuration(FunctionName=deployed[folder])
        variables = template["Globals"]["Function"]["Environment"]["Variables"] | properties.get("Environment", {}).get(
            "Variables", {}
        )
        assert configuration["Environment"]["Variables"].keys() == variables.keys(), folder
        for limit in ("Timeout", "MemorySize"):
            assert configuration[limit] == properties.get(limit, template["Globals"]["Function"][limit]), folder
