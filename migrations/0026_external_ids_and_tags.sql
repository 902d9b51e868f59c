-- What other systems know a lead by, and its tags (docs/decisions/0039). Leads without them cost no row and no word more.

-- The system and the id that the lead has there; both or none.
ALTER TABLE leads ADD COLUMN external_source TEXT;
ALTER TABLE leads ADD COLUMN external_id TEXT CHECK ((external_id IS NULL) = (external_source IS NULL));
-- The labels of its tags, as they are in the search index: in their order, and a space between them. No JSON, because
-- the index reads them from the view below, and its own statements may not use table functions.
ALTER TABLE leads ADD COLUMN tags TEXT NOT NULL DEFAULT '';

-- The id first: a filter may ask for it without its system. Partial, so that an import writes nothing into it.
CREATE UNIQUE INDEX leads_external ON leads (external_id, external_source) WHERE external_id IS NOT NULL;

-- Tags and systems are labels, as source and stage are (0020): char(0xe00b) and char(0xe00c) and the value in hexadecimal.
-- src/crm/leads/labels.ts has the same letters. A lead that
-- has neither has the same text as before, so the index stays as it is.
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
  || iif(tags = '', '', ' ' || tags)
  || iif(external_source IS NULL, '', ' ' || char(0xe00c) || hex(external_source))
  AS labels
FROM leads;

-- All tags together: two of them have beginnings in common, which the index has once for a lead.
DROP TRIGGER leads_fts_labels;
CREATE TRIGGER leads_fts_labels AFTER UPDATE OF source, stage, consent_source, tags, external_source ON leads
WHEN (old.source, old.stage, old.consent_source, old.tags, old.external_source)
  IS NOT (new.source, new.stage, new.consent_source, new.tags, new.external_source)
  AND (old.first_name COLLATE BINARY, old.last_name COLLATE BINARY, old.company COLLATE BINARY, old.email COLLATE BINARY)
  IS (new.first_name, new.last_name, new.company, new.email)
BEGIN
  INSERT INTO leads_fts (leads_fts, rowid, first_name, last_name, company, email, dotted, labels)
  VALUES ('delete', old.id, '', '', '', '', '',
    iif(old.source IS new.source, '', char(0xe008) || hex(old.source)) || ' ' ||
    iif(old.stage IS new.stage, '', char(0xe009) || hex(old.stage)) || ' ' ||
    iif(old.consent_source IS new.consent_source, '', char(0xe00a) || hex(old.consent_source)) ||
    iif(old.tags IS new.tags, '', ' ' || old.tags) ||
    iif(old.external_source IS NULL OR old.external_source IS new.external_source, '',
      ' ' || char(0xe00c) || hex(old.external_source)));
  INSERT INTO leads_fts (rowid, labels) VALUES (new.id,
    iif(old.source IS new.source, '', char(0xe008) || hex(new.source)) || ' ' ||
    iif(old.stage IS new.stage, '', char(0xe009) || hex(new.stage)) || ' ' ||
    iif(old.consent_source IS new.consent_source, '', char(0xe00a) || hex(new.consent_source)) ||
    iif(old.tags IS new.tags, '', ' ' || new.tags) ||
    iif(new.external_source IS NULL OR old.external_source IS new.external_source, '',
      ' ' || char(0xe00c) || hex(new.external_source)));
  -- As in leads_fts_update below: also words that one statement takes out of several leads.
  INSERT INTO leads_fts (leads_fts) VALUES ('flush');
END;

-- Writes the words of an edited lead before those of the next one. Without it, where one statement edits several leads,
-- FTS5 (3.53.4, `detail = none` with `secure-delete`) loses words: what takes a word out of one lead and puts it back
-- ends the list of the leads that get the word in the same step, and those behind it are not found by it.
DROP TRIGGER leads_fts_update;
CREATE TRIGGER leads_fts_update AFTER UPDATE OF first_name, last_name, company, email ON leads
WHEN (old.first_name COLLATE BINARY, old.last_name COLLATE BINARY, old.company COLLATE BINARY, old.email COLLATE BINARY)
  IS NOT (new.first_name, new.last_name, new.company, new.email)
BEGIN
  INSERT INTO leads_fts (rowid, first_name, last_name, company, email, dotted, labels)
  SELECT id, first_name, last_name, company, email, dotted, labels FROM lead_texts WHERE id = new.id;
  INSERT INTO leads_fts (leads_fts) VALUES ('flush');
END;
