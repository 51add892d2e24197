"""What setup.cfg says about the package is true of the folders."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_folder_with_modules_is_installed():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = setup["options"]["packages"].split()
    folders = {file.parent.relative_to(ROOT) for file in (ROOT / "vsc_jax").rglob("*.py")}
    assert listed == sorted({*(".".join(folder.parts) for folder in folders), "vsc_jax.configs"})
    assert setup["options"]["package_dir"].split() == ["vsc_jax.configs", "=", "configs"]


def test_pins_meet_what_the_package_asks_for():
    from packaging.requirements import Requirement

    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    asked = [setup["options"]["install_requires"], extras["test"], extras["lint"], extras["docs"]]
    pins = {}
    for name in ("requirements.txt", "requirements-test.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if "==" in line:
                pin = Requirement(line)
                pins.setdefault(_name(pin), []).append(str(pin.specifier).removeprefix("=="))
    for line in "\n".join(asked).split("\n"):
        if line.strip():
            requirement = Requirement(line)
            assert all(requirement.specifier.contains(pin) for pin in pins[_name(requirement)]), line


def _name(requirement):
    return requirement.name.replace("_", "-").lower()


def test_no_version_is_too_new():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert "<" not in setup["options"]["install_requires"] + setup["options"]["python_requires"]


def test_nothing_installs_a_name_that_is_not_ours():
    files = [ROOT / "README.md", *(ROOT / "notebooks").iterdir()]
    for folder, suffix in (("docs", "*.md"), ("vsc_jax", "*.py"), (".ci", "*.py")):
        files += [file for file in (ROOT / folder).rglob(suffix) if file.name != "releasing.md"]
    bare = re.compile(r"""pip install[^\n`]*["' ]vsc_jax\b(?! \{|-)""")
    found = [f"{file}: {match[0]}" for file in files for match in bare.finditer(file.read_text())]
    assert found == []
