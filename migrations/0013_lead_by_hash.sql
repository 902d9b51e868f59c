-- Suppressions know a person by the keyed hash of the address alone. The list of suppressions names the lead
-- behind it, where there is one. A flip does not touch this index; an import writes one more row per new lead.
CREATE INDEX leads_email_hash ON leads (email_hash);
