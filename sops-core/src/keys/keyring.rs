//! The keyring: all key services together, key groups, and the order of trying.

use std::fmt;

use super::{
    KeyError, KeyService, KeyringError, Prompt,
    keyring_error::{GroupOutcome, KeyFailure, UnwrapFailure},
    prompt::Asker,
    shamir,
};
use crate::{
    crypto::DataKey,
    metadata::{KeyEntry, MasterKey, Metadata},
    secret::SecretBytes,
    warning::Warning,
};

/// The kinds of keys in the order in which they are tried: what needs nobody and no network comes first.
const DECRYPTION_ORDER: [&str; 7] = [
    "age", "pgp", "kms", "gcp_kms", "hckms", "azure_kv", "hc_vault",
];

/// Everything that can wrap and unwrap data keys for one user.
///
/// One keyring serves any number of files, also in parallel: identities are looked for at the first entry that needs
/// them, and once.
#[derive(Default)]
pub struct Keyring {
    services: Vec<Box<dyn KeyService + Send + Sync>>,
    decryption_order: Vec<String>,
}

impl Keyring {
    /// Returns a keyring that can do nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a keyring with the keys that the environment names: age identities from `SOPS_AGE_KEY`,
    /// `SOPS_AGE_KEY_FILE`, `SOPS_AGE_KEY_CMD` and `sops/age/keys.txt` in the user's configuration folder, all of them
    /// together; for files that are encrypted for a key of SSH, also `SOPS_AGE_SSH_PRIVATE_KEY_FILE`,
    /// `SOPS_AGE_SSH_PRIVATE_KEY_CMD`, `~/.ssh/id_ed25519` and `~/.ssh/id_rsa`. They are read when the first file needs
    /// them; encrypting never does. Plugins of age are run as `age-plugin-NAME` from the path; one that says nothing for
    /// as many seconds as `SOPS_AGE_PLUGIN_TIMEOUT` says (300; 0 is no limit) is ended.
    ///
    /// OpenPGP keys are those of the user's `gpg`, which `SOPS_GPG_EXEC` may name, and `GNUPGHOME` the home of.
    ///
    /// This keyring asks nobody for a passphrase: see [`from_env_with_prompt`](Self::from_env_with_prompt).
    ///
    /// # Errors
    ///
    /// Fails if `SOPS_AGE_PLUGIN_TIMEOUT` is no number. What cannot be read is reported with the file that needs it.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_env_asking(Asker::default())
    }

    /// Returns the keyring of [`from_env`](Self::from_env), which asks with `prompt` for the passphrases that it needs.
    /// Without one, keys that need a passphrase fail with an error that says so.
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    pub fn from_env_with_prompt(prompt: impl Prompt + 'static) -> Result<Self, KeyError> {
        Self::from_env_asking(Asker::new(prompt))
    }

    #[cfg_attr(not(feature = "age"), expect(unused_variables))]
    fn from_env_asking(asker: Asker) -> Result<Self, KeyError> {
        let keyring = Self::new();
        #[cfg(feature = "age")]
        let keyring = keyring.with_service(super::env::age_service_from_env(asker)?);
        #[cfg(feature = "pgp")]
        let keyring = keyring.with_service(super::pgp::PgpService::from_env());
        Ok(keyring)
    }

    /// Returns a keyring with the identities that `text` holds as an identity file does.
    ///
    /// # Errors
    ///
    /// Fails if a line is no identity.
    #[cfg(feature = "age")]
    pub fn from_identity(text: &crate::secret::SecretText) -> Result<Self, KeyError> {
        let bytes = SecretBytes::new(text.expose().as_bytes().to_vec());
        let identities = super::Identities::parse(&bytes, "identity")
            .map_err(|error| KeyError::new(error.to_string()).with_hint(error.hint()))?;
        Ok(Self::new().with_identities(identities))
    }

    /// Adds a service, to be asked after those that are there.
    #[must_use]
    pub fn with_service(mut self, service: impl KeyService + Send + Sync + 'static) -> Self {
        self.services.push(Box::new(service));
        self
    }

    /// Adds a service, to be asked before those that are there.
    #[must_use]
    pub fn with_preferred_service(
        mut self,
        service: impl KeyService + Send + Sync + 'static,
    ) -> Self {
        self.services.insert(0, Box::new(service));
        self
    }

    /// Adds age identities, and with them the ability to wrap for age recipients.
    #[cfg(feature = "age")]
    #[must_use]
    pub fn with_identities(self, identities: super::Identities) -> Self {
        self.with_service(super::age::AgeService::with_identities(identities))
    }

    /// Sets which kinds of keys (`age`, `pgp`, `kms`, …) are tried first when a data key is unwrapped. The others follow
    /// in the usual order.
    #[must_use]
    pub fn with_decryption_order(mut self, kinds: Vec<String>) -> Self {
        self.decryption_order = kinds;
        self
    }

    /// Wraps `data_key` for every key of `groups`, and returns what the metadata holds for each. With several groups,
    /// each gets a share, of which `threshold` (all, if it is `None` or 0) recover the data key. `now` is the
    /// `created_at` of the entries, RFC 3339 in UTC.
    ///
    /// # Errors
    ///
    /// Fails if there is no group or an empty one; if the threshold is 1, or more than there are groups; if any key
    /// cannot wrap: the error lists all that failed.
    pub fn wrap_groups(
        &self,
        groups: &[Vec<MasterKey>],
        threshold: Option<usize>,
        data_key: &DataKey,
        now: &str,
    ) -> Result<Vec<Vec<KeyEntry>>, KeyringError> {
        if groups.is_empty() {
            return Err(KeyringError::NoGroups);
        }
        if groups.iter().any(Vec::is_empty) {
            return Err(KeyringError::EmptyGroup);
        }
        let secret = data_key.to_secret();
        let shares = if groups.len() == 1 {
            vec![secret]
        } else {
            let threshold = threshold
                .filter(|&number| number > 0)
                .unwrap_or(groups.len());
            shamir::split(&secret, groups.len(), threshold)?
        };

        let mut failures = Vec::new();
        let mut wrapped = Vec::with_capacity(groups.len());
        for (group, share) in groups.iter().zip(&shares) {
            let mut entries = Vec::with_capacity(group.len());
            for key in group {
                match self.wrap(key, share) {
                    Ok(enc) => {
                        let created_at = !matches!(key, MasterKey::Age { .. });
                        let created_at = created_at.then(|| now.to_owned());
                        entries.push(KeyEntry::new(key.clone(), enc, created_at));
                    }
                    Err(error) => failures.push(failure(key, error)),
                }
            }
            wrapped.push(entries);
        }
        if failures.is_empty() {
            Ok(wrapped)
        } else {
            Err(KeyringError::Wrap(failures))
        }
    }

    /// Recovers the data key of the file with this `metadata`: one key of its group, or of as many groups as its
    /// threshold says. No more keys are tried than that takes.
    ///
    /// # Errors
    ///
    /// Fails if too few keys can be used; the error lists those that were tried. Fails if what they hold is no data key.
    pub fn unwrap(&self, metadata: &Metadata) -> Result<DataKey, KeyringError> {
        let groups = &metadata.groups;
        let needed = match metadata.shamir_threshold {
            _ if groups.len() < 2 => 1,
            // A threshold of 0 means all. Two shares are the least that can be combined.
            None | Some(0) => groups.len(),
            Some(threshold) => threshold.max(2),
        };
        let mut outcomes = Vec::with_capacity(groups.len());
        let mut shares = Vec::with_capacity(needed.min(groups.len()));
        for group in groups {
            let (share, failures) = self.unwrap_group(group);
            outcomes.push(GroupOutcome {
                is_recovered: share.is_some(),
                failures,
            });
            shares.extend(share);
            if shares.len() == needed {
                break;
            }
        }
        if shares.len() < needed {
            let searched = self.services.iter().flat_map(|service| service.searched());
            return Err(KeyringError::Unwrap(UnwrapFailure {
                needed,
                groups: outcomes,
                searched: searched.collect(),
            }));
        }
        let secret = match shares.as_slice() {
            [secret] => return Ok(DataKey::from_bytes(secret)?),
            shares => shamir::combine(shares)?,
        };
        Ok(DataKey::from_bytes(&secret)?)
    }

    /// Returns what the services have to say about what they have read so far, such as an identity file that others can
    /// read.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.services
            .iter()
            .flat_map(|service| service.warnings())
            .collect()
    }

    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Result<String, KeyError> {
        self.first_success(key, |service| service.wrap(key, share))
    }

    /// Recovers what the keys of `group` hold: kind after kind, and of each kind in the order that suits its service.
    fn unwrap_group(&self, group: &[KeyEntry]) -> (Option<SecretBytes>, Vec<KeyFailure>) {
        let mut entries: Vec<&KeyEntry> = group.iter().collect();
        entries.sort_by_key(|entry| self.rank(entry.key.kind()));
        let mut failures = Vec::new();
        for entries in entries.chunk_by(|left, right| left.key.kind() == right.key.kind()) {
            // Several failures with a key become one.
            let mut errors: Vec<Option<KeyError>> = entries.iter().map(|_| None).collect();
            let mut share = None;
            for service in &self.services {
                let outcome = service.unwrap_any(entries);
                for (index, error) in outcome.failures {
                    if let Some(slot) = errors.get_mut(index) {
                        *slot = Some(match slot.take() {
                            Some(earlier) => earlier.and(error),
                            None => error,
                        });
                    }
                }
                share = outcome.share;
                if share.is_some() {
                    break;
                }
            }
            let is_recovered = share.is_some();
            failures.extend(entries.iter().zip(errors).filter_map(|(entry, error)| {
                let error = error.or_else(|| (!is_recovered).then(|| no_support(&entry.key)));
                error.map(|error| failure(&entry.key, error))
            }));
            if is_recovered {
                return (share, failures);
            }
        }
        (None, failures)
    }

    /// Asks one service after the other until one succeeds. Several failures become one.
    fn first_success<T>(
        &self,
        key: &MasterKey,
        ask: impl Fn(&dyn KeyService) -> Option<Result<T, KeyError>>,
    ) -> Result<T, KeyError> {
        let mut failure: Option<KeyError> = None;
        for service in &self.services {
            match ask(service.as_ref()) {
                Some(Ok(success)) => return Ok(success),
                Some(Err(error)) => {
                    failure = Some(match failure {
                        Some(earlier) => earlier.and(error),
                        None => error,
                    });
                }
                None => {}
            }
        }
        Err(failure.unwrap_or_else(|| no_support(key)))
    }

    /// Where keys of `kind` come in the order of trying.
    fn rank(&self, kind: &str) -> (usize, usize) {
        let asked = self.decryption_order.iter().position(|other| other == kind);
        let usual = DECRYPTION_ORDER.iter().position(|other| *other == kind);
        (asked.unwrap_or(usize::MAX), usual.unwrap_or(usize::MAX))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("services", &self.services.len())
            .field("decryption_order", &self.decryption_order)
            .finish()
    }
}

fn no_support(key: &MasterKey) -> KeyError {
    KeyError::new(format!("no support for {} keys in this build", key.kind()))
}

fn failure(key: &MasterKey, error: KeyError) -> KeyFailure {
    let name = key.to_string();
    // A secret key in the wrong place must not end up in a log.
    let key_name = if super::is_secret_key(&name) {
        "[REDACTED]".to_owned()
    } else {
        name
    };
    KeyFailure {
        kind: key.kind(),
        key: key_name,
        error,
    }
}
