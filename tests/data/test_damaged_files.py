"""Damaged data files: a set is read and is in order, or is refused in one line.

The long form, thousands of cases, is ``python -m benchmarks.files``.
"""

import dataclasses

import numpy as np
import pytest

from benchmarks.files import check, end, forms, run
from vsc_jax.data import Dataset, Split

FORMS = forms()


@pytest.mark.parametrize("name", FORMS)
def test_a_whole_set_is_read(name, tmp_path):
    assert end(FORMS[name], FORMS[name].files, tmp_path) == "loaded"


@pytest.mark.parametrize("name", FORMS)
def test_a_damaged_set_is_read_or_refused_in_one_line(name):
    ends = run(name, 15, 0)
    assert ends["refused"] > 0
    assert ends.total() >= 15


def test_the_check_sees_what_a_reader_must_not_let_through():
    x = np.zeros((4, 3), np.float32)
    good = Dataset("checked", Split(x, np.array([0, 1, 1, 0], np.int32)), Split(x), label_names=("no", "yes"))
    check(good)
    for wrong in (
        Split(np.full((4, 3), np.nan, np.float32)),
        Split(x.astype(np.float64)),
        Split(x, np.array([0, 1, 2, 0], np.int32)),
        Split(x, np.array([0, 1], np.int32)),
        Split(x, np.array([0, 1, -1, 0], np.int32)),
    ):
        with pytest.raises(AssertionError):
            check(dataclasses.replace(good, train=wrong))
