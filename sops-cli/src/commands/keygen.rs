//! `sops keygen`.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use sops_core::{SecretText, keys::Identities};

use crate::{context::Context, error::Failure, ui};

/// Make an age key
///
/// Prints the identity, in the format of age-keygen, or writes it to a file that does not exist yet, for your user
/// alone. `sops init` makes one where sops looks for it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write the identity to this file; a file that exists is not overwritten
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Make a key that withstands quantum computers; its recipient has some 2,000 characters
    #[arg(long)]
    pq: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let identities = match args.pq {
        true => Identities::generate_post_quantum(),
        false => Identities::generate(),
    };
    let recipient = identities.recipients().join(",");
    let now = sops_core::rfc3339(SystemTime::now());
    let text = SecretText::new(format!(
        "# created: {now}\n# public key: {recipient}\n{}",
        identities.to_text().expose()
    ));
    let is_shown = match args.output.as_deref() {
        Some(path) if path != Path::new("-") => {
            write_new(path, text.expose().as_bytes())
                .map_err(|error| Failure::writing(path, &error))?;
            true
        }
        _ => {
            ui::write_stdout(text.expose().as_bytes())?;
            !io::stdout().is_terminal()
        }
    };
    if is_shown {
        context.ui.note(&format!("Public key: {recipient}"));
    }
    Ok(())
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
