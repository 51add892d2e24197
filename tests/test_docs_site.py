"""The documentation site needs nothing from the network, search in pages opened from disk included."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_worker_that_search_needs_on_disk_is_shipped():
    [script] = re.findall(r"polyfills: \[(.+)\]", (ROOT / "mkdocs.yml").read_text())
    assert "iframe-worker" in script  # or the offline plugin adds the address of one
    assert "window.IFrameWorker" in (ROOT / "docs" / script).read_text()
