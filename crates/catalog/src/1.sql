-- Version 1: datasets, cases, assets, exclusions, people, audit, settings.
-- Times are nanoseconds since 1970 (UTC) as signed integers; addresses are 16 bytes, IPv4 in its mapped form.

CREATE TABLE dataset (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  shift INTEGER NOT NULL,
  created INTEGER NOT NULL
);
CREATE TABLE source (
  sha256 TEXT PRIMARY KEY,
  ds INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  frames INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  kept_as TEXT,
  added INTEGER NOT NULL
);
CREATE INDEX source_ds ON source(ds);

-- A case's own rows; its alerts stand in `alert`.
CREATE TABLE cases (
  ds INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
  id TEXT NOT NULL,
  story TEXT NOT NULL,
  more INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  score INTEGER NOT NULL,
  severity INTEGER NOT NULL,
  alerts INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,
  verdict TEXT,
  owner TEXT NOT NULL DEFAULT '',
  version INTEGER NOT NULL DEFAULT 1,
  excluded_by INTEGER,
  search TEXT NOT NULL,
  opened INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  PRIMARY KEY (ds, id)
);
CREATE INDEX cases_score ON cases(ds, score, id);
CREATE INDEX cases_last ON cases(ds, last, id);
CREATE INDEX cases_id ON cases(id);
CREATE TABLE alert (
  ds INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
  id TEXT NOT NULL,
  case_id TEXT,
  place INTEGER NOT NULL,
  detector TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  count INTEGER NOT NULL,
  opens_case INTEGER NOT NULL,
  excluded_by INTEGER,
  data TEXT NOT NULL,
  PRIMARY KEY (ds, id)
);
CREATE INDEX alert_case ON alert(ds, case_id, place);
CREATE INDEX alert_last ON alert(last);
CREATE INDEX alert_excluded ON alert(excluded_by) WHERE excluded_by IS NOT NULL;
CREATE TABLE case_entity (
  ds INTEGER NOT NULL,
  case_id TEXT NOT NULL,
  ip BLOB,
  mac TEXT,
  FOREIGN KEY (ds, case_id) REFERENCES cases(ds, id) ON DELETE CASCADE
);
CREATE INDEX case_entity_case ON case_entity(ds, case_id);
CREATE INDEX case_entity_ip ON case_entity(ip);
CREATE INDEX case_entity_mac ON case_entity(mac);
CREATE TABLE trail (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ds INTEGER NOT NULL,
  case_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  FOREIGN KEY (ds, case_id) REFERENCES cases(ds, id) ON DELETE CASCADE
);
CREATE INDEX trail_case ON trail(ds, case_id, id);

-- What lists and facets need; the whole of it stands in `asset_data`, so that a scan of this table is short.
CREATE TABLE asset (
  ds INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  ip BLOB NOT NULL,
  mac TEXT NOT NULL,
  vendor TEXT NOT NULL,
  class TEXT NOT NULL,
  os TEXT NOT NULL,
  peers INTEGER NOT NULL,
  services INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  search TEXT NOT NULL,
  PRIMARY KEY (ds, id)
);
-- What else it is sorted by is sorted when asked for: each index costs at every change.
CREATE INDEX asset_last ON asset(ds, last, id);
CREATE INDEX asset_name ON asset(ds, name, id);
CREATE INDEX asset_ip ON asset(ds, ip, id);
CREATE INDEX asset_mac ON asset(mac);
CREATE TABLE asset_data (
  ds INTEGER NOT NULL,
  id INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (ds, id),
  FOREIGN KEY (ds, id) REFERENCES asset(ds, id) ON DELETE CASCADE
);
CREATE TABLE asset_address (
  ds INTEGER NOT NULL,
  asset INTEGER NOT NULL,
  ip BLOB NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  FOREIGN KEY (ds, asset) REFERENCES asset(ds, id) ON DELETE CASCADE
);
CREATE INDEX asset_address_ip ON asset_address(ip, ds);
CREATE INDEX asset_address_asset ON asset_address(ds, asset);
CREATE TABLE asset_role (
  ds INTEGER NOT NULL,
  asset INTEGER NOT NULL,
  role TEXT NOT NULL,
  PRIMARY KEY (ds, asset, role),
  FOREIGN KEY (ds, asset) REFERENCES asset(ds, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX asset_role_role ON asset_role(role);
-- Ids under which an asset was known before it was absorbed.
CREATE TABLE asset_alias (
  ds INTEGER NOT NULL,
  old INTEGER NOT NULL,
  asset INTEGER NOT NULL,
  PRIMARY KEY (ds, old),
  FOREIGN KEY (ds, asset) REFERENCES asset(ds, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX asset_alias_asset ON asset_alias(ds, asset);
CREATE TABLE declared (
  id INTEGER PRIMARY KEY,
  ds INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  ip BLOB,
  mac TEXT,
  class TEXT NOT NULL,
  owner TEXT NOT NULL,
  place TEXT NOT NULL,
  criticality TEXT NOT NULL,
  who TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE INDEX declared_mac ON declared(ds, mac);
CREATE INDEX declared_ip ON declared(ds, ip);
CREATE INDEX declared_name ON declared(ds, name COLLATE NOCASE);

CREATE TABLE exclusion (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope TEXT NOT NULL,
  owner TEXT NOT NULL,
  reason TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER,
  removed INTEGER,
  -- What it had hidden when it was removed.
  hits INTEGER NOT NULL DEFAULT 0,
  last_hit INTEGER
);

CREATE TABLE user (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  hash TEXT NOT NULL,
  must_change INTEGER NOT NULL,
  disabled INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL,
  last_login INTEGER,
  failures INTEGER NOT NULL DEFAULT 0,
  locks INTEGER NOT NULL DEFAULT 0,
  locked_until INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE session (
  hash BLOB PRIMARY KEY,
  user TEXT NOT NULL REFERENCES user(name) ON DELETE CASCADE,
  created INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  idle INTEGER NOT NULL,
  peer TEXT NOT NULL
);
CREATE INDEX session_user ON session(user);
CREATE TABLE token (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  hash BLOB NOT NULL UNIQUE,
  user TEXT NOT NULL REFERENCES user(name) ON DELETE CASCADE,
  name TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  revoked INTEGER,
  used INTEGER
);
CREATE INDEX token_user ON token(user);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX audit_who ON audit(who, id);
CREATE INDEX audit_at ON audit(at);

CREATE TABLE setting (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  version INTEGER NOT NULL,
  who TEXT NOT NULL,
  at INTEGER NOT NULL
);
