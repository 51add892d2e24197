"""What latents mean, of codes and of linear decoders whose answer is known."""

import jax
import numpy as np
import pytest
from scipy import stats

from vsc_jax.config import ModelConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, Split
from vsc_jax.evaluation import latents as module
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.encoding import Codes
from vsc_jax.evaluation.latents import describe, idle_latents, idle_statistics
from vsc_jax.models import build
from vsc_jax.models.objective import PACE
from vsc_jax.pages.sentences import sentence

N, J, D = 400, 6, 5
NAMES = ("height", "weight", "age", "income", "debt")
RNG = np.random.default_rng(0)
LABELS = (np.arange(N) % 3).astype(np.int32)
ON = np.stack([
    RNG.random(N) < 0.5,  # 0 says nothing of the class
    LABELS != 1,  # 1 is off for class b alone
    np.ones(N, bool),  # 2 is always on, and changes nothing
    LABELS == 1,  # 3 is on for class b alone
    LABELS == 1,
    np.zeros(N, bool),
], axis=1)  # fmt: skip
CODE = np.where(ON, 1 + RNG.random((N, J)), 0).astype(np.float32)
CODE[:, 0] = np.where(ON[:, 0], 1 + (LABELS == 2) + 0.1 * RNG.random(N), 0)  # larger for class c
ATOMS = np.zeros((J, D), np.float32)
ATOMS[[0, 1, 3, 4], [0, 1, 2, 3]] = 2, 1, -2, 1
ATOMS[3, 4] = 1.5


@pytest.fixture(scope="module")
def view():
    """A linear decoder whose atoms are known, and codes of three classes."""
    x = RNG.normal(size=(N, D)).astype(np.float32)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    data = Dataset("made", Split(x), Split(x, LABELS), ("a", "b", "c"), column_names=NAMES)
    config = ModelConfig(kind="vsc", decoder="linear", likelihood="gaussian", latents=J, hidden=(4,))
    model = build(config, (D,), jax.random.key(0), examples=x)
    model.decoder.trunk.raw_atoms[...] = ATOMS / PACE
    return CodeView(model, data, codes=Codes(CODE, ON.astype(np.float32), CODE))


@pytest.fixture(scope="module")
def found(view):
    return describe(view)


def meaning(row):
    return sentence("latent", {**row, "things": "rows"})


def test_a_latent_that_is_on_for_one_class_alone_tells_it_and_the_sentence_says_so(found):
    row = found[3]
    assert (row["tells"], row["when"], row["auc"]) == ("b", "on", 1.0)
    assert row["p"] < 1e-50
    assert row["by_class"] == {"a": 0.0, "b": 1.0, "c": 0.0}
    assert meaning(row) == (
        "On in 33 % of the rows; tells b, AUC 1.00; switched on it raises debt and lowers age."
    )
    assert (found[1]["tells"], found[1]["when"], found[1]["auc"]) == ("b", "off", 1.0)
    assert "off with b, AUC 1.00; switched on it raises weight." in meaning(found[1])


def test_a_latent_whose_switch_says_nothing_may_tell_by_its_value(found):
    row = found[0]
    assert (row["tells"], row["auc"]) == (None, None)
    assert (row["value_tells"], row["value_when"], row["value_auc"]) == ("c", "larger", 1.0)
    assert "larger values tell c, AUC 1.00" in meaning(row)
    assert all(found[2][name] is None for name in ("tells", "value_tells"))  # always on, at random values


def test_never_on_is_left_out_and_named_when_asked_for(found):
    assert [row["latent"] for row in found.table] == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="^latent 5: is never on in these examples$"):
        found[5]
    with pytest.raises(UserError, match="^latent 17: expected one from 0 to 5$"):
        found[17]


def test_an_idle_latent_is_recognised_and_does_not_count_as_effective(view, found):
    assert idle_latents(view) == [2]
    assert [row["latent"] for row in found.table if row["idle"]] == [2]
    active = ON.sum(axis=1).mean()
    assert idle_statistics(view) == {"idle_latents": 1.0, "effective_active": pytest.approx(active - 1)}
    assert meaning(found[2]) == "On in all rows; switching it off changes almost nothing."


def test_what_a_latent_moves_is_its_atom_in_the_units_of_the_data(found):
    for latent in (0, 1, 3, 4):
        values = CODE[ON[:, latent], latent].astype(float)
        expected = np.square(values).mean() * np.square(ATOMS[latent]).sum() / D  # the variance is 1
        assert found[latent]["moved"] == pytest.approx(expected, rel=0.1)
    change = found[3]["changes"][0]
    low, high = np.percentile(CODE[ON[:, 3], 3], module.RANGE)
    assert change["name"] == "age"
    assert change["swept"] == pytest.approx(-2 * (high - low), rel=1e-3)
    assert (found[3]["outputs_changed"], found[3]["values_changed"]) == (1.0, pytest.approx(2 / 5))


def test_latents_that_are_on_together_are_named_with_jaccard_index_and_lift(found):
    first, *others = found[3]["together"]
    assert first == {"latent": 4, "likeness": 1.0, "lift": pytest.approx(N / (LABELS == 1).sum())}
    assert 2 not in [other["latent"] for other in others]  # always on: no more than by chance
    assert found.likeness[0, 2] == pytest.approx(ON[:, 0].mean())


def test_p_values_are_those_of_scipy(view, found):
    who, values = (LABELS == 2), CODE[ON[:, 0], 0]
    area, p = module._valued(values, who[ON[:, 0], None])
    _, expected = stats.mannwhitneyu(
        values[who[ON[:, 0]]], values[~who[ON[:, 0]]], method="asymptotic", use_continuity=False
    )
    assert (area[0], p[0]) == (1.0, pytest.approx(expected, rel=1e-6))
    on, some = ON[:, :1], RNG.random((N, 1)) < 0.3
    table = [[(on & some).sum(), (on & ~some).sum()], [(~on & some).sum(), (~on & ~some).sum()]]
    tails = [stats.fisher_exact(table, tail).pvalue for tail in ("less", "greater")]
    assert module._switched(on, some)[1][0, 0] == pytest.approx(min(1, 2 * min(tails)))
    assert found.tests == 5 * 3 * 2


def test_chance_is_not_called_told(view):
    rng = np.random.default_rng(5)
    for _ in range(20):
        guess = describe(view, {"coin": rng.random(N) < 0.5, "rare": np.arange(N) == rng.integers(N)})
        assert {row["tells"] for row in guess.table} | {row["value_tells"] for row in guess.table} == {None}


def test_examples_are_the_strongest_and_one_of_each_part_of_the_values(found):
    strongest, spread = found.strongest(0, 3), found.spread(0, 4)
    assert (np.sort(np.abs(CODE[:, 0]))[::-1][:3] == np.abs(CODE[strongest, 0])).all()
    quartiles = np.searchsorted(np.percentile(CODE[ON[:, 0], 0], [25, 50, 75]), CODE[spread, 0])
    assert quartiles.tolist() == [0, 1, 2, 3]
    decoded, values, example = found.sweep(3, 5)
    assert ON[example, 3]
    np.testing.assert_allclose(decoded[1:, 2] - decoded[0, 2], -2 * values, rtol=1e-4)


@pytest.mark.parametrize(("ground", "paint", "way"), [
    (0.0, 1.0, "move what is bright there down"), (1.0, 0.0, "move what is dark there down"),
])  # fmt: skip
def test_movement_in_a_picture_is_told_from_growth(ground, paint, way):
    def bar(top, bottom):
        picture = np.full((1, 12, 12), ground)
        picture[:, top:bottom, 4:8] = paint
        return picture

    small, large = bar(3, 5), bar(5, 7)
    assert module._larger(large - small, (large + small) / 2) == way
    grown = bar(3, 9)
    verb = "brighten it" if paint else "darken it"
    assert module._larger(grown - small, (grown + small) / 2) == verb
    assert module._where(np.square(bar(0, 2) - ground)[0]) == "top"
    assert module._where(np.ones((12, 12))) == "whole picture"


def test_without_gates_dimensions_are_described_by_their_values(view):
    config = ModelConfig(kind="vae", likelihood="gaussian", latents=3, hidden=(8,))
    data = view.dataset
    model = build(config, (D,), jax.random.key(0), examples=data.train.x)
    found = describe(CodeView(model, data))
    assert len(found.table) == 3
    assert all(meaning(row).startswith("Always on, from ") for row in found.table)
    assert found.tests == 3 * 3
    np.testing.assert_allclose(np.diag(found.likeness), 1)
