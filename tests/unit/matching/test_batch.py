"""What the batch engine adds to the core: closed tokens, and relations named by records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from goldthread.domain.words import IdentifierType, IncomingIdentifier
from goldthread.matching import Keys, LookupKey, Matcher
from goldthread.matching.batch import BatchEngine, BatchHousehold, BatchResult, ClaimColumns
from oracle.models import round_weights

KEYS = Keys.derive(bytes(range(32)))
MODEL = round_weights()
PHONE = "(512) 478-1234"


def matched(
    names: Sequence[tuple[str, str] | None], phones: Sequence[str | None], *, closed: Iterable[bytes] = ()
) -> BatchResult:
    engine = BatchEngine(model_text=MODEL, keys=KEYS, region="US", closed_tokens=closed)
    attributes: dict[str, Sequence[str | None]] = {
        "given_name": [name and name[0] for name in names],
        "family_name": [name and name[1] for name in names],
        "city": [f"Town {row}" for row in range(len(names))],
    }
    identifiers = {IdentifierType.PHONE: phones}
    engine.add(ClaimColumns(sources=["pos"] * len(names), identifiers=identifiers, attributes=attributes))
    return engine.resolve()


def phone_token() -> bytes:
    matcher = Matcher(model_text=MODEL, keys=KEYS, region="US")
    phone = IncomingIdentifier(path="phone", type=IdentifierType.PHONE, namespace="", raw=PHONE)
    [key] = matcher.lookup_keys([phone])
    assert isinstance(key, LookupKey)
    return key.tokens[0]


def test_a_closed_token_links_nobody() -> None:
    names = [None, None]
    open_ = matched(names, [PHONE, PHONE])
    assert (open_.profiles, open_.counts["generic_tokens"]) == (1, 0)
    closed = matched(names, [PHONE, PHONE], closed={phone_token(), bytes(32)})
    assert (closed.profiles, closed.counts["generic_tokens"], closed.counts["candidates"]) == (2, 1, 0)


def test_spouses_with_one_phone_are_a_household() -> None:
    result = matched([("Otto", "Zimmer"), ("Zebulon", "Zimmer"), ("Otto", "Zimmer")], [PHONE, PHONE, None])
    assert result.record_clusters[0] != result.record_clusters[1]
    [household] = result.households
    assert isinstance(household, BatchHousehold)
    ends = {household.cluster, household.other_cluster}
    assert ends == {result.record_clusters[0], result.record_clusters[1]}
    assert {household.record, household.other_record} == {0, 1}
    assert result.record_clusters[household.record] == household.cluster
    assert household.strength >= 3970
    assert all({review.cluster, review.other_cluster} != ends for review in result.reviews)


def test_extras_are_compared_and_keep_claims_apart() -> None:
    extra = '\n[[extra]]\nname = "shade"\nkind = "person"\nlevels = { exact = 900, near = 0, different = -9000 }\n'
    engine = BatchEngine(model_text=MODEL + extra, keys=KEYS, region="US")
    engine.add(
        ClaimColumns(
            sources=["crm", "crm", "crm", "crm"],
            identifiers={IdentifierType.EMAIL: ["otto@zimmer.de"] * 4},
            attributes={"family_name": ["Zimmer"] * 4},
            extras={"shade": ["M", "m.", "f", "n/a"]},
        )
    )
    result = engine.resolve()
    assert list(result.row_records) == [0, 0, 1, 2]
    assert result.record_clusters[0] != result.record_clusters[1]
    assert result.ambiguous == {result.record_clusters[2]}
