-- What the sweep of each minute has found last, as JSON. One row.
CREATE TABLE sweep_report (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  at     INTEGER NOT NULL,
  report TEXT NOT NULL
) STRICT;

-- When alerts fired and ended. The last row of an alert is its present state.
CREATE TABLE alert_events (
  -- Epoch ms, or one more than the last: after a restore it still rises, and receivers take it for new.
  seq      INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  alert_id TEXT NOT NULL,
  state    TEXT NOT NULL CHECK (state IN ('firing', 'ended')),
  -- The metric's value at that moment.
  value    REAL
) STRICT;
CREATE INDEX alert_events_alert ON alert_events (alert_id, seq);
