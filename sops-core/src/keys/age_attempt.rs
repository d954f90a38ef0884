//! One attempt to unwrap what several age files hold: what is sure to fit and asks nobody comes first.

use super::{
    Identities, KeyError,
    age::{FoundIdentities, IdentitySource},
    age_file::{FileKey, Identity, OpenError, Sealed, from_armor},
    age_recipient::AgeRecipient,
    asker::Asker,
    plugin::{PluginIdentity, PluginRecipient, Plugins},
};
use crate::secret::SecretBytes;

/// More bytes than any data key or share has.
const MAX_SHARE: usize = 256;

const DAMAGED_HINT: &str = "restore the `enc` of this key from an earlier version of the file";

/// Some entries of a file, which all hold the same data key or share.
pub(super) struct Attempt<'a> {
    source: &'a dyn IdentitySource,
    asker: &'a Asker,
    plugins: &'a Plugins,
    entries: Vec<Entry<'a>>,
    /// How many identities were at hand.
    identities: usize,
    /// What kept identities from being used.
    problems: Vec<Problem>,
}

/// A recipient with what is encrypted for it.
struct Entry<'a> {
    index: usize,
    /// The recipient, without a comment.
    recipient: String,
    enc: &'a str,
    /// Read when it is first needed.
    sealed: Option<Sealed>,
    /// Why no identity will ever open it.
    damage: Option<&'static str>,
    /// What kept identities for it alone from being used.
    problems: Vec<Problem>,
}

/// What an error says of a problem.
#[derive(Clone)]
struct Problem {
    message: String,
    hint: Option<String>,
}

/// Which plugins are run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Those whose name the recipient holds.
    Named,
    /// The others.
    Others,
}

impl<'a> Attempt<'a> {
    /// Takes the places of entries in a list, with their recipient and their `enc`.
    pub(super) fn new(
        source: &'a dyn IdentitySource,
        asker: &'a Asker,
        plugins: &'a Plugins,
        entries: impl Iterator<Item = (usize, &'a str, &'a str)>,
    ) -> Self {
        let entries = entries.map(|(index, recipient, enc)| Entry {
            index,
            recipient: AgeRecipient::canonical(recipient),
            enc,
            sealed: None,
            damage: None,
            problems: Vec::new(),
        });
        Self {
            source,
            asker,
            plugins,
            entries: entries.collect(),
            identities: 0,
            problems: Vec::new(),
        }
    }

    /// Returns what the entries hold, if one of them can be opened.
    pub(super) fn run(&mut self) -> Option<SecretBytes> {
        if self.entries.is_empty() {
            return None;
        }
        let common = self.source.common();
        self.note(common);
        if let Some(share) = self.with_open(&common.identities) {
            return Some(share);
        }
        let is_ssh: Vec<bool> = self.entries.iter().map(Entry::is_ssh).collect();
        let ssh = is_ssh.contains(&true).then(|| self.source.ssh()).flatten();
        if let Some(ssh) = ssh {
            self.note(ssh);
            if let Some(share) = self.with_open(&ssh.identities) {
                return Some(share);
            }
        }
        let mut from_commands = Vec::new();
        for (number, is_ssh) in is_ssh.into_iter().enumerate() {
            let entry = &mut self.entries[number];
            let Some(found) = self.source.for_recipient(&entry.recipient, is_ssh) else {
                continue;
            };
            self.identities += found.identities.len();
            entry
                .problems
                .extend(found.problems.iter().map(Problem::from));
            let mut open = found.identities.open().iter();
            if let Some(share) = open.find_map(|open| entry.open_with(&open.identity)) {
                return Some(share);
            }
            from_commands.push(found);
        }

        let mut all = vec![&common.identities];
        all.extend(ssh.map(|ssh| &ssh.identities));
        all.extend(from_commands.iter().map(|found| &found.identities));
        self.with_locked_keys(&all)
            .or_else(|| self.with_plugins(&all, Run::Named))
            .or_else(|| self.with_locked_files(&all))
            .or_else(|| self.with_plugins(&all, Run::Others))
    }

    /// Returns why entries were not opened: all of them, or, after a success, those that are damaged.
    pub(super) fn into_failures(self, is_success: bool) -> Vec<(usize, KeyError)> {
        let (problems, identities) = (&self.problems, self.identities);
        self.entries
            .into_iter()
            .filter(|entry| !is_success || entry.damage.is_some())
            .map(|entry| (entry.index, entry.into_failure(problems, identities)))
            .collect()
    }

    fn note(&mut self, found: &FoundIdentities) {
        self.identities += found.identities.len();
        self.problems
            .extend(found.problems.iter().map(Problem::from));
    }

    /// Tries identities that can be used as they are: first each with the entry that names it.
    fn with_open(&mut self, identities: &Identities) -> Option<SecretBytes> {
        let open = identities.open();
        // With one of each there is nothing to choose, and no public key to compute for it.
        if let ([open], [entry]) = (open, &mut self.entries[..]) {
            return entry.open_with(&open.identity);
        }
        for is_named in [true, false] {
            for entry in &mut self.entries {
                for open in open {
                    if (open.recipient() == entry.recipient) != is_named {
                        continue;
                    }
                    if let Some(share) = entry.open_with(&open.identity) {
                        return Some(share);
                    }
                }
            }
        }
        None
    }

    /// Asks for the passphrases of private keys of SSH that an entry is for.
    fn with_locked_keys(&mut self, all: &[&Identities]) -> Option<SecretBytes> {
        for locked in all.iter().flat_map(|identities| identities.locked_keys()) {
            for entry in &mut self.entries {
                let is_for = |sealed: &Sealed| sealed.is_for(locked.recipient());
                if !entry.sealed().is_some_and(is_for) {
                    continue;
                }
                match locked.unlock(self.asker) {
                    Ok(identity) => {
                        if let Some(share) = entry.open_with(identity) {
                            return Some(share);
                        }
                    }
                    Err(error) => entry.problems.push(error.into()),
                }
            }
        }
        None
    }

    /// Lets plugins try.
    fn with_plugins(&mut self, all: &[&Identities], run: Run) -> Option<SecretBytes> {
        let identities = all.iter().flat_map(|identities| identities.plugins());
        for identity in identities {
            if let Some(share) = self.with_plugin(identity, run) {
                return Some(share);
            }
        }
        None
    }

    fn with_plugin(&mut self, identity: &PluginIdentity, run: Run) -> Option<SecretBytes> {
        let mut numbers = Vec::new();
        for (number, entry) in self.entries.iter_mut().enumerate() {
            let is_named = PluginRecipient::name_in(&entry.recipient) == Some(identity.name());
            if is_named == (run == Run::Named) && entry.sealed().is_some() {
                numbers.push(number);
            }
        }
        if numbers.is_empty() {
            return None;
        }
        let sealed = numbers.iter().filter_map(|&number| {
            let sealed = self.entries[number].sealed.as_ref();
            sealed.map(Sealed::stanzas)
        });
        match self.plugins.unwrap(identity, &sealed.collect::<Vec<_>>()) {
            Ok(file_keys) => file_keys.iter().find_map(|(file, file_key)| {
                let number = *numbers.get(*file)?;
                self.entries[number].open(file_key)
            }),
            Err(error) => {
                let problem = Problem::from(&error);
                match run {
                    Run::Named => {
                        for number in numbers {
                            self.entries[number].problems.push(problem.clone());
                        }
                    }
                    Run::Others => self.problems.push(problem),
                }
                None
            }
        }
    }

    /// Asks for the passphrases of files with identities, and tries what is in them.
    fn with_locked_files(&mut self, all: &[&Identities]) -> Option<SecretBytes> {
        let may_fit = |entry: &mut Entry<'_>| {
            let sealed = entry.sealed();
            sealed.is_some_and(|sealed| !sealed.has_passphrase())
        };
        if !self.entries.iter_mut().any(may_fit) {
            return None;
        }
        for locked in all.iter().flat_map(|identities| identities.locked_files()) {
            match locked.unlock(self.asker) {
                Ok(identities) => {
                    self.identities += identities.len().saturating_sub(1);
                    let inner = [identities];
                    let share = self
                        .with_open(identities)
                        .or_else(|| self.with_locked_keys(&inner))
                        .or_else(|| self.with_plugins(&inner, Run::Named))
                        .or_else(|| self.with_plugins(&inner, Run::Others));
                    if share.is_some() {
                        return share;
                    }
                }
                Err(error) => self.problems.push(error.into()),
            }
        }
        None
    }
}

impl Entry<'_> {
    fn is_ssh(&self) -> bool {
        self.recipient.starts_with("ssh-") || self.sealed.as_ref().is_some_and(Sealed::has_ssh)
    }

    /// Reads the file, if it was not read, and is not damaged.
    fn sealed(&mut self) -> Option<&Sealed> {
        if self.sealed.is_none() && self.damage.is_none() {
            match from_armor(self.enc).and_then(|file| Sealed::parse(&file)) {
                Ok(sealed) => self.sealed = Some(sealed),
                Err(error) => self.damage = Some(damage(error)),
            }
        }
        self.sealed.as_ref()
    }

    fn open_with(&mut self, identity: &Identity) -> Option<SecretBytes> {
        self.sealed()?;
        let file_key = self.sealed.as_ref()?.unwrap(identity, &self.recipient)?;
        self.open(&file_key)
    }

    /// Decrypts the content. If that does not work with the right key, no other key will do.
    fn open(&mut self, file_key: &FileKey) -> Option<SecretBytes> {
        match self.sealed.as_ref()?.open(file_key) {
            Ok(share) if share.len() >= MAX_SHARE => {
                self.damage = Some("its `enc` holds more than a data key");
            }
            Ok(mut share) => return Some(SecretBytes::new(std::mem::take(&mut *share))),
            Err(error) => self.damage = Some(damage(error)),
        }
        self.sealed = None;
        None
    }

    fn into_failure(self, common: &[Problem], identities: usize) -> KeyError {
        if let Some(damage) = self.damage {
            return KeyError::new(damage).with_hint(DAMAGED_HINT);
        }
        let has_passphrase = self.sealed.as_ref().is_some_and(Sealed::has_passphrase);
        let mut message = match identities {
            _ if has_passphrase => {
                "its `enc` is encrypted with a passphrase, which SOPS does not ask for".to_owned()
            }
            0 => "there is no age identity".to_owned(),
            1 => "the one age identity at hand does not fit".to_owned(),
            count => format!("none of the {count} age identities at hand fits"),
        };
        let mut hint = None;
        for problem in self.problems.iter().chain(common) {
            message.push_str("; ");
            message.push_str(&problem.message);
            hint = hint.or(problem.hint.as_ref());
        }
        let hint = hint.map(String::as_str);
        match hint.or(has_passphrase.then_some(DAMAGED_HINT)) {
            Some(hint) => KeyError::new(message).with_hint(hint),
            None => KeyError::new(message),
        }
    }
}

impl From<&KeyError> for Problem {
    fn from(error: &KeyError) -> Self {
        Self {
            message: error.to_string(),
            hint: error.hint.clone(),
        }
    }
}

fn damage(error: OpenError) -> &'static str {
    match error {
        OpenError::Armor | OpenError::Header | OpenError::HeaderMac | OpenError::Payload => {
            "its `enc` is damaged, or not encrypted with age"
        }
    }
}
