import pytest
from hypothesis import given
from hypothesis import strategies as st

from levain_contracts.closecodes import FINAL, TABLE, CloseCode, restart_reason, retry_ms

BAD_PAUSES = ["null", '"5"', "true", "-1", "600001", "1.5", "1e3", "NaN", "[1]", "9" * 5000]
MAX_CLOSE_REASON_BYTES = 123  # RFC 6455 §5.5: a control frame holds 125 bytes, two of them the code


def test_the_table_of_close_codes() -> None:
    assert {c.value for c in CloseCode} == {1000, 1012, 1013, 4400, 4401, 4403, 4404, 4408, 4429}
    assert set(TABLE) == set(CloseCode)
    assert {c for c in CloseCode if TABLE[c].client in ("done", "stop")} | {CloseCode.UNAUTHENTICATED} == FINAL
    assert {c.value for c in FINAL} == {1000, 4400, 4401, 4403, 4404}


@given(st.integers(0, 600_000))
def test_a_restart_reason_fits_a_close_frame_and_is_read_back(pause_ms: int) -> None:
    assert len(restart_reason(pause_ms).encode()) <= MAX_CLOSE_REASON_BYTES
    assert retry_ms(restart_reason(pause_ms)) == pause_ms


@pytest.mark.parametrize(
    "reason",
    ["", "bye", "{}", "[]", "1", "null", '"retry_ms"', *(f'{{"retry_ms":{value}}}' for value in BAD_PAUSES)],
)
def test_a_reason_without_a_sensible_pause_asks_for_none(reason: str) -> None:
    assert retry_ms(reason) is None


@given(st.text(max_size=123))
def test_any_reason_can_be_read(reason: str) -> None:
    pause = retry_ms(reason)
    assert pause is None or 0 <= pause <= 600_000
