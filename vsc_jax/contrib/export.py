"""A model's encoder and decoder as StableHLO: programs that run wherever JAX does, without this library.

Written and read by :mod:`jax.export`; the weights are inside. The number of examples is left open. Needs the
extra ``export``.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import export
from jaxtyping import Array, Float

from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import as_path
from vsc_jax.data.files import readable, writing
from vsc_jax.models import Model

ENCODER_FILE = "encoder.stablehlo"
DECODER_FILE = "decoder.stablehlo"
_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


class Programs(NamedTuple):
    """Compiled functions of float32 arrays.

    ``encode`` takes examples ``[n, *example_shape]`` in the range of the training data to a dict of
    ``[n, latents]`` arrays: ``code``, and the fields of the posterior, such as ``gate_logit``. ``decode``
    takes codes ``[n, latents]`` to ``E[x|z]``, ``[n, *example_shape]``.
    """

    encode: Callable[[Float[Array, "n ..."]], dict[str, Array]]
    decode: Callable[[Float[Array, "n latents"]], Array]


def export_model(
    model: Model, folder: str | Path, *, platforms: Sequence[str] | None = None
) -> tuple[Path, Path]:
    """Write ``encoder.stablehlo`` and ``decoder.stablehlo`` to a folder, made when missing.

    ``platforms`` say where the programs shall run, of ``cpu``, ``cuda``, ``rocm`` and ``tpu``; that
    in use by default. Convolutions are written as they are best on the one in use.

    Raises:
      UserError: if a platform is not known or the folder cannot be written.
    """
    _check_extra()
    if unknown := [name for name in platforms or () if name not in _PLATFORMS]:
        raise UserError(f"platforms: expected some of {', '.join(_PLATFORMS)}, got {', '.join(unknown)}")
    folder = as_path(folder, "folder")
    graph, params = nnx.split(model)

    def encode(x: Array) -> dict[str, Array]:
        model = nnx.merge(graph, params)
        code = {"code": model.code(x)}
        q = model.encode(x)
        return {**code, **q._asdict()} if isinstance(q, tuple) else code  # posteriors are named tuples

    def decode(z: Array) -> Array:
        return nnx.merge(graph, params).decode(z)

    (n,) = export.symbolic_shape("n")
    inputs = {ENCODER_FILE: (n, *model.decoder.example_shape), DECODER_FILE: (n, model.latents)}
    for (name, shape), program in zip(inputs.items(), (encode, decode), strict=True):
        given = jax.ShapeDtypeStruct(shape, jnp.float32)
        exported = export.export(jax.jit(program), platforms=platforms)(given)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(exported.serialize())
    return folder / ENCODER_FILE, folder / DECODER_FILE


def load_programs(folder: str | Path) -> Programs:
    """The programs that :func:`export_model` wrote.

    Raises:
      UserError: naming the file that is missing or damaged.
    """
    _check_extra()
    folder = as_path(folder, "folder")
    return Programs(*(jax.jit(_read(folder / name).call) for name in (ENCODER_FILE, DECODER_FILE)))


def _check_extra() -> None:
    if importlib.util.find_spec("flatbuffers") is None:
        raise UserError("exported programs need flatbuffers: pip install flatbuffers")


def _read(path: Path) -> export.Exported:
    try:
        content = bytearray(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    with readable(f"{path}: not a program that jax.export wrote ({{}})"):
        return export.deserialize(content)
