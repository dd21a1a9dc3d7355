"""Asks for known faults in what the image installs; `make audit`.

Ends with 1 if there are any, or if nobody could ask. Where only the database is out of reach, all
that could not be asked about is named, for it may have some.
"""
# ruff: noqa: INP001, S603, T201  # a script, which starts our own words and prints what it finds

import json
import subprocess
import sys
from pathlib import Path

# What pip-audit says, or the library that it asks with, if the database is out of reach.
AWAY = ("requests.exceptions.", "may be blocking this service")
PINNED = Path(__file__).parents[1] / "deploy" / "docker"


def main() -> int:
    """Audit each file of pinned requirements."""
    faults = 0
    for pinned in sorted(PINNED.glob("*requirements.txt")):
        asked = ("--requirement", str(pinned), "--require-hashes", "--disable-pip")
        command = (sys.executable, "-m", "pip_audit", *asked, "--format", "json")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.stdout:
            away = any(sign in done.stderr for sign in AWAY)
            why = "the database is out of reach" if away else "pip-audit does not work"
            print(f"{pinned.name}: NOT AUDITED, {why}\n{done.stderr[-300:]}")
            faults += not away
            continue
        faults += _tell(pinned.name, json.loads(done.stdout)["dependencies"])
    return 1 if faults else 0


def _tell(name: str, dependencies: list[dict[str, object]]) -> int:
    """Print what is known of the packages of a file; return how many of them have faults."""
    skipped = [one["name"] for one in dependencies if "skip_reason" in one]
    faulty = [one for one in dependencies if one.get("vulns")]
    print(f"{name}: {len(dependencies) - len(skipped)} audited, {len(faulty)} with known faults")
    if skipped:
        print(f"  NOT AUDITED, the database does not tell: {', '.join(map(str, skipped))}")
    for one in faulty:
        print(f"  {one['name']} {one['version']}: {one['vulns']}")
    return len(faulty)


if __name__ == "__main__":
    sys.exit(main())
