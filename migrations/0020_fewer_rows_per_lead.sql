-- An import writes half as many rows for each lead: what five indexes did, other parts do that are written for many
-- leads at once. 0021 drops the indexes. docs/decisions/0027 has the reasons and the figures.

-- ── source, stage, consent source ──────────────────────────────────────────────────────────────────
-- Each is one more word in the full-text index: a letter of private use for the field, and the value in hexadecimal,
-- so that the word is the value exactly and in the same order. src/crm/leads/labels.ts has the same letters.
DROP VIEW lead_texts;
CREATE VIEW lead_texts AS
SELECT id, first_name, last_name, company, email,
  CASE
    WHEN instr(first_name || last_name || company, '.') = 0
      AND substr(email, instr(email, '@') + 1) GLOB '?*.*'
      AND substr(email, instr(email, '@') + 1) NOT GLOB '*.*.*'
      AND instr(email, ' ') = 0
      AND length(email) <= 100
    THEN replace(replace(
      substr(email, instr(email, '@') + 1) || ' '
      || substr(email, instr(email, '@') + instr(substr(email, instr(email, '@') + 1), '.')),
      '.', char(0xe001)), '-', char(0xe002))
    ELSE (
      WITH RECURSIVE
        texts (text) AS (
          VALUES (first_name), (last_name), (company), (substr(email, instr(email, '@') + 1))
        ),
        -- Every text that has a dot, and what follows each of its dots, the dot too, as far as the next space. A
        -- search is at most 100 characters (limits.ts), so nobody can ask for a longer one.
        ends (text, found) AS (
          SELECT text, text FROM texts WHERE instr(text, '.') > 0
          UNION ALL
          SELECT
            substr(text, instr(substr(text, 2), '.') + 1),
            substr(
              text,
              instr(substr(text, 2), '.') + 1,
              min(102, instr(substr(text, instr(substr(text, 2), '.') + 1) || ' ', ' ') - 1)
            )
          FROM ends WHERE instr(substr(text, 2), '.') > 0
        )
      SELECT coalesce(replace(replace(group_concat(found, ' '), '.', char(0xe001)), '-', char(0xe002)), '')
      FROM ends
    )
  END
  || iif(
    instr(email, '@') > 0,
    ' ' || char(0xe003)
    || replace(replace(substr(email, instr(email, '@') + 1), '.', char(0xe001)), '-', char(0xe002)),
    ''
  )
  -- Other punctuation than these five ends a word; an address with any is found when its @ is typed.
  || iif(
    email GLOB '*.*@*' AND substr(email, 1, instr(email, '@')) NOT GLOB '*[!"#$%&()*,/:-?\^`{|}~ []*',
    ' ' || char(0xe000) || replace(replace(replace(replace(replace(
      substr(email, 1, instr(email, '@') - 1),
      '.', char(0xe001)), '-', char(0xe002)), '+', char(0xe004)), '_', char(0xe005)), '''', char(0xe006)),
    ''
  ) AS dotted,
  char(0xe008) || hex(source) || ' ' || char(0xe009) || hex(stage) || ' ' || char(0xe00a) || hex(consent_source)
  AS labels
FROM leads;


DROP TRIGGER leads_fts_insert;
DROP TRIGGER leads_fts_delete;
DROP TRIGGER leads_fts_update_out;
DROP TRIGGER leads_fts_update;
-- Options of the table ('secure-delete') are kept: where it was on, what is erased stays gone at once.
CREATE TABLE leads_fts_options AS SELECT k, v FROM leads_fts_config WHERE k <> 'version';
DROP TABLE leads_fts;
CREATE VIRTUAL TABLE leads_fts USING fts5 (
  first_name, last_name, company, email, dotted, labels,
  content = 'lead_texts', content_rowid = 'id', prefix = '1 2 3 4 5 6 7 8', detail = none, columnsize = 0,
  tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);
INSERT INTO leads_fts (leads_fts, rank) SELECT k, v FROM leads_fts_options;
DROP TABLE leads_fts_options;
-- Filled in pieces: D1 ends a statement after 30 s (developers.cloudflare.com/d1/platform/limits/).
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 0 AND id <= 50000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 50000 AND id <= 100000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 100000 AND id <= 150000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 150000 AND id <= 200000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 200000 AND id <= 250000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 250000 AND id <= 300000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 300000 AND id <= 350000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 350000 AND id <= 400000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 400000 AND id <= 450000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 450000 AND id <= 500000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 500000 AND id <= 550000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 550000 AND id <= 600000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 600000 AND id <= 650000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 650000 AND id <= 700000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 700000 AND id <= 750000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 750000 AND id <= 800000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 800000 AND id <= 850000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 850000 AND id <= 900000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 900000 AND id <= 950000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 950000 AND id <= 1000000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1000000 AND id <= 1050000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1050000 AND id <= 1100000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1100000 AND id <= 1150000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1150000 AND id <= 1200000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1200000 AND id <= 1250000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1250000 AND id <= 1300000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1300000 AND id <= 1350000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1350000 AND id <= 1400000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1400000 AND id <= 1450000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1450000 AND id <= 1500000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1500000 AND id <= 1550000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1550000 AND id <= 1600000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1600000 AND id <= 1650000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1650000 AND id <= 1700000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1700000 AND id <= 1750000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1750000 AND id <= 1800000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1800000 AND id <= 1850000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1850000 AND id <= 1900000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1900000 AND id <= 1950000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 1950000 AND id <= 2000000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id > 2000000;

CREATE TRIGGER leads_fts_insert AFTER INSERT ON leads BEGIN
  INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id = new.id;
END;
-- Before: the view has the old texts only as long as the row has.
CREATE TRIGGER leads_fts_delete BEFORE DELETE ON leads BEGIN
  INSERT INTO leads_fts (leads_fts, rowid, first_name, last_name, company, email, dotted, labels)
  SELECT 'delete', id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id = old.id;
END;
-- Only when a searched column changes: a flip writes none of them and must stay cheap.
CREATE TRIGGER leads_fts_update_out BEFORE UPDATE OF first_name, last_name, company, email ON leads
WHEN (old.first_name COLLATE BINARY, old.last_name COLLATE BINARY, old.company COLLATE BINARY, old.email COLLATE BINARY)
  IS NOT (new.first_name, new.last_name, new.company, new.email)
BEGIN
  INSERT INTO leads_fts (leads_fts, rowid, first_name, last_name, company, email, dotted, labels)
  SELECT 'delete', id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id = old.id;
END;
CREATE TRIGGER leads_fts_update AFTER UPDATE OF first_name, last_name, company, email ON leads
WHEN (old.first_name COLLATE BINARY, old.last_name COLLATE BINARY, old.company COLLATE BINARY, old.email COLLATE BINARY)
  IS NOT (new.first_name, new.last_name, new.company, new.email)
BEGIN
  INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id = new.id;
END;
-- A new stage changes one word. To take out all words of a lead takes twenty times as long.
CREATE TRIGGER leads_fts_labels AFTER UPDATE OF source, stage, consent_source ON leads
WHEN (old.source, old.stage, old.consent_source) IS NOT (new.source, new.stage, new.consent_source)
  AND (old.first_name COLLATE BINARY, old.last_name COLLATE BINARY, old.company COLLATE BINARY, old.email COLLATE BINARY)
  IS (new.first_name, new.last_name, new.company, new.email)
BEGIN
  INSERT INTO leads_fts (leads_fts, rowid, first_name, last_name, company, email, dotted, labels)
  VALUES ('delete', old.id, '', '', '', '', '',
    iif(old.source IS new.source, '', char(0xe008) || hex(old.source)) || ' ' ||
    iif(old.stage IS new.stage, '', char(0xe009) || hex(old.stage)) || ' ' ||
    iif(old.consent_source IS new.consent_source, '', char(0xe00a) || hex(old.consent_source)));
  INSERT INTO leads_fts (rowid, labels) VALUES (new.id,
    iif(old.source IS new.source, '', char(0xe008) || hex(new.source)) || ' ' ||
    iif(old.stage IS new.stage, '', char(0xe009) || hex(new.stage)) || ' ' ||
    iif(old.consent_source IS new.consent_source, '', char(0xe00a) || hex(new.consent_source)));
END;

-- The words of the index, of which the filter offers those that stand for values. It stores nothing. Its name begins as
-- that of the index, because backups treat both alike.
CREATE VIRTUAL TABLE leads_fts_words USING fts5vocab ('leads_fts', 'instance');

-- ── time of creation ───────────────────────────────────────────────────────────────────────────────
-- Ids rise with time, as far as clocks do. For every 4,096 ids the first and last time of creation, so that a time is
-- looked for in few of them. Erased leads change nothing here: a range may be wider than its leads.
CREATE TABLE lead_blocks (
  -- The id divided by 4,096.
  block            INTEGER PRIMARY KEY,
  first_created_at INTEGER NOT NULL,
  last_created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO lead_blocks (block, first_created_at, last_created_at)
  SELECT id >> 12, min(created_at), max(created_at) FROM leads GROUP BY 1;
-- A chunk of an import has one time, so it writes a row for every block and not for every lead.
CREATE TRIGGER lead_blocks_keep AFTER INSERT ON leads
WHEN NOT EXISTS (
  SELECT 1 FROM lead_blocks
  WHERE block = new.id >> 12 AND first_created_at <= new.created_at AND last_created_at >= new.created_at
) BEGIN
  INSERT INTO lead_blocks (block, first_created_at, last_created_at)
  VALUES (new.id >> 12, new.created_at, new.created_at)
  ON CONFLICT (block) DO UPDATE SET
    first_created_at = min(first_created_at, excluded.first_created_at),
    last_created_at = max(last_created_at, excluded.last_created_at);
END;

-- ── place in an import ─────────────────────────────────────────────────────────────────────────────
-- A row of import_leads is a span: the lead, and so many of the ids that follow it. A chunk is one transaction, so the
-- leads that it creates have ids in a row, and are one span. Leads that were there before are spans of one, and so is
-- what an earlier version writes. A lead that is erased stays inside its span: members are those that exist.
-- The bound is known to src/crm/leads/filter.ts, which looks so far back for a span.
ALTER TABLE import_leads ADD COLUMN more_count INTEGER NOT NULL DEFAULT 0 CHECK (more_count BETWEEN 0 AND 9999);
-- The line of the file of leads.import_id. Null: the lead's own span has it.
ALTER TABLE leads ADD COLUMN import_line INTEGER;
-- The highest id before the chunk: those above it are the leads that it created.
ALTER TABLE import_chunks ADD COLUMN after_lead_id INTEGER NOT NULL DEFAULT 0;
DROP TRIGGER import_leads_erase;
CREATE TRIGGER import_leads_erase AFTER DELETE ON leads BEGIN
  UPDATE imports SET member_count = member_count - 1
  WHERE old.id <= (
    SELECT m.lead_id + m.more_count FROM import_leads m
    WHERE m.import_number = imports.number AND m.lead_id <= old.id ORDER BY m.lead_id DESC LIMIT 1
  );
  DELETE FROM import_leads
  WHERE lead_id = old.id AND more_count = 0 AND import_number IN (SELECT number FROM imports);
END;

-- ── the lead behind a suppression ──────────────────────────────────────────────────────────────────
-- A suppression has the id of the lead with its hash, if there is one: there are far fewer suppressions than leads. It
-- counts only while that lead has that hash.
ALTER TABLE suppressions ADD COLUMN lead_id INTEGER;
UPDATE suppressions SET lead_id = (SELECT l.id FROM leads l WHERE l.email_hash = suppressions.email_hash LIMIT 1);
CREATE TRIGGER suppressions_new_lead AFTER INSERT ON leads
WHEN EXISTS (SELECT 1 FROM suppressions WHERE email_hash = new.email_hash) BEGIN
  UPDATE suppressions SET lead_id = new.id WHERE email_hash = new.email_hash;
END;
CREATE TRIGGER suppressions_other_address AFTER UPDATE OF email_hash ON leads
WHEN old.email_hash IS NOT new.email_hash BEGIN
  UPDATE suppressions SET lead_id = new.id WHERE email_hash = new.email_hash;
END;
-- Until 0021: an earlier version does not say which lead it suppresses.
CREATE TRIGGER suppressions_find_lead AFTER INSERT ON suppressions WHEN new.lead_id IS NULL BEGIN
  UPDATE suppressions SET lead_id = (SELECT l.id FROM leads l WHERE l.email_hash = new.email_hash LIMIT 1)
  WHERE email_hash = new.email_hash;
END;
