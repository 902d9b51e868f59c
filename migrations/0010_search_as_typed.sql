-- A search is what was typed: terms with a dot are found as they stand.
--
-- The full-text index has words, and no positions (detail = none), so it cannot say that "com" follows
-- "example". It gets one more column instead, in which what holds a dot is one word: characters of private
-- use, which the tokenizer takes for letters, stand for the punctuation. src/crm/search-words.ts has the same
-- letters and says what each is for:
--   U+E000  before the part of an address that is before its @: an address is found from its beginning
--   U+E001  .
--   U+E002  -
--   U+E003  @, before the domain of an address
--   U+E004  +      U+E005  _      U+E006  '     only before the @
-- Of mail.example.com it has mail.example.com, .example.com and .com, so that a domain is found from any of
-- its labels, to its end, and by one look-up of one word.

-- The index reads this view and keeps no text of its own: what is added, taken out and rebuilt is the same.
CREATE VIEW lead_texts AS
SELECT id, first_name, last_name, company, email, (
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
  SELECT
    coalesce(replace(replace(group_concat(found, ' '), '.', char(0xe001)), '-', char(0xe002)), '')
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
    )
  FROM ends
) AS dotted
FROM leads;

DROP TRIGGER leads_fts_insert;
DROP TRIGGER leads_fts_delete;
DROP TRIGGER leads_fts_update;
-- Options of the table ('secure-delete') are kept: where it was on, what is erased stays gone at once.
CREATE TABLE leads_fts_options AS SELECT k, v FROM leads_fts_config WHERE k <> 'version';
DROP TABLE leads_fts;
CREATE VIRTUAL TABLE leads_fts USING fts5 (
  first_name, last_name, company, email, dotted,
  content = 'lead_texts', content_rowid = 'id', prefix = '1 2 3 4 5 6 7 8', detail = none, columnsize = 0,
  tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);
INSERT INTO leads_fts (leads_fts, rank) SELECT k, v FROM leads_fts_options;
DROP TABLE leads_fts_options;
-- Filled in pieces: D1 ends a statement after 30 s (developers.cloudflare.com/d1/platform/limits/).
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 0 AND id <= 50000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 50000 AND id <= 100000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 100000 AND id <= 150000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 150000 AND id <= 200000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 200000 AND id <= 250000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 250000 AND id <= 300000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 300000 AND id <= 350000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 350000 AND id <= 400000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 400000 AND id <= 450000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 450000 AND id <= 500000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 500000 AND id <= 550000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 550000 AND id <= 600000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 600000 AND id <= 650000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 650000 AND id <= 700000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 700000 AND id <= 750000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 750000 AND id <= 800000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 800000 AND id <= 850000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 850000 AND id <= 900000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 900000 AND id <= 950000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 950000 AND id <= 1000000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1000000 AND id <= 1050000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1050000 AND id <= 1100000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1100000 AND id <= 1150000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1150000 AND id <= 1200000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1200000 AND id <= 1250000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1250000 AND id <= 1300000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1300000 AND id <= 1350000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1350000 AND id <= 1400000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1400000 AND id <= 1450000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1450000 AND id <= 1500000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1500000 AND id <= 1550000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1550000 AND id <= 1600000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1600000 AND id <= 1650000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1650000 AND id <= 1700000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1700000 AND id <= 1750000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1750000 AND id <= 1800000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1800000 AND id <= 1850000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1850000 AND id <= 1900000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1900000 AND id <= 1950000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 1950000 AND id <= 2000000;
INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id > 2000000;

CREATE TRIGGER leads_fts_insert AFTER INSERT ON leads BEGIN
  INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id = new.id;
END;
-- Before: the view has the old texts only as long as the row has.
CREATE TRIGGER leads_fts_delete BEFORE DELETE ON leads BEGIN
  INSERT INTO leads_fts (leads_fts, rowid, first_name, last_name, company, email, dotted)
  SELECT 'delete', id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id = old.id;
END;
-- Only when a searched column changes: a flip writes none of them and must stay cheap.
CREATE TRIGGER leads_fts_update_out BEFORE UPDATE OF first_name, last_name, company, email ON leads
WHEN (old.first_name COLLATE BINARY, old.last_name COLLATE BINARY, old.company COLLATE BINARY, old.email COLLATE BINARY)
  IS NOT (new.first_name, new.last_name, new.company, new.email)
BEGIN
  INSERT INTO leads_fts (leads_fts, rowid, first_name, last_name, company, email, dotted)
  SELECT 'delete', id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id = old.id;
END;
CREATE TRIGGER leads_fts_update AFTER UPDATE OF first_name, last_name, company, email ON leads
WHEN (old.first_name COLLATE BINARY, old.last_name COLLATE BINARY, old.company COLLATE BINARY, old.email COLLATE BINARY)
  IS NOT (new.first_name, new.last_name, new.company, new.email)
BEGIN
  INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted)
  SELECT id, first_name, last_name, company, email, dotted FROM lead_texts WHERE id = new.id;
END;
