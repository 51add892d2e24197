"""What setup.cfg says about the package is true of the folders."""

import configparser
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
                pins[pin.name.replace("_", "-").lower()] = str(pin.specifier).removeprefix("==")
    for line in "\n".join(asked).split("\n"):
        if line.strip():
            requirement = Requirement(line)
            assert requirement.specifier.contains(pins[requirement.name.replace("_", "-").lower()]), line
