import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from greenlight.paths import CHECKOUT
from tests.template.shipped import SAM, TEMPLATE

NO_ACCOUNT = {"AWS_DEFAULT_REGION": "eu-central-1", "SAM_CLI_TELEMETRY": "0"}
VALIDATOR = Path(__file__).parent / "node_modules" / "asl-validator" / "dist" / "bin" / "asl-validator.js"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=CHECKOUT, env={**os.environ, **NO_ACCOUNT}, capture_output=True, text=True, check=False
    )


def test_sam_takes_the_template():
    done = run(SAM / "sam", "validate", "--lint", "--template", TEMPLATE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cfn_lint_finds_nothing():
    done = run(SAM / "cfn-lint", "--regions", "eu-central-1", "--", TEMPLATE)
    assert done.returncode == 0, done.stdout + done.stderr


def validate(machine: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "machine.json"
    path.write_text(json.dumps(machine))
    node = shutil.which("node", path=os.pathsep.join([os.environ.get("PATH", ""), str(CHECKOUT / ".venv" / "bin")]))
    assert node, "no Node.js: `make setup-test` brings one"
    return run(node, VALIDATOR, "--json-path", path)


def test_asl_validator_takes_the_machine(machine: dict[str, Any], tmp_path: Path):
    done = validate(machine, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("change", [{"Next": "Nowhere"}, {"Parameters": {}}, {"Type": "Tusk"}])
def test_asl_validator_would_have_told(machine: dict[str, Any], tmp_path: Path, change: dict[str, Any]):
    broken = {**machine, "States": {**machine["States"], "Plan": {**machine["States"]["Plan"], **change}}}
    assert validate(broken, tmp_path).returncode != 0
