"""Codes as data: ``python -m vsc_jax.encode RUN [DATA] [-o FILE]``, and what is decoded from them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from vsc_jax.cli.command_line import Output, RunFolder, UsageError, conf, parse, run_command
from vsc_jax.config.errors import UserError, within

if TYPE_CHECKING:
    from vsc_jax.data import Dataset
    from vsc_jax.evaluation.code_table import CodeTable
    from vsc_jax.models import Model

_STEERED = 10  # examples, if not given
_MOST_PICTURES = 20


@dataclass(frozen=True)
class EncodeArguments(Output):
    """Options of ``python -m vsc_jax.encode``."""

    run: RunFolder
    data: Annotated[Path | None, conf.Positional, conf.arg(metavar="DATA")] = None
    """Examples to encode, whatever --data.path takes: .npy, .npz, a table, a folder of images. Default: the
    test examples of the run."""
    output: Annotated[Path | None, conf.arg(aliases=["-o"], metavar="FILE")] = None
    """File for the codes: .npz, which scipy.sparse.load_npz opens, or .parquet, with a column for each
    latent. With --steer: .npz, or .png for a picture of images."""
    gates: bool = False
    """Give a .parquet file columns of gate probabilities as well; an .npz has them."""
    nearest: Annotated[int | None, conf.arg(metavar="ROW")] = None
    """Print the examples with the codes most like that of this one, counted from 0."""
    top: int = 8
    """How many --nearest prints, the example itself among them."""
    steer: Annotated[tuple[str, ...], conf.UseAppendAction, conf.arg(metavar="LATENT=VALUE")] = ()
    """Set a latent in the codes, such as 17=2.5 or 17=off, and write what is decoded from them before and
    after, not the codes; give it several times for several latents."""
    rows: Annotated[str | None, conf.arg(metavar="FIRST:LAST")] = None
    """With --steer: the examples, as Python slices them; : is all. Default: the first 10."""
    denoise: Annotated[str | None, conf.arg(metavar="NOISE")] = None
    """Write the examples without their noise, as x of an .npz, not the codes: NOISE is its deviation, in the
    units in which the model sees the data, or auto."""
    fill: bool = False
    """Write the examples with what is missing (NaN) put in, as x of an .npz, not the codes."""
    directory: Path | None = None
    """Folder with prepared TFDS sets, if not the one that the run used."""


def main(argv: Sequence[str] | None = None) -> None:
    """Encode, and write, search or steer."""
    arguments = parse(
        EncodeArguments,
        "Encode examples by a trained model: write their sparse codes to a file, print which have similar "
        "codes, decode the codes with some latents changed, take noise off the examples or fill them in.",
        argv,
    )
    changes, rows = _checked(arguments)

    from vsc_jax.run import open_run

    stored = open_run(arguments.run, "run")
    given = stored.examples(arguments.data, directory=arguments.directory)
    for note in given.notes:
        arguments.print(f"{arguments.data}: {note}")
    if changes:
        outcome = _steered(arguments, stored.model(), given, changes, rows)
    else:
        work = _restored if arguments.fill or arguments.denoise is not None else _encoded
        outcome = work(arguments, stored.model(), given)
    arguments.print_json(outcome)


def encode(run: str | Path, data: Any = None, *, directory: Path | None = None) -> "CodeTable":
    """The codes of examples by the model of a run or a saved model, as ``python -m vsc_jax.encode`` has them.

    Args:
      run: its folder.
      data: a path or data in memory, as :func:`vsc_jax.fit` takes them; the run's test examples by default.
      directory: folder with prepared TFDS sets, if not the one that the run used.

    Raises:
      UserError: if the folder is no run, or the data are not of the shape and range of the run's own.
    """
    from vsc_jax.evaluation.code_table import code_table
    from vsc_jax.run import open_run

    stored = open_run(run, "run")
    model, given = stored.model(), stored.examples(data, directory=directory)
    with within(data if isinstance(data, str | Path) else "data"):
        return code_table(model, given)


def _checked(arguments: EncodeArguments) -> tuple[dict[int, float | None], slice | None]:
    """The changes and the rows that are asked for, if the options go together."""
    changes: dict[int, float | None] = {}
    for text in arguments.steer:
        latent, _, value = text.partition("=")
        try:
            changes[int(latent)] = None if value == "off" else float(value)
        except ValueError:
            expected = "expected LATENT=VALUE or LATENT=off, such as 17=2.5"
            raise UsageError(f"--steer: {expected}, got {text!r}") from None
    output, searched = arguments.output, arguments.nearest is not None
    suffixes = [".npz", ".png" if changes else ".parquet"]
    if arguments.fill or arguments.denoise is not None:
        if changes or searched or arguments.gates:
            way = "--fill" if arguments.fill else "--denoise"
            raise UsageError(f"{way}: writes no codes; it does not go with --nearest, --steer or --gates")
        if arguments.fill and arguments.denoise is not None:
            raise UsageError("expected --fill or --denoise, got both")
        if arguments.denoise is not None:
            _deviation(arguments.denoise)
        suffixes = [".npz"]
    if output is None and (changes or not searched):
        raise UsageError(f"expected -o FILE ({' or '.join(suffixes)}), or --nearest ROW")
    if output is not None and output.suffix.lower() not in suffixes:
        raise UsageError(f"--output: expected a file {' or '.join(suffixes)}, got {output}")
    if changes and (searched or arguments.gates):
        raise UsageError("--steer: writes no codes; it does not go with --nearest or --gates")
    if arguments.top < 1:
        raise UsageError(f"--top: expected a number from 1 on, got {arguments.top}")
    if output is not None and not output.resolve().parent.is_dir():
        raise UserError(f"--output: no folder {output.resolve().parent}")
    if arguments.rows is None:
        return changes, None
    if not changes:
        raise UsageError("--rows: goes with --steer alone")
    if not (ends := re.fullmatch(r"(\d*):(\d*)", arguments.rows)):
        raise UsageError(f"--rows: expected FIRST:LAST, such as 0:10, got {arguments.rows!r}")
    return changes, slice(*(int(end) if end else None for end in ends.groups()))


def _encoded(arguments: EncodeArguments, model: "Model", given: "Dataset") -> dict[str, Any]:
    """Encode the examples; write the codes, show those that are nearest."""
    from vsc_jax.evaluation.code_table import code_table, codes_as_npz, codes_as_parquet
    from vsc_jax.evaluation.glossary import in_columns

    count, row = len(given.train) + len(given.test), arguments.nearest
    if row is not None and not 0 <= row < count:
        raise UserError(f"--nearest: expected a row from 0 to {count - 1}, got {row}")
    with within(arguments.data or arguments.run):
        table = code_table(model, given)
    active = float(table.codes.count_nonzero() / count)
    outcome: dict[str, Any] = {"examples": count, "latents": model.latents, "active_per_image": active}
    if arguments.output is not None:
        parquet = arguments.output.suffix.lower() == ".parquet"
        content = codes_as_parquet(table, gates=arguments.gates) if parquet else codes_as_npz(table)
        said = f"{count:,} codes of {model.latents} latents, {active:.1f} on in each"
        outcome["written"] = _written(arguments, content, said)
    if row is not None:
        outcome["nearest"] = found = _nearest(table, row, arguments.top)
        cells = ((f"{v:.3g}" if isinstance(v, float) else str(v) for v in other.values()) for other in found)
        arguments.print(in_columns([[*found[0]], *map(list, cells)]))
    return outcome


def _nearest(table: "CodeTable", row: int, top: int) -> list[dict[str, Any]]:
    """The examples with the nearest codes: how far, how many latents are on in them, and in both."""
    from vsc_jax.evaluation.code_table import nearest

    on, found = table.codes[[row]] != 0, []
    for other, distance in zip(*(a[0] for a in nearest(table.codes, table.codes[[row]], top)), strict=True):
        theirs = table.codes[[other]] != 0
        counts = {"on": int(theirs.sum()), "shared": int(on.multiply(theirs).sum())}
        names = {"label": table.labels, "file": table.files}
        known = {name: str(values[other]) for name, values in names.items() if values is not None}
        found.append({"row": int(other), "distance": float(distance), **counts, **known})
    return found


def _steered(
    arguments: EncodeArguments,
    model: "Model",
    given: "Dataset",
    changes: dict[int, float | None],
    rows: slice | None,
) -> dict[str, Any]:
    """Write what is decoded from the codes of some rows, before and after the changes."""
    import numpy as np

    from vsc_jax.evaluation.code_table import as_npz, steer
    from vsc_jax.models.inputs import as_float

    count = len(given.train) + len(given.test)
    chosen = range(count)[slice(_STEERED) if rows is None else rows]
    picture = arguments.output is not None and arguments.output.suffix.lower() == ".png"
    if wrong := [latent for latent in changes if not 0 <= latent < model.latents]:
        raise UserError(f"--steer: expected a latent from 0 to {model.latents - 1}, got {wrong[0]}")
    if not chosen or (rows is not None and (rows.stop or 0) > count):
        raise UserError(f"--rows: expected some of {count} rows, got {arguments.rows}")
    if picture and given.form != "image":
        raise UserError("--output: a .png shows images alone, and these examples are none; name a .npz file")
    if picture and len(chosen) > _MOST_PICTURES:
        raise UserError(f"--rows: a .png has room for {_MOST_PICTURES} images, got {len(chosen):,}")
    later = slice(*(max(end - len(given.train), 0) for end in (chosen.start, chosen.stop)))
    x = np.concatenate([given.train.x[chosen.start : chosen.stop], given.test.x[later]])
    with within(arguments.data or arguments.run):
        steered = steer(model, as_float(x), changes)
    if picture:
        from vsc_jax.figures.images import draw_steered
        from vsc_jax.figures.style import as_png

        content = as_png(draw_steered(x.reshape(steered.before.shape), *steered, changes, chosen).figure)
    else:
        content = as_npz(**steered._asdict(), rows=np.array(chosen))
    moved = float(np.sqrt(np.mean(np.square(steered.after - steered.before), dtype=np.float64)))
    said = f"{len(chosen)} rows; values move by {moved:.3g}, root mean square"
    return {"examples": len(chosen), "change": moved, "written": _written(arguments, content, said)}


def _deviation(text: str) -> float | Literal["auto"]:
    try:
        return "auto" if text == "auto" else float(text)
    except ValueError:
        raise UsageError(f"--denoise: expected auto or a number, got {text!r}") from None


def _restored(arguments: EncodeArguments, model: "Model", given: "Dataset") -> dict[str, Any]:
    """Write the examples without their noise, or filled in."""
    import numpy as np

    from vsc_jax.data.examples import chunks
    from vsc_jax.evaluation.code_table import as_npz
    from vsc_jax.models import VSC, Autoencoder
    from vsc_jax.models.inputs import as_float

    if isinstance(model, Autoencoder):
        raise UserError("--fill and --denoise: an autoencoder has no posterior to do it by")
    if not arguments.fill and not isinstance(model, VSC):
        raise UserError("--denoise: only a VSC can take noise off, not a VAE")

    def restored(part: Any) -> Any:
        if isinstance(model, VSC) and not arguments.fill:
            return model.denoise(part, _deviation(str(arguments.denoise)))
        return model.fill(part)

    with within(arguments.data or arguments.run):
        parts = [chunk for part in (given.train, given.test) if len(part) for chunk in chunks(part.x)]
        x = np.concatenate([np.asarray(restored(as_float(part))) for part in parts])
    written = _written(arguments, as_npz(x=x), f"{len(x):,} examples")
    return {"examples": len(x), "written": written}


def _written(arguments: EncodeArguments, content: bytes, said: str) -> Path:
    """Write the output and say so; where it is."""
    from vsc_jax.data.files import writing
    from vsc_jax.training.run_folder import write_file

    assert arguments.output is not None
    with writing(arguments.output):
        write_file(arguments.output, content)
    arguments.print(f"{said}\nwritten: {arguments.output}")
    return arguments.output


if __name__ == "__main__":
    run_command(main)
