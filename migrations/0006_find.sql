-- Search and counts that stay quick at a million leads.

-- Every beginning of a word up to eight letters is in the index, so that none has to be put together from
-- all the words that begin so, which took longest where nearly every lead had one. Where in a text a word
-- stands, and how long the texts are, nobody asks: without these the index is half as large, and a new
-- lead costs one row less. An index without positions refuses phrases, so what makes a word is said
-- here in full and kept in step with src/crm/lead-filter.ts.
DROP TRIGGER leads_fts_insert;
DROP TRIGGER leads_fts_delete;
DROP TRIGGER leads_fts_update;
DROP TABLE leads_fts;
CREATE VIRTUAL TABLE leads_fts USING fts5 (
  first_name, last_name, company, email,
  content = 'leads', content_rowid = 'id', prefix = '1 2 3 4 5 6 7 8', detail = none, columnsize = 0,
  tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);
INSERT INTO leads_fts (leads_fts) VALUES ('rebuild');
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

-- How many leads an import has. Chunks count it in their transaction, erased leads by the trigger.
ALTER TABLE imports ADD COLUMN member_count INTEGER NOT NULL DEFAULT 0;
UPDATE imports SET member_count =
  (SELECT count(*) FROM import_leads WHERE import_number = imports.number);
DROP TRIGGER import_leads_erase;
CREATE TRIGGER import_leads_erase AFTER DELETE ON leads BEGIN
  UPDATE imports SET member_count = member_count - 1
  WHERE EXISTS (SELECT 1 FROM import_leads WHERE import_number = imports.number AND lead_id = old.id);
  DELETE FROM import_leads WHERE lead_id = old.id AND import_number IN (SELECT number FROM imports);
END;

-- When the cells of its rows that were not taken were let go; their lines and reasons stay.
ALTER TABLE imports ADD COLUMN cells_dropped_at INTEGER;
