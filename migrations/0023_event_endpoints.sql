-- Where events go. What it is sent with (its secrets) and how far it has come is in its object.
CREATE TABLE event_endpoints (
  endpoint_id     TEXT PRIMARY KEY,
  kind            TEXT NOT NULL,
  -- An https address, or the mailbox of an endpoint that is a person.
  target          TEXT NOT NULL,
  description     TEXT NOT NULL,
  -- JSON: the names of the event types that it gets.
  types           TEXT NOT NULL,
  created_at      INTEGER NOT NULL,
  -- Who made it; told when it is switched off.
  created_by      TEXT NOT NULL,
  -- Null: it gets events.
  disabled_at     INTEGER,
  -- Why: by a person, because it is gone, or after days of failure.
  disabled_reason TEXT
) STRICT;

-- Unsubscribes that their sessions have not noted yet. Written with the suppression, while there is an endpoint.
CREATE TABLE unsubscribe_events (
  session_id TEXT NOT NULL,
  lead_id    INTEGER NOT NULL,
  PRIMARY KEY (session_id, lead_id)
) STRICT, WITHOUT ROWID;
