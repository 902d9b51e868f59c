-- Who did what. Append-only: the database refuses to change or remove an entry, whoever asks.
-- No address of a lead is ever in it, so that erasing a lead does not have to touch it.

CREATE TABLE audit (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  at         INTEGER NOT NULL,
  actor      TEXT NOT NULL,
  role       TEXT,
  action     TEXT NOT NULL,
  target     TEXT,
  country    TEXT,
  request_id TEXT NOT NULL,
  -- Particulars as JSON.
  detail     TEXT
) STRICT;
CREATE INDEX audit_actor ON audit (actor);
CREATE INDEX audit_action ON audit (action);
CREATE INDEX audit_target ON audit (target) WHERE target IS NOT NULL;

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit is append-only');
END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit is append-only');
END;
-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = new.id) BEGIN
  SELECT RAISE(ABORT, 'the audit is append-only');
END;

-- Runs of one person that have not ended are counted at each start.
CREATE INDEX activations_running ON activations (owner) WHERE state IN ('queued', 'running', 'paused');
