import re
import subprocess
import sys
from pathlib import Path

import idstatus

ROOT = Path(__file__).parents[2]


def test_the_site_is_built_without_a_warning_and_has_every_page_and_public_name(
    tmp_path: Path,
) -> None:
    command = ("mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    reference = (tmp_path / "python-reference" / "index.html").read_text()
    headings = set(re.findall(r'<h\d id="idstatus\.[\w.]*?(\w+)"', reference))
    assert headings >= set(idstatus.__all__)
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    linked = re.findall(r'href="\.\./(\w[\w-]*)/"', reference)
    assert pages - {"python-reference"} <= set(linked)
    assert pages == set(re.findall(r"\((\w[\w-]*)\.md\)", index))
