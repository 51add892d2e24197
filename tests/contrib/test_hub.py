"""Pushing and pulling, against a folder in place of the hub that has the client's own signatures."""

import shutil
import sys
from fnmatch import fnmatch
from unittest import mock

import huggingface_hub
import numpy as np
import pytest

import vsc_jax
from tests.pages.conftest import digits, make_run  # noqa: F401 (fixtures)
from vsc_jax.config.errors import UserError
from vsc_jax.contrib import hub


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """The folder that stands for the hub; repositories are folders in it."""
    remote = tmp_path / "remote"

    def create_repo(repo_id, *, private, exist_ok):
        assert private
        (remote / repo_id).mkdir(parents=True, exist_ok=exist_ok)

    def upload_folder(*, repo_id, folder_path, allow_patterns, revision, commit_message):
        for path in folder_path.iterdir():
            if any(fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copy(path, remote / repo_id)
        return mock.Mock(commit_url=f"fake://{repo_id}")

    def snapshot_download(repo_id, **_):
        if not (remote / repo_id).is_dir():
            raise huggingface_hub.errors.LocalEntryNotFoundError("no such repository")
        return str(remote / repo_id)

    # Autospecs refuse arguments that the installed client does not take.
    api = mock.create_autospec(huggingface_hub.HfApi, instance=True)
    api.create_repo.side_effect = create_repo
    api.upload_folder.side_effect = upload_folder
    download = mock.create_autospec(huggingface_hub.snapshot_download, side_effect=snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", mock.Mock(return_value=api))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return remote


@pytest.fixture
def saved(make_run, tmp_path):  # noqa: F811
    """A saved model, and files beside it that are nobody's business."""
    return make_run(tmp_path / "model")


def test_a_pushed_model_is_pulled_as_it_was(saved, remote):
    assert hub.push(saved, "somebody/model") == "fake://somebody/model"
    names = {path.name for path in (remote / "somebody" / "model").iterdir()}
    assert names == {"config.json", "data.json", "results.json", "README.md", "model.safetensors"}
    assert (saved / "metrics.jsonl").exists()  # which stays
    x = np.random.default_rng(0).random((2, 8, 8), np.float32)
    np.testing.assert_array_equal(hub.pull("somebody/model").code(x), vsc_jax.load(saved).code(x))


def test_what_is_no_saved_model_is_not_pushed_and_the_hub_s_refusal_is_one_line(saved, remote, monkeypatch):
    with pytest.raises(UserError, match=r"somebody/other: cannot be had \(no such repository\)"):
        hub.pull("somebody/other")
    huggingface_hub.HfApi().create_repo.side_effect = huggingface_hub.errors.HFValidationError("bad name")
    with pytest.raises(UserError, match=r"some body: not pushed \(bad name\)"):
        hub.push(saved, "some body")
    (saved / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"not a saved model \(no model.safetensors\)"):
        hub.push(saved, "somebody/model")
    assert not remote.exists()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install huggingface_hub"):
        hub.pull("somebody/model")
