//! Local age keys: the [`KeyService`] that wraps for recipients and unwraps with identities.

use std::sync::Arc;

use super::{
    Identities, KeyError, KeyService, Unwrapped, age_attempt::Attempt, age_file,
    age_recipient::AgeRecipient, asker::Asker, plugin::Plugins,
};
use crate::{
    metadata::{KeyEntry, MasterKey},
    secret::SecretBytes,
    warning::Warning,
};

/// Where an [`AgeService`] gets its identities from, when it needs them.
pub(super) trait IdentitySource {
    /// Returns the identities that are the same for every recipient. They are looked for once.
    fn common(&self) -> &FoundIdentities;

    /// Returns private keys of SSH, where they are kept. They are looked for once.
    fn ssh(&self) -> Option<&FoundIdentities> {
        None
    }

    /// Returns identities for `recipient` alone, if there is a way to get some. `is_ssh`: it is a key of SSH.
    fn for_recipient(&self, recipient: &str, is_ssh: bool) -> Option<Arc<FoundIdentities>> {
        let _ = (recipient, is_ssh);
        None
    }

    /// Returns what was found so far.
    fn already_found(&self) -> Vec<&FoundIdentities>;
}

/// Identities, and what was seen on the way to them.
#[derive(Debug, Default)]
pub(super) struct FoundIdentities {
    pub(super) identities: Identities,
    /// What could not be read.
    pub(super) problems: Vec<KeyError>,
    /// Each place that was looked at, and what was there.
    pub(super) searched: Vec<String>,
    pub(super) warnings: Vec<Warning>,
}

impl IdentitySource for FoundIdentities {
    fn common(&self) -> &FoundIdentities {
        self
    }

    fn already_found(&self) -> Vec<&FoundIdentities> {
        vec![self]
    }
}

/// Wraps and unwraps with age, in this process, and in those of plugins.
pub(super) struct AgeService {
    source: Box<dyn IdentitySource + Send + Sync>,
    asker: Asker,
    plugins: Plugins,
}

impl AgeService {
    pub(super) fn new(
        source: impl IdentitySource + Send + Sync + 'static,
        asker: Asker,
        plugins: Plugins,
    ) -> Self {
        Self {
            source: Box::new(source),
            asker,
            plugins,
        }
    }

    /// Returns a service that asks nobody.
    pub(super) fn with_identities(identities: Identities) -> Self {
        let found = FoundIdentities {
            identities,
            ..FoundIdentities::default()
        };
        let asker = Asker::default();
        Self::new(found, asker.clone(), Plugins::new(asker))
    }

    fn wrap_for(&self, recipient: &str, share: &SecretBytes) -> Result<String, KeyError> {
        let recipient = AgeRecipient::parse(recipient)?;
        let file = age_file::seal(share.expose(), |file_key| {
            recipient.wrap(file_key, &self.plugins)
        })?;
        Ok(age_file::to_armor(&file))
    }
}

impl KeyService for AgeService {
    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        match key {
            MasterKey::Age { recipient } => Some(self.wrap_for(recipient, share)),
            _ => None,
        }
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let mut outcome = self.unwrap_any(&[entry]);
        match (outcome.share, outcome.failures.pop()) {
            (Some(share), _) => Some(Ok(share)),
            (None, Some((_, error))) => Some(Err(error)),
            (None, None) => None,
        }
    }

    fn unwrap_any(&self, entries: &[&KeyEntry]) -> Unwrapped {
        let own = entries.iter().enumerate();
        let own = own.filter_map(|(index, entry)| match &entry.key {
            MasterKey::Age { recipient } => Some((index, recipient.as_str(), entry.enc.as_str())),
            _ => None,
        });
        let mut attempt = Attempt::new(&*self.source, &self.asker, &self.plugins, own);
        let share = attempt.run();
        let failures = attempt.into_failures(share.is_some());
        Unwrapped { share, failures }
    }

    fn searched(&self) -> Vec<String> {
        let found = self.source.already_found().into_iter();
        found.flat_map(|found| found.searched.clone()).collect()
    }

    fn warnings(&self) -> Vec<Warning> {
        let found = self.source.already_found().into_iter();
        found.flat_map(|found| found.warnings.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::KeyEntry;

    fn entry(recipient: &str, enc: String) -> KeyEntry {
        KeyEntry::new(
            MasterKey::Age {
                recipient: recipient.to_owned(),
            },
            enc,
            None,
        )
    }

    fn service() -> (AgeService, String) {
        let identities = Identities::generate();
        let recipient = identities.recipients().remove(0);
        (AgeService::with_identities(identities), recipient)
    }

    #[test]
    fn what_is_wrapped_comes_back() {
        let (service, recipient) = service();
        let share = SecretBytes::new((0..33).collect());
        let key = MasterKey::Age {
            recipient: recipient.clone(),
        };
        let enc = service
            .wrap(&key, &share)
            .expect("its kind")
            .expect("wraps");
        assert!(enc.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
        assert!(enc.ends_with("\n-----END AGE ENCRYPTED FILE-----\n"));
        assert!(!enc.ends_with("\n\n"));
        for enc in [
            enc.clone(),
            enc.trim_end().to_owned(),
            enc.replace('\n', "\r\n"),
            format!("\n{enc}\n"),
        ] {
            let opened = service.unwrap(&entry(&recipient, enc)).expect("its kind");
            assert_eq!(opened.expect("unwraps").expose(), share.expose());
        }
    }

    #[test]
    fn other_kinds_are_not_its_business() {
        let (service, _) = service();
        let key = MasterKey::Pgp {
            fingerprint: "AB".repeat(20),
        };
        assert!(service.wrap(&key, &SecretBytes::new(vec![1; 32])).is_none());
        assert!(
            service
                .unwrap(&KeyEntry::new(key, String::new(), None))
                .is_none()
        );
    }

    #[test]
    fn damaged_entries_are_errors() {
        let (service, recipient) = service();
        let key = MasterKey::Age {
            recipient: recipient.clone(),
        };
        let share = SecretBytes::new(vec![1; 32]);
        let good = service
            .wrap(&key, &share)
            .expect("its kind")
            .expect("wraps");
        let too_long = SecretBytes::new(vec![1; 5000]);
        let long = service
            .wrap(&key, &too_long)
            .expect("its kind")
            .expect("wraps");
        for enc in [
            String::new(),
            "text".to_owned(),
            good.replace("BEGIN", "BEGUN"),
            good.replace("YWdl", "YWdm"),
            good[..200].to_owned(),
            good.replace("\n-----END", "\nA-----END"),
            good.replace("-----END AGE ENCRYPTED FILE-----\n", ""),
            long,
        ] {
            let error = service
                .unwrap(&entry(&recipient, enc))
                .expect("its kind")
                .expect_err("damaged");
            assert!(error.message.contains("enc"), "{error}");
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn a_stranger_is_told_so() {
        let (service, recipient) = service();
        let key = MasterKey::Age {
            recipient: recipient.clone(),
        };
        let share = SecretBytes::new(vec![1; 32]);
        let enc = service
            .wrap(&key, &share)
            .expect("its kind")
            .expect("wraps");
        let message = |identities| {
            let stranger = AgeService::with_identities(identities);
            let outcome = stranger
                .unwrap(&entry(&recipient, enc.clone()))
                .expect("its kind");
            outcome.expect_err("does not fit").message
        };
        assert_eq!(message(Identities::default()), "there is no age identity");
        assert_eq!(
            message(Identities::generate()),
            "the one age identity at hand does not fit"
        );
        let mut several = Identities::generate();
        several.append(Identities::generate_post_quantum());
        several.append(Identities::generate());
        assert_eq!(
            message(several),
            "none of the 3 age identities at hand fits"
        );
    }

    /// An identity file for each kind that needs no passphrase.
    fn of_each_kind() -> Vec<Identities> {
        let ssh = ["ed25519", "rsa"].map(|name| {
            let path = format!("{}/../testdata/ssh/{name}", env!("CARGO_MANIFEST_DIR"));
            let text = SecretBytes::new(std::fs::read(path).expect("a key"));
            Identities::parse(&text, name).expect("an identity")
        });
        let mut all = vec![Identities::generate(), Identities::generate_post_quantum()];
        all.extend(ssh);
        all
    }

    #[test]
    fn every_kind_wraps_and_unwraps() {
        let share = SecretBytes::new((0..33).collect());
        for identities in of_each_kind() {
            let recipient = identities.recipients().remove(0);
            let service = AgeService::with_identities(identities);
            for recipient in [recipient.clone(), format!(" {recipient} a comment ")] {
                if recipient.contains("comment") && !recipient.contains("ssh-") {
                    continue;
                }
                let key = MasterKey::Age {
                    recipient: recipient.clone(),
                };
                let enc = service.wrap(&key, &share).expect("its kind");
                let enc = enc.expect("wraps");
                let opened = service.unwrap(&entry(&recipient, enc)).expect("its kind");
                assert_eq!(opened.expect("unwraps").expose(), share.expose());
            }
        }
    }

    #[test]
    fn only_the_entry_that_names_an_identity_is_touched() {
        let share = SecretBytes::new(vec![7; 32]);
        for identities in of_each_kind() {
            let recipient = identities.recipients().remove(0);
            let mut all = Identities::generate();
            all.append(identities);
            let service = AgeService::with_identities(all);
            let key = MasterKey::Age {
                recipient: recipient.clone(),
            };
            let enc = service.wrap(&key, &share).expect("its kind");
            let mut entries: Vec<KeyEntry> = (0..100)
                .map(|number| entry(&format!("age1other{number}"), "damaged".to_owned()))
                .collect();
            entries.push(entry(&recipient, enc.expect("wraps")));
            let entries: Vec<&KeyEntry> = entries.iter().collect();
            let outcome = service.unwrap_any(&entries);
            assert!(outcome.share.is_some());
            assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        }
    }

    #[test]
    fn an_entry_with_a_wrong_recipient_is_opened_all_the_same() {
        let share = SecretBytes::new(vec![7; 32]);
        for identities in of_each_kind() {
            let recipient = identities.recipients().remove(0);
            let service = AgeService::with_identities(identities);
            let key = MasterKey::Age { recipient };
            let enc = service.wrap(&key, &share).expect("its kind");
            let entry = entry("age1someone", enc.expect("wraps"));
            let opened = service.unwrap(&entry).expect("its kind");
            assert_eq!(opened.expect("unwraps").expose(), share.expose());
        }
    }
}
