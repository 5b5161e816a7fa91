"""Typed surface of the Rust core (`resolver_core/`), verified by stubtest.

Everything is columnar: lists of equal length in, flat lists out. Every function that computes releases the interpreter lock.
Nothing but `Register` reads a clock, draws random numbers or touches the network: same input and model, same bytes, on every machine.
The rules are those of docs/matching.md. Weights and scores are integers in millibits (1000 = one bit).

Errors: `InputError` (a column of the wrong length, a key of the wrong size, an index out of range), `ModelError` (a model
file that does not parse or validate), both `CoreError`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, final

_Column: TypeAlias = Sequence[str | None] | tuple[bytes, bytes, bytes | None]
_EventColumns: TypeAlias = tuple[
    list[int], list[str], list[str], list[int], bytes, list[int], list[str], list[bytes], list[bytes]
]
"""Places among the messages, sources, ids, times, kinds, amounts, details, addresses, digests."""
_KeyColumns: TypeAlias = tuple[list[int], bytes, list[str], bytes, list[bytes]]
"""Offsets, types, namespaces, forms, digests."""
_Frequencies: TypeAlias = tuple[float, float, int, list[tuple[str, float]]]
_Relations: TypeAlias = list[tuple[int, int, int, int, int]]

__all__ = [
    "ATTRIBUTES", "COMPARISONS", "LEVELS", "NORMALIZER_VERSION", "Claims", "CoreError", "Estimates", "EventChunk",
    "EventReader", "Evidence", "HeldProfiles", "InputError", "Model", "ModelError", "ProfileIds", "Progress", "Records", "Register",
    "SealError", "__version__", "address_records", "blocking_keys", "candidate_pairs", "check_digests",
    "count_candidates", "count_pairs", "double_metaphone", "gather", "jaro_winkler", "levenshtein", "match_records",
    "normalize_attributes", "normalize_extras", "normalize_identifiers", "osa", "partition", "payload_digests",
    "score_pairs", "seal", "soundex", "tokenize", "train", "unseal",
]  # fmt: skip

__version__: Final[str]
NORMALIZER_VERSION: Final[str]
"""Version of the normaliser together with its phone metadata; stored with every token."""
ATTRIBUTES: Final[tuple[str, ...]]
"""The eight attributes in the order of docs/matching.md section 1."""
COMPARISONS: Final[tuple[str, ...]]
"""The fifteen comparisons that every model has, in their order; the extras of a model follow them."""

LEVELS: Final[tuple[list[str], ...]]
"""Their level names; the first of each is `missing`. An extra has the levels exact, near and different."""

class CoreError(Exception):
    """Base of what the core raises."""

class InputError(CoreError):
    """An argument breaks the contract of the function; `args[0]` names the argument."""

class ModelError(CoreError):
    """A match model file is not valid; `args[0]` names the key."""

class SealError(CoreError):
    """A sealed value does not open under this key and context."""

@final
class Model:
    """An immutable match model. Its calibration is applied when it is read: priors, weights and scores are calibrated log2 odds."""

    @staticmethod
    def parse(text: str) -> Model:
        """Reads a TOML model file; unknown keys, missing levels and inconsistent thresholds raise `ModelError`."""
    @property
    def version(self) -> str: ...
    @property
    def calibrated(self) -> bool: ...
    @property
    def population(self) -> int: ...
    @property
    def stranger_prior(self) -> int:
        """Log2 odds of "one person" against "strangers", in millibits."""
    @property
    def household_prior(self) -> int | None:
        """Log2 odds of "one person" against "two people of one household", in millibits; None in a model without households."""
    @property
    def once(self) -> int:
        """How much larger, in millibits, the odds of "one person" are between two clusters than between two of their records."""
    @property
    def comparisons(self) -> list[str]:
        """Names of the comparisons, in their order: `COMPARISONS` and the extras."""
    @property
    def extras(self) -> list[tuple[str, str]]:
        """Name and kind (`person` or `household`) of the columns beyond the attributes that are compared."""
    @property
    def link(self) -> int: ...
    @property
    def review(self) -> int: ...
    @property
    def edge_floor(self) -> int: ...
    @property
    def blocking_rules(self) -> int:
        """Number of blocking rules."""
    @property
    def max_block(self) -> int: ...
    @property
    def max_component(self) -> int: ...
    @property
    def block_depth(self) -> int:
        """Largest number of refinements of any blocking rule."""
    @property
    def generic_records(self) -> int:
        """More records than this make a token of any type generic."""
    @property
    def purchases_per_day(self) -> int:
        """More purchases than this, by the records that carry a token on one UTC day, make it generic."""
    @property
    def stores_per_day(self) -> int:
        """More stores than this, in which the records that carry a token bought on one UTC day, make it generic."""
    @property
    def phone_gap_days(self) -> int:
        """Days without a named carrier after which a phone that somebody else carries has changed hands."""
    def generic_limit(self, identifier_type: int) -> int:
        """More distinct name keys than this make a token of the type generic."""
    def level_names(self, comparison: str) -> list[str]:
        """Level names of a comparison; index 0 is `missing`."""
    def probabilities(self, scores: Sequence[int]) -> list[float]:
        """Posterior probabilities of "same person"."""

def normalize_attributes(
    columns: Mapping[str, Sequence[str | None]], *, region: str
) -> tuple[dict[str, list[str | None]], list[tuple[int, str]]]:
    """Clean forms of the eight attributes, and `(row, attribute)` of every value that is present but invalid.

    `columns` may hold any of `ATTRIBUTES` and `full_name`. An invalid value (an unreadable date, or more than 512 bytes) becomes missing, but a
    date that is read and is no calendar day is reported and keeps its digits; an overlong full name is reported as `family_name`. `region` is an
    ISO 3166 code.
    """

def normalize_extras(values: Sequence[str | None]) -> list[str | None]:
    """Clean forms of a column beyond the attributes; blanks, placeholders and more than 512 bytes become missing."""

def normalize_identifiers(
    types: Sequence[int], values: Sequence[str | None], *, region: str
) -> tuple[list[int], list[bytes | None], list[bytes | None]]:
    """Status (0 ok, 1 missing, 2 placeholder, 3 invalid), canonical SHA-256 digest, and gmail-folded digest per value."""

def check_digests(types: Sequence[int], digests: Sequence[bytes]) -> list[int]:
    """Status of digests made elsewhere: 0 ok, 2 digest of a blank or placeholder value, 3 not 32 bytes."""

def tokenize(
    key: bytes, types: Sequence[int], namespaces: Sequence[str], forms: Sequence[int], digests: Sequence[bytes]
) -> list[bytes]:
    """Tokens of 32 bytes under `key` (≥ 32 bytes)."""

def address_records(
    key: bytes,
    sources: Sequence[str],
    offsets: Sequence[int],
    types: Sequence[int],
    namespaces: Sequence[str],
    forms: Sequence[int],
    digests: Sequence[bytes],
    attributes: Mapping[str, Sequence[str | None]],
    epochs: Sequence[int],
    *,
    extras: Mapping[str, Sequence[str | None]] | None = None,
) -> list[bytes]:
    """Record addresses. Record i owns identifiers `offsets[i]:offsets[i + 1]`; `extras` are clean columns beyond the attributes, by name."""

def payload_digests(payloads: Sequence[bytes]) -> list[bytes]:
    """SHA-256 of each payload."""

@final
class Records:
    """An immutable batch of prepared records; record i is row i of every column.

    Record i carries tokens `offsets[i]:offsets[i + 1]`. The caller leaves generic tokens out, except for `match_records`, which finds them.
    """

    def __new__(
        cls,
        addresses: Sequence[bytes],
        attributes: Mapping[str, Sequence[str | None]],
        offsets: Sequence[int],
        types: Sequence[int],
        namespaces: Sequence[str],
        forms: Sequence[int],
        tokens: Sequence[bytes],
        *,
        extras: Mapping[str, Sequence[str | None]] | None = None,
    ) -> Records: ...
    def __len__(self) -> int: ...
    def address(self, record: int) -> bytes:
        """Address of a record; `IndexError` outside the batch."""
    def name_keys(self) -> list[str | None]:
        """The name key of each record (docs/matching.md section 6)."""

@final
class Claims:
    """The distinct records of one chunk of rows: clean attributes, addresses and tokens. Raw identifiers are gone."""

    @staticmethod
    def read(
        address_key: bytes,
        token_key: bytes,
        sources: _Column,
        identifiers: Mapping[int, _Column],
        attributes: Mapping[str, _Column],
        extras: Mapping[str, _Column],
        *,
        default_source: str,
        region: str,
    ) -> Claims:
        """Normalises, digests and addresses a chunk, each distinct value once: the same as the functions of columns give row by row.

        A column is a list, or packed as Apache Arrow has it: 32-bit offsets, UTF-8 bytes, and a validity bitmap or None. `identifiers` are by
        type number, `attributes` as `normalize_attributes` has them, `extras` as `normalize_extras`. A row without a source has the default one.
        """

    @property
    def rows(self) -> int: ...
    @property
    def records(self) -> int:
        """Distinct records among the rows; a row without usable identifier or attribute is none."""
    def invalid(self) -> dict[str, int]:
        """Rows by column whose value is present but invalid."""
    def placeholders(self) -> dict[str, int]:
        """Rows by identifier type whose value stands for "none"."""

def gather(chunks: Sequence[Claims]) -> tuple[Records, bytes]:
    """The distinct records of all chunks in the order in which they first came, and the record of each row as signed 32-bit numbers in the
    order of the machine; -1 where a row has no usable claim. An extra column that a chunk lacks is missing there."""

@final
class ProfileIds:
    """Public ids of the profiles of a batch, each from the smallest birth id of its records."""

    def __new__(cls, records: Records, clusters: Sequence[int]) -> ProfileIds: ...
    def column(self, rows: bytes) -> tuple[bytes, bytes, bytes]:
        """Ids of rows given by their records as `gather` numbers them, as a packed column: offsets, texts, validity."""

@final
class Progress:
    """Where a batch run or a training is; may be read from any thread. No result depends on it."""

    def __new__(cls) -> Progress: ...
    def stop(self) -> None:
        """Lets a batch run end soon: while it scores at once, else with its stage. It raises `InputError`; a training takes no notice."""

    def read(self) -> tuple[str, int, int]:
        """Stage, how much of it is done, and how much there is; 0 where nobody knows.

        Stages are `waiting` and `block`, then `score`, `partition` of a batch run, or `count`, `estimate`, `calibrate` of a training, of which `estimate`
        may come twice. `block` counts rules, `score` blocks, the others records.
        """

@final
class EventChunk:
    """The events of one chunk of rows whose claims are known."""

    @staticmethod
    def read(
        claims: Claims,
        sources: Sequence[str],
        ids: Sequence[str],
        kinds: bytes,
        occurred: bytes,
        amounts: bytes,
        details: Sequence[str],
        contents: Sequence[str],
    ) -> EventChunk:
        """Columns parallel to the rows of the claims. Kinds are a byte each: 0 purchase, 1 click, 2 customer change, 3 consent withdrawn, 4 consent
        given, 255 no event. Times (microseconds since 2000) and amounts are signed 64-bit numbers in the order of the machine. An event's digest
        is SHA-256 of its record's address and its content.
        """

    @property
    def unusable(self) -> list[int]:
        """Rows that would be events if they had a usable claim."""

@final
class Evidence:
    """What the events of a load say: records with their sums, tokens with their states. Numbers are from 0 here, from 1 in the rows made of them.

    Of several contents under one event id that of the lowest digest counts, and of equal ones the first. Tokens used too much on one day are generic.
    """

    @staticmethod
    def of(
        claims: Sequence[Claims], events: Sequence[EventChunk], model: Model, milliseconds: int, seed: bytes
    ) -> Evidence:
        """Joins chunks, which are parallel. Birth ids carry the milliseconds since 1970 and bits drawn from the seed (≥ 32 random bytes)."""

    @property
    def rows(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def repeated(self) -> int:
        """Rows that repeat another one."""
    @property
    def lost(self) -> list[int]:
        """Rows whose content lost against another one under the same event id, each content once."""
    def first_event(self, record: int) -> tuple[str, str]:
        """Source and id of the first event of a record."""
    def contested(self, kind: int) -> list[tuple[int, list[tuple[str, int, int, bytes]]]]:
        """Tokens of a type that are evidence and have several names; of each the name key, first and last time, and address of its named carriers."""
    def carriers_of(self, tokens: Sequence[int]) -> list[int]:
        """Records that carry any of these tokens."""
    def copied(
        self,
        table: str,
        start: int,
        stop: int,
        *,
        key_version: int = 0,
        normalizer: str = "",
        currency: str = "",
    ) -> bytes:
        """Rows of `inbox`, `purchase`, `consent_event` (by rows read), `event_conflict` (all), `record`, `record_token` (by records), `token` or
        `token_name` (by tokens), as PostgreSQL's binary COPY has them, without header and trailer.
        """
    def copied_blocks(self, key: bytes, model: Model, rule: int) -> tuple[bytes, list[bytes]]:
        """The rows of `block` for one blocking rule, and those of `record_block`, depth by depth: refined keys only below crowded ones."""

@final
class HeldProfiles:
    """Pairs and profiles of a load; profiles are numbered by ascending id."""

    @staticmethod
    def of(
        evidence: Evidence, model: Model, held_back: Sequence[int], *, progress: Progress | None = None
    ) -> HeldProfiles:
        """Scores and partitions on all cores. What hangs together with a record that is held back has neither pairs nor profile."""

    def __len__(self) -> int: ...
    @property
    def pairs(self) -> int:
        """Number of kept pairs."""
    @property
    def links(self) -> int:
        """Number of pairs shown with profiles, at most 20 with each."""
    @property
    def reviews(self) -> int: ...
    @property
    def candidates(self) -> int: ...
    @property
    def held_back(self) -> list[int]:
        """Records that have evidence only."""
    def facts(self, evidence: Evidence, start: int, stop: int) -> list[tuple[bytes, list[bytes], int, int, int | None]]:
        """Of each profile its id, its records' birth ids, ascending, purchases, their sum, and when the last one was."""
    def copied(
        self,
        table: str,
        evidence: Evidence,
        model: Model,
        start: int,
        stop: int,
        *,
        first_version: int = 1,
        model_id: int = 0,
        cause: str = "",
        actor: str = "",
    ) -> bytes:
        """Rows of `membership` (by records), `pair` (by pairs), `profile`, `journal` (by profiles), `journal_link` (by links), `review`, `household` or
        `contender` (all), as `Evidence.copied` has them. Versions follow the first one.
        """
    def copied_outbox(self, evidence: Evidence, start: int, first_version: int, changes: Sequence[bytes]) -> bytes:
        """Rows of `outbox` for the encoded changes of the profiles from `start` on."""

def blocking_keys(
    key: bytes, records: Records, model: Model
) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
    """All blocking keys: record index, rule index, depth, key, parent key (0 at depth 0), parallel lists ordered by record, rule, depth."""

def score_pairs(
    records: Records, left: Sequence[int], right: Sequence[int], model: Model, *, cutoff: int | None = None
) -> tuple[list[int], list[int], bytes, list[int]]:
    """Scores pairs of row indices: index into `left`, score, levels, weights.

    Pairs below `cutoff` are left out unless they are kin (docs/matching.md section 5). `levels` holds `len(model.comparisons)` bytes per kept
    pair and `weights` as many millibits: those against its nearest rival, whose prior and they sum up to the score.
    """

def partition(
    records: Records,
    left: Sequence[int],
    right: Sequence[int],
    scores: Sequence[int],
    same: Sequence[tuple[int, int]],
    different: Sequence[tuple[int, int]],
    model: Model,
) -> tuple[list[int], list[int], list[tuple[int, int]], _Relations, _Relations]:
    """Partition of any number of components (docs/matching.md section 8).

    The pairs are those that are kept: at or above the model's floor, or kin.
    Returns the cluster of each record (named by the row of its lowest-address record), the rows that name ambiguous clusters,
    `(ambiguous cluster, contender cluster)` pairs, and reviews `(cluster x, cluster y, strength, left row, right row)` where the last two
    are the pair with the best score between them (ties: lower addresses); then the households in the same form, with the pair that would score
    best if there were no households. Clusters named by rows; x has the lower lowest address.
    """

def count_candidates(
    records: Records, model: Model, *, closed_tokens: Sequence[bytes] = ...
) -> tuple[bytes, list[int], list[int]]:
    """Level patterns of all candidates: `len(model.comparisons)` levels each, free comparisons, number of pairs; in ascending order.

    Free comparisons are bits by comparison number (docs/matching.md section 9). Pairs are streamed: memory is that of blocks and patterns.
    """

def count_pairs(
    records: Records, left: Sequence[int], right: Sequence[int], model: Model
) -> tuple[bytes, list[int], list[int]]:
    """Level patterns of pairs of row indices, as `count_candidates` gives them; every comparison is free."""

def candidate_pairs(
    records: Records, model: Model, floor: int, *, closed_tokens: Sequence[bytes] = ...
) -> tuple[list[int], list[int], list[int]]:
    """Candidates with a score of at least `floor`, and kin: the two row indices, the lower first, and the score; ascending."""

def match_records(
    records: Records, model: Model, *, closed_tokens: Sequence[bytes] = ..., progress: Progress | None = None
) -> tuple[list[int], list[int], list[tuple[int, int]], _Relations, _Relations, dict[str, int]]:
    """Batch engine: block, score, partition all records, on all cores; result as `partition` plus counts.

    `closed_tokens` are generic whoever carries them, for what only events tell (none unless given); one that no record carries is passed over.
    Counts: `candidates`, `pairs` (kept), `components`, `largest_component`, `generic_tokens`, `crowded_keys`.
    """

@final
class Estimates:
    """What a training found (docs/training.md). Weights and priors are uncalibrated millibits; pairs are those of the batch."""

    @property
    def records(self) -> int: ...
    @property
    def population(self) -> int:
        """Number of records the priors speak of."""
    @property
    def probes(self) -> int:
        """Records whose candidates were looked at: all of a batch of up to 30,000, a sample of a larger one."""
    @property
    def candidates(self) -> float: ...
    @property
    def patterns(self) -> int:
        """Distinct patterns (docs/matching.md section 9) among the candidates that were looked at."""
    @property
    def rounds(self) -> tuple[int, bool]:
        """Rounds of the estimation, and whether it settled."""
    @property
    def matches(self) -> float:
        """Expected pairs of one person."""
    @property
    def households(self) -> float:
        """Expected pairs of two people of one household."""
    @property
    def priors(self) -> tuple[int, int]:
        """Against strangers and against a household, for the population."""
    @property
    def weights(self) -> list[list[tuple[int, int]]]:
        """By comparison, `(stranger, household)` of each level after `missing`."""
    @property
    def shares(self) -> list[tuple[list[float], list[float], list[float]] | None]:
        """By comparison, shares of each level after `missing` among pairs of one person, of one household, and of strangers.

        None where no candidate has it on both sides; its weights are zero.
        """
    @property
    def frequencies(self) -> tuple[_Frequencies, _Frequencies]:
        """Of given and of family names: baseline, default, limit and listed names, as a model file states them."""
    @property
    def limits(self) -> list[int]:
        """Identifier limits by type."""
    @property
    def calibration(self) -> tuple[int, int]:
        """Slope in thousandths, intercept in millibits."""
    @property
    def judged(self) -> tuple[int, int]:
        """Pairs that third records voted on, and pairs that labels judged."""
    @property
    def believed(self) -> bool:
        """Whether the calibration was held against labels, or against votes that say the same wherever one looks."""
    @property
    def rules(self) -> list[int]:
        """Positions of the blueprint's blocking rules that are needed."""
    @property
    def passes(self) -> list[tuple[str, float, float, float, float, float, bool, bool]]:
        """Of each pass: name, pairs, pairs no pass before it found, expected matches, those no other pass found, expected households.

        Then whether it was distrusted for finding mostly households, and whether it is needed.
        """
    @property
    def histogram(self) -> list[tuple[int, float, float, float]]:
        """Candidates by calibrated score, 500 millibits to a bin.

        Lower edge; candidates whose nearest rival is "strangers", and "one household"; expected matches among both.
        """
    @property
    def reliability(self) -> list[tuple[int, float, float]]:
        """Pairs by probability: how many, mean probability, and the share that labels (without any, votes) call one person."""

def train(
    records: Records,
    model: Model,
    *,
    seed: int,
    population: int | None = None,
    left: Sequence[int] = ...,
    right: Sequence[int] = ...,
    same: Sequence[bool] = ...,
    persons: Sequence[int] = ...,
    closed_tokens: Sequence[bytes] = ...,
    progress: Progress | None = None,
) -> Estimates:
    """Estimates a model for a batch without labels, beginning with the blueprint `model`; on all cores, bounded memory.

    Pairs `left`, `right` of rows that are the `same` person or not, and `persons` (the person of each row, negative where unknown), are labels:
    they correct the calibration. The order of the records does not matter.
    """

def seal(key: bytes, nonces: Sequence[bytes], contexts: Sequence[bytes], values: Sequence[bytes]) -> list[bytes]:
    """XChaCha20-Poly1305 of each value under a 32-byte key; a nonce of 24 bytes must never repeat under one key; output is nonce ‖ ciphertext."""

def unseal(key: bytes, contexts: Sequence[bytes], sealed: Sequence[bytes]) -> list[bytes]:
    """Opens what `seal` made; `SealError` if key, context or bytes differ."""

def levenshtein(left: Sequence[str], right: Sequence[str]) -> list[int]:
    """Levenshtein distance per pair."""

def osa(left: Sequence[str], right: Sequence[str]) -> list[int]:
    """Optimal string alignment distance per pair (adjacent transposition costs one)."""

def jaro_winkler(left: Sequence[str], right: Sequence[str]) -> list[int]:
    """Jaro-Winkler similarity in units of 1/10000, rounded half up."""

def soundex(values: Sequence[str]) -> list[str]:
    """American Soundex."""

def double_metaphone(values: Sequence[str]) -> list[tuple[str, str]]:
    """Primary and alternate Double Metaphone codes, at most four characters each."""

@final
class EventReader:
    """Reads valid events from messages."""

    def __new__(cls, address_key: bytes, *, region: str, currency: str) -> EventReader:
        """`address_key` has ≥ 32 bytes; `region` is for phones and dates, `currency` the one that purchases must have."""
    def read(
        self, messages: Sequence[bytes], *, latest: int
    ) -> tuple[_EventColumns, _KeyColumns, list[list[str | None]], list[tuple[int, int, int]]]:
        """Those messages (`CustomerEvent`) that are valid beyond doubt: events, their keys (ascending, each once; event i owns
        `offsets[i]:offsets[i + 1]`), columns of clean attributes, and how many identifiers had which type and status. Times are
        microseconds since 1970, `latest` is the last that is valid. Kinds as in `EventChunk`.
        """

@final
class Register:
    """A running register data plane; `InputError` names the setting with which it cannot start. Its threads never call into Python.

    Callers it cannot answer from the cache leave questions, and `fileno` becomes readable; `take` them and `answer` or `fail` each.
    """

    def __new__(cls, settings: object) -> Register:
        """Reads the attributes that `rpc.register` gives, by name."""
    @property
    def port(self) -> int:
        """Port on which it listens."""
    @property
    def credentials(self) -> int | None:
        """Credentials that were read; None if callers are not checked."""
    def fileno(self) -> int:
        """Descriptor that stays readable while questions wait."""
    def take(self, most: int) -> list[tuple[int, bytes, int, bytes]]:
        """Questions that wait: number, token, version that the caller has seen, generation of the cache (empty if it could not be read)."""
    def answer(self, number: int, version: int, encoded: bytes) -> None:
        """Answers a question with a partial `LookupResponse`, nothing for NOT_FOUND."""
    def fail(
        self, number: int, code: int, reason: str, message: str, metadata: Sequence[tuple[str, str]], retryable: bool
    ) -> None:
        """Answers a question with an error: gRPC code and what stands in its details."""
    def calls(self) -> list[tuple[str, str, list[int], float]]:
        """Calls that ended: method, code, calls per bucket (not cumulated, the last one without a bound), sum of their seconds."""
    def in_flight(self) -> list[tuple[str, int]]:
        """Calls being handled, by method."""
    def outcomes(self) -> list[tuple[str, int]]:
        """Lookups by outcome."""
    def reads(self) -> list[tuple[str, int]]:
        """Reads of the cache by result."""
    def refusals(self) -> list[tuple[str, int]]:
        """Lookups refused because a credential had no budget left, by budget."""
    def drain(self, seconds: float) -> int:
        """Stops: no new calls, running ones may end within `seconds`; how many were cut off. Releases the interpreter lock while it waits."""
