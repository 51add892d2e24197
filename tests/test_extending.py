"""docs/extending.md: everything that it adds, added to a copy of the package, which then trains with it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
CHANGE = re.compile(
    r"\*\*`(?P<file>[^`]+)`\*\*, (?:(?P<how>after|before|in place of) `(?P<anchor>[^`]+)`|new):\n\n"
    r"```(?:python|jinja)\n(?P<code>.*?)```",
    re.DOTALL,
)

PROGRAM = """
import numpy as np
from vsc_jax import data, fit
from vsc_jax.config import Config, with_overrides
from vsc_jax.estimator import VariationalSparseCoding
from vsc_jax.evaluation.gini import gini
from vsc_jax.evaluation.glossary import explain
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.figures import draw_all
from vsc_jax.pages.sentences import sentence

assert gini(np.ones((2, 5))) == 0 and abs(gini(np.eye(5)) - 0.8) < 1e-12
config = with_overrides(Config(), {
    "data.name": "bars", "model.latents": 8, "model.hidden": [16], "model.gate": "hard_concrete",
    "model.prior": "learned", "train.steps": 200, "train.learning_rate": 0.01, "evaluate.samples": 2,
})
run = fit(config)
assert run.results["data"].startswith("bars"), run.results["data"]
assert run.results["elbo"] > -10.5, run.results["elbo"]  # 16 pixels by themselves: -10.97
X = np.random.default_rng(0).laplace(size=(50, 2))
coder = VariationalSparseCoding(2, likelihood="laplace", steps=20, random_state=0).fit(X)
assert -5 < coder.score(X) < -2, coder.score(X)
assert 0 < run.results["gini"] < 1 and explain("gini") is not None
assert run.model.rate_logit[...].std() > 0.01, "the prior's rates have not moved"
facts = dict(draw_all(CodeView(run.model, data.load(config.data))))["values"].facts
assert sentence("values", facts).startswith("Look for two heaps")
"""


def test_each_addition_is_short():
    sections = PAGE.split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections] == [
        "A data set", "A likelihood", "A gate", "A prior", "A metric", "A figure",
    ]  # fmt: skip
    for section in sections:
        lines = [line for change in CHANGE.finditer(section) for line in change["code"].splitlines()]
        assert 0 < len(lines) < 30, section.splitlines()[0]


@pytest.fixture
def copy(tmp_path):
    """A copy of the package with every change of the page."""
    shutil.copytree(ROOT / "vsc_jax", tmp_path / "vsc_jax", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "configs", tmp_path / "configs", ignore=shutil.ignore_patterns("__pycache__"))
    assert len(re.findall(r"\*\*`vsc_jax/", PAGE)) == len(list(CHANGE.finditer(PAGE)))
    for change in CHANGE.finditer(PAGE):
        path, code, anchor = tmp_path / change["file"], change["code"], change["anchor"]
        if anchor is None:
            assert not path.exists()
            path.write_text(code)
            continue
        text = path.read_text()
        assert text.count(f"\n{anchor}\n") == 1, f"{change['file']}: {anchor}: expected once"
        new = {"after": f"{anchor}\n{code}", "before": f"{code}{anchor}\n", "in place of": code}[
            change["how"]
        ]
        path.write_text(text.replace(f"\n{anchor}\n", f"\n{new}"))
    return tmp_path


def test_a_model_trains_with_all_of_them(copy):
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
