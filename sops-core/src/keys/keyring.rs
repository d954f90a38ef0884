//! The keyring: all key services together, key groups, and the order of trying.

use std::{fmt, sync::Arc, thread, time::Duration};

use super::{
    KeyError, KeyService, KeyringError, Prompt,
    keyring_error::{GroupOutcome, KeyFailure, UnwrapFailure},
    race::race,
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

/// How many calls that wait for a network are made at once when a data key is wrapped.
const CALLS_AT_ONCE: usize = 32;

/// How long one call that waits for a network is ahead of the next when a data key is unwrapped.
const HEAD_START: Duration = Duration::from_millis(500);

type Service = Arc<dyn KeyService + Send + Sync>;

/// Everything that can wrap and unwrap data keys for one user.
///
/// Keys that need no network are tried first. Calls that wait for one are made at the same time, where more than one is
/// needed.
///
/// One keyring serves any number of files, also in parallel: identities are looked for at the first entry that needs
/// them, and once.
#[derive(Default)]
pub struct Keyring {
    services: Vec<Service>,
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
        Self::from_env_asking(None)
    }

    /// Returns the keyring of [`from_env`](Self::from_env), which asks with `prompt` for the passphrases that it needs.
    /// Without one, keys that need a passphrase fail with an error that says so.
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    pub fn from_env_with_prompt(prompt: impl Prompt + 'static) -> Result<Self, KeyError> {
        Self::from_env_asking(Some(Box::new(prompt)))
    }

    #[cfg_attr(not(feature = "age"), expect(unused_variables))]
    fn from_env_asking(prompt: Option<Box<dyn Prompt>>) -> Result<Self, KeyError> {
        let keyring = Self::new();
        #[cfg(feature = "age")]
        let asker = super::asker::Asker::new(prompt);
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
        self.services.push(Arc::new(service));
        self
    }

    /// Adds a service, to be asked before those that are there.
    #[must_use]
    pub fn with_preferred_service(
        mut self,
        service: impl KeyService + Send + Sync + 'static,
    ) -> Self {
        self.services.insert(0, Arc::new(service));
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

        let jobs = groups
            .iter()
            .zip(&shares)
            .flat_map(|(group, share)| group.iter().map(move |key| (key, share)));
        let mut outcomes = self.wrap_all(&jobs.collect::<Vec<_>>()).into_iter();

        let mut failures = Vec::new();
        let mut wrapped = Vec::with_capacity(groups.len());
        for group in groups {
            let mut entries = Vec::with_capacity(group.len());
            for (key, outcome) in group.iter().zip(&mut outcomes) {
                match outcome {
                    Ok((key, enc)) => {
                        let created_at = !matches!(key, MasterKey::Age { .. });
                        let created_at = created_at.then(|| now.to_owned());
                        entries.push(KeyEntry::new(key, enc, created_at));
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
        let outcomes = self.unwrap_groups(groups, needed);
        let mut shares = Vec::with_capacity(needed.min(groups.len()));
        let mut reports = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            let (share, report) = outcome.finish();
            shares.extend(share);
            reports.push(report);
        }
        shares.truncate(needed);
        if shares.len() < needed {
            let searched = self.services.iter().flat_map(|service| service.searched());
            return Err(KeyringError::Unwrap(UnwrapFailure {
                needed,
                groups: reports,
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

    /// Returns the key as entries name it: one that stands for its current version becomes that.
    ///
    /// # Errors
    ///
    /// Fails if that cannot be found out.
    pub fn resolve(&self, key: &MasterKey) -> Result<MasterKey, KeyError> {
        let resolved = first_success(self.services.iter(), |service| service.resolve(key));
        resolved.unwrap_or_else(|| Ok(key.clone()))
    }

    /// Wraps each share for its key: first what needs no network, then all the rest at once.
    fn wrap_all(
        &self,
        jobs: &[(&MasterKey, &SecretBytes)],
    ) -> Vec<Result<(MasterKey, String), KeyError>> {
        let ask = |waits: bool, (key, share): (&MasterKey, &SecretBytes)| {
            let services = self.services_that(waits);
            first_success(services, |service| match service.resolve(key) {
                None => service
                    .wrap(key, share)
                    .map(|enc| enc.map(|enc| (key.clone(), enc))),
                Some(Ok(key)) => service
                    .wrap(&key, share)
                    .map(|enc| enc.map(|enc| (key, enc))),
                Some(Err(error)) => Some(Err(error)),
            })
        };
        let mut outcomes: Vec<_> = jobs.iter().map(|&job| ask(false, job)).collect();
        if self.services_that(true).next().is_some() {
            let open = |outcome: &&mut Option<Result<_, _>>| !matches!(outcome, Some(Ok(_)));
            let mut waiting: Vec<_> = outcomes
                .iter_mut()
                .zip(jobs)
                .filter(|(outcome, _)| open(outcome))
                .collect();
            for batch in waiting.chunks_mut(CALLS_AT_ONCE) {
                thread::scope(|scope| {
                    let Some((last, others)) = batch.split_last_mut() else {
                        return;
                    };
                    for (outcome, job) in others {
                        scope.spawn(move || add(outcome, ask(true, **job)));
                    }
                    add(last.0, ask(true, *last.1));
                });
            }
        }
        let keys = jobs.iter().map(|(key, _)| key);
        let outcomes = outcomes.into_iter().zip(keys);
        outcomes
            .map(|(outcome, key)| outcome.unwrap_or_else(|| Err(no_support(key))))
            .collect()
    }

    /// Tries as many groups as it takes.
    fn unwrap_groups<'m>(&self, groups: &'m [Vec<KeyEntry>], needed: usize) -> Vec<Attempt<'m>> {
        let mut attempts: Vec<Attempt<'m>> = Vec::with_capacity(groups.len());
        let recovered = |attempts: &[Attempt<'_>]| {
            let shares = attempts.iter().filter(|attempt| attempt.share.is_some());
            shares.count()
        };
        for group in groups {
            if recovered(&attempts) == needed {
                return attempts;
            }
            let mut entries: Vec<&KeyEntry> = group.iter().collect();
            entries.sort_by_key(|entry| self.rank(entry.key.kind()));
            let mut attempt = Attempt::new(entries);
            match self.decryption_order.is_empty() {
                true => attempt.try_locally(0..attempt.entries.len(), &self.services),
                // Somebody asked for this order, so it is kept, whatever has to be waited for.
                false => attempt.try_in_order(&self.services),
            }
            attempts.push(attempt);
        }
        if !self.decryption_order.is_empty() || self.services_that(true).next().is_none() {
            return attempts;
        }
        let missing = needed.saturating_sub(recovered(&attempts));
        let (open, jobs): (Vec<usize>, Vec<_>) = attempts
            .iter()
            .enumerate()
            .filter(|(_, attempt)| attempt.share.is_none())
            .map(|(at, attempt)| {
                let (entries, services) = (attempt.owned(), self.services.clone());
                (at, move || ask_those_that_wait(entries, &services))
            })
            .unzip();
        let is_success = |(share, _): &(Option<SecretBytes>, _)| share.is_some();
        for (job, (share, failures)) in race(jobs, missing, HEAD_START, is_success) {
            if let Some(attempt) = open.get(job).and_then(|&at| attempts.get_mut(at)) {
                attempt.share = share;
                attempt.add_failures(failures);
            }
        }
        attempts
    }

    fn services_that(&self, waits: bool) -> impl Iterator<Item = &Service> {
        self.services
            .iter()
            .filter(move |service| service.waits() == waits)
    }

    /// Where keys of `kind` come in the order of trying.
    fn rank(&self, kind: &str) -> (usize, usize) {
        let asked = self.decryption_order.iter().position(|other| other == kind);
        let usual = DECRYPTION_ORDER.iter().position(|other| *other == kind);
        (asked.unwrap_or(usize::MAX), usual.unwrap_or(usize::MAX))
    }
}

/// A keyring is a service itself, for example for a server that others ask.
impl KeyService for Keyring {
    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        first_success(self.services.iter(), |service| service.wrap(key, share))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        first_success(self.services.iter(), |service| service.unwrap(entry))
    }

    fn resolve(&self, key: &MasterKey) -> Option<Result<MasterKey, KeyError>> {
        first_success(self.services.iter(), |service| service.resolve(key))
    }

    fn waits(&self) -> bool {
        self.services_that(true).next().is_some()
    }

    fn searched(&self) -> Vec<String> {
        let places = self.services.iter().flat_map(|service| service.searched());
        places.collect()
    }

    fn warnings(&self) -> Vec<Warning> {
        Self::warnings(self)
    }
}

/// What came of the keys of one group so far.
struct Attempt<'m> {
    /// In the order of trying.
    entries: Vec<&'m KeyEntry>,
    errors: Vec<Option<KeyError>>,
    share: Option<SecretBytes>,
    /// How many entries had their turn.
    tried: usize,
}

impl<'m> Attempt<'m> {
    fn new(entries: Vec<&'m KeyEntry>) -> Self {
        Self {
            errors: entries.iter().map(|_| None).collect(),
            entries,
            share: None,
            tried: 0,
        }
    }

    /// Kind after kind, with all services.
    fn try_in_order(&mut self, services: &[Service]) {
        while self.share.is_none() && self.tried < self.entries.len() {
            let from = self.tried;
            let kind = self.entries[from].key.kind();
            let same = self.entries[from..].iter();
            let count = same.take_while(|entry| entry.key.kind() == kind).count();
            self.try_locally(from..from + count, services);
            if self.share.is_none() {
                let entries = self.entries[from..from + count].iter();
                let owned = entries.map(|&entry| entry.clone()).collect();
                let (share, failures) = ask_those_that_wait(owned, services);
                self.share = share;
                let failures = failures.into_iter();
                self.add_failures(failures.map(|(at, error)| (from + at, error)).collect());
            }
        }
    }

    /// Kind after kind, and of each kind in the order that suits its service, with those services that do not wait.
    fn try_locally(&mut self, range: std::ops::Range<usize>, services: &[Service]) {
        let entries = self.entries[range.clone()].to_vec();
        let mut from = range.start;
        for entries in entries.chunk_by(|left, right| left.key.kind() == right.key.kind()) {
            for service in services.iter().filter(|service| !service.waits()) {
                let outcome = service.unwrap_any(entries);
                let failures = outcome.failures.into_iter();
                self.add_failures(failures.map(|(at, error)| (from + at, error)).collect());
                self.share = outcome.share;
                if self.share.is_some() {
                    self.tried = from + entries.len();
                    return;
                }
            }
            from += entries.len();
            self.tried = from;
        }
    }

    fn owned(&self) -> Vec<KeyEntry> {
        self.entries.iter().map(|&entry| entry.clone()).collect()
    }

    /// Several failures with a key become one.
    fn add_failures(&mut self, failures: Vec<(usize, KeyError)>) {
        for (index, error) in failures {
            if let Some(slot) = self.errors.get_mut(index) {
                *slot = Some(match slot.take() {
                    Some(earlier) => earlier.and(error),
                    None => error,
                });
            }
        }
    }

    fn finish(self) -> (Option<SecretBytes>, GroupOutcome) {
        let is_recovered = self.share.is_some();
        let entries = self.entries.iter().zip(self.errors);
        let failures = entries.filter_map(|(entry, error)| {
            let error = error.or_else(|| (!is_recovered).then(|| no_support(&entry.key)));
            error.map(|error| failure(&entry.key, error))
        });
        let failures = failures.collect();
        (
            self.share,
            GroupOutcome {
                is_recovered,
                failures,
            },
        )
    }
}

/// Asks the services that wait for a network for one of `entries`, the next when the one before takes long.
fn ask_those_that_wait(
    entries: Vec<KeyEntry>,
    services: &[Service],
) -> (Option<SecretBytes>, Vec<(usize, KeyError)>) {
    let services: Vec<Service> = services
        .iter()
        .filter(|service| service.waits())
        .cloned()
        .collect();
    let jobs = entries.into_iter().map(|entry| {
        let services = services.clone();
        move || first_success(services.iter(), |service| service.unwrap(&entry))
    });
    let is_success = |outcome: &Option<Result<_, _>>| matches!(outcome, Some(Ok(_)));
    let mut share = None;
    let mut failures = Vec::new();
    for (at, outcome) in race(jobs.collect(), 1, HEAD_START, is_success) {
        match outcome {
            Some(Ok(success)) => share = Some(success),
            Some(Err(error)) => failures.push((at, error)),
            None => {}
        }
    }
    failures.sort_by_key(|(at, _)| *at);
    (share, failures)
}

/// Asks one service after the other until one succeeds. Several failures become one.
fn first_success<'s, T>(
    services: impl Iterator<Item = &'s Service>,
    ask: impl Fn(&dyn KeyService) -> Option<Result<T, KeyError>>,
) -> Option<Result<T, KeyError>> {
    let mut outcome = None;
    for service in services {
        add(&mut outcome, ask(service.as_ref()));
        if let Some(Ok(_)) = outcome {
            break;
        }
    }
    outcome
}

/// Puts what came of a further attempt to what came of those before.
fn add<T>(outcome: &mut Option<Result<T, KeyError>>, further: Option<Result<T, KeyError>>) {
    *outcome = match (outcome.take(), further) {
        (Some(Err(earlier)), Some(Err(error))) => Some(Err(earlier.and(error))),
        (earlier, None) => earlier,
        (_, further) => further,
    };
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
