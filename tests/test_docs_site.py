"""The documentation site needs nothing from the network, and its tables are those of the results."""

import re
from pathlib import Path

from benchmarks.peers.tables import PAGE, filled

ROOT = Path(__file__).resolve().parents[1]


def test_the_worker_that_search_needs_on_disk_is_shipped():
    [script] = re.findall(r"polyfills: \[(.+)\]", (ROOT / "mkdocs.yml").read_text())
    assert "iframe-worker" in script  # or the offline plugin adds the address of one
    assert "window.IFrameWorker" in (ROOT / "docs" / script).read_text()


def test_tables_of_other_methods_are_those_of_the_results():
    page = PAGE.read_text()
    assert filled(page) == page, "python -m benchmarks.peers.tables makes them anew"
