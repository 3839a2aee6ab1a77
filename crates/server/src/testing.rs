//! What tests share.

use std::path::PathBuf;

/// A folder of a test's own, gone with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// `name` is the test's, and no other's of this crate.
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("vigie-server-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
