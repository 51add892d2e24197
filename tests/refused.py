"""What is refused, and in which words."""

import re

import pytest

from vsc_jax.config.errors import UserError


def error_of(call, *args, **options):
    """The one line with which a call is refused."""
    with pytest.raises(UserError) as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_refused(pattern, call, *args, **options):
    """The call is refused with a line that the pattern finds."""
    message = error_of(call, *args, **options)
    assert re.search(pattern, message), message
