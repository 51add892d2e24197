"""Exported programs compute what the model computes, for any number of examples, and without this library."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from vsc_jax.config import ModelConfig
from vsc_jax.config.errors import UserError
from vsc_jax.contrib.export import export_model, load_programs
from vsc_jax.models import build


@pytest.fixture(scope="module")
def model():
    """A VSC on images of 4 x 4, convolutional, as initialised."""
    config = ModelConfig(kind="vsc", network="conv", latents=3, pseudo_inputs=2)
    return build(config, (4, 4), jax.random.key(0))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """The folder of its programs."""
    encoder, decoder = export_model(model, tmp_path_factory.mktemp("exported") / "model")
    assert (encoder.name, decoder.name) == ("encoder.stablehlo", "decoder.stablehlo")
    return encoder.parent


def test_programs_give_what_the_model_gives_for_any_number_of_examples(model, folder):
    programs = load_programs(folder)
    x = np.random.default_rng(0).random((5, 4, 4), np.float32)
    expected = jax.jit(lambda x: {"code": model.code(x), **model.encode(x)._asdict()})(x)
    decoded = jax.jit(model.decode)(expected["code"])
    for rows in (slice(2, 3), slice(5)):
        outputs = programs.encode(x[rows])
        assert set(outputs) == {"code", "mean", "log_var", "gate_logit"}
        for name, values in expected.items():
            np.testing.assert_allclose(outputs[name], values[rows], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(programs.decode(outputs["code"]), decoded[rows], rtol=1e-5)


def test_a_program_runs_without_this_library(model, folder, tmp_path):
    x = np.random.default_rng(0).random((5, 4, 4), np.float32)
    np.save(tmp_path / "x.npy", x)
    program = """
import sys, jax.export, numpy
encoder = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
numpy.save(sys.argv[3], encoder.call(numpy.load(sys.argv[2]))["code"])
assert not [name for name in sys.modules if name.startswith(("vsc_jax", "flax"))]
"""
    paths = folder / "encoder.stablehlo", tmp_path / "x.npy", tmp_path / "code.npy"
    subprocess.run([sys.executable, "-I", "-c", program, *paths], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "code.npy"), jax.jit(model.code)(x), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_exported_or_read_is_named(model, tmp_path):
    with pytest.raises(UserError, match="platforms: expected some of cpu, cuda, rocm, tpu, got abacus"):
        export_model(model, tmp_path / "model", platforms=["abacus"])
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UserError, match=r"file: cannot be written \("):
        export_model(model, tmp_path / "file")
    with pytest.raises(UserError, match=r"encoder.stablehlo: cannot be read \("):
        load_programs(tmp_path)
    (tmp_path / "encoder.stablehlo").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"encoder.stablehlo: not a program that jax.export wrote"):
        load_programs(tmp_path)
