//! What the environment has for decrypting with age, to be shown to whoever wonders why a file does not open.

use super::{KeyError, age::FoundIdentities, env::Environment};
use crate::warning::Warning;

/// The identities that the environment names, without a secret in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct IdentitySurvey {
    /// Each place that is looked at, and what is there.
    pub places: Vec<String>,
    /// The recipients of the identities that were found, as far as that can be told without a passphrase or a plugin.
    pub recipients: Vec<String>,
    /// The plugins that identities are of, by name.
    pub plugins: Vec<String>,
    /// What could not be read.
    pub problems: Vec<KeyError>,
    /// What deserves a word, such as a file that others can read.
    pub warnings: Vec<Warning>,
}

impl IdentitySurvey {
    /// Looks where [`Keyring::from_env`](super::Keyring::from_env) looks, private keys of SSH included, but runs no
    /// command and asks nobody. Reads the environment and files.
    #[must_use]
    pub fn from_env() -> Self {
        let environment = Environment::from_env();
        let mut survey = Self {
            places: Vec::new(),
            recipients: Vec::new(),
            plugins: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        survey.take(environment.look());
        survey.take(environment.look_for_ssh());
        survey
    }

    fn take(&mut self, found: FoundIdentities) {
        self.places.extend(found.searched);
        self.recipients.extend(found.identities.recipients());
        let plugins = found.identities.plugins().iter();
        self.plugins
            .extend(plugins.map(|identity| identity.name().to_owned()));
        self.problems.extend(found.problems);
        self.warnings.extend(found.warnings);
    }
}
