"""Matching: the only importer of the Rust core. Everything is batch-shaped; normalisation happens in Rust alone."""

from goldthread.matching.epochs import HandOver, NamedSpan, epoch_token, hand_overs, opener_at
from goldthread.matching.identifiers import DigestedIdentifier, LookupKey, check_region, digest_identifiers
from goldthread.matching.keys import MASTER_KEY_BYTES, Keys
from goldthread.matching.matcher import (
    BlockingKey,
    ClusterHousehold,
    Clustering,
    ClusterReview,
    Matchable,
    Matcher,
    Refusal,
    ScoredPair,
)

__all__ = [
    "MASTER_KEY_BYTES",
    "BlockingKey",
    "ClusterHousehold",
    "ClusterReview",
    "Clustering",
    "DigestedIdentifier",
    "HandOver",
    "Keys",
    "LookupKey",
    "Matchable",
    "Matcher",
    "NamedSpan",
    "Refusal",
    "ScoredPair",
    "check_region",
    "digest_identifiers",
    "epoch_token",
    "hand_overs",
    "opener_at",
]
