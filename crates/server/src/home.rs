//! A data directory: who holds it, and what is in it.

use crate::Fault;
use std::fs::File;
use std::path::{Path, PathBuf};
use vigie_catalog::Catalog;
use vigie_pipeline::Config;
use vigie_store::Store;

/// The catalog's file in a data directory.
const CATALOG: &str = "vigie.db";

/// A data directory that this process holds: nobody else opens it meanwhile.
pub struct Home {
    /// Where it is.
    pub(crate) dir: PathBuf,
    /// Events.
    pub(crate) store: Store,
    /// Assets, cases, people.
    pub(crate) catalog: Catalog,
    /// How captures are read.
    pub(crate) config: Config,
    /// Bytes that Vigie may write; 0 where there is no quota.
    pub(crate) quota: u64,
    /// Held for as long as the directory is.
    _lock: File,
}

/// Why a directory was not opened.
pub(crate) enum Held {
    /// Another process of Vigie has it.
    Elsewhere,
    /// Something else.
    Fault(Fault),
}

impl Home {
    /// The socket of the server that holds the directory.
    pub(crate) fn socket(dir: &Path) -> PathBuf {
        dir.join("vigie.sock")
    }

    /// Where uploads stand until they are read.
    pub(crate) fn incoming(dir: &Path) -> PathBuf {
        dir.join("incoming")
    }

    /// Whether there is a data directory.
    pub(crate) fn is_there(dir: &Path) -> bool {
        dir.join(CATALOG).exists()
    }

    /// Opens a directory, made where it is absent.
    pub(crate) fn open(dir: &Path, config: Config) -> Result<Home, Held> {
        use std::os::unix::fs::DirBuilderExt;
        let fault = |path: &Path, e: &dyn std::fmt::Display| {
            Held::Fault(Fault::at(path, e, "give a --data directory that can be written and has space"))
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| fault(dir, &e))?;
        let path = dir.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(|e| fault(&path, &e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(Held::Elsewhere),
            Err(std::fs::TryLockError::Error(e)) => return Err(fault(&path, &e)),
        }
        let schemas = vigie_pipeline::schemas();
        let options = vigie_store::Options::default();
        let quota = options.quota_bytes;
        let (store, _) = Store::open(&dir.join("events"), schemas, options).map_err(|e| Held::Fault(Fault::of(e)))?;
        let catalog = Catalog::open(&dir.join(CATALOG)).map_err(|e| Held::Fault(Fault::of(e)))?;
        crate::keep::forget_cut(&store, &catalog).map_err(Held::Fault)?;
        // Uploads that no import of this process knows.
        let _ = std::fs::remove_dir_all(Home::incoming(dir));
        let home = Home { dir: dir.to_owned(), store, catalog, config, quota, _lock: lock };
        home.sweep_captures().map_err(Held::Fault)?;
        Ok(home)
    }
}
