"""A learned edit from beginning to end, on a tiny model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from profiles.learning import procedure as module
from profiles.learning.calibrate import Calibrated, Calibration
from profiles.learning.options import Options
from profiles.learning.procedure import Procedure
from profiles.learning.selection import PRUNINGS, SELECTIONS
from profiles.models.model import LoadedModel, load_model
from profiles.profile import Edit, OffsetEdit
from profiles.recipe import Recipe

TEXT = {
    "en": [f"abc {n} abcabc cab" for n in range(12)],
    "xx": [f"xyz {n} zyxxyz yxz" for n in range(12)],
}
QUICK = Calibration(
    strengths={"target": (0.5, 1.0), "suppress": (1.0,)},
    decode_strengths=(),
    samples=4,
    tokens=4,
    texts={"target": 1, "suppress": 1},
)
RECIPE = Recipe(method="neurons", budgets=(0.1, 0.02), steps=4)


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


def teach(loaded: LoadedModel, recipe: Recipe = RECIPE) -> Procedure:
    options = Options(batch=4, every=2, negatives=16, rate=0.2)
    return Procedure(
        loaded=loaded,
        train=TEXT,
        held=TEXT,
        recipe=recipe,
        options=options,
        calibration=QUICK,
    )


@pytest.mark.parametrize("better", [0, 1])
def test_the_budget_that_is_more_useful_is_taken(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch, better: int
) -> None:
    found: list[Calibrated] = []
    calibrate = module.calibrate

    def judged(*args: object, **kwargs: object) -> Calibrated:
        done = calibrate(*args, **kwargs)  # type: ignore[arg-type]
        value = 1.0 if len(found) == better else 0.5
        found.append(replace(done, frontier=replace(done.frontier, utility=value)))
        return found[-1]

    monkeypatch.setattr(module, "calibrate", judged)
    shares: list[float] = []
    learned = teach(loaded)("xx", "target", shares.append)
    assert learned.edit is found[better].edit
    # From the smallest up, and each with its own frontier.
    tried = learned.account["budgets"]
    assert [one["budget"] for one in tried] == [0.02, 0.1]
    sizes = [len(done.edit.neurons or ()) for done in found]
    assert [one["count"] for one in tried] == sizes
    assert sizes[0] < sizes[1]
    assert learned.account["neurons"]["count"] == sizes[better]
    assert [one["calibration"]["utility"] for one in tried].index(1.0) == better
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_one_budget_has_one_frontier(loaded: LoadedModel) -> None:
    learned = teach(loaded, replace(RECIPE, budgets=(0.02,)))("xx", "target")
    assert "budgets" not in learned.account
    assert learned.account["calibration"]["points"]


@pytest.mark.parametrize("selection", SELECTIONS)
def test_every_way_of_finding_neurons_keeps_the_budget(loaded: LoadedModel, selection: str) -> None:
    recipe = replace(
        RECIPE,
        budgets=(0.02,),
        selection=selection,  # type: ignore[arg-type]
        suppress_selection=selection if selection in PRUNINGS else "magnitude",  # type: ignore[arg-type]
        calibrate=False,
        steps=8,
    )
    towards, away = (teach(loaded, recipe)("xx", role) for role in ("target", "suppress"))
    account = towards.account["neurons"]
    assert towards.edit.neurons
    assert len(towards.edit.neurons) == account["count"]
    assert account["selection"] == selection
    assert ("residual" in account) == (selection == "pursuit")
    assert away.account["factors"]["selection"] == recipe.suppress_selection
    assert away.edit.neurons
    assert not away.edit.neurons.add.any()


def test_an_edit_in_closed_form_gets_its_strength_too(loaded: LoadedModel) -> None:
    value = np.ones((1, loaded.identity.hidden_size), np.float32)
    edit = Edit(offsets=OffsetEdit(layer=np.array([0], np.int32), value=value))
    shares: list[float] = []
    done = teach(loaded).calibrated(edit, "xx", "target", shares.append)
    frontier = done.account["calibration"]
    assert done.edit.offsets
    np.testing.assert_allclose(done.edit.offsets.value, frontier["rescaled"] * value, rtol=1e-6)
    assert shares[-1] == 1.0
