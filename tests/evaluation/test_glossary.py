"""The table of results."""

from vsc_jax.evaluation.glossary import FAMILIES, GLOSSARY, explain, format_value, table

RESULTS = {
    "gate_auc_bow_tie": 0.98765,
    "iwae": -98.3,
    "elbo": -100.1234,
    "active_per_image": 8.0,
    "test_examples": 10000,
    "mine": 3,
    "data": "mnist, 10,000 test examples, grey values",
}


def test_table_groups_and_explains():
    assert table(RESULTS) == "\n".join(
        [
            "mnist, 10,000 test examples, grey values",
            "",
            "What was measured",
            "  test_examples      10,000  test examples",
            "",
            "Likelihood, nats per example",
            "  elbo              -100.12  true bound: reconstruction - kl",
            "  iwae               -98.30  importance-weighted bound of K samples",
            "",
            "Sparse code",
            "  active_per_image        8  latents on (gamma > 1/2) in an image, mean",
            "",
            "Attributes (presence)",
            "  gate_auc_bow_tie    0.988  AUC of the best gate: bow tie",
            "",
            "Other",
            "  mine                    3",
        ]
    )


def test_numbers_are_shown_to_the_digits_that_matter():
    assert format_value("active_per_image", 8.256) == "8.26"
    assert format_value("used_latents", 1200.0) == "1,200"
    assert format_value("mse", 0.0123456) == "0.01235"
    assert format_value("kl", 20.0) == "20.00"
    assert format_value("data", "grey") == "grey"


def test_families_fill_in_their_member_and_an_empty_table_is_no_mistake():
    assert explain("denoising_mse_0.2").text == "squared error from noise of deviation 0.2"
    assert explain("nonsense") is None
    assert table({}) == ""


def test_lines_fit_a_terminal():
    longest = max(len(name) for name in GLOSSARY)
    for entry in (*GLOSSARY.values(), *FAMILIES.values()):
        assert 2 + longest + 2 + 9 + 2 + len(entry.text) <= 100
