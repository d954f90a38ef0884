//! Messages opened with secret keys, some of which have to be unlocked first.

use std::{collections::HashMap, io::Read};

use sequoia_openpgp::{
    Cert, Fingerprint, KeyHandle,
    crypto::{KeyPair, Password, SessionKey},
    packet::{Key, PKESK, SKESK, key},
    parse::{
        Parse,
        stream::{DecryptionHelper, DecryptorBuilder, MessageStructure, VerificationHelper},
    },
    policy::StandardPolicy,
    types::SymmetricAlgorithm,
};
use sops_core::{Prompt, SecretBytes, keys::KeyError};
use zeroize::Zeroizing;

use crate::{key_files::said_by, select};

/// More bytes than any data key or share has.
const MAX_SHARE: usize = 256;
/// How often someone may mistype a passphrase.
const ATTEMPTS: u32 = 3;

type SecretKey = Key<key::SecretParts, key::UnspecifiedRole>;

/// What came of the secret keys that were needed so far.
#[derive(Default)]
pub(crate) struct Unlocked {
    keys: HashMap<Fingerprint, Result<KeyPair, Refusal>>,
}

/// Why a key could not be unlocked. Nobody is asked again in the same run.
#[derive(Clone)]
struct Refusal {
    message: String,
    hint: Option<String>,
}

impl Unlocked {
    /// Decrypts a message with the secret keys of `certs`. `fingerprint` is that of the metadata. `None`: it is for none
    /// of them.
    pub(crate) fn decrypt(
        &mut self,
        certs: &[Cert],
        fingerprint: &str,
        enc: &str,
        prompt: Option<&dyn Prompt>,
    ) -> Option<Result<SecretBytes, KeyError>> {
        let mut outcome = Outcome::NotAsked;
        let helper = Helper {
            unlocked: self,
            certs,
            fingerprint,
            prompt,
            outcome: &mut outcome,
        };
        let error = match open(enc, helper) {
            Ok(share) => return Some(Ok(share)),
            Err(error) => error,
        };
        match outcome {
            Outcome::NotForUs => None,
            Outcome::Refused(refusal) => Some(Err(refusal.into())),
            // It may be for another key, but nobody will ever know.
            Outcome::NotAsked | Outcome::Opened => Some(Err(KeyError::new(format!(
                "its `enc` is damaged, or no OpenPGP message for a public key: {}",
                said_by(&error)
            ))
            .with_hint("restore the `enc` of this key from an earlier version of the file"))),
        }
    }

    /// Returns the key, if it needs no passphrase or has been given one.
    fn at_hand(&mut self, key: &SecretKey) -> Option<&mut KeyPair> {
        let fingerprint = key.fingerprint();
        if key.has_unencrypted_secret() && !self.keys.contains_key(&fingerprint) {
            let pair = key.clone().into_keypair().map_err(Refusal::from);
            self.keys.insert(fingerprint.clone(), pair);
        }
        self.keys.get_mut(&fingerprint)?.as_mut().ok()
    }

    /// Returns the key, after asking for its passphrase if nobody was asked before.
    fn unlock(
        &mut self,
        key: &SecretKey,
        cert: &Cert,
        prompt: Option<&dyn Prompt>,
    ) -> Result<&mut KeyPair, Refusal> {
        let outcome = self
            .keys
            .entry(key.fingerprint())
            .or_insert_with(|| unlock(key, cert, prompt));
        outcome.as_mut().map_err(|refusal| refusal.clone())
    }
}

fn unlock(key: &SecretKey, cert: &Cert, prompt: Option<&dyn Prompt>) -> Result<KeyPair, Refusal> {
    let name = format!("{}{}", cert.fingerprint(), select::owner(cert));
    let Some(prompt) = prompt else {
        return Err(Refusal {
            message: format!("the secret key {name} is locked with a passphrase"),
            hint: Some("unlock it with `gpg --change-passphrase`, and export it again".to_owned()),
        });
    };
    let what = format!("Passphrase for the OpenPGP key {name}");
    let mut question = what.clone();
    for _ in 0..ATTEMPTS {
        let answer = prompt.secret(&question);
        let passphrase = answer.map_err(|error| Refusal::from(error.about(&what)))?;
        let passphrase = Password::from(passphrase.expose());
        if let Ok(unlocked) = key.clone().decrypt_secret(&passphrase) {
            return unlocked.into_keypair().map_err(Refusal::from);
        }
        question = format!("Wrong, try again. {what}");
    }
    Err(Refusal {
        message: format!("{what}: the answer was wrong {ATTEMPTS} times"),
        hint: None,
    })
}

impl From<sequoia_openpgp::anyhow::Error> for Refusal {
    fn from(error: sequoia_openpgp::anyhow::Error) -> Self {
        Self {
            message: format!("the secret key cannot be used: {}", said_by(&error)),
            hint: Some("use it through gpg: import it there".to_owned()),
        }
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        Self {
            message: error.message,
            hint: error.hint,
        }
    }
}

impl From<Refusal> for KeyError {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new(refusal.message);
        match refusal.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// How far a message was understood.
enum Outcome {
    /// It ended before it named a recipient.
    NotAsked,
    NotForUs,
    Refused(Refusal),
    Opened,
}

fn open(enc: &str, helper: Helper<'_, '_>) -> sequoia_openpgp::Result<SecretBytes> {
    let policy = lenient_policy();
    let builder = DecryptorBuilder::from_bytes(enc.as_bytes())?;
    let mut decryptor = builder.with_policy(&policy, None, helper)?;
    let mut share = Zeroizing::new([0; MAX_SHARE + 1]);
    let mut length = 0;
    // To the very end: only there it is known whether all of it is what was encrypted.
    while length < share.len() {
        match decryptor.read(&mut share[length..])? {
            0 => return Ok(SecretBytes::new(share[..length].to_vec())),
            count => length += count,
        }
    }
    Err(sequoia_openpgp::anyhow::anyhow!(
        "it holds more than a data key"
    ))
}

/// What was once encrypted with a weak cipher has to be opened to be encrypted anew.
#[expect(deprecated, reason = "the ciphers are named to open old messages only")]
fn lenient_policy() -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::new();
    for weak in [
        SymmetricAlgorithm::TripleDES,
        SymmetricAlgorithm::CAST5,
        SymmetricAlgorithm::Blowfish,
    ] {
        policy.accept_symmetric_algo(weak);
    }
    policy
}

/// What is asked while a message is decrypted.
struct Helper<'a, 'b> {
    unlocked: &'b mut Unlocked,
    certs: &'a [Cert],
    fingerprint: &'a str,
    prompt: Option<&'a dyn Prompt>,
    outcome: &'b mut Outcome,
}

impl Helper<'_, '_> {
    /// The secret keys that a message may be for, and whether it names them. Those that it does not name may still fit: the
    /// recipients of a message can be hidden.
    fn candidates(&self, pkesks: &[PKESK]) -> Vec<(usize, SecretKey, Cert, bool)> {
        let mut candidates = Vec::new();
        for (index, pkesk) in pkesks.iter().enumerate() {
            for cert in self.certs {
                for key in cert.keys().secret() {
                    let is_named = match pkesk.recipient() {
                        Some(recipient) => {
                            if !recipient.aliases(KeyHandle::from(key.key().fingerprint())) {
                                continue;
                            }
                            true
                        }
                        None => false,
                    };
                    if key.key().pk_algo() != pkesk.pk_algo() {
                        continue;
                    }
                    let key = key.key().clone();
                    candidates.push((index, key, cert.clone(), is_named));
                }
            }
        }
        candidates
    }
}

impl DecryptionHelper for Helper<'_, '_> {
    fn decrypt(
        &mut self,
        pkesks: &[PKESK],
        _skesks: &[SKESK],
        algorithm: Option<SymmetricAlgorithm>,
        decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> sequoia_openpgp::Result<Option<Cert>> {
        if pkesks.is_empty() {
            return Ok(None);
        }
        *self.outcome = Outcome::NotForUs;
        let candidates = self.candidates(pkesks);
        let mut attempt = |pkesk: &PKESK, pair: &mut KeyPair| {
            pkesk
                .decrypt(pair, algorithm)
                .is_some_and(|(algorithm, session_key)| decrypt(algorithm, &session_key))
        };
        // Whoever is named by the message and locked is asked for last, and for hidden recipients only the key that the
        // metadata name.
        for (index, key, cert, _) in &candidates {
            if let Some(pair) = self.unlocked.at_hand(key)
                && attempt(&pkesks[*index], pair)
            {
                *self.outcome = Outcome::Opened;
                return Ok(Some(cert.clone()));
            }
        }
        for (index, key, cert, is_named) in &candidates {
            let is_meant =
                *is_named || select::find(std::slice::from_ref(cert), self.fingerprint).is_some();
            if !is_meant || key.has_unencrypted_secret() {
                continue;
            }
            match self.unlocked.unlock(key, cert, self.prompt) {
                Ok(pair) => {
                    if attempt(&pkesks[*index], pair) {
                        *self.outcome = Outcome::Opened;
                        return Ok(Some(cert.clone()));
                    }
                }
                Err(refusal) => *self.outcome = Outcome::Refused(refusal),
            }
        }
        Ok(None)
    }
}

impl VerificationHelper for Helper<'_, '_> {
    fn get_certs(&mut self, _ids: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
        Ok(Vec::new())
    }

    /// Who signed a data key, if anybody did, says nothing about the file: its MAC does.
    fn check(&mut self, _structure: MessageStructure) -> sequoia_openpgp::Result<()> {
        Ok(())
    }
}
