//! The token: from `VAULT_TOKEN`, a token helper, or `~/.vault-token`.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sops_rest::SecretString;
use zeroize::Zeroizing;

use crate::{Environment, error::Refusal};

/// Tokens end here, and so does the configuration of the command line of Vault.
const MAX_LENGTH: u64 = 64 << 10;

/// A token, and where it is from.
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    pub(crate) origin: String,
}

impl Token {
    /// Looks for the token. There may be none: an agent or a proxy on the way may add one.
    pub(crate) fn find(environment: &Environment) -> Result<Option<Self>, Refusal> {
        if let Some(text) = environment.get("VAULT_TOKEN") {
            return Self::new(Zeroizing::new(text), "VAULT_TOKEN".to_owned());
        }
        if let Some(helper) = helper(environment)? {
            let text = run(&helper)?;
            return Self::new(text, format!("the token helper {}", helper.display()));
        }
        let Some(home) = &environment.home else {
            return Ok(None);
        };
        let path = home.join(".vault-token");
        match read(&path) {
            Ok(text) => Self::new(text, path.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Refusal::new(format!(
                "cannot read {}: {error}",
                path.display()
            ))),
        }
    }

    fn new(text: Zeroizing<String>, origin: String) -> Result<Option<Self>, Refusal> {
        let token = text.trim();
        if token.is_empty() {
            return Ok(None);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                Refusal::new(format!("what {origin} holds is no token of Vault"))
                    .with_hint("`vault login` gets a token"),
            );
        }
        let secret = SecretString::new(token.to_owned());
        Ok(Some(Self { secret, origin }))
    }
}

/// The program that the configuration of Vault's command line names as `token_helper`.
fn helper(environment: &Environment) -> Result<Option<PathBuf>, Refusal> {
    let named = environment.get("VAULT_CONFIG_PATH").map(PathBuf::from);
    let path = match (&named, &environment.home) {
        (Some(path), _) => path.clone(),
        (None, Some(home)) => home.join(".vault"),
        (None, None) => return Ok(None),
    };
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
            return Ok(None);
        }
        // A folder of that name has nothing to do with it.
        Err(_) if named.is_none() && path.is_dir() => return Ok(None),
        Err(error) => {
            return Err(Refusal::new(format!(
                "cannot read {}: {error}",
                path.display()
            )));
        }
    };
    match helper_in(&text) {
        Some(helper) => {
            let helper = PathBuf::from(helper);
            if !helper.is_absolute() {
                return Err(Refusal::new(format!(
                    "the token helper in {} is named without its folder",
                    path.display()
                ))
                .with_hint("write its absolute path"));
            }
            Ok(Some(helper))
        }
        None => Ok(None),
    }
}

/// `token_helper = "…"`, the one thing that this configuration can say.
fn helper_in(configuration: &str) -> Option<String> {
    configuration.lines().find_map(|line| {
        let value = line.trim().strip_prefix("token_helper")?.trim_start();
        let value = value.strip_prefix('=')?.trim_start().strip_prefix('"')?;
        let (value, _) = value.split_once('"')?;
        (!value.is_empty()).then(|| value.to_owned())
    })
}

fn run(helper: &Path) -> Result<Zeroizing<String>, Refusal> {
    let failed = |what: String| {
        Refusal::new(format!("the token helper {} {what}", helper.display()))
            .with_hint("~/.vault names it; VAULT_TOKEN is used instead, if it is set")
    };
    let mut child = Command::new(helper)
        .arg("get")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    let text = match child.stdout.take() {
        Some(stdout) => read_from(stdout),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    };
    if text.is_err() {
        // It may already have ended, which is as well.
        child.kill().ok();
    }
    let status = child
        .wait()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    let text = text.map_err(|error| failed(format!("prints what cannot be read: {error}")))?;
    match status.success() {
        true => Ok(text),
        false => Err(failed(format!("failed ({status})"))),
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    read_from(fs::File::open(path)?)
}

fn read_from(reader: impl io::Read) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4 << 10));
    reader.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(io::Error::other("it is too long"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(io::Error::other("it is no text")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn environment(home: &Path, token: Option<&'static str>) -> Environment {
        let variable = move |name: &str| token.filter(|_| name == "VAULT_TOKEN").map(str::to_owned);
        Environment::new(variable, Some(home.to_owned()), Duration::from_secs(30))
    }

    fn found(environment: &Environment) -> Option<(String, String)> {
        let token = Token::find(environment).expect("can be read");
        token.map(|token| (token.secret.expose().to_owned(), token.origin))
    }

    #[test]
    fn places() {
        let home = tempfile::tempdir().expect("a folder");
        assert_eq!(found(&environment(home.path(), None)), None);
        fs::write(home.path().join(".vault-token"), " from-file\n").expect("written");
        let (token, origin) = found(&environment(home.path(), None)).expect("a token");
        assert_eq!(token, "from-file");
        assert!(origin.ends_with(".vault-token"));
        let (token, origin) = found(&environment(home.path(), Some("from-env"))).expect("a token");
        assert_eq!(
            (token.as_str(), origin.as_str()),
            ("from-env", "VAULT_TOKEN")
        );
        assert!(Token::find(&environment(home.path(), Some("a\nb"))).is_err());
        fs::write(home.path().join(".vault-token"), [0xff]).expect("written");
        assert!(Token::find(&environment(home.path(), None)).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn helpers() {
        use std::os::unix::fs::PermissionsExt as _;

        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join(".vault-token"), "from-file").expect("written");
        let helper = home.path().join("helper");
        let set_up = |script: &str| {
            // Written and renamed, so that no other test's child has it open for writing.
            fs::write(home.path().join("new"), script).expect("written");
            fs::set_permissions(home.path().join("new"), fs::Permissions::from_mode(0o700))
                .expect("set");
            fs::rename(home.path().join("new"), &helper).expect("renamed");
        };
        let name = |path: &str| {
            fs::write(
                home.path().join(".vault"),
                format!("# x\n token_helper = \"{path}\"\n"),
            )
            .expect("written");
        };
        name(helper.to_str().expect("text"));
        set_up("#!/bin/sh\n[ \"$1\" = get ] && echo from-helper\n");
        assert_eq!(
            found(&environment(home.path(), None)).expect("a token").0,
            "from-helper"
        );
        set_up("#!/bin/sh\nexit 3\n");
        assert!(Token::find(&environment(home.path(), None)).is_err());
        name("helper");
        assert!(Token::find(&environment(home.path(), None)).is_err());
        fs::write(home.path().join(".vault"), "token_helper = \"\"\n").expect("written");
        assert_eq!(
            found(&environment(home.path(), None)).expect("a token").0,
            "from-file"
        );
    }
}
