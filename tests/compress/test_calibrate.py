"""Temperature scaling: it finds the temperature that was put in, keeps the winner, and survives saving."""

import json
from pathlib import Path

import numpy as np
from scipy.special import softmax

from pickaxe.compress.calibrate import FEWEST_ROWS, probabilities, set_temperature, temperature
from pickaxe.kernel.predictors import MANIFEST


def test_the_temperature_that_was_put_in_is_found() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(20_000, 3)) * 2
    labels = np.array([rng.choice(3, p=row) for row in softmax(true, axis=1)])
    for put_in in (0.5, 1.0, 2.0):
        assert abs(temperature(softmax(true * put_in, axis=1), labels) - put_in) < 0.1 * put_in


def test_few_rows_change_nothing() -> None:
    assert temperature(np.full((FEWEST_ROWS - 1, 2), 0.5), np.zeros(FEWEST_ROWS - 1, dtype=int)) == 1.0


def test_a_lower_temperature_is_surer_and_the_winner_stays() -> None:
    scores = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    plain, sure = probabilities(scores.copy(), 1.0), probabilities(scores.copy(), 0.5)
    np.testing.assert_allclose(plain, softmax(scores, axis=1), rtol=1e-5)
    assert (plain.argmax(1) == sure.argmax(1)).all()
    assert (sure.max(1) >= plain.max(1)).all()


def test_it_is_kept_on_top_of_what_the_model_has(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps({"format": "linear", "temperature": 2.0}))
    set_temperature(tmp_path, 0.5)
    assert json.loads((tmp_path / MANIFEST).read_text())["temperature"] == 1.0
