-- The activation that last made the lead new again, and when (epoch milliseconds). The statement that makes it new
-- writes both into the row that it writes anyway, and no index has them. A repeat of the statement finds by them which
-- leads it has changed before, and the history of the lead shows them. The revision is that of the change: an activation
-- that was started before it takes the lead for active, as it was shown then.
ALTER TABLE leads ADD COLUMN taken_back_by TEXT;
ALTER TABLE leads ADD COLUMN taken_back_at INTEGER;
ALTER TABLE leads ADD COLUMN taken_back_revision INTEGER;
