//! Takes the built console into the binary. Where it is not built, a page that says how stands in its place.

use std::path::Path;
use std::{env, fs, io};

fn main() {
    let built = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../console/dist");
    let taken = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("console");
    println!("cargo:rerun-if-changed={}", built.display());
    let _ = fs::remove_dir_all(&taken);
    if built.join("index.html").is_file() {
        copy(&built, &taken).expect("the console is copied");
    } else {
        fs::create_dir_all(&taken).expect("the folder is made");
        let page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Vigie</title>\
            <p>This binary was built without the console. <code>./dev build</code> builds both. The API answers below /api/v1/.</p></html>\n";
        fs::write(taken.join("index.html"), page).expect("the page is written");
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
