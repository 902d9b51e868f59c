-- A flip can arrive after its session has given the leads back, because a request to the database is carried out also
-- when the object that sent it has died. Each flip has a number. Here is the lowest number of a session that is still
-- carried out. No row: each is. Most sessions have none. The numbers follow the clock (epoch milliseconds).
CREATE TABLE flip_fences (
  session_id TEXT PRIMARY KEY,
  fence      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
