-- The activation that last made the lead new again, and when (epoch milliseconds). The statement that makes it new
-- writes both into the row that it writes anyway, and no index has them. A repeat of the statement finds by them which
-- leads it has changed before, and the history of the lead shows them.
ALTER TABLE leads ADD COLUMN taken_back_by TEXT;
ALTER TABLE leads ADD COLUMN taken_back_at INTEGER;
