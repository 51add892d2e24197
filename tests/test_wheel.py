"""What is imported brings its presets and its data files along; `make wheel` runs this on the wheel alone."""

from pathlib import Path

import vsc_jax
from vsc_jax.config import load_preset, preset_folder, preset_names

PACKAGE = Path(vsc_jax.__file__).parent
CHECKOUT = PACKAGE.parent / "setup.cfg"


def test_presets_are_found_beside_the_package_or_in_it():
    home = PACKAGE.parent if CHECKOUT.exists() else PACKAGE
    assert preset_folder() == home / "configs"
    assert load_preset("smiley_vsc").name in preset_names()


def test_pretrained_models_are_there():
    assert vsc_jax.load("smiley_vsc").latents == 60


def test_types_pages_and_templates_are_there():
    pages = ("explorer/page.html", "explorer/page.css", "report.html.jinja", "sentences.jinja")
    pages += ("house.css.jinja", "latents.html.jinja", "latents.js")
    for name in ("py.typed", *(f"pages/{page}" for page in pages)):
        assert (PACKAGE / name).is_file(), name
