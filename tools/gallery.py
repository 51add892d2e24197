"""Writes docs/gallery.md and its pictures from three run folders: ``python -m tools.gallery --help``."""

import argparse
from pathlib import Path

from vsc_jax.pages.page import HEADINGS, illustrate, shrunk
from vsc_jax.pages.source import Source, read_source

DOCS = Path(__file__).resolve().parent.parent / "docs"
SHOWN = {
    "mnist": ("MNIST", ("reconstructions", "activation", "traversals", "interpolations", "history")),
    "fashion": (
        "Fashion-MNIST",
        ("pseudo_inputs", "conditional_samples", "latent_grid", "latent_density"),
    ),
    "smiley": ("Smiley", ("conditional_samples", "correlations", "traversals")),
}
LARGEST = 300_000
HEADER = """# Gallery

Figures of `python -m vsc_jax.report`, each with the sentence that the report wrote below it from the run's
own numbers. The runs are those of the studies (one seed, full length), and the page was written by

```
python -m benchmarks.study mnist --only vsc-J200 --seeds 0
python -m benchmarks.study fashion --only vsc-J200 --seeds 0
python -m benchmarks.study smiley --only vsc-J60 --seeds 0
python -m tools.gallery runs/study/{mnist/vsc-J200-0,fashion/vsc-J200-0,smiley/vsc-J60-0}
```
"""


def summary(source: Source) -> str:
    """One line on what the run reached."""
    results, latents = source.results, source.config.model.latents
    return (
        f"True bound {results['elbo']:.1f} nats an example ({results['data']}); "
        f"{results['active_per_image']:.1f} of {latents} latents on in an image."
    )


def section(data: str, folder: Path) -> str:
    """The part of the page on one data set; its pictures are written beside the page."""
    heading, names = SHOWN[data]
    source = read_source(folder, heading)
    illustrate(source)
    parts = [f"\n## {heading}\n\n{summary(source)}\n"]
    for name in names:
        picture = DOCS / "images" / "gallery" / f"{data}_{name}.png"
        png = shrunk(source.figures[name].png)
        picture.write_bytes(png)
        if len(png) > LARGEST:
            print(f"{picture.name}: {len(png):,} bytes, more than {LARGEST:,}")
        link = f"![{HEADINGS[name]}, {heading}](images/gallery/{picture.name})"
        parts.append(f"\n### {HEADINGS[name]}\n\n{source.figures[name].sentence}\n\n{link}\n")
    return "".join(parts)


def main() -> None:
    """Draw the figures of three runs and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    for data in SHOWN:
        parser.add_argument(data, type=Path, help=f"run folder on {SHOWN[data][0]}")
    arguments = vars(parser.parse_args())
    page = HEADER + "".join(section(data, arguments[data]) for data in SHOWN)
    (DOCS / "gallery.md").write_text(page)
    print("wrote docs/gallery.md")


if __name__ == "__main__":
    main()
