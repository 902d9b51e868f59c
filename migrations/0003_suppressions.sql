-- A suppression as a person sees it. `label` is there only where a person typed the address: what comes
-- from a webhook or an unsubscribe link is a hash and nothing else.
ALTER TABLE suppressions ADD COLUMN label TEXT;
-- Who added it, where a person did.
ALTER TABLE suppressions ADD COLUMN added_by TEXT;
-- Why, in the words of that person.
ALTER TABLE suppressions ADD COLUMN note TEXT NOT NULL DEFAULT '';
-- The session whose mail led to it.
ALTER TABLE suppressions ADD COLUMN session_id TEXT;
CREATE INDEX suppressions_created ON suppressions (created_at, email_hash);

-- Suppressions that a person took away, and why: mailing somebody again must be answered for.
CREATE TABLE suppression_removals (
  id         INTEGER PRIMARY KEY,
  email_hash TEXT NOT NULL,
  reason     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  removed_at INTEGER NOT NULL,
  removed_by TEXT NOT NULL,
  note       TEXT NOT NULL
) STRICT;
