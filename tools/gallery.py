"""Writes docs/gallery.md and its pictures of the pretrained models: ``python -m tools.gallery``."""

from pathlib import Path

from vsc_jax.pages.page import HEADINGS, illustrate, shrunk
from vsc_jax.pages.sentences import nats
from vsc_jax.pages.source import Source, read_source
from vsc_jax.run import PRETRAINED

DOCS = Path(__file__).resolve().parent.parent / "docs"
SHOWN = {
    "mnist": ("MNIST", ("activation", "traversals", "reconstructions", "interpolations")),
    "fashion": (
        "Fashion-MNIST",
        ("conditional_samples", "latent_density", "pseudo_inputs", "latent_grid"),
    ),
    "smiley": ("Smiley", ("conditional_samples", "correlations", "traversals")),
}
LARGEST = 300_000
HEADER = """# Gallery

Figures of `python -m vsc_jax.report mnist_vsc fashion_vsc smiley_vsc`, of the
[pretrained models](sharing.md#pretrained-models). Above each is the sentence that the report makes of the
model's own numbers. `python -m tools.gallery` wrote this page.
"""


def summary(source: Source) -> str:
    """One line on what the run reached."""
    results, latents = source.results, source.config.model.latents
    return (
        f"True bound {nats(results['elbo'])} per example ({results['data']}); "
        f"{results['active_per_image']:.1f} of {latents} latents on in an image."
    )


def section(data: str) -> str:
    """The part of the page on one data set; its pictures are written beside the page."""
    heading, names = SHOWN[data]
    source = read_source(PRETRAINED / f"{data}_vsc", heading)
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
    """Draw the figures of three models and write the page."""
    page = HEADER + "".join(map(section, SHOWN))
    (DOCS / "gallery.md").write_text(page)
    print("wrote docs/gallery.md")


if __name__ == "__main__":
    main()
