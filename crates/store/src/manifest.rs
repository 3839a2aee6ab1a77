//! The manifest: which files are live, replaced whole and atomically.

use crate::{Error, io};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use vigie_base::Time;
use vigie_link::Header;

/// The version that is written; this and all before are read.
/// 2: what follows from other columns is left out of files.
pub(crate) const VERSION: u64 = 2;
const NAME: &str = "manifest.json";

/// Whose rows: files never mix origins, so that theirs need no column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) tenant: String,
    pub(crate) site: String,
    pub(crate) sensor: String,
    pub(crate) dataset: String,
}

impl Origin {
    pub(crate) fn of(h: &Header) -> Self {
        Origin { tenant: h.tenant.clone(), site: h.site.clone(), sensor: h.sensor.clone(), dataset: h.dataset.clone() }
    }
}

/// One Parquet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileMeta {
    /// Number, never used twice: the file's name.
    pub(crate) id: u64,
    /// Number of the origin's folder.
    pub(crate) folder: u64,
    pub(crate) origin: Origin,
    pub(crate) kind: String,
    pub(crate) rows: u64,
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) bytes: u64,
}

impl FileMeta {
    /// Below the store's folder.
    pub(crate) fn path(&self) -> String {
        format!("data/{}/{}/{}.parquet", self.folder, self.kind, self.id)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Manifest {
    /// The first journal segment whose batches are not in the files.
    pub(crate) journal: u64,
    /// The next file's and folder's number.
    pub(crate) next: u64,
    /// By origin: its folder (in the order of import), and the highest batch number in the files.
    pub(crate) origins: BTreeMap<Origin, (u64, u64)>,
    pub(crate) files: Vec<FileMeta>,
}

impl Manifest {
    /// The manifest of `dir`; an empty one where there is none.
    pub(crate) fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(NAME);
        let text = match std::fs::read(&path) {
            Ok(t) => t,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Manifest { next: 1, journal: 1, ..Manifest::default() }),
            Err(e) => return Err(Error::Io(path, e)),
        };
        let bad = |what: &str| Error::Manifest(path.clone(), what.to_owned());
        let v: Value = serde_json::from_slice(&text).map_err(|e| bad(&e.to_string()))?;
        match v["version"].as_u64() {
            Some(1..=VERSION) => {}
            Some(n) if n > VERSION => return Err(Error::Newer(path, n)),
            _ => return Err(bad("no version")),
        }
        let number = |v: &Value, key: &str| v[key].as_u64().ok_or_else(|| bad(key));
        let text = |v: &Value, key: &str| v[key].as_str().map(str::to_owned).ok_or_else(|| bad(key));
        let list = |key: &str| v[key].as_array().ok_or_else(|| bad(key));
        let mut m = Manifest { journal: number(&v, "journal")?, next: number(&v, "next")?, ..Manifest::default() };
        let mut folders = BTreeMap::new();
        for o in list("origins")? {
            let origin =
                Origin { tenant: text(o, "tenant")?, site: text(o, "site")?, sensor: text(o, "sensor")?, dataset: text(o, "dataset")? };
            let folder = number(o, "folder")?;
            folders.insert(folder, origin.clone());
            m.origins.insert(origin, (folder, number(o, "number")?));
        }
        for f in list("files")? {
            let folder = number(f, "folder")?;
            let kind = text(f, "kind")?;
            // The kind is a part of a path.
            if !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(bad("a kind that is no name"));
            }
            m.files.push(FileMeta {
                id: number(f, "id")?,
                folder,
                origin: folders.get(&folder).cloned().ok_or_else(|| bad("a file of no origin"))?,
                kind,
                rows: number(f, "rows")?,
                first: Time(number(f, "first")?),
                last: Time(number(f, "last")?),
                bytes: number(f, "bytes")?,
            });
        }
        Ok(m)
    }

    /// Replaces the manifest of `dir`: on the disk when this returns.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), Error> {
        let origins: Vec<Value> = self
            .origins
            .iter()
            .map(|(o, (folder, number))| {
                json!({"folder": folder, "tenant": o.tenant, "site": o.site, "sensor": o.sensor, "dataset": o.dataset, "number": number})
            })
            .collect();
        let files: Vec<Value> = self
            .files
            .iter()
            .map(|f| {
                json!({"id": f.id, "folder": f.folder, "kind": f.kind, "rows": f.rows, "first": f.first.0, "last": f.last.0, "bytes": f.bytes})
            })
            .collect();
        let v = json!({"version": VERSION, "journal": self.journal, "next": self.next, "origins": origins, "files": files});
        replace(dir, NAME, v.to_string().as_bytes())
    }
}

/// Writes `dir/name` anew: the old or the new content stands there, never a part.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let tmp = dir.join(format!("{name}.tmp"));
    let path = dir.join(name);
    let write = || -> std::io::Result<()> {
        let mut f = File::create(&tmp)?;
        f.write_all(bytes)?;
        f.sync_all()?;
        std::fs::rename(&tmp, &path)
    };
    write().map_err(io(&path))?;
    sync_dir(dir)
}

/// Makes names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(io(dir))
}
