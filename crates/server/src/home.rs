//! A data directory: who holds it, and what is in it.

use crate::Fault;
use crate::packets::Packets;
use crate::settings::{InForce, Refused};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use vigie_base::Time;
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
    /// Packets of the site's own traffic.
    pub(crate) packets: Packets,
    /// What the configuration says; replaced whole when it is read again.
    told: RwLock<Arc<Config>>,
    /// Replaced whole when a setting changes.
    in_force: RwLock<Arc<InForce>>,
    /// Held by who changes a setting.
    changing: Mutex<()>,
    /// Held by who makes room.
    pub(crate) evicting: Mutex<()>,
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

/// What to do about a directory that is not ours to write.
const WRITABLE: &str = "give a --data directory that can be written and has space";

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

    /// Makes the directory where there is none.
    pub(crate) fn make(dir: &Path) -> Result<(), Fault> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| Fault::at(dir, &e, WRITABLE))
    }

    /// Opens a directory, made where it is absent.
    pub(crate) fn open(dir: &Path, config: Config) -> Result<Home, Held> {
        Home::make(dir).map_err(Held::Fault)?;
        let path = dir.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|e| Held::Fault(Fault::at(&path, &e, WRITABLE)))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(Held::Elsewhere),
            Err(std::fs::TryLockError::Error(e)) => return Err(Held::Fault(Fault::at(&path, &e, WRITABLE))),
        }
        let schemas = vigie_pipeline::schemas();
        let (store, _) =
            Store::open(&dir.join("events"), schemas, vigie_store::Options::default()).map_err(|e| Held::Fault(Fault::of(e)))?;
        let catalog = Catalog::open(&dir.join(CATALOG)).map_err(|e| Held::Fault(Fault::of(e)))?;
        crate::keep::forget_cut(&store, &catalog).map_err(Held::Fault)?;
        // Uploads that no import of this process knows.
        let _ = std::fs::remove_dir_all(Home::incoming(dir));
        let (in_force, problems) = InForce::load(&config, &catalog).map_err(|e| Held::Fault(Fault::of(e)))?;
        problems.iter().for_each(|p| eprintln!("vigie: {p}"));
        let (in_force, changing, evicting) = (RwLock::new(Arc::new(in_force)), Mutex::default(), Mutex::default());
        let told = RwLock::new(Arc::new(config));
        let packets = Packets::open(Packets::folder(dir));
        let home = Home { dir: dir.to_owned(), store, catalog, packets, told, in_force, changing, evicting, _lock: lock };
        home.sweep_captures().map_err(Held::Fault)?;
        home.take_effect();
        Ok(home)
    }

    /// The settings as they hold now.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the configuration says; what settings say over it is in [`Home::config`].
    pub(crate) fn told(&self) -> Arc<Config> {
        self.told.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another configuration holds from now on. Gives what of the settings cannot be read under it, a line each.
    pub(crate) fn tell(&self, config: Config) -> Result<Vec<String>, vigie_catalog::Error> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, problems) = InForce::load(&config, &self.catalog)?;
        *self.told.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        self.take_effect();
        Ok(problems)
    }

    /// How captures are read under the settings that hold now.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::clone(&self.told());
        config.home_net.clone_from(&self.in_force().home_net);
        config
    }

    /// Whether a setting could be changed so.
    pub(crate) fn try_setting(&self, key: &str, value: &serde_json::Value) -> Result<(), Refused> {
        self.in_force().with(&self.told(), key, value).map(drop)
    }

    /// Changes a setting, effective at once.
    pub(crate) fn change_setting(&self, change: (&str, &serde_json::Value, Option<u64>), by: (&str, Time)) -> Result<(), Refused> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.in_force().change(&self.told(), &self.catalog, change, by)?;
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        self.take_effect();
        Ok(())
    }

    /// Tells the store what holds now.
    fn take_effect(&self) {
        self.store.set_groups(self.in_force().store_groups());
        self.weigh();
    }
}
