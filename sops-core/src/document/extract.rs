//! One text out of an encrypted file, without decrypting the others.

use super::{Unlocked, open::open_leaves};
use crate::{
    crypto::decrypt::Decryption, error::Error, secret::SecretBytes, tree::TreePath,
    warning::Warning, warnings,
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
        let decryption = Decryption::of_mac(
            self.file.format,
            &self.cipher,
            &matcher,
            self.file.metadata.mac_only_encrypted,
        );
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
        let matcher = self.file.metadata.selector.compile()?;
        let leaf = self.leaf(path, &matcher);
        let Some(leaf) = leaf.filter(|leaf| leaf.encrypted.kind == "str") else {
            return Ok(None);
        };
        let mut plaintext = zeroize::Zeroizing::new(Vec::new());
        let opened =
            self.cipher
                .decrypt_into(&leaf.encrypted, &leaf.additional_data, &mut plaintext);
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
        DecryptOptions, EncryptOptions, EncryptedFile, Format, Keyring, PlainFile, Selector,
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

    /// The reference writes comments between the items of a list as items; they are none.
    #[test]
    fn comments_in_a_list_do_not_count() {
        let text = "a: [c, x, y]\n";
        let identities = Identities::generate();
        let recipient = identities.recipients().remove(0);
        let keyring = Keyring::new().with_identities(identities);
        let options = EncryptOptions::new(vec![vec![MasterKey::Age { recipient }]]);
        let plain = PlainFile::parse(text.as_bytes(), Format::Yaml).unwrap();
        let encrypted = plain.encrypt(&options, &keyring).unwrap().bytes;
        let encrypted = String::from_utf8(encrypted).unwrap();
        let with_comment = encrypted.replacen("type:str]", "type:comment]", 1);
        let file = EncryptedFile::parse(with_comment.as_bytes(), Format::Yaml).unwrap();
        let unlocked = file.unlock(&keyring).unwrap();
        for index in 0..3 {
            let path = TreePath::parse(&format!("a[{index}]")).unwrap();
            assert!(unlocked.danger_extract_text(&path).unwrap().is_none());
        }
    }
}
