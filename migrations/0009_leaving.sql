-- What leaves, leaves.

-- FTS5 marks a word as deleted and keeps it in its segments until they are merged. With this it removes the
-- word itself (sqlite.org/fts5.html, "The 'secure-delete' Configuration Option"). The option is kept in the
-- index (leads_fts_config), so it is set once. What was deleted before goes with the index that 0010 makes anew.
INSERT INTO leads_fts (leads_fts, rank) VALUES ('secure-delete', 1);

-- Addresses that a lead had before it was edited. Rows that an import did not take are found by an address,
-- so erasing the lead must know the earlier ones. An import finds a lead by its address and never changes it.
CREATE TABLE former_emails (
  lead_id INTEGER NOT NULL,
  email   TEXT NOT NULL COLLATE NOCASE,
  PRIMARY KEY (lead_id, email)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER former_emails_keep AFTER UPDATE OF email ON leads WHEN old.email <> new.email BEGIN
  INSERT OR IGNORE INTO former_emails (lead_id, email) VALUES (old.id, old.email);
END;
CREATE TRIGGER former_emails_erase AFTER DELETE ON leads BEGIN
  DELETE FROM former_emails WHERE lead_id = old.id;
END;

-- How many leads each person was shown, by hour (epoch milliseconds of its beginning). An hour that is over
-- becomes one entry of the audit, which is append-only and so cannot hold a count that still rises.
CREATE TABLE lead_reads (
  actor         TEXT NOT NULL,
  hour_at       INTEGER NOT NULL,
  role          TEXT,
  country       TEXT,
  -- Of the last request.
  request_id    TEXT NOT NULL,
  request_count INTEGER NOT NULL,
  -- Leads shown, counted again each time.
  lead_count    INTEGER NOT NULL,
  last_at       INTEGER NOT NULL,
  PRIMARY KEY (actor, hour_at)
) STRICT, WITHOUT ROWID;

-- Since when a run no longer knows whom it mailed; null: it may, and an erasure asks it.
ALTER TABLE activations ADD COLUMN reduced_at INTEGER;
