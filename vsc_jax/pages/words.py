"""Numbers as the sentences of a report write them."""


def nats(value: float) -> str:
    """A log-likelihood: ``−104.5 nats``."""  # noqa: RUF002
    return f"{value:.1f} nats".replace("-", "−")  # noqa: RUF001


def signed(value: float) -> str:
    """A change: ``+0.4``."""
    return f"{value:+.1f}".replace("-", "−")  # noqa: RUF001


def percent(share: float) -> str:
    """A share: ``12 %``, with a decimal only where it is small; never 0 for what is not; ``−35 %`` too."""  # noqa: RUF002
    value = 100 * float(share)
    if value < 0:
        return "just below 0 %" if value > -1 else f"−{-value:.0f} %"  # noqa: RUF001
    if 0 < value < 0.1:
        return "under 0.1 %"
    if 99.9 < value < 100:
        return "over 99.9 %"
    decimals = 1 if 0 < value < 3 or 97 < value < 100 else 0
    return f"{value:.{decimals}f}".removesuffix(".0") + " %"


def count(number: int, noun: str) -> str:
    """``1 latent``, ``60 latents``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
