"""Hooks of the documentation's build: formulas become MathML, Sphinx roles in docstrings plain code."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

# What arithmatex leaves: \(inline\) in a span, \[displayed\] in a div.
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
_ROLE = re.compile(r":(?:func|class|mod|meth|attr|data):(<code>)~?")


def on_page_content(content: str, **_: Any) -> str:
    """The page's HTML with formulas that a browser draws by itself: no script, and no network."""

    def mathml(match: re.Match[str]) -> str:
        tag, formula = match.groups()
        display = "block" if tag == "div" else "inline"
        return f'<{tag} class="formula">{convert(html.unescape(formula), display=display)}</{tag}>'

    return _ROLE.sub(r"\1", _FORMULA.sub(mathml, content))
