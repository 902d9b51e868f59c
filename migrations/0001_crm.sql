-- The CRM. Times are epoch milliseconds, states are text.

CREATE TABLE leads (
  -- AUTOINCREMENT: an erased lead's id is never given out again, so that an id planned by a running
  -- session cannot come to mean somebody else. Costs one row written per statement, not per row.
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  email          TEXT NOT NULL COLLATE NOCASE,
  -- 0: the address would be refused by any mail provider; such a lead is kept, never mailed.
  email_valid    INTEGER NOT NULL DEFAULT 1 CHECK (email_valid IN (0, 1)),
  -- Keyed hash of the lower-cased address: the join to suppressions, which hold no addresses.
  email_hash     TEXT NOT NULL,
  first_name     TEXT NOT NULL DEFAULT '' COLLATE NOCASE,
  last_name      TEXT NOT NULL DEFAULT '' COLLATE NOCASE,
  company        TEXT NOT NULL DEFAULT '' COLLATE NOCASE,
  phone          TEXT NOT NULL DEFAULT '',
  source         TEXT NOT NULL DEFAULT '',
  stage          TEXT NOT NULL DEFAULT '',
  notes          TEXT NOT NULL DEFAULT '',
  consent_source TEXT NOT NULL DEFAULT '',
  status         TEXT NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'active')),
  activated_at   INTEGER,
  -- The session that owns the activation; set by the flip together with status.
  activated_by   TEXT,
  import_id      TEXT,
  created_at     INTEGER NOT NULL,
  -- The last edit or import. A flip leaves it alone: it is no edit, and running sessions draw only
  -- leads that were not edited since they started.
  updated_at     INTEGER NOT NULL,
  CHECK ((status = 'new') = (activated_at IS NULL)),
  CHECK ((status = 'new') = (activated_by IS NULL))
) STRICT;

-- Every index ends in the rowid, which is the id: keyset pages by (column, id) need no more.
-- leads_status is the one index that a flip touches; one more on a column of the flip would break its
-- budget of 3 rows written per lead.
CREATE UNIQUE INDEX leads_email ON leads (email);
CREATE INDEX leads_status ON leads (status);
CREATE INDEX leads_last_name ON leads (last_name);
CREATE INDEX leads_company ON leads (company);
CREATE INDEX leads_source ON leads (source);
CREATE INDEX leads_import ON leads (import_id) WHERE import_id IS NOT NULL;

-- How many leads there are, in one row. Whoever adds, flips or erases leads counts them in the same
-- transaction: one row written per batch of leads, where triggers would write one per lead. Counting
-- afresh is quick (20 ms for a million) but reads, and bills, a million rows for each page shown.
CREATE TABLE lead_counts (
  id           INTEGER PRIMARY KEY CHECK (id = 1),
  new_count    INTEGER NOT NULL,
  active_count INTEGER NOT NULL
) STRICT;
INSERT INTO lead_counts (id, new_count, active_count) VALUES (1, 0, 0);

-- Words of a lead, for search by prefix. External content: the text itself stays in leads.
CREATE VIRTUAL TABLE leads_fts USING fts5 (
  first_name, last_name, company, email,
  content = 'leads', content_rowid = 'id', prefix = '2 3',
  tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER leads_fts_insert AFTER INSERT ON leads BEGIN
  INSERT INTO leads_fts (rowid, first_name, last_name, company, email)
  VALUES (new.id, new.first_name, new.last_name, new.company, new.email);
END;
CREATE TRIGGER leads_fts_delete AFTER DELETE ON leads BEGIN
  INSERT INTO leads_fts (leads_fts, rowid, first_name, last_name, company, email)
  VALUES ('delete', old.id, old.first_name, old.last_name, old.company, old.email);
END;
-- Only when a searched column changes: a flip writes none of them and must stay cheap.
CREATE TRIGGER leads_fts_update AFTER UPDATE OF first_name, last_name, company, email ON leads
WHEN (old.first_name COLLATE BINARY, old.last_name COLLATE BINARY, old.company COLLATE BINARY, old.email COLLATE BINARY)
  IS NOT (new.first_name, new.last_name, new.company, new.email)
BEGIN
  INSERT INTO leads_fts (leads_fts, rowid, first_name, last_name, company, email)
  VALUES ('delete', old.id, old.first_name, old.last_name, old.company, old.email);
  INSERT INTO leads_fts (rowid, first_name, last_name, company, email)
  VALUES (new.id, new.first_name, new.last_name, new.company, new.email);
END;

-- Who must not be mailed. No address is stored, only its keyed hash.
CREATE TABLE suppressions (
  email_hash TEXT PRIMARY KEY,
  reason     TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per session, for the list of runs. The session object is the truth; this is its last word.
CREATE TABLE activations (
  session_id TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  owner      TEXT NOT NULL,
  state      TEXT NOT NULL,
  rev        INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  -- Progress as JSON.
  progress   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX activations_created ON activations (created_at, session_id);
