"""Builds the distributions, and uses the wheel alone where nothing else is installed.

`make wheels` calls it, for every Python that is at hand; the tests do so for their own. On each,
the thin client is installed with the lowest and with the newest versions that it allows, and
the asyncio example, which has nothing but it, talks to a real server.
"""
# ruff: noqa: INP001, S603, T201  # a script, which starts our own programs and says what it did

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from idstatus.testing import LocalServer

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# The thin client, and what it may bring along: what grpcio needs itself.
THIN = {"idstatus", "googleapis-common-protos", "grpcio", "grpcio-status", "protobuf"}
INDIRECT = {"typing-extensions"}
EXAMPLE = ROOT / "examples" / "asyncio"
PROOF = "end 0 success"
LIST = """
import json, re
from importlib.metadata import distributions
print(json.dumps({re.sub("[-_.]+", "-", each.name): each.version for each in distributions()}))
"""


def main(pythons: Sequence[str]) -> None:
    """Build once, and try the wheel with each of these interpreters."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        for number, python in enumerate(pythons):
            for name, versions in (("lowest", floors()), ("newest", [])):
                home = Path(folder, f"{number}-{name}")
                own = install(wheel, python, home, versions)
                installed = check_dependencies(own)
                use(own)
                with_these = (f"{each}=={installed[each]}" for each in sorted(installed))
                print(Path(python).name, f"{name}:", *with_these, flush=True)


def build(folder: Path) -> Path:
    """Return the wheel, once it is known that the sdist makes the same one."""
    run(sys.executable, "-m", "hatchling", "build", "-d", str(folder), cwd=ROOT)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "sdist", filter="data")
    (source,) = (folder / "sdist").iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(source), cwd=source)
    (again,) = source.glob("*.whl")
    if names(wheel) != names(again):
        sys.exit(f"the sdist makes another wheel: {names(wheel) ^ names(again)}")
    return wheel


def names(wheel: Path) -> set[str]:
    """Return the names of the files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def floors() -> list[str]:
    """Return the lowest versions that the project allows, as constraints for pip."""
    return [
        f"{each.name}=={bound.version}"
        for each in map(Requirement, PROJECT["dependencies"])
        for bound in each.specifier
        if bound.operator == ">="
    ]


def install(wheel: Path, python: str, home: Path, versions: Sequence[str]) -> Path:
    """Install the wheel into an environment of its own; return that one's interpreter."""
    run(python, "-m", "venv", "--without-pip", str(home))
    constraints = home / "constraints.txt"
    constraints.write_text("\n".join(versions))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(home))
    only = ("--quiet", "--no-compile", "--only-binary=:all:", "--constraint", str(constraints))
    run(*pip, "install", *only, str(wheel))
    return home / "bin" / "python"


def check_dependencies(python: Path) -> dict[str, str]:
    """Return all versions installed; exit if the thin client brings along more than it says."""
    installed: dict[str, str] = json.loads(run(str(python), "-c", LIST))
    if not THIN <= set(installed) <= THIN | INDIRECT:
        sys.exit(f"installed are {sorted(installed)}, not {sorted(THIN)}")
    return installed


def use(python: Path) -> None:
    """Run the example there; from where it is, it sees no source but its own."""
    with LocalServer() as server:
        said = run(str(python), "-W", "error", "app.py", server.address, cwd=EXAMPLE)
    if PROOF not in said:
        sys.exit(f"the example said: {said}")


def run(*command: str, cwd: Path | None = None) -> str:
    """Return what a program says; exit with what it complains of, if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def at_hand() -> Iterator[str]:
    """Yield an interpreter of each version that is on PATH, or where pyenv keeps them."""
    for minor in range(11, 20):
        name = f"python3.{minor}"
        kept = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"))
        if found := str(kept[-1]) if kept else shutil.which(name):
            yield found


if __name__ == "__main__":
    main(sys.argv[1:] or list(at_hand()))
