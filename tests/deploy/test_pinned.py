"""All that the image installs is pinned, with hashes, to versions that the project allows."""

import re
from importlib.metadata import requires

import pytest
from deploy.files import DOCKERFILE, PROJECT, ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LINE = re.compile(r"^([a-z0-9-]+)==(\S+)(.*?(?:\\\n.*)*)$", re.MULTILINE)
EXTRAS = PROJECT["optional-dependencies"]


def pinned(name: str) -> dict[str, str]:
    """Return the version of each package that a file pins, each of which has hashes."""
    lines = LINE.findall((DOCKERFILE.parent / name).read_text())
    assert all("--hash=sha256:" in rest for _, _, rest in lines)
    return {package: version for package, version, _ in lines}


def wanted(*extras: str) -> list[Requirement]:
    """Return what the project needs with some of its extras."""
    found = [Requirement(line) for line in PROJECT["dependencies"]]
    for extra in extras:
        found += map(Requirement, EXTRAS[extra])
    return [one for one in found if one.name != "idstatus"]


def test_all_that_the_server_needs_is_pinned_to_a_version_that_it_allows() -> None:
    versions = pinned("requirements.txt")
    extras = re.findall(r"--extra (\S+)", (ROOT / "scripts/lock").read_text())
    for need in wanted(*extras):
        assert versions[canonicalize_name(need.name)] in need.specifier, need


@pytest.mark.parametrize("name", ["requirements.txt", "build-requirements.txt"])
def test_so_is_all_that_these_need_in_turn(name: str) -> None:
    versions = pinned(name)
    for package in versions:
        for line in requires(package) or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert canonicalize_name(need.name) in versions, f"{package} needs {need}"
