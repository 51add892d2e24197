"""The page docs/losses-elsewhere.md: its blocks run as they stand, and every loop learns the bars."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "losses-elsewhere.md"
LOOPS = ["plain_jax", "linen", "nnx", "equinox", "numpyro"]
# Eight coins of probability 1/4 decide about an image: no model's bound is above minus their entropy,
# and some pictures of many bars are the same, so a little above it is possible.
ENTROPY = 8 * -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """The names that the page's blocks define."""
    names: dict[str, Any] = {"__name__": "page"}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(blocks) == 1 + len(LOOPS)
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _as_a_user_runs_it() -> Iterator[None]:
    """Other libraries promote ranks and dtypes as NumPy does."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.parametrize("loop", LOOPS)
def test_the_loop_learns(loop, page):
    losses = np.asarray(page[f"train_{loop}"]())
    assert losses.shape == (200,)
    # From about 16 log 2 nats, and more for the untrained code, far towards the entropy of the bars.
    assert losses[0] > 11
    assert ENTROPY - 0.5 < losses[-30:].mean() < 9.5
