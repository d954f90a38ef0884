//! Changing single values of an encrypted file.

use super::{DecryptOptions, Encrypted, Unlocked};
use crate::{
    change::{Change, Draft},
    error::Error,
    secret::SecretText,
};

impl Unlocked<'_> {
    /// Sets and removes values, one after the other, and encrypts what changed under the same data key. Everything
    /// else stays as it is; if nothing changes, so does the file.
    ///
    /// # Errors
    /// As [`Unlocked::decrypt`] and [`Unlocked::update`]; [`Error::Change`] for a value that cannot be set or removed,
    /// [`Error::NotFound`] for one to be removed that is not there.
    pub fn change(&self, changes: &[Change], options: &DecryptOptions) -> Result<Encrypted, Error> {
        match self.change_in_place(changes, options) {
            Some(changed) => Ok(changed),
            None => self.change_plaintext(changes, options),
        }
    }

    /// Decrypts the file, changes its text, and encrypts it again.
    pub(super) fn change_plaintext(
        &self,
        changes: &[Change],
        options: &DecryptOptions,
    ) -> Result<Encrypted, Error> {
        let plain = self.decrypt(options)?;
        let text = std::str::from_utf8(plain.bytes())
            .map_err(|_| Error::UnsupportedFormat(self.file.format))?;
        let text = SecretText::new(text.to_owned());
        let mut draft = Draft::new(text, self.file.format)?;
        let mut is_changed = false;
        for change in changes {
            is_changed |= draft.apply(change)?;
        }
        match is_changed {
            true => self.update(draft.text().as_bytes()),
            false => Ok(self.unchanged()),
        }
    }
}
