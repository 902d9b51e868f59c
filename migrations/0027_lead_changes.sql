-- Which leads each change of the CRM touched, one row for a change and none for a lead, so that another system can read
-- what has changed since it last asked (docs/decisions/0039). The nightly cleanup drops old ones, never the last.
CREATE TABLE lead_changes (
  -- The value of lead_counts.revision after the change.
  revision INTEGER PRIMARY KEY,
  -- Epoch milliseconds; never below that of the change before, whatever clock was there.
  at       INTEGER NOT NULL,
  -- Ids of leads and spans of them (`7,101-2100`). May have leads that stayed as they were; has none that no lead has had.
  lead_ids TEXT NOT NULL
) STRICT;
INSERT INTO lead_changes (revision, at, lead_ids)
  SELECT revision, CAST(unixepoch('subsec') * 1000 AS INTEGER), '' FROM lead_counts;

-- Answers to requests with an Idempotency-Key, for a day.
CREATE TABLE idempotency_keys (
  id          INTEGER PRIMARY KEY,
  actor       TEXT NOT NULL,
  -- Keyed hash of the key and of the body: neither is kept.
  key_hash    TEXT NOT NULL,
  body_hash   TEXT NOT NULL,
  at          INTEGER NOT NULL,
  -- What became of each item, as src/crm/leads/idempotency.ts writes it, and the ids of the leads that were created.
  results     TEXT NOT NULL,
  created_ids TEXT NOT NULL,
  UNIQUE (actor, key_hash)
) STRICT;
