"""Saved models on the Hugging Face Hub: pushed as they are, pulled and loaded. Needs the extra ``hub``.

Who may write where is huggingface_hub's own affair (``hf auth login``); nothing of it passes through here.
"""

import importlib
from pathlib import Path
from typing import Any

from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import as_path
from vsc_jax.data.files import readable
from vsc_jax.models import Model
from vsc_jax.run import MODEL_FILE, load

_FILES = ("config.json", "data.json", "results.json", "README.md", MODEL_FILE, "*.stablehlo")


def push(folder: str | Path, repo_id: str, *, private: bool = True, revision: str | None = None) -> str:
    """Upload a model that ``vsc_jax.save`` wrote, and no other file of its folder; give the commit's URL.

    The repository ``owner/name`` is made when missing, ``private`` or not; ``revision`` is a branch of it.

    Raises:
      UserError: if the folder is no saved model, or the hub refuses.
    """
    folder = as_path(folder, "folder")
    for name in ("config.json", "data.json", MODEL_FILE):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: not a saved model (no {name}); vsc_jax.save writes one")
    api = _hub().HfApi(library_name="vsc_jax")
    with readable(f"{repo_id}: not pushed ({{}})"):
        api.create_repo(repo_id, private=private, exist_ok=True)
        message = "Model written by vsc_jax"
        which = {"repo_id": repo_id, "revision": revision, "allow_patterns": list(_FILES)}
        commit = api.upload_folder(folder_path=folder, commit_message=message, **which)
    return str(commit.commit_url)


def pull(repo_id: str, *, revision: str | None = None, folder: str | Path | None = None) -> Model:
    """Download the saved model ``owner/name`` at a branch, tag or commit, and load it.

    Its files go to ``folder``, or huggingface_hub's cache if not given.

    Raises:
      UserError: if there is no such model, it cannot be had, or its files are damaged.
    """
    into = None if folder is None else as_path(folder, "folder")
    which = {"revision": revision, "local_dir": into, "allow_patterns": list(_FILES)}
    hub = _hub()
    with readable(f"{repo_id}: cannot be had ({{}})"):
        found = hub.snapshot_download(repo_id, library_name="vsc_jax", **which)
    return load(found)


def _hub() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ModuleNotFoundError:
        raise UserError("the hub needs huggingface_hub: pip install huggingface_hub") from None
