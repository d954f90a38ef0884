//! What the variables say that every client of Vault knows.

use std::{env, fmt, path::PathBuf, time::Duration};

use sops_rest::{ClientCertificate, Roots, Settings};

use crate::error::Refusal;

/// Where variables and the home folder are looked up.
pub struct Environment {
    variable: Box<dyn Fn(&str) -> Option<String> + Send + Sync>,
    /// Where `~/.vault-token` and `~/.vault` are.
    pub(crate) home: Option<PathBuf>,
    time_limit: Duration,
}

impl Environment {
    /// Returns the environment of this process.
    pub(crate) fn of_process(time_limit: Duration) -> Self {
        Self::new(|name| env::var(name).ok(), env::home_dir(), time_limit)
    }

    /// Returns an environment of other variables and another home folder.
    #[must_use]
    pub fn new(
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        home: Option<PathBuf>,
        time_limit: Duration,
    ) -> Self {
        Self {
            variable: Box::new(variable),
            home,
            time_limit,
        }
    }

    /// The value of a variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// How servers are reached.
    pub(crate) fn settings(&self) -> Result<Settings, Refusal> {
        let mut settings = Settings::default();
        settings.time_limit = match self.get("VAULT_CLIENT_TIMEOUT") {
            None => self.time_limit,
            Some(text) => duration(&text).ok_or_else(|| {
                Refusal::new(format!("VAULT_CLIENT_TIMEOUT: {text:?} is no time"))
                    .with_hint("write it as a number of seconds, such as 30 or 30s")
            })?,
        };
        if let Some(text) = self.get("VAULT_MAX_RETRIES") {
            let retries: u32 = text
                .parse()
                .map_err(|_| Refusal::new(format!("VAULT_MAX_RETRIES: {text:?} is no number")))?;
            settings.attempts = retries.saturating_add(1);
        }
        settings.roots = match (self.get("VAULT_CACERT"), self.get("VAULT_CAPATH")) {
            (Some(file), _) => Roots::File(file.into()),
            (None, Some(folder)) => Roots::Folder(folder.into()),
            (None, None) => Roots::System,
        };
        settings.client_certificate =
            match (self.get("VAULT_CLIENT_CERT"), self.get("VAULT_CLIENT_KEY")) {
                (Some(certificate), Some(key)) => Some(ClientCertificate::new(certificate, key)),
                (None, None) => None,
                _ => {
                    return Err(Refusal::new(
                        "only one of VAULT_CLIENT_CERT and VAULT_CLIENT_KEY is set",
                    )
                    .with_hint("set both of them, or none"));
                }
            };
        settings.server_name = self.get("VAULT_TLS_SERVER_NAME");
        settings.danger_accept_any_server = self.flag("VAULT_SKIP_VERIFY")?;
        settings.proxy = self
            .get("VAULT_PROXY_ADDR")
            .or_else(|| self.get("VAULT_HTTP_PROXY"));
        Ok(settings)
    }

    /// A variable that says yes or no, in the spellings of Go.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name).as_deref() {
            None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(false),
            Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(true),
            Some(text) => Err(Refusal::new(format!(
                "{name}: {text:?} is neither true nor false"
            ))),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("home", &self.home)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}

/// Seconds, or a number with `ms`, `s`, `m` or `h` after it.
fn duration(text: &str) -> Option<Duration> {
    let split = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &'static [(&'static str, &'static str)]) -> Result<Settings, Refusal> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Environment::new(variable, None, Duration::from_secs(30)).settings()
    }

    #[test]
    fn times() {
        for (text, milliseconds) in [("5", 5000), ("5s", 5000), ("250ms", 250), ("2m", 120_000)] {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)));
        }
        for bad in [
            "",
            "s",
            "-1s",
            "1.5s",
            "1d",
            "99999999999999999999h",
            "1s1s",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn variables() {
        let all = settings(&[
            ("VAULT_CACERT", "/ca"),
            ("VAULT_CAPATH", "/ignored"),
            ("VAULT_CLIENT_CERT", "/c"),
            ("VAULT_CLIENT_KEY", "/k"),
            ("VAULT_SKIP_VERIFY", "T"),
            ("VAULT_TLS_SERVER_NAME", "n"),
            ("VAULT_CLIENT_TIMEOUT", "7"),
            ("VAULT_MAX_RETRIES", "0"),
            ("VAULT_PROXY_ADDR", ""),
            ("VAULT_HTTP_PROXY", "http://p"),
        ])
        .expect("valid");
        assert!(matches!(all.roots, Roots::File(path) if path == PathBuf::from("/ca")));
        assert!(all.client_certificate.is_some() && all.danger_accept_any_server);
        assert_eq!(all.server_name.as_deref(), Some("n"));
        assert_eq!(all.time_limit, Duration::from_secs(7));
        assert_eq!((all.attempts, all.proxy.as_deref()), (1, Some("http://p")));
        let none = settings(&[]).expect("nothing to be wrong");
        assert!(matches!(none.roots, Roots::System));
        assert!(!none.danger_accept_any_server);
    }

    #[test]
    fn what_cannot_be_used() {
        for variables in [
            &[("VAULT_SKIP_VERIFY", "yes")] as &[_],
            &[("VAULT_CLIENT_TIMEOUT", "soon")],
            &[("VAULT_MAX_RETRIES", "-1")],
            &[("VAULT_CLIENT_CERT", "/c")],
            &[("VAULT_CLIENT_KEY", "/k")],
        ] {
            assert!(settings(variables).is_err(), "{variables:?}");
        }
    }
}
