"""The first figures of a run, written to its folder: something to look at when training ends."""

from collections.abc import Sequence
from pathlib import Path

from vsc_jax.data.dataset import Dataset
from vsc_jax.figures import style
from vsc_jax.figures.from_model import Shown, activation, reconstructions
from vsc_jax.figures.history import Row, draw_history
from vsc_jax.models import Model


def draw_overview(
    model: Model, dataset: Dataset, history: Sequence[Row], folder: Path, *, seed: int
) -> dict[str, Path]:
    """Write ``reconstructions.png``, ``history.png`` and, for data with labels, ``activation.png``.

    Args:
      model: a trained model.
      dataset: its data; the test split is shown.
      history: the rows of ``metrics.jsonl``; without rows there is no ``history.png``.
      folder: where the files go; made when missing. Files of these names are replaced whole.
      seed: seed of the noise and of the codes.

    Returns:
      The files written, by the name of the figure.
    """
    shown = Shown(model, dataset, seed=seed)
    figures = {"reconstructions": reconstructions(shown)}
    if history:
        figures["history"] = draw_history(history)
    if dataset.test.labels is not None:
        figures["activation"] = activation(shown)
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        style.save(figure, files[name])
    return files
