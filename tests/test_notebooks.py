"""The notebooks run from first to last cell at smoke size, carry no output, and match their scripts."""

import os
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
# One process runs them all: JAX is imported once, and what two notebooks share is compiled once.
RUN_ALL = """
import runpy, sys, time
for script in sys.argv[1:]:
    begin = time.perf_counter()
    runpy.run_path(script, run_name="__main__")
    print("ran", script, f"{time.perf_counter() - begin:.1f} s", flush=True)
    import matplotlib.pyplot
    matplotlib.pyplot.close("all")
"""


def test_every_notebook_runs(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "VSC_JAX_SMOKE": "1",
        "MPLBACKEND": "agg",
        # Compiling is most of the work at this size.
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", RUN_ALL, *map(str, SCRIPTS)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    print(done.stdout)  # noqa: T201 (how long each took)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    assert done.stdout.count("\nran ") + done.stdout.startswith("ran ") == len(SCRIPTS) >= 6


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_notebook_is_its_script_without_output(script):
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    expected = jupytext.read(script)
    sources = [[(cell.cell_type, cell.source) for cell in book.cells] for book in (notebook, expected)]
    assert sources[0] == sources[1], f"jupytext --sync notebooks/{script.stem}.py"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert f"{script.stem}.ipynb" in notebook.cells[0].source, "the badge names another notebook"
    text = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert "**A question.**" in text[-1]
