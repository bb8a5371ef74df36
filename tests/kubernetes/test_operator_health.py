"""When an operator says that it should be started anew, and when only that it is not ready."""

from levain_operator import health
from levain_operator.signs import Signs


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_loop_that_gives_no_sign_of_life_for_long_is_dead_by_its_name() -> None:
    for loop, words in (("watch", "the watch"), ("attempt", "the poll"), ("lease", "the election")):
        clock = Clock()
        signs = Signs(clock)
        signs.give(loop)
        clock.seconds = health.LONGEST_SECONDS[loop]
        assert health.dead(signs) is None
        clock.seconds += 1
        line = health.dead(signs)
        assert line is not None
        assert line.startswith(words)
        assert health.problem(signs) is not None
        signs.give(loop)
        assert health.dead(signs) is None


def test_a_service_that_is_away_makes_it_not_ready_and_not_dead() -> None:
    clock = Clock()
    signs = Signs(clock)
    signs.give("watch")
    signs.give("attempt")
    assert health.problem(signs) == "the training service has not answered yet"
    signs.give("poll")
    assert health.problem(signs) is None
    for _ in range(100):
        clock.seconds += 2
        signs.give("attempt")
        signs.give("watch")
    assert health.problem(signs) == "the training service has not answered for 200 s"
    assert health.dead(signs) is None


def test_who_waits_to_lead_is_ready_and_alive() -> None:
    signs = Signs(Clock())
    signs.give("lease")
    assert health.problem(signs) is None
    assert health.dead(signs) is None
