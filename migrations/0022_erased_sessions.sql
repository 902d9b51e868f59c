-- Ids of sessions that were erased or removed: none of them starts again. The object has such a mark of its own, but it
-- deletes its storage and writes the mark in two steps, and can die between them.
CREATE TABLE erased_sessions (
  session_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
