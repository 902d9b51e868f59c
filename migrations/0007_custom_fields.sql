-- Fields of an organisation's own, by name, as a JSON object of texts. Nothing is indexed by them: a lead
-- without any costs no row more than before.
ALTER TABLE leads ADD COLUMN custom TEXT NOT NULL DEFAULT '{}' CHECK (json_type(custom) = 'object');

-- Names that leads have, or had, fields by: what the template editor offers, without a look at every lead.
CREATE TABLE custom_fields (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
