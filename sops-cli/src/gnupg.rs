//! The user's GnuPG, as far as it tells who can be decrypted for.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

/// What was found of GnuPG.
pub(crate) struct GnuPg {
    /// The program that is run.
    pub(crate) program: String,
    /// What it calls itself, or why it does not.
    pub(crate) version: String,
    /// Where its keys are, if it has a folder.
    pub(crate) home: Option<PathBuf>,
    /// Whether its agent runs. If not, gpg starts it when it needs a key.
    pub(crate) has_agent: bool,
    /// The fingerprints of its secret keys, also of those whose secret is on a card.
    pub(crate) secret_keys: Vec<String>,
}

impl GnuPg {
    /// Looks for it. Reads the environment; asks the agent, which gpg starts if it has to.
    pub(crate) fn from_env() -> Self {
        let program = env::var("SOPS_GPG_EXEC").ok();
        let program = program.filter(|name| !name.is_empty());
        let program = program.unwrap_or_else(|| "gpg".to_owned());
        let mut found = Self {
            version: String::new(),
            home: None,
            has_agent: false,
            secret_keys: Vec::new(),
            program,
        };
        match output(&found.program, &["--version"]) {
            Ok(text) => found.version = text.lines().next().unwrap_or_default().to_owned(),
            Err(problem) => {
                found.version = problem;
                return found;
            }
        }
        let home = output("gpgconf", &["--list-dirs", "homedir"]).ok();
        let home = home.map(|path| PathBuf::from(path.trim_end()));
        // gpg would make the folder.
        let Some(home) = home.filter(|home| home.is_dir()) else {
            return found;
        };
        let agent = ["--no-autostart", "GETINFO pid", "/bye"];
        let pid = output("gpg-connect-agent", &agent);
        found.has_agent = pid.is_ok_and(|text| text.starts_with("D "));
        let list = ["--batch", "--no-tty", "--with-colons", "--list-secret-keys"];
        found.secret_keys = fingerprints(&output(&found.program, &list).unwrap_or_default());
        found.home = Some(home);
        found
    }
}

/// The fingerprints in a list of secret keys, without those of subkeys.
fn fingerprints(list: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_primary = false;
    for line in list.lines() {
        let mut fields = line.split(':');
        match fields.next() {
            Some("sec") => is_primary = true,
            Some("fpr") if is_primary => {
                found.extend(fields.nth(8).map(str::to_owned));
                is_primary = false;
            }
            _ => {}
        }
    }
    found
}

/// What a program prints, or why it does not.
fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => Err(format!("failed ({})", output.status)),
        Err(error) => Err(format!("cannot be run: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::fingerprints;

    #[test]
    fn fingerprints_of_primary_keys_are_read() {
        let list = "sec:-:3072:1:A:1:::-:::e:::+:::23::0:\nfpr:::::::::AA:\ngrp:::::::::BB:\nuid:-::::1::C::n::::::::::0:\nssb:-:3072:1:D:1::::::e:::+:::23:\nfpr:::::::::DD:\nsec:u:\nfpr:::::::::EE:\nsec\nfpr:short\n";
        assert_eq!(fingerprints(list), ["AA", "EE"]);
        assert!(fingerprints("").is_empty());
    }
}
