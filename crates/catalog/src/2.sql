-- Version 2: what is new on the network, saved views.

-- The network that an asset is in.
ALTER TABLE asset ADD COLUMN net TEXT NOT NULL DEFAULT '';
-- When a network was first seen: it is known a while after.
CREATE TABLE network (
  ds INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
  net TEXT NOT NULL,
  first INTEGER NOT NULL,
  PRIMARY KEY (ds, net)
) WITHOUT ROWID;
-- When a thing was first seen of an asset: itself, a service, a peer, a protocol.
CREATE TABLE novelty (
  id INTEGER PRIMARY KEY,
  ds INTEGER NOT NULL,
  asset INTEGER NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  first INTEGER NOT NULL,
  FOREIGN KEY (ds, asset) REFERENCES asset(ds, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX novelty_thing ON novelty(ds, asset, kind, key);
CREATE INDEX novelty_first ON novelty(first);
CREATE TABLE view (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  page TEXT NOT NULL,
  query TEXT NOT NULL,
  owner TEXT NOT NULL,
  shared INTEGER NOT NULL,
  created INTEGER NOT NULL
);
CREATE INDEX view_owner ON view(owner);
-- What was kept before is part of what was known first.
INSERT INTO novelty(ds, asset, kind, key, first) SELECT ds, id, 'device', '', first FROM asset;
INSERT INTO network(ds, net, first) SELECT ds, '', min(first) FROM asset GROUP BY ds;
