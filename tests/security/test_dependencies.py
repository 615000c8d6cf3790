"""Licences and known vulnerabilities of what the locks name."""

from email.message import Message
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from greenlight.paths import CHECKOUT
from tests.security import audit, licences
from tests.security.audit import CLEAN, KNOWN_BAD, NOT_AUDITED, VULNERABLE, Report
from tests.security.licences import allows, environment, locked, normal, of_npm, problems, stated

POLICY: dict[str, Any] = yaml.safe_load(licences.POLICY.read_text())


# ── licences ──


@pytest.mark.parametrize(("lock", "folder"), licences.ENVIRONMENTS.items())
def test_everything_that_is_installed_may_be(lock: str, folder: str) -> None:
    packages = environment(CHECKOUT / folder)
    names = locked(CHECKOUT / "requirements" / f"{lock}.lock")
    assert names
    assert list(problems(POLICY, packages, names, shipped=False)) == []
    if lock in ("dev", "stack", "sam"):
        assert len(set(names) & set(packages)) > 25


def test_everything_that_is_shipped_may_be() -> None:
    packages = environment(CHECKOUT / ".venv")
    assert len(licences.SHIPPED) >= 4
    for file in licences.SHIPPED:
        names = locked(file)
        assert set(names) <= set(packages), "not to be looked at here"
        assert list(problems(POLICY, packages, names, shipped=True)) == []


def test_the_validator_of_the_state_machine_may_be_used() -> None:
    assert list(of_npm(POLICY)) == []


def test_every_exception_is_still_needed_and_says_why() -> None:
    everything = {name for folder in set(licences.ENVIRONMENTS.values()) for name in environment(CHECKOUT / folder)}
    for name, known in POLICY["known"].items():
        assert name in everything, name
        assert known["licence"], name
        assert known["because"], name


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("MIT", True),
        ("Apache Software License", True),
        ("BSD-3-Clause AND 0BSD AND Zlib", True),
        ("MIT OR AFL-2.1", True),
        ("(GPL-3.0-only OR MIT) AND BSD-2-Clause", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("LGPL-2.1-or-later", False),
        ("AGPL-3.0-only OR SSPL-1.0", False),
        ("Other/Proprietary License", False),
        ("MITX", False),
        ("", False),
    ],
)
def test_what_is_allowed(expression: str, fine: bool) -> None:
    assert allows(POLICY, expression) is fine


class Stated:
    """A package, as far as its licence goes."""

    def __init__(self, **fields: str) -> None:
        self.metadata = Message()
        for name, value in fields.items():
            self.metadata[name.replace("_", "-")] = value


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"License_Expression": "MIT", "License": "GPL", "Classifier": "License :: OSI Approved :: BSD License"},
            "MIT",
        ),
        ({"License": "see below", "Classifier": "License :: OSI Approved :: BSD License"}, "BSD License"),
        ({"License": "GPL-3.0\nlong text"}, "GPL-3.0"),
        ({}, ""),
    ],
)
def test_what_a_package_states(fields: dict[str, str], expected: str) -> None:
    assert stated(cast("Distribution", Stated(**fields))) == expected


def test_a_package_under_another_licence_is_reported() -> None:
    packages = {name: cast("Distribution", Stated(License_Expression=name)) for name in ("MIT", "GPL-3.0-only")}
    packages["text-unidecode"] = packages["GPL-3.0-only"]
    assert list(problems(POLICY, packages, ["MIT", "missing"], shipped=True)) == []
    (found,) = problems(POLICY, packages, ["GPL-3.0-only"], shipped=False)
    assert found.startswith("GPL-3.0-only: GPL-3.0-only is not allowed")
    assert list(problems(POLICY, packages, ["text-unidecode"], shipped=False)) == []
    assert "not to be shipped" in next(problems(POLICY, packages, ["text-unidecode"], shipped=True))


def test_names_are_compared_as_registries_do(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text("Ruamel.Yaml_Clib==1.0 \\\n    --hash=sha256:00\nuv==1 ; x\n    # via a==b\n")
    assert locked(lock) == ["ruamel-yaml-clib", "uv"]
    assert normal("A__b.-C") == "a-b-c"


# ── vulnerabilities ──

BAD = Report(vulnerable=("jinja2 2.10: PYSEC-2019-217, mended in 2.10.1",))


def test_a_report_is_read() -> None:
    document = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": []},
            {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3", "4"]}]},
            {"name": "c", "skip_reason": "Dependency not found on PyPI and could not be audited: c (1)"},
        ]
    }
    assert audit.read(document) == Report(("b 2: X-1, mended in 3, 4",), ("c",))


@pytest.mark.parametrize(
    ("of_known_bad", "of_locks", "status"),
    [
        (None, Report(), NOT_AUDITED),
        (Report(), Report(), NOT_AUDITED),
        (Report(unknown=("jinja2",)), Report(), NOT_AUDITED),
        (BAD, Report(), CLEAN),
        (BAD, None, NOT_AUDITED),
        (BAD, Report(unknown=("pydantic",)), NOT_AUDITED),
        (BAD, Report(vulnerable=("pydantic 1: X-1, mended in 2",), unknown=("uv",)), VULNERABLE),
    ],
)
def test_silence_is_not_taken_for_good_news(
    capsys: pytest.CaptureFixture[str], of_known_bad: Report | None, of_locks: Report | None, status: int
) -> None:
    asked = []

    def ask(file: Path, *_: str) -> Report | None:
        asked.append(file.name)
        return of_known_bad if KNOWN_BAD in file.read_text() else of_locks

    assert audit.audit(ask) == status
    assert ("NOT AUDITED" in capsys.readouterr().out) is (status != CLEAN)
    assert len(asked) == (1 + len(audit.LOCKS) if of_known_bad is BAD else 1)
