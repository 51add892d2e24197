"""The notebooks' pages in the documentation, with outputs, are those of the notebooks as they are now."""

import re

import pytest

from tools.rendered import PAGES, ROOT, outputs_of, page

NAMES = sorted(path.stem for path in PAGES.glob("*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_text_and_the_code_of_its_notebook(name):
    text = (PAGES / f"{name}.md").read_text()
    assert page(name, outputs_of(text, name)) == text, f"python -m tools.rendered {name}"


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_those_of_the_page_and_small(name):
    shown = set(re.findall(r"!\[Picture [^\n]*\]\((.+?)\)", (PAGES / f"{name}.md").read_text()))
    files = {path.name: path.stat().st_size for path in PAGES.glob(f"{name}_[0-9]*.png")}
    assert shown == set(files)
    assert sum(files.values()) < 250_000


def test_every_page_is_in_the_menu_and_in_the_list():
    menu, listed = (ROOT / "mkdocs.yml").read_text(), (ROOT / "docs" / "notebooks.md").read_text()
    for name in NAMES:
        assert f"notebooks/{name}.md" in menu
        assert f"[`{name}`](notebooks/{name}.md)" in listed
    assert {path.name.rsplit("_", 1)[0] for path in PAGES.glob("*.png")} <= set(NAMES)
