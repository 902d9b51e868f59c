-- contract after 0020: since then no version looks for leads by these indexes
-- Spans of an import, which a version before 0020 would take for single leads, are written from here on
-- (src/crm/imports/upsert-leads.ts).
DROP INDEX leads_source;
DROP INDEX leads_stage;
DROP INDEX leads_consent_source;
DROP INDEX leads_created_at;
-- Hashes are in no order, so each new one was on another page: half of what an import wrote.
DROP INDEX leads_email_hash;
DROP TRIGGER suppressions_find_lead;
