-- A catalog as version 1 wrote it: one case, one asset, one user, one setting.
-- Tables come in the order of their names, not of their references.
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
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
INSERT INTO "alert" VALUES(1,'00000900000003e8','c0000000000000001',0,'brute_force',1000000000000,1040000000000,40,1,NULL,'{"finding":{"count":40,"detector":"brute_force","entities":[{"ip":"10.0.0.9","role":"attacker"},{"ip":"10.0.0.2","role":"victim"}],"evidence":[7,8],"first":1000000000000,"key":9895604650984,"last":1040000000000,"opens_case":true,"params":[["attacker",{"ip":"10.0.0.9"}],["victim",{"ip":"10.0.0.2"}],["protocol",{"text":"FTP"}],["port",{"port":21}],["tries",{"count":40}],["duration",{"ns":60000000000}]],"phase":"open","proto":6,"reasons":[["brute_force.failures",30]],"template":"pair"},"id":"00000900000003e8"}');
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
INSERT INTO "asset" VALUES(1,5,'pc9',X'00000000000000000000FFFF0A000009','00:00:00:01:02:03','Xerox','server','Linux',3,1,900000000000,2000000000000,'pc9 10.0.0.9');
CREATE TABLE asset_address (
  ds INTEGER NOT NULL,
  asset INTEGER NOT NULL,
  ip BLOB NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  FOREIGN KEY (ds, asset) REFERENCES asset(ds, id) ON DELETE CASCADE
);
INSERT INTO "asset_address" VALUES(1,5,X'00000000000000000000FFFF0A000009',900000000000,2000000000000);
CREATE TABLE asset_alias (
  ds INTEGER NOT NULL,
  old INTEGER NOT NULL,
  asset INTEGER NOT NULL,
  PRIMARY KEY (ds, old),
  FOREIGN KEY (ds, asset) REFERENCES asset(ds, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE asset_data (
  ds INTEGER NOT NULL,
  id INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (ds, id),
  FOREIGN KEY (ds, id) REFERENCES asset(ds, id) ON DELETE CASCADE
);
INSERT INTO "asset_data" VALUES(1,5,0,'{"id":5,"mac":"00:00:00:01:02:03","vendor":"Xerox","local_mac":false,"addresses":[{"ip":"10.0.0.9","first":900000000000,"last":2000000000000}],"names":[{"name":"pc9","at":2000000000000,"rank":0}],"class":"server","os":"Linux","class_at":2000000000000,"os_at":2000000000000,"roles":["ssh"],"facts":[{"key":"hostname","value":"pc9","source":"dhcp","confidence":90,"hearsay":false,"first":900000000000,"last":2000000000000}],"services":[{"proto":"tcp","port":22,"app_proto":"ssh","app_at":2000000000000,"software":"OpenSSH","software_at":2000000000000,"clients":2,"runs":[{"first":900000000000,"last":2000000000000,"flows":10}]}],"uses":[{"proto":"udp","port":53,"app_proto":"dns","app_at":2000000000000,"software_at":2000000000000,"clients":0,"runs":[{"first":900000000000,"last":2000000000000,"flows":5}]}],"peers":3,"first":900000000000,"last":2000000000000}');
CREATE TABLE asset_role (
  ds INTEGER NOT NULL,
  asset INTEGER NOT NULL,
  role TEXT NOT NULL,
  PRIMARY KEY (ds, asset, role),
  FOREIGN KEY (ds, asset) REFERENCES asset(ds, id) ON DELETE CASCADE
) WITHOUT ROWID;
INSERT INTO "asset_role" VALUES(1,5,'ssh');
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE TABLE case_entity (
  ds INTEGER NOT NULL,
  case_id TEXT NOT NULL,
  ip BLOB,
  mac TEXT,
  FOREIGN KEY (ds, case_id) REFERENCES cases(ds, id) ON DELETE CASCADE
);
INSERT INTO "case_entity" VALUES(1,'c0000000000000001',X'00000000000000000000FFFF0A000009',NULL);
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
INSERT INTO "cases" VALUES(1,'c0000000000000001','intrusion',0,1000000000000,1040000000000,30,1,1,1,NULL,'jo',2,NULL,'brute force 10.0.0.9',1,2);
CREATE TABLE dataset (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  shift INTEGER NOT NULL,
  created INTEGER NOT NULL
);
INSERT INTO "dataset" VALUES(1,'demo','replay',0,1);
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
CREATE TABLE session (
  hash BLOB PRIMARY KEY,
  user TEXT NOT NULL REFERENCES user(name) ON DELETE CASCADE,
  created INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  idle INTEGER NOT NULL,
  peer TEXT NOT NULL
);
CREATE TABLE setting (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  version INTEGER NOT NULL,
  who TEXT NOT NULL,
  at INTEGER NOT NULL
);
INSERT INTO "setting" VALUES('home','["10.0.0.0/8"]',1,'jo',1);
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
INSERT INTO "trail" VALUES(1,1,'c0000000000000001',1,'vigie','opened','');
INSERT INTO "trail" VALUES(2,1,'c0000000000000001',2,'jo','state','acknowledged');
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
INSERT INTO "user" VALUES('jo','analyst','x',0,0,1,NULL,0,0,0);
CREATE INDEX source_ds ON source(ds);
CREATE INDEX cases_score ON cases(ds, score, id);
CREATE INDEX cases_last ON cases(ds, last, id);
CREATE INDEX cases_id ON cases(id);
CREATE INDEX alert_case ON alert(ds, case_id, place);
CREATE INDEX alert_last ON alert(last);
CREATE INDEX alert_excluded ON alert(excluded_by) WHERE excluded_by IS NOT NULL;
CREATE INDEX case_entity_case ON case_entity(ds, case_id);
CREATE INDEX case_entity_ip ON case_entity(ip);
CREATE INDEX case_entity_mac ON case_entity(mac);
CREATE INDEX trail_case ON trail(ds, case_id, id);
CREATE INDEX asset_last ON asset(ds, last, id);
CREATE INDEX asset_name ON asset(ds, name, id);
CREATE INDEX asset_ip ON asset(ds, ip, id);
CREATE INDEX asset_mac ON asset(mac);
CREATE INDEX asset_address_ip ON asset_address(ip, ds);
CREATE INDEX asset_address_asset ON asset_address(ds, asset);
CREATE INDEX asset_role_role ON asset_role(role);
CREATE INDEX asset_alias_asset ON asset_alias(ds, asset);
CREATE INDEX declared_mac ON declared(ds, mac);
CREATE INDEX declared_ip ON declared(ds, ip);
CREATE INDEX declared_name ON declared(ds, name COLLATE NOCASE);
CREATE INDEX session_user ON session(user);
CREATE INDEX token_user ON token(user);
CREATE INDEX audit_who ON audit(who, id);
CREATE INDEX audit_at ON audit(at);
COMMIT;
PRAGMA user_version = 1;
