//! Who we are: an access key and its secret.

use std::{fs, io, path::PathBuf, time::Duration};

use serde::Deserialize;
use sops_core::{SecretBytes, keys::KeyError};
use sops_rest::{Call, Client, SecretString};
use zeroize::Zeroizing;

use crate::Environment;

/// The machine answers in an instant, or there is nothing to answer.
const MACHINE_TIME_LIMIT: Duration = Duration::from_secs(2);

/// Credentials files end here.
const MAX_FILE: u64 = 1 << 20;

const METADATA: &str = "http://169.254.169.254";

/// An access key.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret_key: SecretString,
    pub(crate) security_token: Option<SecretString>,
    pub(crate) project_id: Option<String>,
    pub(crate) iam_endpoint: Option<String>,
    /// Where it is from, in words.
    pub(crate) origin: String,
}

impl Credentials {
    /// Looks in the environment, in the credentials file, and at the machine.
    pub(crate) fn find(environment: &Environment, client: &Client) -> Result<Self, KeyError> {
        if let Some(found) = Self::in_variables(environment) {
            return Ok(found);
        }
        if let Some(found) = Self::in_file(environment)? {
            return Ok(found);
        }
        Self::of_machine(client).ok_or_else(|| {
            KeyError::new("there are no credentials for HuaweiCloud").with_hint(
                "set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or write ak and sk under [basic] in ~/.huaweicloud/credentials",
            )
        })
    }

    fn in_variables(environment: &Environment) -> Option<Self> {
        Some(Self {
            access_key: environment.get("HUAWEICLOUD_SDK_AK")?,
            secret_key: SecretString::new(environment.get("HUAWEICLOUD_SDK_SK")?),
            security_token: environment
                .get("HUAWEICLOUD_SDK_SECURITY_TOKEN")
                .map(SecretString::new),
            project_id: environment.get("HUAWEICLOUD_SDK_PROJECT_ID"),
            iam_endpoint: None,
            origin: "HUAWEICLOUD_SDK_AK".to_owned(),
        })
    }

    fn in_file(environment: &Environment) -> Result<Option<Self>, KeyError> {
        let named = environment
            .get("HUAWEICLOUD_SDK_CREDENTIALS_FILE")
            .map(PathBuf::from);
        let usual = environment
            .home
            .as_ref()
            .map(|home| home.join(".huaweicloud/credentials"));
        let Some(path) = named.clone().or(usual) else {
            return Ok(None);
        };
        let unreadable =
            |what: &str| KeyError::new(format!("cannot read {}: {what}", path.display()));
        let text = match fs::metadata(&path) {
            Ok(found) if found.len() > MAX_FILE => {
                return Err(unreadable("it is too long for credentials"));
            }
            Ok(_) => fs::read_to_string(&path).map_err(|error| unreadable(&error.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
                return Ok(None);
            }
            Err(error) => return Err(unreadable(&error.to_string())),
        };
        let text = Zeroizing::new(text);
        let value = |name| in_section(&text, "basic", name);
        match (value("ak"), value("sk")) {
            (Some(access_key), Some(secret_key)) => Ok(Some(Self {
                access_key: access_key.to_owned(),
                secret_key: SecretString::new(secret_key.to_owned()),
                security_token: value("security_token")
                    .map(|token| SecretString::new(token.to_owned())),
                project_id: value("project_id").map(str::to_owned),
                iam_endpoint: value("iam_endpoint").map(str::to_owned),
                origin: path.display().to_string(),
            })),
            _ => Err(KeyError::new(format!(
                "there is no ak and sk under [basic] in {}",
                path.display()
            ))
            .with_hint("other ways to log in, such as idp_id, are not supported")),
        }
    }

    /// What the agency of a machine in the cloud may.
    fn of_machine(client: &Client) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            credential: Key,
        }
        #[derive(Deserialize)]
        struct Key {
            access: String,
            secret: SecretString,
            securitytoken: SecretString,
        }

        let url = format!("{METADATA}/meta-data/latest/api/token");
        let nothing = SecretBytes::new(Vec::new());
        let call = Call::put(&url, &nothing).header("X-Metadata-Token-Ttl-Seconds", "21600");
        let token = client.call(&call.once(MACHINE_TIME_LIMIT)).ok()?;
        let url = format!("{METADATA}/openstack/latest/securitykey");
        let mut call = Call::get(&url);
        if token.is_success() {
            call = call.header("X-Metadata-Token", std::str::from_utf8(token.body()).ok()?);
        }
        let answer = client.call(&call.once(MACHINE_TIME_LIMIT)).ok()?;
        let key = answer.json::<Answer>().ok()?.credential;
        Some(Self {
            access_key: key.access,
            secret_key: key.secret,
            security_token: Some(key.securitytoken),
            project_id: None,
            iam_endpoint: None,
            origin: "the agency of this machine".to_owned(),
        })
    }
}

/// The value of a key in a section of an INI file.
fn in_section<'t>(text: &'t str, section: &str, key: &str) -> Option<&'t str> {
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            is_inside = name.trim() == section;
        } else if is_inside && !line.starts_with(['#', ';']) {
            let Some((name, value)) = line.split_once(['=', ':']) else {
                continue;
            };
            if name.trim() == key {
                let value = value.trim();
                return (!value.is_empty()).then_some(value);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections() {
        let text = "[global]\nak = no\n[ basic ]\n# ak = comment\nak = 1=2\nsk: s\nempty =\n[other]\nx = y\n";
        let value = |key| in_section(text, "basic", key);
        assert_eq!((value("ak"), value("sk")), (Some("1=2"), Some("s")));
        assert_eq!((value("empty"), value("x")), (None, None));
    }

    #[test]
    fn files() {
        let home = tempfile::tempdir().expect("a folder");
        let environment = || Environment::new(|_| None, Some(home.path().to_owned()));
        assert!(
            Credentials::in_file(&environment())
                .expect("none is fine")
                .is_none()
        );
        fs::create_dir(home.path().join(".huaweicloud")).expect("made");
        let path = home.path().join(".huaweicloud/credentials");
        fs::write(&path, "[basic]\nak = a\nsk = secret-key\nproject_id = p\n").expect("written");
        let found = Credentials::in_file(&environment())
            .expect("valid")
            .expect("there");
        assert_eq!(
            (found.access_key.as_str(), found.secret_key.expose()),
            ("a", "secret-key")
        );
        assert_eq!(found.project_id.as_deref(), Some("p"));
        assert!(!format!("{found:?}").contains("secret-key"));
        for bad in ["", "[basic]\nak = a\n", "[global]\nak = a\nsk = b\n"] {
            fs::write(&path, bad).expect("written");
            assert!(Credentials::in_file(&environment()).is_err(), "{bad:?}");
        }
        let named = Environment::new(
            |name| name.ends_with("FILE").then(|| "/no/such/file".to_owned()),
            None,
        );
        assert!(Credentials::in_file(&named).is_err());
    }
}
