-- name: lock_profiles
-- Locks profiles in id order and returns them as they are.
SELECT profile_id, version, live, ambiguous, name_record, address_record, birth_date_record, purchase_count, purchase_total_minor,
    last_purchase_at, last_purchase_store
FROM profile WHERE profile_id = ANY(%(profile_ids)s) ORDER BY profile_id FOR NO KEY UPDATE;

-- name: move_records
-- Hangs records on the profiles that hold them now.
UPDATE membership SET profile_id = new.profile_id
FROM unnest(%(record_ids)s::bigint[], %(profile_ids)s::uuid[]) AS new (record_id, profile_id)
WHERE membership.record_id = new.record_id;

-- name: survey_profiles
-- What each profile is, as a function of its records: members, surviving records, totals. Names survive from the record with most name parts, then
-- the latest event, then the greatest address; the address likewise; the birth date from the latest that has one. A withdrawn record is a member until its
-- look has moved it home, as the journal has it, but nothing of it survives and its sums are nought; a profile with no other member is left out.
SELECT profile_id,
    array_agg(birth_id ORDER BY birth_id) AS members,
    (array_agg(record_id ORDER BY num_nonnulls(given_name, family_name) DESC, last_seen DESC, address DESC)
        FILTER (WHERE num_nonnulls(given_name, family_name) > 0 AND sightings > 0))[1] AS name_record,
    (array_agg(record_id ORDER BY num_nonnulls(street, postcode) DESC, last_seen DESC, address DESC)
        FILTER (WHERE num_nonnulls(street, city, postcode) > 0 AND sightings > 0))[1] AS address_record,
    (array_agg(record_id ORDER BY last_seen DESC, address DESC) FILTER (WHERE birth_date IS NOT NULL AND sightings > 0))[1] AS birth_date_record,
    sum(purchase_count)::bigint AS purchase_count,
    sum(purchase_total_minor)::bigint AS purchase_total_minor,
    max(last_purchase_at) AS last_purchase_at,
    coalesce((array_agg(last_purchase_store ORDER BY last_purchase_at DESC NULLS LAST, last_purchase_store DESC))[1], '') AS last_purchase_store
FROM membership JOIN record USING (record_id) WHERE profile_id = ANY(%(profile_ids)s)
GROUP BY profile_id HAVING bool_or(sightings > 0) ORDER BY profile_id;

-- name: draw_versions
-- New ledger-wide versions, in order; drawn once the profiles are locked.
SELECT nextval('ledger_version') FROM generate_series(1, %(count)s);

-- name: write_profiles
-- Writes changed profiles at their new versions.
INSERT INTO profile (
    profile_id, version, live, ambiguous, name_record, address_record, birth_date_record, purchase_count, purchase_total_minor,
    last_purchase_at, last_purchase_store
)
SELECT * FROM unnest(
    %(profile_ids)s::uuid[], %(versions)s::bigint[], %(lives)s::boolean[], %(ambiguous)s::boolean[], %(name_records)s::bigint[],
    %(address_records)s::bigint[], %(birth_date_records)s::bigint[], %(purchase_counts)s::bigint[], %(purchase_totals)s::bigint[],
    %(last_purchases)s::timestamptz[], %(last_stores)s::text[]
)
ON CONFLICT (profile_id) DO UPDATE SET
    version = excluded.version, live = excluded.live, ambiguous = excluded.ambiguous, name_record = excluded.name_record,
    address_record = excluded.address_record, birth_date_record = excluded.birth_date_record, purchase_count = excluded.purchase_count,
    purchase_total_minor = excluded.purchase_total_minor, last_purchase_at = excluded.last_purchase_at,
    last_purchase_store = excluded.last_purchase_store, changed_at = now();

-- name: touch_profiles
-- Changes profiles' rows without changing what they say: what makes a look with an older snapshot fail.
UPDATE profile SET looks = looks + 1 WHERE profile_id = ANY(%(profile_ids)s);

-- name: tokens_of_profiles
-- Identifiers of each profile's records; generic ones included, since their answers name nobody but must be right.
SELECT membership.profile_id, array_agg(DISTINCT record_token.token_id)
FROM membership JOIN record_token USING (record_id)
WHERE membership.profile_id = ANY(%(profile_ids)s) GROUP BY membership.profile_id;

-- name: open_reviews_of
-- Open reviews of these profiles.
SELECT review_id, low_profile, high_profile, low_record, high_record, strength FROM review
WHERE closed_at IS NULL AND low_profile = ANY(%(profile_ids)s)
UNION
SELECT review_id, low_profile, high_profile, low_record, high_record, strength FROM review
WHERE closed_at IS NULL AND high_profile = ANY(%(profile_ids)s);

-- name: close_reviews
-- Ends reviews whose reason is gone.
UPDATE review SET closed_at = now() WHERE review_id = ANY(%(review_ids)s);

-- name: open_reviews
-- Opens reviews; one per pair of profiles.
INSERT INTO review (low_profile, high_profile, low_record, high_record, strength, model_id)
SELECT low_profile, high_profile, low_record, high_record, strength, %(model_id)s
FROM unnest(%(low_profiles)s::uuid[], %(high_profiles)s::uuid[], %(low_records)s::bigint[], %(high_records)s::bigint[], %(strengths)s::integer[])
    AS new (low_profile, high_profile, low_record, high_record, strength);

-- name: update_reviews
-- Keeps open reviews' strength and best pair true.
UPDATE review SET strength = new.strength, low_record = new.low_record, high_record = new.high_record, model_id = %(model_id)s
FROM unnest(%(review_ids)s::bigint[], %(low_records)s::bigint[], %(high_records)s::bigint[], %(strengths)s::integer[])
    AS new (review_id, low_record, high_record, strength)
WHERE review.review_id = new.review_id;

-- name: delete_contenders
-- Forgets the contenders of profiles about to be written again.
DELETE FROM contender WHERE profile_id = ANY(%(profile_ids)s);

-- name: insert_contenders
-- Writes contenders.
INSERT INTO contender (profile_id, contender_id)
SELECT * FROM unnest(%(profile_ids)s::uuid[], %(contender_ids)s::uuid[]) ON CONFLICT DO NOTHING;

-- name: insert_journal
-- Writes one journal entry.
INSERT INTO journal (
    version, profile_id, live, before_records, after_records, successors, before_survivors, after_survivors, cause, actor, source, event_id,
    operation_id, model_id
) VALUES (
    %(version)s, %(profile_id)s, %(live)s, %(before_records)s, %(after_records)s, %(successors)s, %(before_survivors)s, %(after_survivors)s,
    %(cause)s, %(actor)s, %(source)s, %(event_id)s, %(operation_id)s, %(model_id)s
);

-- name: insert_journal_links
-- Copies the pairs that brought records together into a journal entry.
INSERT INTO journal_link (entry_version, low, high, score, levels, weights)
SELECT asked.version, pair.low, pair.high, pair.score, pair.levels, pair.weights
FROM unnest(%(versions)s::bigint[], %(lows)s::bigint[], %(highs)s::bigint[]) AS asked (version, low, high)
JOIN pair ON pair.low = asked.low AND pair.high = asked.high
ON CONFLICT DO NOTHING;

-- name: insert_outbox
-- Queues changes for the relay.
INSERT INTO outbox (profile_id, version, live, change, token_ids) VALUES (%(profile_id)s, %(version)s, %(live)s, %(change)s, %(token_ids)s);

-- name: as_of
-- The published date of the tiers, and when this transaction began.
SELECT as_of, now() FROM tiering;

-- name: birth_ids
-- Birth ids of records.
SELECT record_id, birth_id FROM record WHERE record_id = ANY(%(record_ids)s);

-- name: standing
-- Where a record stands: its profile, the profile's version, ambiguity and size, and whether a review of it is open. Null profile: not looked at since it came, or came back.
SELECT profile.profile_id, coalesce(profile.version, 0), coalesce(profile.ambiguous, false),
    (SELECT count(*) FROM membership AS member JOIN record USING (record_id) WHERE member.profile_id = profile.profile_id AND sightings > 0),
    EXISTS (
        SELECT FROM review
        WHERE closed_at IS NULL AND (review.low_profile = profile.profile_id OR review.high_profile = profile.profile_id)
    )
FROM membership LEFT JOIN profile ON profile.profile_id = membership.profile_id AND profile.live WHERE membership.record_id = %(record_id)s;

-- name: profiles_of_records
-- Profiles that hold these records.
SELECT record_id, profile_id FROM membership WHERE record_id = ANY(%(record_ids)s) AND profile_id IS NOT NULL;

-- name: same_profile
-- Those of the records that stand in the same profile as one record, itself included.
SELECT other.record_id FROM membership AS one JOIN membership AS other USING (profile_id)
WHERE one.record_id = %(record_id)s AND other.record_id = ANY(%(record_ids)s);

-- name: households_of
-- Households in which any of these profiles stands.
SELECT low_profile, high_profile, low_record, high_record, strength FROM household WHERE low_profile = ANY(%(profile_ids)s)
UNION
SELECT low_profile, high_profile, low_record, high_record, strength FROM household WHERE high_profile = ANY(%(profile_ids)s);

-- name: delete_households
-- Ends household relations.
DELETE FROM household USING unnest(%(low_profiles)s::uuid[], %(high_profiles)s::uuid[]) AS gone (low_profile, high_profile)
WHERE household.low_profile = gone.low_profile AND household.high_profile = gone.high_profile;

-- name: insert_households
-- Writes household relations, or makes them true again.
INSERT INTO household (low_profile, high_profile, low_record, high_record, strength)
SELECT * FROM unnest(
    %(low_profiles)s::uuid[], %(high_profiles)s::uuid[], %(low_records)s::bigint[], %(high_records)s::bigint[], %(strengths)s::integer[]
)
ON CONFLICT (low_profile, high_profile) DO UPDATE SET
    low_record = excluded.low_record, high_record = excluded.high_record, strength = excluded.strength;

-- name: pairs_with
-- Kept pairs of one record.
SELECT low, high, score, levels, weights FROM pair WHERE low = %(record_id)s
UNION ALL
SELECT low, high, score, levels, weights FROM pair WHERE high = %(record_id)s;
