"""What is shipped: the template as it is written and as SAM translates it, and the state machine."""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from greenlight.paths import CHECKOUT
from greenlight.stack.template import read

TEMPLATE = CHECKOUT / "template.yaml"
SAM = CHECKOUT / ".venv" / "sam" / "bin"

_TRANSLATE = """
import json, sys
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse
template = yaml_parse(open(sys.argv[1]).read())
validator = SamTemplateValidator(template, {}, region="eu-central-1")
print(json.dumps(yaml_parse(validator.get_translated_template_if_valid())))
"""


def written() -> dict[str, Any]:
    """template.yaml with the short forms of functions written out."""
    return read(TEMPLATE)


def translated() -> dict[str, Any]:
    """The resources that CloudFormation gets, with the roles and permissions that SAM makes."""
    command: list[str | Path] = [SAM / "python", "-c", _TRANSLATE, TEMPLATE]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    resources: dict[str, Any] = json.loads(done.stdout)["Resources"]
    return resources


def definition(resources: dict[str, Any]) -> dict[str, Any]:
    """The state machine, with each substitution replaced by an ARN that ends in its name."""
    properties = resources["Moderation"]["Properties"]
    text = (CHECKOUT / properties["DefinitionUri"]).read_text()
    for name in properties["DefinitionSubstitutions"]:
        arn = "aws" if name == "Partition" else f"arn:aws:lambda:eu-central-1:123456789012:function:{name}"
        text = text.replace(f"${{{name}}}", arn)
    machine: dict[str, Any] = yaml.safe_load(text)
    return machine


def properties_of(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    """The properties of every resource of a type, by logical name."""
    return {name: item.get("Properties", {}) for name, item in resources.items() if item["Type"] == kind}
