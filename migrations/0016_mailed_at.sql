-- When an activation of ours last set the lead active to mail it, and the time before that one. The flip writes both
-- into the row that it writes anyway, and no index has them, so a lead costs no row more. `activated_at` does not say
-- it: it is empty again once a lead is new. A flip that is taken back before its mail left restores the time before.
-- Leads that were activated before this migration have no time here; while they are active, `activated_at` is it.
ALTER TABLE leads ADD COLUMN mailed_at INTEGER;
ALTER TABLE leads ADD COLUMN mailed_before INTEGER;
