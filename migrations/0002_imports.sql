-- Imports: files of leads, brought in by chunks, and who was in them.

CREATE TABLE imports (
  -- Short, because a million rows of import_leads hold it.
  number          INTEGER PRIMARY KEY,
  import_id       TEXT NOT NULL UNIQUE,
  owner           TEXT NOT NULL,
  file_name       TEXT NOT NULL,
  size_bytes      INTEGER,
  -- Hash of the file's beginning, by which the browser knows the file again.
  head_hash       TEXT,
  state           TEXT NOT NULL CHECK (state IN ('open', 'done', 'undoing', 'undone')),
  -- Header, mapping and defaults as JSON: how every chunk is read, fixed when the import is opened.
  spec            TEXT NOT NULL,
  next_seq        INTEGER NOT NULL DEFAULT 0,
  next_line       INTEGER NOT NULL DEFAULT 1,
  created_count   INTEGER NOT NULL DEFAULT 0,
  updated_count   INTEGER NOT NULL DEFAULT 0,
  unchanged_count INTEGER NOT NULL DEFAULT 0,
  duplicate_count INTEGER NOT NULL DEFAULT 0,
  rejected_count  INTEGER NOT NULL DEFAULT 0,
  unmailable_count INTEGER NOT NULL DEFAULT 0,
  removed_count   INTEGER NOT NULL DEFAULT 0,
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL,
  finished_at     INTEGER
) STRICT;

-- One row per chunk: what became of it, so that a repeat has the same answer. Its rows that were not
-- taken are in it as JSON: a row of this table is billed as one, however many it tells of.
CREATE TABLE import_chunks (
  import_number    INTEGER NOT NULL,
  seq              INTEGER NOT NULL,
  body_hash        TEXT NOT NULL,
  created_count    INTEGER NOT NULL DEFAULT 0,
  updated_count    INTEGER NOT NULL DEFAULT 0,
  unchanged_count  INTEGER NOT NULL DEFAULT 0,
  duplicate_count  INTEGER NOT NULL,
  rejected_count   INTEGER NOT NULL,
  unmailable_count INTEGER NOT NULL,
  issues           TEXT NOT NULL,
  PRIMARY KEY (import_number, seq)
) STRICT;

-- The leads of an import: all of its file that exist, whether it made them or found them. Pages by lead
-- id need no other index, and a lead's imports are one look-up per import.
CREATE TABLE import_leads (
  import_number INTEGER NOT NULL,
  lead_id       INTEGER NOT NULL,
  line          INTEGER NOT NULL,
  outcome       TEXT NOT NULL CHECK (outcome IN ('created', 'updated', 'unchanged')),
  -- A running session draws only leads that were in the import when it started.
  added_at      INTEGER NOT NULL,
  PRIMARY KEY (import_number, lead_id)
) STRICT, WITHOUT ROWID;

-- An erased lead is in no import any more, so that members can be counted without looking at the leads.
CREATE TRIGGER import_leads_erase AFTER DELETE ON leads BEGIN
  DELETE FROM import_leads WHERE lead_id = old.id AND import_number IN (SELECT number FROM imports);
END;

-- leads.import_id is from now on the import that created the lead, and never changes; who is in an
-- import is in import_leads. Leads that are there already are carried over.
INSERT INTO imports (import_id, owner, file_name, state, spec, created_count, created_at, updated_at, finished_at)
  SELECT import_id, '', import_id, 'done', '{"columns":[],"mapping":{},"consentSource":"","source":"","reading":null}',
    count(*), min(created_at), max(updated_at), max(updated_at)
  FROM leads WHERE import_id IS NOT NULL GROUP BY import_id;
INSERT INTO import_leads (import_number, lead_id, line, outcome, added_at)
  SELECT i.number, l.id, 1, 'created', l.updated_at FROM leads l JOIN imports i ON i.import_id = l.import_id;
DROP INDEX leads_import;

-- Every property that a list can be filtered by has an index, and a flip still touches one only: an
-- active lead has an activated_at and a new one has none, so one index serves both.
DROP INDEX leads_status;
CREATE INDEX leads_status ON leads (status, activated_at);
CREATE INDEX leads_stage ON leads (stage);
CREATE INDEX leads_consent_source ON leads (consent_source);
CREATE INDEX leads_created_at ON leads (created_at);

-- Views of the leads page that a person has kept.
CREATE TABLE views (
  view_id    INTEGER PRIMARY KEY,
  owner      TEXT NOT NULL,
  name       TEXT NOT NULL COLLATE NOCASE,
  -- The page's query string.
  query      TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (owner, name)
) STRICT;
