"""The data sets that the library reads by name: what they are called, under which terms, whom to cite."""

from typing import NamedTuple


class Origin(NamedTuple):
    """Where a data set comes from."""

    title: str
    license: str
    reference: str


ORIGINS = {
    "smiley": Origin("Smiley", "drawn by vsc_jax itself, MIT", "Tonolini, Jensen and Murray-Smith, UAI 2019"),
    "mnist": Origin(
        "MNIST", "CC BY-SA 3.0", "LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 86(11), 1998"
    ),
    "fashion_mnist": Origin("Fashion-MNIST", "MIT, Zalando SE", "Xiao, Rasul and Vollgraf, arXiv:1708.07747"),
    "uci_har": Origin(
        "Human Activity Recognition Using Smartphones",
        "its own terms, which allow no commercial use",
        "Anguita, Ghio, Oneto, Parra and Reyes-Ortiz, ESANN 2013",
    ),
}
