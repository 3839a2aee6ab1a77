-- Version 7: first meetings stand in one compact value an asset (`met.rs`), that of a device in `asset`; what is known of an asset is
-- compressed with a dictionary, where it begins with the byte 1.

DROP INDEX novelty_thing;
DROP INDEX novelty_first;
ALTER TABLE novelty RENAME TO novelty_2;
-- When a service or a protocol was first seen of an asset; `kind` as `NewsKind` counts.
CREATE TABLE novelty (
  ds INTEGER NOT NULL,
  asset INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  key TEXT NOT NULL,
  first INTEGER NOT NULL,
  PRIMARY KEY (ds, asset, kind, key),
  FOREIGN KEY (ds, asset) REFERENCES asset(ds, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX novelty_first ON novelty(first);
INSERT INTO novelty SELECT ds, asset, CASE kind WHEN 'service' THEN 1 ELSE 3 END, key, first FROM novelty_2
  WHERE kind IN ('service', 'protocol') ORDER BY ds, asset, 3, key;
-- Whom an asset has met, when first; `last`: the latest of that.
CREATE TABLE met (
  ds INTEGER NOT NULL,
  asset INTEGER NOT NULL,
  last INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (ds, asset),
  FOREIGN KEY (ds, asset) REFERENCES asset(ds, id) ON DELETE CASCADE
) WITHOUT ROWID;
