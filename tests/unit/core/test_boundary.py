"""What the boundary promises whatever the algorithms do: frozen classes, one exception family, no lock held, golden vectors."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldthread import _core

ROOT = Path(__file__).resolve().parents[3]
VECTORS = json.loads((ROOT / "tests/vectors/identifiers.json").read_text(encoding="utf-8"))["vectors"]
MODEL_TEXT = (ROOT / "server/goldthread/models/retail-persons-1.toml").read_text(encoding="utf-8")
UNCALIBRATED_TEXT = re.sub(
    r"\[calibration\]\n.*\n.*\n", "", MODEL_TEXT.replace("calibrated = true", "calibrated = false")
)
KEY = b"k" * 32


def model() -> _core.Model:
    return _core.Model.parse(MODEL_TEXT)


def records(*names: tuple[str | None, str | None]) -> _core.Records:
    count = len(names)
    return _core.Records(
        [index.to_bytes(32, "big") for index in range(count)],
        {"given_name": [name[0] for name in names], "family_name": [name[1] for name in names]},
        [0] * (count + 1),
        [],
        [],
        [],
        [],
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['type']}-{ascii(vector['raw'])[:24]}")
def test_identifiers_match_the_golden_vectors(vector: dict[str, Any]) -> None:
    statuses, digests, folded = _core.normalize_identifiers([vector["type"]], [vector["raw"]], region=vector["region"])
    as_hex = [None if digest is None else digest.hex() for digest in (digests[0], folded[0])]
    assert statuses == [vector["status"]]
    assert as_hex == [vector["digest"], vector["folded_digest"]]


def test_digests_made_elsewhere_of_placeholders_are_known() -> None:
    blank, placeholder, real = _core.payload_digests([b"", b"test@test.com", b"jane@shop.co"])
    assert _core.check_digests([1, 1, 1, 1], [blank, placeholder, real, b"short"]) == [2, 2, 0, 3]


FROZEN = (
    model(),
    records(("otto", "zimmer")),
    _core.Claims.read(KEY, KEY, [], {}, {}, {}, default_source="", region="US"),
    _core.ProfileIds(records(), []),
    _core.Progress(),
)


@pytest.mark.parametrize("value", FROZEN, ids=lambda value: type(value).__name__)
def test_classes_are_frozen(value: object) -> None:
    names = [name for name in dir(value) if not name.startswith("_")]
    for name in [*names, "brand_new"]:
        with pytest.raises((AttributeError, TypeError)):
            setattr(value, name, 1)
    with pytest.raises(TypeError):
        type("Derived", (type(value),), {})


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: _core.tokenize(b"short", [1], [""], [1], [bytes(32)]), "key"),
        (lambda: _core.tokenize(KEY, [9], [""], [1], [bytes(32)]), "types"),
        (lambda: _core.tokenize(KEY, [1], [""], [4], [bytes(32)]), "forms"),
        (lambda: _core.tokenize(KEY, [1], [""], [1], [bytes(31)]), "digests"),
        (lambda: _core.tokenize(KEY, [1], [], [1], [bytes(32)]), "namespaces"),
        (lambda: _core.normalize_identifiers([1], ["a@b.co"], region="nowhere"), "region"),
        (lambda: _core.normalize_attributes({"shoe_size": ["9"]}, region="US"), "columns"),
        (lambda: _core.normalize_attributes({"city": ["a"], "street": []}, region="US"), "columns"),
        (lambda: _core.address_records(KEY, ["crm"], [0, 1], [], [], [], [], {}, [0]), "offsets"),
        (lambda: _core.address_records(KEY, ["crm"], [0, 0], [], [], [], [], {}, []), "epochs"),
        (lambda: _core.address_records(KEY, ["crm"], [0, 0], [], [], [], [], {"shoe": [None]}, [0]), "attributes"),
        (lambda: _core.Records([b"short"], {}, [0, 0], [], [], [], []), "addresses"),
        (lambda: _core.Records([bytes(32)], {"birth_date": ["soon"]}, [0, 0], [], [], [], []), "attributes"),
        (lambda: _core.score_pairs(records(("a", "b")), [0], [1], model()), "right"),
        (lambda: _core.score_pairs(records(("a", "b")), [-1], [0], model()), "left"),
        (lambda: _core.partition(records(("a", "b")), [], [], [], [(0, 7)], [], model()), "same"),
        (lambda: _core.partition(records(("a", "b")), [0], [0], [], [], [], model()), "scores"),
        (lambda: _core.blocking_keys(b"short", records(("a", "b")), model()), "key"),
        (lambda: _core.match_records(records(("a", "b")), model(), closed_tokens=[b"short"]), "closed_tokens"),
        (lambda: _core.seal(b"short", [], [], []), "key"),
        (lambda: _core.levenshtein(["a"], []), "right"),
        (lambda: model().generic_limit(0), "identifier_type"),
        (lambda: model().level_names("shoe_size"), "comparison"),
    ],
)
def test_refusals_name_the_argument(call: Callable[[], object], argument: str) -> None:
    with pytest.raises(_core.InputError) as refused:
        call()
    assert refused.value.args[0] == argument
    assert isinstance(refused.value, _core.CoreError)


def test_refusals_never_repeat_the_value() -> None:
    with pytest.raises(_core.InputError) as refused:
        _core.Records([bytes(32)], {"birth_date": ["jane@canary.example"]}, [0, 0], [], [], [], [])
    assert "canary" not in str(refused.value)


def test_model_errors_name_the_key() -> None:
    with pytest.raises(_core.ModelError) as refused:
        _core.Model.parse(MODEL_TEXT.replace("review = 585", "review = 58500"))
    assert refused.value.args[0] == "thresholds.review"


def test_sealed_values_open_only_under_their_key_and_context() -> None:
    nonces = [index.to_bytes(24, "big") for index in range(2)]
    sealed = _core.seal(KEY, nonces, [b"one", b"two"], [b"Jane", b""])
    assert [value[:24] for value in sealed] == nonces
    assert _core.unseal(KEY, [b"one", b"two"], sealed) == [b"Jane", b""]
    for key, contexts in ((KEY, [b"two", b"one"]), (b"x" * 32, [b"one", b"two"])):
        with pytest.raises(_core.SealError):
            _core.unseal(key, contexts, sealed)


def test_surrogates_are_refused_without_a_crash() -> None:
    with pytest.raises(UnicodeEncodeError):
        _core.normalize_identifiers([1], ["\ud800@shop.co"], region="US")


def test_other_threads_run_while_the_core_computes() -> None:
    """Counts in Python while one long call runs; a held lock would leave the counter where the switch interval found it."""
    names = [(f"given{index % 97}", f"family{index % 89}") for index in range(400)]
    batch = records(*names)
    left = [index for index in range(400) for _ in range(400)] * 4
    right = [index for _ in range(400) for index in range(400)] * 4
    counted, finished = 0, threading.Event()

    def compute() -> None:
        _core.levenshtein(["abcdefgh" * 200] * 4000, ["hgfedcba" * 200] * 4000)
        _core.score_pairs(batch, left, right, model())
        finished.set()

    worker = threading.Thread(target=compute)
    worker.start()
    while not finished.is_set():
        time.sleep(0.001)
        counted += 1
    worker.join()
    assert counted > 20


def test_attribute_columns_come_back_in_order() -> None:
    clean, invalid = _core.normalize_attributes({"full_name": ["Dr. Ana de la Cruz Jr.", None]}, region="US")
    assert tuple(clean) == _core.ATTRIBUTES
    assert {name: column[0] for name, column in clean.items() if column[0]} == {
        "given_name": "ana",
        "family_name": "de la cruz",
        "name_suffix": "jr",
    }
    assert invalid == []


def test_name_keys_and_counts() -> None:
    batch = records(("bill", "smith"), ("bill", "smyth"), ("william", "smith"), (None, "smith"))
    assert len(batch) == 4
    assert batch.name_keys() == ["SM0|w", "SM0|w", "SM0|w", None]
    clusters, ambiguous, contenders, reviews, households, counts = _core.match_records(batch, model())
    assert clusters == [0, 1, 2, 3]
    assert (ambiguous, contenders, reviews, households) == ([], [], [], [])
    assert list(counts) == ["candidates", "pairs", "components", "largest_component", "generic_tokens", "crowded_keys"]
    # Three share a family name that few bear, and one shares both sounds with the first; who has another short name and another end of the family name is
    # too far off.
    assert counts["candidates"] == 3 + 1


def test_patterns_and_candidates() -> None:
    batch, rules = records(("bill", "smith"), ("bill", "smyth"), ("otto", "zimmer")), model()
    width = len(rules.comparisons)
    levels, free, pairs = _core.count_candidates(batch, rules)
    given, family = (rules.comparisons.index(name) for name in ("given_name", "family_name"))
    names = [rules.level_names("given_name")[levels[given]], rules.level_names("family_name")[levels[family]]]
    assert (len(levels), names, pairs) == (width, ["exact", "near"], [1])
    [bits] = free
    assert (bits >> given & 1, bits >> family & 1, bits >> rules.comparisons.index("place") & 1) == (0, 0, 1)
    assert _core.count_pairs(batch, [0], [1], rules) == (levels, [(1 << width) - 1], [1])
    left, right, [score] = _core.candidate_pairs(batch, rules, -(10**9))
    assert (left, right) == ([0], [1])
    assert score == _core.score_pairs(batch, [0], [1], rules)[1][0]
    assert _core.candidate_pairs(batch, rules, score + 1) == ([], [], [])


def test_extras_enter_address_and_comparison() -> None:
    extra = '\n[[extra]]\nname = "sex"\nkind = "person"\nlevels = { exact = 900, near = 0, different = -4000 }\n'
    rules = _core.Model.parse(UNCALIBRATED_TEXT + extra)
    assert (rules.extras, rules.comparisons[-1]) == ([("sex", "person")], "sex")
    column = _core.normalize_extras(["F", "f.", "m", "n/a"])
    assert column == ["f", "f", "m", None]
    addresses = _core.address_records(KEY, ["crm"] * 4, [0] * 5, [], [], [], [], {}, [0] * 4, extras={"sex": column})
    assert addresses[0] == addresses[1] != addresses[2] != addresses[3]
    batch = _core.Records(addresses[1:], {}, [0] * 4, [], [], [], [], extras={"sex": column[1:]})
    _, _, levels, weights = _core.score_pairs(batch, [0, 0], [1, 2], rules)
    width = len(rules.comparisons)
    assert (levels[width - 1], levels[-1]) == (3, 0)
    assert (weights[width - 1], weights[-1]) == (-4000, 0)
