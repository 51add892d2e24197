"""Reports: what was run, with which settings, its numbers and figures, as one page and as Markdown.

:func:`write_report` makes a report of runs that are there; :mod:`vsc_jax.pages.comparison` trains the
runs of the collapsing recipe's report first.
"""

from vsc_jax.pages.page import Written, write_report

__all__ = ["Written", "write_report"]
