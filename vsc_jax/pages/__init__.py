"""Reports: what was run, with which settings, its numbers and figures, as one page and as Markdown."""

from vsc_jax.pages.page import Written, write_report

__all__ = ["Written", "write_report"]
