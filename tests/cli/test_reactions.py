import pytest

from levain.contact import CAP_SECONDS, Contact
from levain.errors import ContactLost
from levain.reactions import Then, reaction, reaction_to_status
from levain_contracts.closecodes import CloseCode, restart_reason


@pytest.mark.parametrize(
    ("code", "then"),
    [
        (CloseCode.JOB_ENDED, Then.BACK_OFF),
        (CloseCode.RESTARTING, Then.RETURN),
        (CloseCode.TRY_AGAIN_LATER, Then.BACK_OFF),
        (CloseCode.MALFORMED, Then.STOP),
        (CloseCode.UNAUTHENTICATED, Then.STOP),
        (CloseCode.FORBIDDEN, Then.STOP),
        (CloseCode.NO_SUCH_JOB, Then.STOP),
        (CloseCode.TOO_SLOW, Then.BACK_OFF),
        (CloseCode.TOO_MANY, Then.BACK_OFF),
        (None, Then.BACK_OFF),
        (1006, Then.BACK_OFF),
        (1011, Then.BACK_OFF),
        (3000, Then.BACK_OFF),
    ],
)
def test_each_close_code_has_its_reaction(code: int | None, then: Then) -> None:
    assert reaction(code).then is then


def test_every_close_code_of_the_contract_has_a_line_of_its_own() -> None:
    lines = [reaction(code).line for code in CloseCode]
    assert len(set(lines)) == len(lines)
    assert reaction(None).line not in lines


@pytest.mark.parametrize(
    ("reason", "pause"), [(restart_reason(2500), 2.5), (restart_reason(0), 0.0), ("", None), ("{}", None), ("[1]", None)]
)
def test_a_restart_names_its_pause_or_leaves_it_to_the_backoff(reason: str, pause: float | None) -> None:
    assert reaction(1012, reason).pause_seconds == pause


@pytest.mark.parametrize(
    ("status", "then"),
    [
        (400, Then.STOP),
        (401, Then.STOP),
        (403, Then.STOP),
        (404, Then.STOP),
        (200, Then.STOP),
        (302, Then.STOP),
        (429, Then.BACK_OFF),
        (502, Then.BACK_OFF),
        (503, Then.BACK_OFF),
    ],
)
def test_an_http_answer_to_the_upgrade_has_its_reaction(status: int, then: Then) -> None:
    assert reaction_to_status(status).then is then


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_to_their_cap_and_start_small_again_after_a_quiet_while() -> None:
    clock = Clock()
    contact = Contact(1000, now=clock, chance=lambda: 1.0)
    contact.heard()
    pauses = []
    for _ in range(8):
        pauses.append(contact.pause_seconds("cut"))
        clock.now += pauses[-1]
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == CAP_SECONDS
    clock.now += 60
    assert contact.pause_seconds("cut") == pauses[0]


def test_the_jitter_is_full() -> None:
    assert Contact(now=lambda: 0.0, chance=lambda: 0.0).pause_seconds("cut") == 0.0


def test_patience_counts_from_the_last_contact_and_is_short_before_the_first() -> None:
    clock = Clock()
    contact = Contact(60, now=clock)
    contact.pause_seconds("no answer")
    clock.now = 5.0
    with pytest.raises(ContactLost, match="no answer; gave up after 5 s"):
        contact.pause_seconds("no answer")
    contact.heard()
    clock.now = 64.0
    contact.pause_seconds("no answer")
    clock.now = 65.0
    with pytest.raises(ContactLost, match="gave up after 60 s"):
        contact.pause_seconds("no answer")


def test_a_pause_that_the_server_asks_for_does_not_use_up_the_patience() -> None:
    clock = Clock()
    contact = Contact(10, now=clock)
    contact.heard()
    clock.now = 9.0
    assert contact.pause_seconds("restarts", 30.0) == 30.0
    clock.now = 40.0
    contact.pause_seconds("cut")
