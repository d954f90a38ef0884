//! Master keys from the texts that name them in `.sops.yaml` and on the command line.

use std::collections::BTreeMap;

use super::MasterKey;

/// What a key of AWS KMS needs besides its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KmsOptions {
    /// The encryption context.
    pub context: BTreeMap<String, String>,
    /// The name of the AWS profile; may be empty.
    pub aws_profile: String,
}

impl KmsOptions {
    /// Returns options with an encryption context and an AWS profile.
    #[must_use]
    pub fn new(context: BTreeMap<String, String>, aws_profile: impl Into<String>) -> Self {
        Self {
            context,
            aws_profile: aws_profile.into(),
        }
    }

    /// Reads an encryption context written as `key:value,key:value`; the empty text is the empty context.
    ///
    /// # Errors
    ///
    /// Fails if a part has not exactly one colon.
    pub fn parse_context(text: &str) -> Result<BTreeMap<String, String>, KeyTextError> {
        if text.is_empty() {
            return Ok(BTreeMap::new());
        }
        text.split(',')
            .map(|pair| match pair.split_once(':') {
                Some((key, value)) if !value.contains(':') => {
                    Ok((key.to_owned(), value.to_owned()))
                }
                _ => Err(KeyTextError::new("invalid KMS encryption context")
                    .with_hint("write it as key:value,key:value")),
            })
            .collect()
    }
}

/// A text that names no master key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct KeyTextError {
    /// What is wrong, in words.
    pub message: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
}

impl KeyTextError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl MasterKey {
    /// Reads the keys of one kind (named as [`kind`](Self::kind) does) from a list separated by commas. Blanks around
    /// the parts do not count, nor do empty parts.
    ///
    /// # Errors
    ///
    /// Fails if a part is not a key of that kind, or there is no such kind.
    pub fn parse_list(
        kind: &str,
        list: &str,
        options: &KmsOptions,
    ) -> Result<Vec<Self>, KeyTextError> {
        list.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| Self::parse(kind, part, options))
            .collect()
    }

    /// Reads one key of a kind (named as [`kind`](Self::kind) does) from its text.
    ///
    /// | kind | text |
    /// | --- | --- |
    /// | `age` | `age1…` or `ssh-…` |
    /// | `pgp` | a fingerprint; blanks in it are dropped |
    /// | `kms` | the ARN of the key, and after a `+` that of a role |
    /// | `gcp_kms` | `projects/…/locations/…/keyRings/…/cryptoKeys/…` |
    /// | `hckms` | `region:uuid` |
    /// | `azure_kv` | `https://VAULT/keys/NAME`, and after a `/` the version |
    /// | `hc_vault` | `https://HOST:PORT/v1/ENGINE/keys/NAME` |
    ///
    /// Whether the key exists, and an age recipient's checksum, is not tested here.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a key of that kind, or there is no such kind.
    pub fn parse(kind: &str, text: &str, options: &KmsOptions) -> Result<Self, KeyTextError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeyTextError::new(format!("an empty text is no {kind} key")));
        }
        match kind {
            "age" => age(text),
            "pgp" => Ok(Self::Pgp {
                fingerprint: without_blanks(text),
            }),
            "kms" => Ok(kms(&without_blanks(text), options)),
            "gcp_kms" => Ok(Self::GcpKms {
                resource_id: without_blanks(text),
            }),
            "hckms" => hckms(text),
            "azure_kv" => azure_kv(text),
            "hc_vault" => hc_vault(text),
            _ => Err(KeyTextError::new(format!("there is no kind of key {kind}"))),
        }
    }
}

fn age(text: &str) -> Result<MasterKey, KeyTextError> {
    if text.starts_with("AGE-SECRET-KEY-") || text.starts_with("AGE-PLUGIN-") {
        return Err(KeyTextError::new(
            "an age identity (a secret key) stands where a recipient belongs",
        )
        .with_hint("use its recipient, age1…: age-keygen -y prints it"));
    }
    if !text.starts_with("age1") && !text.starts_with("ssh-") {
        return Err(KeyTextError::new("unknown type of age recipient")
            .with_hint("a recipient starts with age1, ssh-ed25519 or ssh-rsa"));
    }
    Ok(MasterKey::Age {
        recipient: text.to_owned(),
    })
}

fn kms(text: &str, options: &KmsOptions) -> MasterKey {
    // An ARN may contain a "+", but not ":" after it, so this can only be the start of a second ARN.
    let (arn, role) = match text.find("+arn:").filter(|&at| at > 0) {
        Some(at) => (&text[..at], Some(text[at + 1..].to_owned())),
        None => (text, None),
    };
    MasterKey::Kms {
        arn: arn.to_owned(),
        role,
        context: options.context.clone(),
        aws_profile: options.aws_profile.clone(),
    }
}

fn hckms(text: &str) -> Result<MasterKey, KeyTextError> {
    match text.split_once(':') {
        Some((region, uuid)) if !region.trim().is_empty() && !uuid.trim().is_empty() => {
            Ok(MasterKey::Hckms {
                key_id: text.to_owned(),
            })
        }
        _ => Err(KeyTextError::new("not a key of HuaweiCloud KMS")
            .with_hint("write it as region:key-uuid")),
    }
}

fn azure_kv(text: &str) -> Result<MasterKey, KeyTextError> {
    let parts = || {
        let (host, path) = text.strip_prefix("https://")?.split_once('/')?;
        let (name, version) = match path.strip_prefix("keys/")?.split_once('/') {
            Some((name, version)) => (name, version),
            None => (path.strip_prefix("keys/")?, ""),
        };
        let valid = !host.is_empty() && !name.is_empty() && !version.contains('/');
        valid.then_some((host, name, version))
    };
    let Some((host, name, version)) = parts() else {
        return Err(KeyTextError::new("not the URL of a key in Azure Key Vault")
            .with_hint("write it as https://VAULT.vault.azure.net/keys/NAME, or add /VERSION"));
    };
    Ok(MasterKey::AzureKv {
        vault_url: format!("https://{host}"),
        name: name.to_owned(),
        version: version.to_owned(),
    })
}

fn hc_vault(text: &str) -> Result<MasterKey, KeyTextError> {
    let expected = "write it as https://vault.example.com:8200/v1/transit/keys/NAME";
    let Some((scheme, rest)) = text
        .split_once("://")
        .filter(|(scheme, _)| is_scheme(scheme))
    else {
        return Err(KeyTextError::new("the URI of a Vault key has no scheme").with_hint(expected));
    };
    if rest.contains(['?', '#', '@']) {
        return Err(
            KeyTextError::new("the URI of a Vault key has no user, query or fragment")
                .with_hint(expected),
        );
    }
    let malformed = || {
        KeyTextError::new("not the URI of a key in the transit engine of Vault").with_hint(expected)
    };
    let (host, path) = rest.split_once('/').ok_or_else(malformed)?;
    if host.is_empty() {
        return Err(malformed());
    }
    let steps: Vec<&str> = path.split('/').collect();
    // The version, then at least engine, "keys" and name.
    let version_at = |at: usize| {
        is_api_version(steps[at])
            && steps
                .get(at + 1..at + 4)
                .is_some_and(|steps| steps.iter().all(|step| !step.is_empty()))
    };
    if (1..steps.len()).any(|at| version_at(at) && !steps[at - 1].is_empty()) {
        return Err(
            KeyTextError::new("a Vault under a prefix of its host is not supported")
                .with_hint(expected),
        );
    }
    if !(0..steps.len()).any(version_at) {
        return Err(malformed());
    }
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    let [_, engine @ .., _, key_name] = steps.as_slice() else {
        return Err(malformed());
    };
    let engine: Vec<&str> = engine
        .iter()
        .copied()
        .filter(|step| !step.is_empty())
        .collect();
    Ok(MasterKey::HcVault {
        vault_address: format!("{scheme}://{host}"),
        engine_path: engine.join("/"),
        key_name: (*key_name).to_owned(),
    })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn is_api_version(step: &str) -> bool {
    step.strip_prefix('v').is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

fn without_blanks(text: &str) -> String {
    text.replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: &str, text: &str) -> Result<MasterKey, KeyTextError> {
        MasterKey::parse(kind, text, &KmsOptions::default())
    }

    /// What a text is read as, in the words of the reference.
    fn shown(kind: &str, text: &str) -> String {
        parse(kind, text).expect(text).to_string()
    }

    #[test]
    fn texts_of_every_kind() {
        assert_eq!(shown("age", " age1abc "), "age1abc");
        assert_eq!(
            shown("age", "ssh-ed25519 AAAA me@host"),
            "ssh-ed25519 AAAA me@host"
        );
        assert_eq!(shown("pgp", "85D7 7543 B3D6"), "85D77543B3D6");
        assert_eq!(shown("pgp", "85D77543B3D6!"), "85D77543B3D6!");
        assert_eq!(shown("gcp_kms", "projects/a/b c"), "projects/a/bc");
        assert_eq!(shown("hckms", "tr-west-1:abc-def"), "tr-west-1:abc-def");
        assert_eq!(
            shown("azure_kv", "https://v.vault.azure.net/keys/n/1a"),
            "https://v.vault.azure.net/keys/n/1a"
        );
    }

    #[test]
    fn kms_with_role_context_and_profile() {
        let options = KmsOptions::new(
            KmsOptions::parse_context("a:1,b:2").expect("valid"),
            "profile",
        );
        let key = MasterKey::parse(
            "kms",
            "arn:aws:kms:x:key/1+2 +arn:aws:iam::role/x",
            &options,
        );
        assert_eq!(
            key,
            Ok(MasterKey::Kms {
                arn: "arn:aws:kms:x:key/1+2".to_owned(),
                role: Some("arn:aws:iam::role/x".to_owned()),
                context: [
                    ("a".to_owned(), "1".to_owned()),
                    ("b".to_owned(), "2".to_owned())
                ]
                .into(),
                aws_profile: "profile".to_owned(),
            })
        );
        for bad in ["a", "a:b:c", ",", "a:1,", "a:1,,b:2"] {
            assert!(KmsOptions::parse_context(bad).is_err(), "{bad}");
        }
        assert_eq!(KmsOptions::parse_context(""), Ok(BTreeMap::new()));
    }

    #[test]
    fn azure_versions_are_optional() {
        for text in [
            "https://v.vault.azure.net/keys/n",
            "https://v.vault.azure.net/keys/n/",
        ] {
            assert_eq!(
                parse("azure_kv", text),
                Ok(MasterKey::AzureKv {
                    vault_url: "https://v.vault.azure.net".to_owned(),
                    name: "n".to_owned(),
                    version: String::new(),
                })
            );
        }
        for bad in [
            "http://v/keys/n",
            "https://v/keys/",
            "https://v/keys",
            "https://v/secrets/n",
            "https:///keys/n",
            "https://v/x/keys/n",
            "https://v/keys/n/1/2",
            "v/keys/n",
        ] {
            assert!(parse("azure_kv", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn vault_uris() {
        for (text, engine, name) in [
            ("https://h:8200/v1/transit/keys/n", "transit", "n"),
            ("http://h/v1/a/b/keys/n/", "a/b", "n"),
            ("https://h/v2/transit/other/n", "transit", "n"),
        ] {
            let Ok(MasterKey::HcVault {
                vault_address,
                engine_path,
                key_name,
            }) = parse("hc_vault", text)
            else {
                panic!("{text}");
            };
            assert!(text.starts_with(&format!("{vault_address}/")));
            assert_eq!((engine_path.as_str(), key_name.as_str()), (engine, name));
        }
        for bad in [
            "h:8200/v1/transit/keys/n",
            "//h/v1/transit/keys/n",
            "https://h",
            "https:///v1/transit/keys/n",
            "https://h/transit/keys/n",
            "https://h/v1/keys/n",
            "https://h/v/transit/keys/n",
            "https://h/prefix/v1/transit/keys/n",
            "https://h/v1/transit/keys/n?x=1",
            "https://u:p@h/v1/transit/keys/n",
        ] {
            assert!(parse("hc_vault", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_key() {
        for (kind, text) in [
            ("age", ""),
            ("age", "  "),
            ("pgp", ""),
            ("kms", ""),
            ("age", "AGE1ABC"),
            ("age", "someone"),
            ("hckms", "uuid"),
            ("hckms", ":uuid"),
            ("hckms", "region:"),
            ("hckms", "region: "),
            ("gpg", "x"),
        ] {
            assert!(parse(kind, text).is_err(), "{kind} {text}");
        }
        let error = parse("age", "AGE-SECRET-KEY-1XYZ").expect_err("a secret key");
        assert!(!error.to_string().contains("XYZ"));
    }

    #[test]
    fn lists() {
        let list = |text| MasterKey::parse_list("age", text, &KmsOptions::default());
        assert_eq!(list("age1a , age1b,").expect("valid").len(), 2);
        assert_eq!(list(" , ").expect("nothing").len(), 0);
        assert!(list("age1a,nobody").is_err());
    }
}
