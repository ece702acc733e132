//! Puts the conference page into the binary: a table of the files that `make page` built.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Shown in place of the page when it was not built.
const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\"><meta charset=\"utf-8\"><title>Millrace</title>
<h1>Millrace runs, without its page</h1>
<p>This binary was built before the page was. Run <code>make page</code> and build again,
or <code>make run</code>, which does both. Everything but the page works.</p>
</html>
";

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let mut dist = Path::new(&root).join("../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    if !dist.join("index.html").is_file() {
        println!("cargo::warning=the page is not built: run `make page`");
        dist = out.join("page");
        fs::create_dir_all(&dist)?;
        fs::write(dist.join("index.html"), NOT_BUILT)?;
    }

    let mut files = Vec::new();
    collect(&dist, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for (index, file) in files.iter().enumerate() {
        let name = file.strip_prefix(&dist).map_err(io::Error::other)?.display();
        let content = fs::read(file)?;
        let hash = hash(&content);
        // A copy: the page may be built anew while this crate compiles.
        let copy = out.join(format!("asset-{index}"));
        fs::write(&copy, content)?;
        table +=
            &format!("    (\"/{name}\", \"\\\"{hash:016x}\\\"\", include_bytes!({copy:?})),\n");
    }
    table.push(']');

    fs::write(out.join("assets.rs"), table)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        println!("cargo::rerun-if-changed={}", path.display());
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }

    Ok(())
}

/// FNV-1a, 64 bits: tells one version of a file from another.
fn hash(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold)
}
