-- Version 9: programs that cases are told to, and how far in the trail each was told.
CREATE TABLE output (
  name TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  delivered INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0,
  success INTEGER,
  error INTEGER,
  said TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
