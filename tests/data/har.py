"""A small UCI HAR archive in the official layout, whole or damaged on purpose."""

import zipfile
from pathlib import Path

import numpy as np

ROOT = "UCI HAR Dataset/"
ACTIVITIES = ("WALKING", "WALKING_UPSTAIRS", "SITTING")
WINDOWS = {"train": 8, "test": 5}
SIGNALS = [f"{what}_{axis}" for what in ("body_acc", "body_gyro", "total_acc") for axis in "xyz"]


def text(table: np.ndarray) -> str:
    """Rows of numbers as the archive writes them."""
    return "".join(" " + " ".join(f"{value:.7e}" for value in row) + "\n" for row in table)


def files(seed: int = 0) -> dict[str, str]:
    """The archive's files: people 1 to 4 train, 5 and 6 test."""
    rng = np.random.default_rng(seed)
    contents = {"activity_labels.txt": "".join(f"{i} {name}\n" for i, name in enumerate(ACTIVITIES, 1))}
    for split, n in WINDOWS.items():
        people = (np.arange(n) % 4 + 1) if split == "train" else (np.arange(n) % 2 + 5)
        contents[f"{split}/X_{split}.txt"] = text(rng.uniform(-1, 1, (n, 561)))
        contents[f"{split}/y_{split}.txt"] = "".join(f"{i % 3 + 1}\n" for i in range(n))
        contents[f"{split}/subject_{split}.txt"] = "".join(f"{person}\n" for person in people)
        for number, name in enumerate(SIGNALS):
            table = rng.normal(number, 1 + number, (n, 128))
            contents[f"{split}/Inertial Signals/{name}_{split}.txt"] = text(table)
    return {ROOT + name: content for name, content in contents.items()}


def archive(path: Path, contents: dict[str, str]) -> Path:
    """A zip archive of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return path
