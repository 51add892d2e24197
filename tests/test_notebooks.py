"""The notebooks run from first to last cell at smoke size, carry no output, and match their scripts."""

import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import jax
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
    # What the question at the end of the first one asks for is run too.
    asked = tmp_path / "quick_start_vae.py"
    text = (ROOT / "notebooks" / "quick_start.py").read_text()
    asked.write_text(text.replace('"model.hidden": [400],', '"model.hidden": [400], "model.kind": "vae",'))
    assert asked.read_text() != text
    scripts = [*SCRIPTS, asked]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "VSC_JAX_SMOKE": "1",
        "MPLBACKEND": "agg",
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", RUN_ALL, *map(str, scripts)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    print(done.stdout)  # noqa: T201 (how long each took)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    assert done.stdout.count("\nran ") + done.stdout.startswith("ran ") == len(scripts) >= 9


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_notebook_is_its_script_without_output(script):
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    expected = jupytext.read(script)
    sources = [[(cell.cell_type, cell.source) for cell in book.cells] for book in (notebook, expected)]
    assert sources[0] == sources[1], "make notebooks"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    text = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert "**A question.**" in text[-1]


def test_notebooks_have_the_first_cell_and_the_badge_of_the_repository():
    tool = runpy.run_path(str(ROOT / ".ci" / "notebooks.py"))
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["vsc_jax"]["repository"]
    for script in SCRIPTS:
        text = script.read_text()
        assert tool["written"](text, script.stem, repository) == text, "make notebooks"
        published = tool["written"](text, script.stem, "https://github.com/owner/name")
        assert f"/github/owner/name/blob/main/notebooks/{script.stem}.ipynb)" in published
        assert 'ADDRESS = "git+https://github.com/owner/name"' in published
        assert tool["written"](published, script.stem, repository) == text


@pytest.mark.parametrize(("installed", "gpu", "extra"), [
    (["jax", "jax-cuda12-plugin"], True, "[cuda12]"),
    (["jax", "jax-cuda13-plugin"], True, "[cuda13]"),
    (["jax", "libtpu"], False, "[tpu]"),
    (["jax"], True, "[cuda12]"),
    (["jax"], False, ""),
])  # fmt: skip
def test_the_first_cell_brings_jax_with_the_plugin_of_the_runtime(
    installed, gpu, extra, tmp_path, monkeypatch, capsys
):
    jax.devices()  # looks through the distributions when it is called first
    calls = []
    wheel = tmp_path / "vsc_jax-0.1.0-py3-none-any.whl"
    wheel.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/nvidia-smi" if gpu else None)
    packages = [SimpleNamespace(name=name, version="1.0") for name in (*installed, "numpy")]
    monkeypatch.setattr("importlib.metadata.distributions", lambda: iter(packages))
    monkeypatch.setattr("subprocess.run", lambda command, check: calls.append(command))
    runpy.run_path(str(ROOT / ".ci" / "first_cell.py"))
    [command] = calls
    assert command[-1] == f"vsc_jax{extra} @ {wheel.as_uri()}"
    assert Path(command[command.index("--constraint") + 1]).read_text() == "numpy==1.0"
    shown = capsys.readouterr().out
    assert shown.startswith("[CpuDevice(id=0)")
    assert ("JAX does not use the GPU" in shown) == gpu
