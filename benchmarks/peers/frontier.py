"""Explained variance against the number of latents that are on, one line a method."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from vsc_jax.figures import style

_NAMES = {"vsc": "VSC (ours)", "vsc_not_told": "VSC, number learned", "vae": "VAE, all on", "pca": "PCA"}


def frontier(name: str, rows: list[dict[str, str]], folder: Path) -> None:
    """Draw the rows of one data set, means over seeds, to ``FOLDER/NAME.png``.

    A method that was asked for one number only is a point; ours is drawn last and thickest.
    """
    points: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        points[row["method"]][row["active"]].append((float(row["on"]), float(row["ev"])))
    figure = style.new_figure(3.4, f"{name}: explained variance of held-out rows")
    axes = figure.subplots()
    order = sorted(points, key=lambda method: (method == "vsc", method))
    for i, method in enumerate(order):
        on, ev = np.array(sorted(tuple(np.mean(runs, axis=0)) for runs in points[method].values())).T
        look = dict(color=style.PALETTE[-1], linewidth=2.4) if method == "vsc" else dict(linewidth=1.2)
        look = {"color": style.PALETTE[i % 6]} | look
        title = _NAMES.get(method, method.replace("_", " "))
        axes.plot(on, ev, marker="osD^v"[i // 6], markersize=4, label=title, **look)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    style.open_frame(axes)
    style.label(axes, "", "latents that are on in a row, mean", "explained variance")
    figure.legend(fontsize=style.SMALL, frameon=False, loc="outside right upper")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(style.as_png(figure))
