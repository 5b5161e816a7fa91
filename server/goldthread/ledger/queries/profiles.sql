-- name: lock_profiles
-- Locks profiles in id order and returns them as they are.
SELECT profile_id, version, live, ambiguous, name_record, address_record, birth_date_record, purchase_count, purchase_total_minor,
    last_purchase_at, last_purchase_store
FROM profile WHERE profile_id = ANY(%(profile_ids)s) ORDER BY profile_id FOR NO KEY UPDATE;

-- name: move_records
-- Hangs records on the profiles that hold them now, and counts the look as count_looks does.
UPDATE membership SET profile_id = new.profile_id, looks = looks + 1
FROM unnest(%(record_ids)s::bigint[], %(profile_ids)s::uuid[]) AS new (record_id, profile_id)
WHERE membership.record_id = new.record_id;

-- name: survey_profiles
-- What each profile is, as a function of its records: members, surviving records, totals. Names survive from the record with most name parts, then
-- the latest event, then the greatest address; the address likewise; the birth date from the latest that has one. A withdrawn record is a member until its
-- look has moved it home, as the journal has it, but nothing of it survives and its sums are nought; a profile with no other member is left out. By keys alone,
-- as overused_tokens is.
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
FROM unnest(%(profile_ids)s::uuid[]) AS asked (profile_id)
CROSS JOIN LATERAL (SELECT record_id FROM membership WHERE membership.profile_id = asked.profile_id OFFSET 0) AS member (held)
CROSS JOIN LATERAL (SELECT * FROM record WHERE record.record_id = member.held OFFSET 0) AS said
GROUP BY profile_id HAVING bool_or(sightings > 0) ORDER BY profile_id;

-- name: survey_profiles_by_policy
-- The same where another policy is in force. For name, address and birth date it gives the numbers of the rules in their order: 1 completeness,
-- 2 recency, 3 frequency, 4 trust; a place that it leaves out decides nothing. Ties go to the greatest address.
SELECT profile_id,
    array_agg(birth_id ORDER BY birth_id) AS members,
    (array_agg(record_id ORDER BY
        (ARRAY[name_parts, recency, sightings, trust])[(%(names)s::integer[])[1]] DESC NULLS LAST,
        (ARRAY[name_parts, recency, sightings, trust])[(%(names)s::integer[])[2]] DESC NULLS LAST,
        (ARRAY[name_parts, recency, sightings, trust])[(%(names)s::integer[])[3]] DESC NULLS LAST,
        (ARRAY[name_parts, recency, sightings, trust])[(%(names)s::integer[])[4]] DESC NULLS LAST, address DESC
    ) FILTER (WHERE name_parts > 0 AND sightings > 0))[1] AS name_record,
    (array_agg(record_id ORDER BY
        (ARRAY[address_parts, recency, sightings, trust])[(%(addresses)s::integer[])[1]] DESC NULLS LAST,
        (ARRAY[address_parts, recency, sightings, trust])[(%(addresses)s::integer[])[2]] DESC NULLS LAST,
        (ARRAY[address_parts, recency, sightings, trust])[(%(addresses)s::integer[])[3]] DESC NULLS LAST,
        (ARRAY[address_parts, recency, sightings, trust])[(%(addresses)s::integer[])[4]] DESC NULLS LAST, address DESC
    ) FILTER (WHERE num_nonnulls(street, city, postcode) > 0 AND sightings > 0))[1] AS address_record,
    (array_agg(record_id ORDER BY
        (ARRAY[0, recency, sightings, trust])[(%(birth_dates)s::integer[])[1]] DESC NULLS LAST,
        (ARRAY[0, recency, sightings, trust])[(%(birth_dates)s::integer[])[2]] DESC NULLS LAST,
        (ARRAY[0, recency, sightings, trust])[(%(birth_dates)s::integer[])[3]] DESC NULLS LAST,
        (ARRAY[0, recency, sightings, trust])[(%(birth_dates)s::integer[])[4]] DESC NULLS LAST, address DESC
    ) FILTER (WHERE birth_date IS NOT NULL AND sightings > 0))[1] AS birth_date_record,
    sum(purchase_count)::bigint AS purchase_count,
    sum(purchase_total_minor)::bigint AS purchase_total_minor,
    max(last_purchase_at) AS last_purchase_at,
    coalesce((array_agg(last_purchase_store ORDER BY last_purchase_at DESC NULLS LAST, last_purchase_store DESC))[1], '') AS last_purchase_store
FROM unnest(%(profile_ids)s::uuid[]) AS asked (profile_id)
CROSS JOIN LATERAL (SELECT record_id FROM membership WHERE membership.profile_id = asked.profile_id OFFSET 0) AS member (held)
CROSS JOIN LATERAL (SELECT * FROM record WHERE record.record_id = member.held OFFSET 0) AS said
CROSS JOIN LATERAL (
    SELECT num_nonnulls(given_name, family_name)::bigint AS name_parts, num_nonnulls(street, postcode)::bigint AS address_parts,
        (extract(epoch FROM last_seen) * 1000000)::bigint AS recency,
        -coalesce(array_position(%(trusted)s::text[], source), 2147483647)::bigint AS trust
) AS spoken
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
-- Writes journal entries; ids of records and profiles are flat, and each entry has those of its range. Their time is one, and that of the statement:
-- the profiles are locked by now, so that of two changes of one profile the later version has the later time.
INSERT INTO journal (
    version, profile_id, live, before_records, after_records, successors, before_survivors, after_survivors, cause, actor, source, event_id,
    operation_id, model_id, written_at
)
SELECT
    version, profile_id, live, (%(ids)s::uuid[])[before_from:after_from - 1], (%(ids)s::uuid[])[after_from:successors_from - 1],
    (%(ids)s::uuid[])[successors_from:ends], ARRAY[before_name, before_address, before_birth_date], ARRAY[after_name, after_address, after_birth_date],
    cause, actor, source, event_id, operation_id, %(model_id)s, (SELECT clock_timestamp())
FROM unnest(
    %(versions)s::bigint[], %(profile_ids)s::uuid[], %(lives)s::boolean[], %(before_from)s::integer[], %(after_from)s::integer[],
    %(successors_from)s::integer[], %(ends)s::integer[], %(before_names)s::bigint[], %(before_addresses)s::bigint[], %(before_birth_dates)s::bigint[],
    %(after_names)s::bigint[], %(after_addresses)s::bigint[], %(after_birth_dates)s::bigint[], %(causes)s::text[], %(actors)s::text[],
    %(sources)s::text[], %(event_ids)s::text[], %(operation_ids)s::uuid[]
) AS entry (
    version, profile_id, live, before_from, after_from, successors_from, ends, before_name, before_address, before_birth_date,
    after_name, after_address, after_birth_date, cause, actor, source, event_id, operation_id
);

-- name: insert_journal_links
-- Copies the pairs that brought records together into a journal entry.
INSERT INTO journal_link (entry_version, low, high, score, levels, weights)
SELECT asked.version, pair.low, pair.high, pair.score, pair.levels, pair.weights
FROM unnest(%(versions)s::bigint[], %(lows)s::bigint[], %(highs)s::bigint[]) AS asked (version, low, high)
JOIN pair ON pair.low = asked.low AND pair.high = asked.high
ON CONFLICT DO NOTHING;

-- name: insert_outbox
-- Queues changes for the relay; identifiers are flat, and each change has those of its range.
INSERT INTO outbox (profile_id, version, live, change, token_ids)
SELECT profile_id, version, live, change, (%(token_ids)s::bigint[])[first:last]
FROM unnest(%(profile_ids)s::uuid[], %(versions)s::bigint[], %(lives)s::boolean[], %(changes)s::bytea[], %(firsts)s::integer[], %(lasts)s::integer[])
    AS told (profile_id, version, live, change, first, last);

-- name: insert_changes
-- Queues changed profiles for the relay, each live one with the identifiers of its records; generic ones included, since their answers name nobody but must be right.
-- By keys alone, row by row, as overused_tokens is: without statistics, as in the first minute of a ledger, all of record_token would be read for each profile.
INSERT INTO outbox (profile_id, version, live, change, token_ids)
SELECT profile_id, version, live, change, ARRAY(
    SELECT DISTINCT carried.token_id
    FROM membership
    CROSS JOIN LATERAL (SELECT token_id FROM record_token WHERE record_token.record_id = membership.record_id OFFSET 0) AS carried
    WHERE membership.profile_id = told.profile_id AND told.live
)
FROM unnest(%(profile_ids)s::uuid[], %(versions)s::bigint[], %(lives)s::boolean[], %(changes)s::bytea[]) AS told (profile_id, version, live, change);

-- name: as_of
-- The published date of the tiers, and when this transaction began.
SELECT as_of, now() FROM tiering;

-- name: homes_around
-- Birth ids of records, and of those with which they have pairs, and the profiles that hold them; null before the first look.
SELECT record_id, birth_id, profile_id FROM record JOIN membership USING (record_id) WHERE record_id = ANY(ARRAY(
    SELECT unnest(%(record_ids)s::bigint[])
    UNION
    SELECT high FROM pair WHERE low = ANY(%(record_ids)s)
    UNION
    SELECT low FROM pair WHERE high = ANY(%(record_ids)s)
));

-- name: standings
-- Where records stand: the profile, its version, ambiguity and size, and how strong its strongest open review is. Null profile: not looked at since it came, or came back.
SELECT membership.record_id, profile.profile_id, coalesce(profile.version, 0), coalesce(profile.ambiguous, false),
    (SELECT count(*) FROM membership AS member JOIN record USING (record_id) WHERE member.profile_id = profile.profile_id AND sightings > 0),
    (
        SELECT max(strength) FROM review
        WHERE closed_at IS NULL AND (review.low_profile = profile.profile_id OR review.high_profile = profile.profile_id)
    )
FROM membership LEFT JOIN profile ON profile.profile_id = membership.profile_id AND profile.live
WHERE membership.record_id = ANY(%(record_ids)s);

-- name: profiles_of_records
-- Profiles that hold these records.
SELECT record_id, profile_id FROM membership WHERE record_id = ANY(%(record_ids)s) AND profile_id IS NOT NULL;

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
-- Kept pairs that touch these records, with what their comparisons weigh.
SELECT low, high, score, levels, weights FROM pair WHERE low = ANY(%(record_ids)s)
UNION ALL
SELECT low, high, score, levels, weights FROM pair WHERE high = ANY(%(record_ids)s) AND low <> ALL(%(record_ids)s);
