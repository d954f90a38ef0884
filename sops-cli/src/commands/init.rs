//! `sops init`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use sops_core::{
    SecretText,
    config::Config,
    keys::{self, Identities, KeyError},
};

use crate::{
    context::Context,
    error::{Code, Doing, Failure},
    files,
    json::Object,
    ui,
};

/// Set up a folder: an age key where there is none, and a `.sops.yaml`
///
/// Nothing that exists is changed. The key is made where sops looks for it, for your user alone; the creation rule in
/// `.sops.yaml` names its recipient.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print what there is and what was made as a line of JSON
    #[arg(long)]
    json: bool,
}

const CONFIG: &str = ".sops.yaml";

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let config = Path::new(CONFIG);
    let has_config = config.symlink_metadata().is_ok();
    let above = Config::discover(Path::new("."))
        .path
        .filter(|_| !has_config);
    let mut report = String::new();

    let mut new_key = None;
    let recipients = match keys::own_recipients_from_env() {
        Ok(found) if !found.is_empty() => {
            report += "Found your age key.\n";
            found
        }
        searched => {
            let path = path_for_key(searched.err().as_ref())?;
            let recipient = make_key(&path)?;
            report += &format!(
                "Made an age key in {}. Keep a copy of it in a safe place: without it nothing can be decrypted.\n",
                path.display()
            );
            new_key = Some(path.display().to_string());
            vec![recipient]
        }
    };
    for recipient in &recipients {
        report += &format!("  recipient: {recipient}\n");
    }

    if has_config {
        report += &format!("There is a {CONFIG} already; it was not changed.\n");
    } else {
        files::create(config, rules(&recipients).as_bytes())?;
        report += &format!(
            "Made {CONFIG}: whatever is encrypted in this folder is encrypted for that key.\n"
        );
    }
    if let Some(above) = &above {
        report += &format!("In this folder it counts instead of {}.\n", above.display());
    }
    report += "\nNext:\n  \
        sops encrypt --in-place FILE   encrypts a file: YAML, JSON, dotenv, INI or any other\n  \
        sops FILE                      opens it in your editor\n  \
        sops decrypt FILE              prints it in the clear\n";
    context.ui.detail("no file was replaced");
    if args.json {
        let above = above.map(|above| above.display().to_string());
        let report = Object::new()
            .texts("recipients", &recipients)
            .text_or_null("new_key_file", new_key.as_deref())
            .text("config", CONFIG)
            .truth("config_is_new", !has_config)
            .text_or_null("instead_of", above.as_deref());
        return ui::print(&report.line());
    }
    ui::print(&report)
}

/// Where sops will look for the key that is about to be made. Fails where there is a file already: then a key is
/// configured, but cannot be used.
fn path_for_key(problem: Option<&KeyError>) -> Result<PathBuf, Failure> {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let path = match env::var_os("SOPS_AGE_KEY_FILE") {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ if is_set("SOPS_AGE_KEY") || is_set("SOPS_AGE_KEY_CMD") => {
            let failure = match problem {
                Some(problem) => Failure::from_key(problem, Doing::Encrypting),
                None => Failure::new(
                    Code::Generic,
                    "SOPS_AGE_KEY or SOPS_AGE_KEY_CMD is set, and the recipient of that key cannot be told",
                ),
            };
            return Err(failure.hint("nothing was made; write the recipient into a .sops.yaml yourself, or unset the variable"));
        }
        _ => keys::user_key_file_from_env().ok_or_else(|| {
            Failure::new(Code::Generic, "there is no home folder to keep a key in")
                .hint("set SOPS_AGE_KEY_FILE to where the key shall be, or XDG_CONFIG_HOME or HOME")
        })?,
    };
    if path.symlink_metadata().is_err() {
        return Ok(path);
    }
    let message = match problem {
        Some(problem) => problem.message.clone(),
        None => "the file has no age identity (AGE-SECRET-KEY-1...)".to_owned(),
    };
    Err(Failure::new(Code::Generic, message)
        .in_file(&path.display().to_string())
        .hint("nothing was made or changed; move the file away, or put an identity into it"))
}

/// Makes a key and writes it to a file that does not exist yet; returns its recipient.
fn make_key(path: &Path) -> Result<String, Failure> {
    let identities = Identities::generate();
    let recipient = identities.recipients().join(",");
    if let Some(folder) = path.parent() {
        make_private_folders(folder).map_err(|error| Failure::writing(path, &error))?;
    }
    let text = SecretText::new(format!(
        "# public key: {recipient}\n{}",
        identities.to_text().expose()
    ));
    files::create_private(path, text.expose().as_bytes())?;
    Ok(recipient)
}

fn make_private_folders(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

fn rules(recipients: &[String]) -> String {
    format!(
        "# Who can read the secrets of this folder, and which values are secret.\n\
         # The first rule whose path_regex matches a file counts; a rule without one matches every file. For example:\n\
         #\n\
         #   - path_regex: (^|/)prod/\n\
         #     age: age1...,age1...              # several recipients: each of them can decrypt\n\
         #     encrypted_regex: ^(data|stringData)$   # only what is below these keys; all values without it\n\
         creation_rules:\n  - age: {}\n",
        recipients.join(",")
    )
}
