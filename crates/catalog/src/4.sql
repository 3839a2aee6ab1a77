-- Version 4: captures that are kept, and where they can be read on from.

-- The sensor that a file's events are filed under.
ALTER TABLE source ADD COLUMN import TEXT NOT NULL DEFAULT '';
CREATE TABLE mark (
  sha256 TEXT NOT NULL REFERENCES source(sha256) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  time INTEGER NOT NULL,
  head INTEGER NOT NULL,
  PRIMARY KEY (sha256, at)
) WITHOUT ROWID;
