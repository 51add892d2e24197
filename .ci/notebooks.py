"""Writes first cell and badge of every notebook, and each ``.ipynb`` from its ``.py``: `make notebooks`.

The address that they install from is ``repository`` in ``pyproject.toml``, and stands nowhere else.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLAB = "https://colab.research.google.com"
BADGE = re.compile(r"# \[!\[Open in Colab\].*\n#\n")
TITLE = re.compile(r"(?<=# %% \[markdown\]\n)# # .*\n#\n")
FIRST_CELL = re.compile(r"(?<=\n# %%\n).*?(?=\n# %%)", re.DOTALL)


def written(script: str, name: str, repository: str) -> str:
    """A notebook's script with the badge and the first cell of ``repository``, which may be empty."""
    cell = (ROOT / ".ci/first_cell.py").read_text()
    if repository:
        cell = cell.replace('ADDRESS = ""', f'ADDRESS = "git+{repository}"')
        place = repository.removeprefix("https://github.com/")
        link = f"{COLAB}/github/{place}/blob/main/notebooks/{name}.ipynb"
        badge = f"# [![Open in Colab]({COLAB}/assets/colab-badge.svg)]({link})\n#\n"
    else:
        badge = ""
    script = TITLE.sub(lambda title: title[0] + badge, BADGE.sub("", script), count=1)
    return FIRST_CELL.sub(lambda _: cell, script, count=1)


def main() -> None:
    """Write all notebooks."""
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["vsc_jax"]["repository"]
    scripts = sorted((ROOT / "notebooks").glob("*.py"))
    for script in scripts:
        script.write_text(written(script.read_text(), script.stem, repository))
    jupytext = [sys.executable, "-m", "jupytext", "--quiet", "--update", "--to", "ipynb"]
    subprocess.run([*jupytext, *scripts], check=True)


if __name__ == "__main__":
    main()
