//! The access key, and where it is looked for.

use std::{fmt, fs::File, path::PathBuf};

use sops_core::SecretText;
use sops_http::{Environment, Problem};
use zeroize::Zeroizing;

/// Names the file with credentials.
const FILE: &str = "HUAWEICLOUD_SDK_CREDENTIALS_FILE";
/// Larger files hold something else.
const MAX_FILE: usize = 1 << 20;

/// An access key, and what belongs to it.
pub(crate) struct Credentials {
    /// The name of the key (AK), which is no secret.
    pub(crate) access_key: String,
    /// The key itself (SK), which signs.
    pub(crate) secret_key: SecretText,
    /// A token that goes with a key for a while.
    pub(crate) security_token: Option<SecretText>,
    pub(crate) project_id: Option<String>,
    pub(crate) iam_endpoint: Option<String>,
    /// Where they are from.
    pub(crate) source: String,
}

impl Credentials {
    /// Looks for an access key: in `HUAWEICLOUD_SDK_AK` and `HUAWEICLOUD_SDK_SK`, then in the section `basic` of
    /// `~/.huaweicloud/credentials`.
    ///
    /// # Errors
    ///
    /// Fails if there is none.
    pub(crate) fn find(environment: &Environment) -> Result<Self, Problem> {
        let variable = |name: &str| {
            let name = format!("HUAWEICLOUD_SDK_{}", name.to_ascii_uppercase());
            environment.get(&name).map(Zeroizing::new)
        };
        if let Some(found) = Self::from(&variable, "HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK")? {
            return Ok(found);
        }
        let home = environment.home.as_deref();
        let home = home.filter(|home| !home.as_os_str().is_empty());
        let path = match environment.get(FILE) {
            Some(path) => Some(PathBuf::from(path)),
            None => home.map(|home| home.join(".huaweicloud/credentials")),
        };
        let mut problem = Problem::setting("there is no access key for HuaweiCloud");
        if let Some(path) = path {
            let source = path.display().to_string();
            match File::open(&path).and_then(|file| SecretText::read_limited(file, MAX_FILE)) {
                Ok(text) => {
                    let find = |name: &str| setting(text.expose(), "basic", name);
                    if let Some(found) = Self::from(&find, &source)? {
                        return Ok(found);
                    }
                    problem.message = format!("{source} holds no ak and sk in a section [basic]");
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => problem.message = format!("cannot read {source}: {error}"),
            }
        }
        Err(problem.with_hint(
            "set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or write ak and sk into ~/.huaweicloud/credentials",
        ))
    }

    /// Takes an access key from settings, if it is in them.
    fn from(
        find: &dyn Fn(&str) -> Option<Zeroizing<String>>,
        source: &str,
    ) -> Result<Option<Self>, Problem> {
        let find = |name| find(name).filter(|text| !text.is_empty());
        let (Some(access_key), Some(secret_key)) = (find("ak"), find("sk")) else {
            return Ok(None);
        };
        let secret = |text: Zeroizing<String>| SecretText::new(text.as_str().to_owned());
        let project_id = find("project_id").map(|text| text.as_str().to_owned());
        let is_plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !is_plain(&access_key) {
            return Err(Problem::setting(format!(
                "the access key from {source} is none"
            )));
        }
        if project_id.as_deref().is_some_and(|id| !is_plain(id)) {
            return Err(Problem::setting(format!(
                "the project id from {source} is none"
            )));
        }
        Ok(Some(Self {
            access_key: access_key.as_str().to_owned(),
            secret_key: secret(secret_key),
            security_token: find("security_token").map(secret),
            project_id,
            iam_endpoint: find("iam_endpoint").map(|text| text.as_str().to_owned()),
            source: source.to_owned(),
        }))
    }
}

/// Returns a setting in a section of a file in INI.
fn setting(text: &str, section: &str, name: &str) -> Option<Zeroizing<String>> {
    let mut is_in_section = false;
    let mut found = None;
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if let Some(line) = line.strip_prefix('[') {
            is_in_section = line.trim_end().strip_suffix(']').map(str::trim) == Some(section);
        } else if is_in_section
            && !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once(['=', ':'])
            && key.trim() == name
        {
            let value = value.trim();
            let bare = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'));
            found = Some(Zeroizing::new(bare.unwrap_or(value).to_owned()));
        }
    }
    found
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key", &self.access_key)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_section() {
        let text = "ak = outside\n[global]\nak = no\n[basic]\n# ak = no\n;ak=no\nak = one\nak : two\nsk=\"a=b\"\n[other]\nak=no\n";
        let find = |name| setting(text, "basic", name).map(|text| text.as_str().to_owned());
        assert_eq!(find("ak").as_deref(), Some("two"));
        assert_eq!(find("sk").as_deref(), Some("a=b"));
        assert_eq!(find("project_id"), None);
        assert!(setting("[basic", "basic", "ak").is_none());
    }

    #[test]
    fn keys_that_are_none_are_not_shown() {
        let from = |ak: &'static str, sk: &'static str, project: &'static str| {
            Credentials::from(
                &move |name| match name {
                    "ak" => Some(Zeroizing::new(ak.to_owned())),
                    "sk" => Some(Zeroizing::new(sk.to_owned())),
                    "project_id" => Some(Zeroizing::new(project.to_owned())),
                    _ => None,
                },
                "X",
            )
        };
        let found = from("AK", "SECRET", "p1").expect("usable").expect("there");
        assert!(!format!("{found:?}").contains("SECRET"));
        assert!(from("AK", "", "p1").expect("usable").is_none());
        assert!(from("", "SECRET", "p1").expect("usable").is_none());
        for (ak, project) in [("A K", "p"), ("AK\n", "p"), ("AK", "../x"), ("AK", "a/b")] {
            let problem = from(ak, "SECRET", project).expect_err(project);
            assert!(!problem.message.contains("SECRET"));
        }
    }
}
