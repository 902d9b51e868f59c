-- Changes of the CRM in the order in which they happened, whatever clock was there: a running session draws
-- the leads that were as they are when it started. One row counts them, and it is written by each of these
-- changes anyway, so that an import and a flip cost no row more than before.
ALTER TABLE lead_counts ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- The revision of a lead's last edit or import.
ALTER TABLE leads ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
-- The revision of its activation; says nothing of a lead that is new.
ALTER TABLE leads ADD COLUMN activated_revision INTEGER NOT NULL DEFAULT 0;
-- The revision at which the lead joined the import.
ALTER TABLE import_leads ADD COLUMN added_revision INTEGER NOT NULL DEFAULT 0;

-- Sessions that have not ended, as far as the list has heard: those that a sweep looks after.
CREATE INDEX activations_open ON activations (session_id) WHERE (progress ->> 'finishedAt') IS NULL;
