"""Which trainers there are, and that knowing them costs no heavy import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.forecasting.series import base, series, task

from levain_contracts.tasks import FailedProduct, encode
from levain_training.forecasting import calls
from levain_training.forecasting.registry import TrainerNotInstalled, TrainerNotLoadable, UnknownModel, model_names, plan_of
from levain_training.forecasting.testing import ALL_TRAINERS

HEAVY = ("numpy", "polars", "pandas", "scipy", "statsforecast", "sklearn", "lightgbm", "prophet")
BUILT_IN = ("auto", "blend", "ets", "prophet", "smoothing")


def test_the_built_in_trainers_say_how_they_like_their_batches() -> None:
    assert model_names("") == BUILT_IN
    assert {name: plan_of(name, "").batch_by for name in BUILT_IN} == {
        "auto": "shop",
        "blend": "shop",
        "ets": "product",
        "prophet": "product",
        "smoothing": "shop",
    }


def test_an_unknown_model_is_refused_with_the_names_of_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match=r"'crystal_ball'; known are: auto, blend, ets, prophet, smoothing$"):
        plan_of("crystal_ball", "")


@pytest.mark.parametrize(("model", "library"), [("ets", "statsforecast"), ("prophet", "prophet")])
def test_a_trainer_whose_library_is_missing_names_the_extra_that_brings_it(
    model: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # importing it fails, as where it was never installed
    with pytest.raises(TrainerNotInstalled, match=rf"'{model}' is not installed here: pip install 'levain\[{model}\]'"):
        plan_of(model)
    emitted: list[bytes] = []
    calls.train(encode(task([series("brot", base())], model=model)), emitted.append)
    (failed,) = (FailedProduct.model_validate_json(message[1:]) for message in emitted)
    assert failed.reason == "trainer_not_installed"
    assert f"levain[{model}]" in failed.message


def test_trainers_can_be_added_by_their_place() -> None:
    assert set(model_names(ALL_TRAINERS)) > {"slow", "fails", "kills", "instant", "hangs", "eats_memory"}
    assert plan_of("slow", ALL_TRAINERS).batch_by == "product"
    assert plan_of("kills_shop", ALL_TRAINERS).batch_by == "shop"


def test_a_built_in_name_can_not_be_taken_over() -> None:
    assert plan_of("ets", "ets=levain_training.forecasting.testing:FAILS").name == "ets"


@pytest.mark.parametrize(
    "extra", ["slow", "slow=", "=a:B", "a=no_such_module_at_all:PLAN", "a=levain_training.forecasting.port:Trainer", "a=os:nothing"]
)
def test_a_wrong_place_is_a_clear_error(extra: str) -> None:
    with pytest.raises(TrainerNotLoadable, match=r"expected name=|can't be loaded|no TrainerPlan"):
        plan_of("a", extra)


def test_knowing_names_and_plans_imports_no_heavy_library() -> None:
    code = (
        "import sys; from levain_training.forecasting.registry import model_names, plan_of; import levain_training.worker;"
        f"model_names(); plan_of('auto'); sys.exit(', '.join(set({HEAVY!r}) & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"imported: {done.stderr}"


def test_an_installed_package_adds_its_trainer_by_an_entry_point(tmp_path: Path) -> None:
    """A package as pip leaves it: a module and its metadata on the path. Service and children find it alike."""
    (tmp_path / "crystal_ball.py").write_text("from levain_training.forecasting.testing import INSTANT as PLAN\n")
    metadata = tmp_path / "crystal_ball-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: crystal-ball\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[levain.trainers]\ncrystal_ball = crystal_ball:PLAN\n")
    code = "from levain_training.forecasting.registry import plan_of, model_names; print(plan_of('crystal_ball').batch_by, *model_names())"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    by, *names = done.stdout.split()
    assert by == "product"
    assert {"auto", "crystal_ball", "ets"} <= set(names)
