"""How the long forms of the property tests draw their cases: repeatable from a seed, kept nowhere."""

from collections.abc import Callable

from hypothesis import HealthCheck, seed, settings

Test = Callable[[], None]


def drawn(cases: int, number: int) -> Callable[[Test], Test]:
    """Decorates what ``hypothesis.given`` made, so that it draws so many cases from seed ``number``."""

    def decorate(test: Test) -> Test:
        limits = settings(
            max_examples=cases,
            deadline=None,
            database=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
        )
        return seed(number)(limits(test))

    return decorate
