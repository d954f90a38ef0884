//! Links the support library of the compiler into the program, where it is to be had.
//!
//! Else the system looks for a shared one at every start, which takes a twentieth of the time that decrypting a small file
//! does. The C library itself stays shared, for the sake of looking up hosts and users as the system is set up to.

use std::{env, fs, path::PathBuf, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CC");
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let is_native = env::var("HOST") == env::var("TARGET");
    if target("OS") != "linux" || target("ENV") != "gnu" || !is_native {
        return;
    }
    let Some(folder) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        return;
    };
    let archives: Option<Vec<_>> = ["libgcc_eh.a", "libgcc.a"]
        .map(path_of)
        .into_iter()
        .collect();
    let Some(archives) = archives else {
        return;
    };
    // The linker takes a text for a library, and links what it names. Here it looks first.
    let text = format!("INPUT({})\n", archives.join(" "));
    if fs::write(folder.join("libgcc_s.so"), text).is_ok() {
        println!("cargo::rustc-link-search=native={}", folder.display());
    }
}

/// Where the compiler has an archive, if it has it.
fn path_of(archive: &str) -> Option<String> {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = Command::new(compiler);
    let output = command.arg(format!("-print-file-name={archive}")).output();
    let path = String::from_utf8(output.ok()?.stdout)
        .ok()?
        .trim()
        .to_owned();
    let is_path = path.starts_with('/') && !path.contains([' ', '"']);
    (is_path && fs::exists(&path).unwrap_or(false)).then_some(path)
}
