import io
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.fake_service import JOB, TENANT, TIME, history, snapshot_after

from levain import chart
from levain.chart import Day
from levain.formatting import duration, report_lines, shorten
from levain.jsonl import JsonView
from levain.output import Output, printable
from levain.pace import Pace
from levain.plain import PlainView
from levain.summary import best_seller, outcome, read_forecasts
from levain.training import dataset_name
from levain_contracts import frames
from levain_contracts.events import AnalysisData, Event
from levain_contracts.ids import is_id
from levain_contracts.report import DataReport, Repair, Skipped
from levain_contracts.resources import Job
from levain_contracts.viewer import ViewerState, apply

MONDAY = date(2024, 2, 5)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (61, "1 min 1 s"), (3599, "59 min 59 s"), (7260, "2 h 1 min")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_report_names_lines_and_what_was_left_out() -> None:
    report = DataReport(
        format="CSV, ';', dd/mm/yyyy",
        rows_read=800,
        rows_used=799,
        products=2,
        shops=2,
        first_date=MONDAY,
        last_date=MONDAY,
        repairs=(Repair(code="unparsable_quantity", count=1, lines=(10,), message="'x' is no number"),),
        skipped=(Skipped(reason="too_little_history", count=3, products=("A", "B")),),
        notes=("nan and Nan are near-equal",),
    )
    assert report_lines(report) == [
        "read as CSV, ';', dd/mm/yyyy: 799 of 800 rows used, 2 products in 2 shops, 2024-02-05 to 2024-02-05",
        "repaired: 1 x unparsable_quantity (line 10): 'x' is no number",
        "left out: 3 products, too_little_history: A, B, ...",
        "note: nan and Nan are near-equal",
    ]


def test_control_characters_never_reach_the_terminal() -> None:
    assert printable("a\x1b[31mb\r\nc\x85\u2028") == "a�[31mb��c��"
    assert printable("Crème brûlée ✓ \u202f") == "Crème brûlée ✓ \u202f"


@given(st.text(max_size=80))
def test_a_file_of_any_name_gives_a_dataset_that_the_api_takes(stem: str) -> None:
    from pathlib import Path

    assert is_id(dataset_name(Path("folder") / f"{stem.replace('/', '').replace(chr(0), '')}.csv"))


def test_names_of_datasets_follow_their_files() -> None:
    from pathlib import Path

    assert dataset_name(Path("Sales 2023 (été).csv")) == "sales-2023-ete"


def lines_of(stream: list[frames.Frame], *, every_seconds: float = 0.0) -> list[str]:
    said: list[str] = []
    clock = [0.0]
    view = PlainView(said.append, now=lambda: clock[0])
    state = ViewerState()
    for frame in [snapshot_after(stream[:1]), *stream]:
        state = apply(state, frame)
        view.heard(frames.encode(frame).decode(), state)
        clock[0] += every_seconds
        view.beat(state)
    return said


def test_plain_lines_tell_each_stage_each_five_percent_and_each_failure_once() -> None:
    said = lines_of(history(300, frozenset(range(100, 130))))
    assert said[0] == "the job has started"
    assert said.count("training 300 products") == 1
    assert len([line for line in said if " %: " in line]) == 13
    failed = [line for line in said if line.startswith("failed: ")]
    assert len(failed) == len(set(failed)) == 20


def test_a_slow_job_says_that_it_lives_every_ten_seconds() -> None:
    said = lines_of(history(20), every_seconds=6.0)
    assert len([line for line in said if " %: " in line]) >= 10
    assert any("about" in line for line in said)


def test_the_report_is_told_when_its_frame_comes_and_only_once() -> None:
    data = AnalysisData(total_products=1, report=DataReport(format="CSV", rows_read=2, rows_used=1, products=1))
    frame = frames.frame(Event(TENANT, JOB, 2, TIME, 20, data))
    said = lines_of([history(1)[0], frame, frame])
    assert len([line for line in said if line.startswith("read as CSV")]) == 1


@pytest.mark.parametrize(("ascii_only", "raw"), [(False, '{"a":"Crème ✓"}'), (True, '{"a":"x"}')])
def test_json_lines_are_the_frames_as_they_came(ascii_only: bool, raw: str) -> None:
    said: list[str] = []
    JsonView(said.append, said.append, ascii_only=ascii_only).heard(raw, ViewerState())
    assert said == [raw]


def test_json_lines_lose_no_letter_where_the_stream_can_not_hold_it() -> None:
    said: list[str] = []
    view = JsonView(said.append, said.append, ascii_only=True)
    view.heard('{"a":"Crème ✓"}', ViewerState())
    view.heard('{"a":\n"\x7f"}', ViewerState())
    view.heard("no json", ViewerState())
    assert [json.loads(line) for line in said] == [{"a": "Crème ✓"}, {"a": "\x7f"}]
    assert all(line.isascii() and line.isprintable() for line in said)


def test_pace_is_the_rate_of_the_last_half_minute() -> None:
    pace = Pace()
    assert pace.seconds_left(0.0, 0, 10) is None
    for second in range(60):
        pace.at(float(second), second if second < 30 else 30 + 4 * (second - 30))
    assert pace.per_second(59.0, 146) == pytest.approx(4.0, rel=0.1)
    assert pace.seconds_left(59.0, 146, 186) == pytest.approx(10.0, rel=0.1)
    assert pace.seconds_left(59.0, 146, None) is None


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=400))
def test_pace_never_divides_by_zero_and_never_goes_back(steps: list[tuple[float, int]]) -> None:
    pace, now, ended = Pace(), 0.0, 0
    for seconds, more in steps:
        now, ended = now + seconds, ended + more
        pace.at(now, ended)
        assert (pace.per_second(now, ended) or 0.0) >= 0.0
        assert (pace.seconds_left(now, ended, ended + 5) or 0.0) >= 0.0


days = st.lists(
    st.builds(
        Day,
        st.dates(),
        st.none() | st.floats(0, 1e6),
        st.none() | st.floats(0, 1e6),
        st.none() | st.floats(0, 1e6),
    ),
    max_size=60,
)


@given(days, st.sampled_from([chart.UNICODE, chart.ASCII]))
def test_any_series_can_be_drawn_within_its_height(series: list[Day], marks: chart.Marks) -> None:
    lines = chart.draw(series, marks)
    assert len(lines) == chart.HEIGHT + 3 + (1 if series else 0)
    assert marks is chart.UNICODE or all(line.isascii() for line in lines)


def test_a_drawing_shows_past_mean_and_interval() -> None:
    series = [Day(MONDAY, 10.0), Day(MONDAY + timedelta(1), None), Day(MONDAY + timedelta(2), 20.0, 10.0, 30.0)]
    assert chart.draw(series, chart.ASCII, height=3) == [
        "     30 |    ::",
        "        |    #",
        "     10 |o   ::",
        "      0 |",
        "        +------",
        "         M T W",
        "         2024-02-05  2024-02-07",
    ]


def test_forecasts_are_read_by_series() -> None:
    text = "shop,product,date,mean,lo80,hi80\nNord,Brot,2024-02-05,1,0,2\nSued,Brot,2024-02-05,5,4,6\n"
    found = read_forecasts(text)
    assert best_seller(found) == ("Sued", "Brot")
    assert best_seller({}) is None
    assert read_forecasts("product,date,mean,lo80,hi80\n") == {}


def test_the_outcome_names_counts_failures_and_reason() -> None:
    job = {
        "job_id": "j", "tenant_id": "t", "spec": {"dataset": {"name": "d"}}, "stage": "done", "suspended": False, "progress": 100, "seq": 9,
        "products_completed": 3, "products_failed": 1, "total_products": 3, "created_at": TIME, "updated_at": TIME,
        "ended_at": datetime(2026, 1, 1, 0, 0, 12, tzinfo=UTC),
    }  # fmt: skip
    assert outcome(Job.model_validate(job | {"state": "completed"})) == "completed: 2 of 3 products trained (1 failed) in 12 s"
    failed = Job.model_validate(job | {"state": "failed", "reason": "too_many_failed_products", "message": "1 of at most 0"})
    assert outcome(failed) == "failed: 2 of 3 products trained (1 failed) in 12 s (too_many_failed_products: 1 of at most 0)"
    assert outcome(Job.model_validate(job | {"state": "cancelled", "reason": "cancelled"})).endswith("(cancelled)")


def test_output_replaces_what_the_stream_can_not_hold() -> None:
    held = io.BytesIO()
    stream = io.TextIOWrapper(held, encoding="ascii", errors="replace")
    out = Output(stream, {})
    out.line("Crème ✓\x1b[2J")
    out.draw("Crème ✓")
    stream.flush()
    assert held.getvalue() == b"Cr?me ??[2J\nCr?me ?\n"
    assert not out.utf8
    assert not out.terminal


def test_a_long_name_is_cut() -> None:
    assert shorten("x" * 50) == "x" * 37 + "..."
    assert shorten("short") == "short"
