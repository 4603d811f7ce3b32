"""The linear family: stable places, the same sums in training and answering, and a memory that may be lost."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from pickaxe.compress.backends import linear as linear_format
from pickaxe.compress.backends.linear import LinearPredictor
from pickaxe.compress.config import LinearSettings
from pickaxe.compress.hashing import char_ngrams, hash_pairs, hash_words, split_words
from pickaxe.compress.linear import LinearWeights, count_ngrams, fit_linear
from pickaxe.compress.softmax import fit_softmax
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.predictors import Predictor, load_predictor

TEXTS = ["a great film", "a great, great meal!", "an awful film", "what an awful room", "great", "awful", "", "١٢ 🙂 שלום"]
TARGETS = np.array([[0.9, 0.1], [0.95, 0.05], [0.1, 0.9], [0.05, 0.95], [0.8, 0.2], [0.2, 0.8], [0.5, 0.5], [0.5, 0.5]])
SETTINGS = LinearSettings(bits=12, l2=0.05)


def fitted(settings: LinearSettings = SETTINGS) -> LinearWeights:
    return fit_linear(count_ngrams(TEXTS, settings), TARGETS, np.ones(len(TEXTS)), settings)


def test_places_are_the_same_on_every_machine() -> None:
    # Computed with plain integers: CRC-32, then MurmurHash3's finaliser.
    assert hash_words(["great", "", "é", "🙂"]).tolist() == [2142870094, 0, 1955056165, 3309402101]
    assert hash_pairs(hash_words(["a"]), hash_words(["b"])).tolist() == [3327454475]
    assert hash_pairs(hash_words(["a"]), hash_words(["b"])) != hash_pairs(hash_words(["b"]), hash_words(["a"]))


def test_words_and_character_ngrams() -> None:
    assert split_words("It's GREAT, ok?", 99) == ["it", "'", "s", "great", ",", "ok", "?"]
    assert split_words("one two three", 2) == ["one", "two"]
    assert char_ngrams("ab", 3, 5) == [" ab", "ab ", " ab "]
    assert char_ngrams("a", 4, 5) == [" a "]


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        LinearSettings(bits=12, char_ngrams=None),
        LinearSettings(bits=12, word_ngrams=1),
        LinearSettings(bits=10, max_words=2),
    ],
)
def test_an_answer_is_what_training_would_have_computed(settings: LinearSettings) -> None:
    """The predictor's sums per word equal the sparse features times the weights, less only what a repeated n-gram adds."""
    texts = ["a great film", "an awful room", "never seen words", "film great a"]
    weights = fitted(settings)
    counted = count_ngrams(texts, settings)
    expected = np.zeros((len(texts), 2)) + weights.bias
    parts = [(counted.words, weights.word_scores, weights.word_rarity)]
    if counted.chars is not None:
        parts.append((counted.chars, weights.char_scores, weights.char_rarity))
    for counts, scores, rarity in parts:
        expected += (counts @ scores) / np.sqrt(np.maximum(counts @ rarity, 1e-12))[:, None]
    answered = LinearPredictor(weights, settings, ["good", "bad"]).predict_proba(texts)
    assert answered == pytest.approx(softmax(expected, axis=1), abs=1e-5)


def test_it_learns_and_is_stored_to_the_byte(tmp_path: Path) -> None:
    weights = fitted()
    for name in ("one", "two"):
        linear_format.save(tmp_path / name, weights, SETTINGS, ["good", "bad"])
    for file in ("pickaxe.json", "weights.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    model = load_predictor(tmp_path / "one")
    assert isinstance(model, Predictor)
    probs = model.predict_proba(TEXTS)
    assert probs.dtype == np.float32
    assert probs[:6].argmax(axis=1).tolist() == TARGETS[:6].argmax(axis=1).tolist()
    assert model.predict_proba([]).shape == (0, 2)


MODEL = LinearPredictor(fitted(), SETTINGS, ["good", "bad"])


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_text_alone_or_among_others_gets_the_same_probabilities(texts: list[str]) -> None:
    together = MODEL.predict_proba(texts)
    assert together.shape == (len(texts), 2)
    assert np.isfinite(together).all()
    assert together.sum(axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)
    for row, text in enumerate(texts):
        assert MODEL.predict_proba([text])[0] == pytest.approx(together[row], abs=1e-6)


def test_forgetting_words_changes_no_answer() -> None:
    forgetful = LinearPredictor(fitted(), SETTINGS, ["good", "bad"], most_words=3)
    for text in TEXTS * 2:
        assert forgetful.predict_proba([text]) == pytest.approx(MODEL.predict_proba([text]), abs=1e-6)
        assert len(forgetful._words.numbers) <= 3 + 8


def test_many_threads_may_ask_at_once() -> None:
    shared, wrong = LinearPredictor(fitted(), SETTINGS, ["good", "bad"], most_words=50), []
    texts = [f"great awful word{number} film" for number in range(200)]
    expected = MODEL.predict_proba(texts)

    def ask(first: int) -> None:
        for row in range(first, len(texts), 4):
            if not np.allclose(shared.predict_proba([texts[row]])[0], expected[row], atol=1e-6):
                wrong.append(row)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_two_classes_in_one_direction_equal_two_directions() -> None:
    """The shortcut for two classes finds the optimum of the full problem, checked by its gradient."""
    random = np.random.default_rng(0)
    features, probs = random.standard_normal((60, 5)), random.dirichlet((1, 1), 60)
    weights = random.uniform(0.5, 2, 60)
    slopes, bias = fit_softmax(features, probs, weights, l2=2.0, max_iterations=500, tolerance=1e-12)
    predicted = softmax(features @ slopes + bias, axis=1)
    gradient = features.T @ ((predicted - probs) * weights[:, None]) + 2.0 * slopes
    assert np.abs(gradient).max() < 0.02
    assert np.abs(((predicted - probs) * weights[:, None]).sum(axis=0)).max() < 0.02


@pytest.mark.parametrize("damage", ["missing", "torn", "lacking", "format", "json"])
def test_a_damaged_folder_is_refused(tmp_path: Path, damage: str) -> None:
    from safetensors.numpy import save_file

    linear_format.save(tmp_path / "model", fitted(), SETTINGS, ["good", "bad"])
    path, manifest = tmp_path / "model" / "weights.safetensors", tmp_path / "model" / "pickaxe.json"
    if damage == "missing":
        path.unlink()
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "lacking":
        save_file({"bias": np.zeros(2, dtype=np.float32)}, path)
    elif damage == "format":
        manifest.write_text(manifest.read_text().replace('"linear"', '"static"'))
    else:
        manifest.write_text("{")
    with pytest.raises(BadInput):
        linear_format.load(tmp_path / "model")
