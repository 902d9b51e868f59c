-- Templates that people wrote; the built-in ones are part of the program. A version is never changed:
-- a running session has its own copy, and what was sent can still be looked up.
CREATE TABLE templates (
  id         TEXT PRIMARY KEY,
  -- The present version.
  version    INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE template_versions (
  template_id TEXT NOT NULL REFERENCES templates (id) ON DELETE CASCADE,
  version     INTEGER NOT NULL,
  name        TEXT NOT NULL,
  description TEXT NOT NULL,
  subject     TEXT NOT NULL,
  html        TEXT NOT NULL,
  -- Empty: made from the HTML.
  text        TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  created_by  TEXT NOT NULL,
  PRIMARY KEY (template_id, version)
) STRICT, WITHOUT ROWID;
