"""``python -m vsc_jax.encode``: codes of the run's examples and of others, neighbors, steered examples."""

import json

import jax.numpy as jnp
import numpy as np
import pandas
import PIL.Image
import pyarrow.parquet
import pytest
import scipy.sparse
from vsc_jax.encode import encode, main

import vsc_jax
from tests.refused import assert_refused
from vsc_jax.config import DataConfig
from vsc_jax.models import VSC
from vsc_jax.run import open_run


@pytest.fixture
def run(make_run, tmp_path, monkeypatch):
    """A VSC of six latents on 8 x 8 images of three classes; the test works in its parent."""
    monkeypatch.chdir(tmp_path)
    return make_run(tmp_path / "run")


def test_both_kinds_of_file_hold_the_codes_of_the_runs_test_examples(run):
    main(["run", "-o", "codes.npz"])
    main(["run", "-o", "codes.parquet", "--gates"])
    test, model = open_run(run).dataset().test, vsc_jax.load(run)
    codes, stored = scipy.sparse.load_npz("codes.npz").toarray(), np.load("codes.npz")
    np.testing.assert_array_equal(codes, encode(run).codes.toarray())
    np.testing.assert_array_equal(codes, model.code(test.x))  # of one batch
    np.testing.assert_allclose(stored["gates"], model.encode(test.x).gamma, rtol=1e-6)
    assert stored["labels"].tolist() == [str(label) for label in test.labels]
    table = pyarrow.parquet.read_table("codes.parquet")
    latents, gates = ([f"{name}_{j}" for j in range(6)] for name in ("latent", "gate"))
    assert table.column_names == ["label", *latents, *gates]
    np.testing.assert_array_equal(np.stack([table[name] for name in latents], axis=1), codes)
    np.testing.assert_array_equal(np.stack([table[name] for name in gates], axis=1), stored["gates"])
    main(["run", "-o", "codes.parquet"])
    assert pyarrow.parquet.read_schema("codes.parquet").names == ["label", *latents]


def test_all_rows_of_an_own_file_are_encoded_in_order(run, digits):
    main(["run", str(digits), "-o", "codes.npz"])
    arrays = np.load(digits)
    x = np.concatenate([arrays["x"], arrays["x_test"]])
    codes = scipy.sparse.load_npz("codes.npz").toarray()
    for expected in (vsc_jax.load(run).code(x), encode(run, x / np.float32(255)).codes.toarray()):
        np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-6)


def test_codes_of_a_folder_of_images_have_the_names_of_their_files(run):
    for name in ("b/2.png", "a/1.png"):
        (run.parent / "images" / name).parent.mkdir(parents=True)
        PIL.Image.fromarray(np.full((8, 8, 3), 10 * int(name[2]), np.uint8)).save(
            run.parent / "images" / name
        )
    main(["run", "images", "-o", "codes.npz"])
    stored = np.load("codes.npz")
    assert (stored["files"].tolist(), stored["labels"].tolist()) == (["a/1.png", "b/2.png"], ["a", "b"])


def test_a_table_may_have_gaps_and_no_classes(make_run, tmp_path, monkeypatch):
    x = np.arange(80).reshape(20, 4) % 7 + np.float32(0.5)
    pandas.DataFrame(x).assign(kind=np.arange(20) % 2).to_csv(tmp_path / "train.csv", index=False)
    x[2, 1] = np.nan
    pandas.DataFrame(x, columns=list("abcd")).to_csv(tmp_path / "new.csv", index=False)
    data = DataConfig(path=tmp_path / "train.csv", label="kind", header="true")
    linear = {"decoder": "linear", "likelihood": "gaussian", "prior": "fixed", "data_config": data}
    ascent = make_run(tmp_path / "ascent", inference="ascent", **linear)
    codes = encode(ascent, tmp_path / "new.csv")
    q = vsc_jax.load(ascent).encode(x, observed=jnp.asarray(~np.isnan(x)))
    np.testing.assert_allclose(codes.gates, q.gamma, rtol=1e-5)
    assert codes.labels is None
    other = make_run(tmp_path / "encoder", inference="encoder", **linear)
    monkeypatch.setattr(VSC, "fill", lambda self, x: jnp.where(jnp.isnan(x), 2.0, x))
    filled = np.where(np.isnan(x), 2.0, x).astype(np.float32)
    codes = encode(other, tmp_path / "new.csv")
    np.testing.assert_allclose(codes.gates, vsc_jax.load(other).encode(filled).gamma, rtol=1e-5)
    main([str(other), str(tmp_path / "new.csv"), "--fill", "-o", str(tmp_path / "filled.npz")])
    np.testing.assert_array_equal(np.load(tmp_path / "filled.npz")["x"], filled)
    plain = make_run(tmp_path / "ae", kind="ae", likelihood="gaussian", data_config=data)
    assert_refused(
        "new.csv: missing value in row 2, column 1; an autoencoder", encode, plain, tmp_path / "new.csv"
    )


def test_the_nearest_are_printed_the_example_itself_first(run, capsys):
    main(["run", "--nearest", "5", "--top", "3"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["row", "distance", "on", "shared", "label"]
    assert lines[1][:2] == ["5", "0"]
    assert lines[1][2] == lines[1][3]
    main(["run", "--nearest", "5", "--top", "3", "--json"])
    found = json.loads(capsys.readouterr().out)["nearest"]
    codes = encode(run).codes
    rows, distance = vsc_jax.nearest(codes, codes[[5]], 3)
    assert [line["row"] for line in found] == rows[0].tolist() == [int(line[0]) for line in lines[1:]]
    assert [line["distance"] for line in found] == distance[0].tolist()


def test_steered_examples_are_those_of_the_function_and_are_shown(run, capsys):
    main(["run", "--steer", "1=2.5", "--steer", "3=off", "--rows", "30:", "-o", "steered.npz"])
    stored, model = np.load("steered.npz"), vsc_jax.load(run)
    before, after = vsc_jax.steer(model, open_run(run).dataset().test.x[30:], {1: 2.5, 3: None})
    np.testing.assert_allclose(stored["before"], before, rtol=1e-5)
    np.testing.assert_allclose(stored["after"], after, rtol=1e-5)
    assert stored["rows"].tolist() == list(range(30, 40))
    main(["run", "--steer", "1=2.5", "-o", "steered.png"])
    with PIL.Image.open("steered.png") as picture:
        assert picture.width == 900
    assert "10 rows; values move by " in capsys.readouterr().out


def test_denoised_examples_are_those_of_the_model(run):
    main(["run", "--denoise", "0.3", "-o", "clean.npz"])
    x = open_run(run).dataset().test.x
    np.testing.assert_allclose(np.load("clean.npz")["x"], vsc_jax.load(run).denoise(x, 0.3), rtol=1e-4)


def test_images_with_holes_are_filled_in_and_then_encoded_or_steered(run, monkeypatch):
    monkeypatch.setattr(VSC, "fill", lambda self, x: jnp.where(jnp.isnan(x), 0.25, x))
    x = open_run(run).dataset().test.x[:4] / np.float32(255)
    np.save("holes.npy", np.where(x > 0.5, np.nan, x))
    filled = np.where(x > 0.5, np.float32(0.25), x)
    main(["run", "holes.npy", "--fill", "-o", "filled.npz"])
    np.testing.assert_array_equal(np.load("filled.npz")["x"], filled)
    model = vsc_jax.load(run)
    np.testing.assert_allclose(encode(run, "holes.npy").gates, model.encode(filled).gamma, rtol=1e-5)
    main(["run", "holes.npy", "--steer", "1=2.5", "-o", "steered.npz"])
    before, _ = vsc_jax.steer(model, filled, {1: 2.5})
    np.testing.assert_allclose(np.load("steered.npz")["before"], before, rtol=1e-5)
    assert_refused(
        "holes.npy: x: missing value in row 0", main, ["run", "holes.npy", "--denoise", "0.1", "-o", "x.npz"]
    )


@pytest.mark.parametrize(("options", "named"), [
    ("", r"expected -o FILE \(.npz or .parquet\), or --nearest ROW"),
    ("-o x.csv", r"--output: expected a file .npz or .parquet, got x.csv"),
    ("-o no/x.npz", "--output: no folder .*no"),
    ("-o run.npz", "run.npz: cannot be written"),
    ("--nearest 40", "--nearest: expected a row from 0 to 39, got 40"),
    ("--nearest 1 --top 0", "--top: expected a number from 1 on, got 0"),
    ("--steer 6=1 -o x.npz", "--steer: expected a latent from 0 to 5, got 6"),
    ("--steer 1 -o x.npz", "--steer: expected LATENT=VALUE or LATENT=off, such as 17=2.5, got '1'"),
    ("--steer 1=nan -o x.npz", "expected a finite value of latent 1, or None, got nan"),
    ("--steer 1=1 -o x.parquet", "--output: expected a file .npz or .png, got x.parquet"),
    ("--steer 1=1 -o x.npz --nearest 1", "--steer: writes no codes; it does not go with --nea"),
    ("--steer 1=1 -o x.npz --rows 5", "--rows: expected FIRST:LAST, such as 0:10, got '5'"),
    ("--steer 1=1 -o x.npz --rows 30:41", "--rows: expected some of 40 rows, got 30:41"),
    ("--steer 1=1 -o x.png --rows :", "--rows: a .png has room for 20 images, got 40"),
    ("--rows 0:3 -o x.npz", "--rows: goes with --steer alone"),
    ("--denoise auto -o x.png", "--output: expected a file .npz, got x.png"),
    ("--denoise much -o x.npz", "--denoise: expected auto or a number, got 'much'"),
    ("--denoise 0 -o x.npz", "noise: expected auto or a number above 0, got 0.0"),
    ("--denoise auto --gates -o x.npz", "--denoise: writes no codes; it does not go with --nearest, --steer"),
    ("--denoise auto --fill -o x.npz", "expected --fill or --denoise, got both"),
    ("--fill --nearest 1 -o x.npz", "--fill: writes no codes; it does not go with --nearest, --steer"),
    ("other.npy -o x.npz", r"other.npy: expected a batch of examples \[n, 8, 8\], got an a"),
    ("nowhere.npy -o x.npz", "nowhere.npy: no such file"),
])  # fmt: skip
def test_what_cannot_be_done_is_refused_in_a_line(options, named, run):
    np.save("other.npy", np.zeros((2, 9, 9), np.float32))
    (run.parent / "run.npz").mkdir()
    assert_refused(named, main, ["run", *options.split()])
    assert not (run.parent / "x.npz").exists()
