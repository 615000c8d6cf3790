"""Known vulnerabilities of every locked package, by pip-audit.

    python -m tests.security.audit [--if-reachable]

pip-audit calls packages that its source has never heard of "no known vulnerabilities". So the source is first asked
about a release that has known ones, and no package may be passed over. Exit codes: 0 audited and clean, 1 vulnerable,
3 not audited, which `--if-reachable` turns into 0 for machines without that source.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenlight.paths import CHECKOUT

LOCKS = [CHECKOUT / "requirements" / f"{name}.lock" for name in ("dev", "stack", "sam", "node", "uv")]
"""The layers' own requirements are held to dev.lock by `make lock`."""

KNOWN_BAD = "jinja2==2.10"
CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 3
SECONDS = 600


@dataclass(frozen=True)
class Report:
    """What is known of the packages of one file, and which of them nothing is known of."""

    vulnerable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def read(document: dict[str, Any]) -> Report:
    """A report of pip-audit (`--format json`)."""
    packages = document["dependencies"]
    return Report(
        tuple(
            f"{package['name']} {package['version']}: {problem['id']}, mended in {', '.join(problem['fix_versions'])}"
            for package in packages
            for problem in package.get("vulns", ())
        ),
        tuple(package["name"] for package in packages if "skip_reason" in package),
    )


def pip_audit(requirements: Path, *hashed: str) -> Report | None:
    """Ask about the packages of a file; None when there is no answer."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements), *hashed, "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        return read(json.loads(done.stdout))
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        return None


def audit(ask: Callable[..., Report | None] = pip_audit) -> int:
    """Print what is found; the exit code says the same."""
    with tempfile.TemporaryDirectory() as folder:
        bad = Path(folder) / "known-bad.txt"
        bad.write_text(f"{KNOWN_BAD}\n")
        known = ask(bad, "--no-deps")
    if known is None or not known.vulnerable:
        print("NOT AUDITED: the source of vulnerabilities is out of reach, or knows none of what everybody knows.")
        return NOT_AUDITED
    result = CLEAN
    for lock in LOCKS:
        report = ask(lock, "--require-hashes")
        if report is None or report.unknown:
            print(f"NOT AUDITED: {lock.name}: {', '.join(report.unknown) if report else 'no answer'}")
            result = result or NOT_AUDITED
        if report and report.vulnerable:
            print("\n".join(f"VULNERABLE: {lock.name}: {line}" for line in report.vulnerable))
            result = VULNERABLE
    print("audited: " + {CLEAN: "nothing known", VULNERABLE: "see above", NOT_AUDITED: "not all"}[result])
    return result


if __name__ == "__main__":
    status = audit()
    sys.exit(CLEAN if status == NOT_AUDITED and "--if-reachable" in sys.argv else status)
