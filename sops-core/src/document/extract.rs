//! One text out of an encrypted file, without decrypting the others.

use super::{Unlocked, open::open_leaves};
use crate::{
    crypto::{EncryptedValue, decrypt::Decryption},
    error::Error,
    format::Format,
    secret::SecretBytes,
    tree::{NodeKind, Step, TreePath, ValueRef},
    warning::Warning,
    warnings,
};

impl Unlocked<'_> {
    /// Returns the text at a path of the first document, and what there is to say about the file, after checking its
    /// values against its MAC: for less than the plaintext takes. `None` as in [`Unlocked::danger_extract_text`].
    ///
    /// # Errors
    /// As [`Unlocked::decrypt`].
    pub fn extract_text(
        &self,
        path: &TreePath,
    ) -> Result<Option<(SecretBytes, Vec<Warning>)>, Error> {
        let Some(text) = self.danger_extract_text(path)? else {
            return Ok(None);
        };
        let matcher = self.file.metadata.selector.compile()?;
        let decryption = Decryption {
            format: self.file.format,
            cipher: &self.cipher,
            matcher: &matcher,
            mac_only_encrypted: self.file.metadata.mac_only_encrypted,
            by_content: false,
            with_stash: false,
            with_fingerprint: false,
            with_edits: false,
            spelled: &[],
        };
        let leaves = open_leaves(&self.file, &decryption, false)?;
        let warnings = warnings::after_decryption(&self.file.text, &self.file.tree, &leaves);
        Ok(Some((text, warnings)))
    }

    /// Returns the text at a path of the first document, decrypting nothing else. `None` if what is there is no encrypted
    /// text, or if it takes the whole file to tell: decrypt it, then.
    ///
    /// The MAC covers all values, so it cannot be checked here. Whoever can write the file may have moved the text here
    /// from another file with the same data key, or put an older one in its place; it was encrypted for this path.
    ///
    /// # Errors
    /// [`Error::Selector`] if the rule of the file cannot be used.
    pub fn danger_extract_text(&self, path: &TreePath) -> Result<Option<SecretBytes>, Error> {
        let text = self.file.text.as_ref();
        let tree = &self.file.tree;
        let matcher = self.file.metadata.selector.compile()?;
        let document = tree.documents().next();
        let Some(mut node) = document.and_then(|document| tree.root(document)) else {
            return Ok(None);
        };
        let metadata = document.and_then(|document| tree.metadata_entry(text, document));
        // Comments before it, and what an alias stands for, take a walk.
        if self.file.format == Format::Binary || matcher.is_by_comment() {
            return Ok(None);
        }
        let mut additional_data = Vec::new();
        let mut key_matched = false;
        for step in path.steps() {
            let next = match (&tree[node].kind, step) {
                (NodeKind::Map { .. }, Step::Key(key) | Step::KeyOrIndex(key, _)) => {
                    additional_data.extend_from_slice(key.as_bytes());
                    additional_data.push(b':');
                    key_matched |= matcher.key(key.as_bytes());
                    tree.entry(text, node, key).map(|(_, value)| value)
                }
                (NodeKind::Sequence, Step::Index(index) | Step::KeyOrIndex(_, index)) => {
                    tree.items(node).nth(*index)
                }
                _ => None,
            };
            match next {
                Some(next) if metadata.is_none_or(|(_, value)| value != next) => node = next,
                _ => return Ok(None),
            }
        }
        let NodeKind::Scalar(scalar) = &tree[node].kind else {
            return Ok(None);
        };
        let ValueRef::Str(value) = scalar.value.view(text) else {
            return Ok(None);
        };
        let Ok(encrypted) = EncryptedValue::parse(value) else {
            return Ok(None);
        };
        if encrypted.kind != "str" || !matcher.selected(key_matched, false) {
            return Ok(None);
        }
        let mut plaintext = zeroize::Zeroizing::new(Vec::new());
        let opened = self
            .cipher
            .decrypt_into(&encrypted, &additional_data, &mut plaintext);
        // What cannot be decrypted is told with its place, by who decrypts the file.
        Ok(opened
            .is_ok()
            .then(|| SecretBytes::new(std::mem::take(&mut *plaintext))))
    }
}

#[cfg(all(test, feature = "age"))]
mod tests {
    use super::*;
    use crate::{
        DecryptOptions, EncryptOptions, EncryptedFile, Keyring, PlainFile, Selector,
        keys::Identities, metadata::MasterKey,
    };

    #[test]
    fn what_is_given_is_what_the_whole_file_says() {
        let text = "a: text\nb: {c: [x, 1, true, {d: deep}], e_unencrypted: {f: open}}\ng: ''\n\
                    h: &h shared\ni: *h\nj: [k: m]\n# note\nl: |\n  two\n  lines\n";
        let identities = Identities::generate();
        let recipient = identities.recipients().remove(0);
        let keyring = Keyring::new().with_identities(identities);
        for (selector, expected) in [
            (
                Selector::default(),
                ["a", "b.c[0]", "b.c[3].d", "j[0].k", "h", "i", "l"].as_slice(),
            ),
            (
                Selector::EncryptedRegex("^b$".to_owned()),
                &["b.c[0]", "b.c[3].d", "b.e_unencrypted.f"],
            ),
            (Selector::UnencryptedCommentRegex("note".to_owned()), &[]),
        ] {
            let mut options = EncryptOptions::new(vec![vec![MasterKey::Age {
                recipient: recipient.clone(),
            }]]);
            options.selector = selector;
            let plain = PlainFile::parse(text.as_bytes(), Format::Yaml).unwrap();
            let encrypted = plain.encrypt(&options, &keyring).unwrap().bytes;
            let file = EncryptedFile::parse(&encrypted, Format::Yaml).unwrap();
            let unlocked = file.unlock(&keyring).unwrap();
            let whole = unlocked.decrypt(&DecryptOptions::default()).unwrap();
            let mut found = Vec::new();
            for path in [
                "a",
                "b",
                "b.c",
                "b.c[0]",
                "b.c[1]",
                "b.c[2]",
                "b.c[3].d",
                "b.e_unencrypted.f",
                "g",
                "h",
                "i",
                "j[0].k",
                "l",
                "none",
                "a.b",
                "b[0]",
                "b.c[9]",
                "sops",
                "sops.mac",
                "",
            ] {
                let path = TreePath::parse(path).unwrap();
                if let Some(text) = unlocked.danger_extract_text(&path).unwrap() {
                    assert_eq!(
                        text.expose(),
                        whole.extract(&path).unwrap().expose(),
                        "{path}"
                    );
                    let (checked, _) = unlocked.extract_text(&path).unwrap().expect("a text");
                    assert_eq!(checked.expose(), text.expose());
                    found.push(path.to_string());
                }
            }
            found.sort();
            let mut expected: Vec<_> = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
    }
}
