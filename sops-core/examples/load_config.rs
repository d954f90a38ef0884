//! A program that reads its configuration from an encrypted file.
//!
//! ```console
//! $ cargo run -p sops-core --example load_config -- config.enc.yaml
//! ```
//!
//! The identity is found where `sops` finds it: `SOPS_AGE_KEY`, `SOPS_AGE_KEY_FILE`, or the user's `sops/age/keys.txt`.

use std::{env, error::Error, fs, path::Path, process::ExitCode};

use serde::Deserialize;
use sops_core::{Format, Keyring};

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
    #[serde(default)]
    replicas: Vec<String>,
    credentials: Credentials,
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("usage: load_config FILE")?;
    let config = load(Path::new(&path))?;
    println!(
        "connecting to {}:{} as {}",
        config.host, config.port, config.credentials.user
    );
    println!(
        "{} replicas, a password of {} bytes",
        config.replicas.len(),
        config.credentials.password.len()
    );
    Ok(())
}

fn load(path: &Path) -> Result<Config, Box<dyn Error>> {
    let keyring = Keyring::from_env()?;
    let plain = sops_core::decrypt(&fs::read(path)?, Format::from_path(path), &keyring)?;
    Ok(plain.deserialize()?)
}
