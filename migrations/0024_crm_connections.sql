-- What is known of a connected CRM beside its settings: one row for each account, which is a CRM and its host.
CREATE TABLE crm_connections (
  account   TEXT PRIMARY KEY,
  -- Fields of the CRM and the lead fields that a pull fills from them, as JSON. Null: those of CRM_FIELDS.
  fields    TEXT,
  -- The last pull of a list, as JSON.
  last_pull TEXT,
  -- The calls that the CRM has counted in a day, and how many it takes, as its last answer had it, as JSON.
  allowance TEXT
) STRICT;
