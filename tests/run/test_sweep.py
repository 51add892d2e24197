"""Numbers over seeds."""

import json
import math

from vsc_jax.config import Config
from vsc_jax.run.grid import Axis, expand
from vsc_jax.run.sweep import table, write_tables


def test_infinite_results_are_averaged_and_written_as_null(tmp_path):
    axes = [Axis(("seed",), (0, 1))]
    results = ({"elbo": -math.inf, "kl": 1.0}, {"elbo": -3.0, "kl": 3.0})
    members = [
        member._replace(results=values)
        for member, values in zip(expand(Config(), axes), results, strict=True)
    ]
    write_tables(tmp_path, axes, members)
    [row] = json.loads((tmp_path / "sweep.json").read_text())["over_seeds"]
    assert row["mean"] == {"elbo": None, "kl": 2.0}
    assert row["sd"] == {"elbo": None, "kl": 2**0.5}
    assert "2 ± 1.4" in table(axes, members)
