//! Changing encrypted values where they stand, without decrypting the others to write them again.
//!
//! What takes more than that is left to the long way: `None` says so.

use super::{
    DecryptOptions, Encrypted, EncryptedFile, Unlocked,
    open::{metadata_nodes, open_leaves, read_layout},
};
use crate::{
    change::{Change, NewValue},
    crypto::{
        EncryptedValue, NonceSource,
        decrypt::{ChangedLeaf, Decryption},
        select::Matcher,
        stash::Stash,
    },
    format::{
        Format, ParseOptions,
        edit::{Edit, EditText, splice},
    },
    metadata::Metadata,
    secret::{SecretBytes, SecretText},
    tree::{Node, NodeId, NodeKind, Style, Tree, Value, ValueRef},
    warnings,
};
use std::{borrow::Cow, iter::Peekable, ops::Range, thread, vec::IntoIter};

/// A leaf with its value of before, and its value of after.
struct Replacement {
    node: NodeId,
    additional_data: Vec<u8>,
    value: Value,
    kind: &'static str,
    plaintext: SecretBytes,
    is_same: bool,
}

impl Unlocked<'_> {
    /// Gives encrypted values others, if that is all there is to do: the same is a value in the place of the other, in
    /// its style. `None` if there is more to it, or if anything is wrong, which the long way finds, too, and tells.
    pub(super) fn change_in_place(
        &self,
        changes: &[Change],
        options: &DecryptOptions,
    ) -> Option<Encrypted> {
        let EncryptedFile {
            text,
            tree,
            format,
            metadata,
        } = &self.file;
        let matcher = metadata.selector.compile().ok()?;
        let is_alias = |node: &Node| matches!(node.kind, NodeKind::Alias { .. });
        if !matches!(format, Format::Yaml | Format::Json)
            || !tree.aliased_keys.is_empty()
            || tree.nodes().iter().any(is_alias)
        {
            return None;
        }
        let mut replacements = Vec::new();
        for change in changes {
            let replacement = self.replacement(change, &matcher)?;
            let is_twice = |other: &Replacement| other.node == replacement.node;
            if replacements.iter().any(is_twice) {
                return None;
            }
            replacements.push(replacement);
        }
        if metadata.layout.is_some() {
            let layout = read_layout(metadata, &self.cipher, &mut Stash::default())?;
            let places = layout.places(text, tree, &metadata_nodes(text, tree));
            let is_spelled = |replacement: &Replacement| {
                let spelled =
                    |place: &crate::layout::Spelled<'_>| place.nodes.contains(&replacement.node);
                places.iter().any(spelled)
            };
            // What is changed may be what an alias stands for.
            let has_alias = places.iter().any(|place| place.may_have_alias());
            if !self.layout || has_alias || replacements.iter().any(is_spelled) {
                return None;
            }
        }
        replacements.retain(|replacement| !replacement.is_same);
        replacements.sort_by_key(|replacement| replacement.node);

        let changed: Vec<_> = replacements
            .iter()
            .map(|replacement| ChangedLeaf {
                node: replacement.node,
                plaintext: SecretBytes::new(replacement.plaintext.expose().to_vec()),
            })
            .collect();
        let decryption = Decryption {
            changed: &changed,
            ..Decryption::of_mac(*format, &self.cipher, &matcher, metadata.mac_only_encrypted)
        };
        let leaves = open_leaves(&self.file, &decryption, options.ignore_mac).ok()?;
        let Some(mac) = leaves.changed_mac else {
            return Some(self.unchanged());
        };

        let mut nonces = NonceSource::new();
        let mut metadata = metadata.clone();
        metadata.touch();
        let additional_data = metadata.mac_additional_data().ok()?;
        let mac = mac.finish();
        metadata.mac = self.enc(&mut nonces, mac.expose(), "str", additional_data.as_bytes())?;
        let bytes = self.write(&replacements, &metadata, &mut nonces)?;
        let mut warnings = warnings::about_text(text, tree, *format, &metadata.selector);
        warnings.extend(warnings::about_values(text, tree));
        Some(Encrypted { bytes, warnings })
    }

    fn replacement(&self, change: &Change, matcher: &Matcher) -> Option<Replacement> {
        let Change::Set { path, json } = change else {
            return None;
        };
        let leaf = self.leaf(path, matcher)?;
        let node = &self.file.tree[leaf.node];
        // A tag says what a text is.
        if node.outer_start != node.span.start {
            return None;
        }
        let mut before = zeroize::Zeroizing::new(Vec::new());
        self.cipher
            .decrypt_into(&leaf.encrypted, &leaf.additional_data, &mut before)
            .ok()?;
        let new = NewValue::read(json, &[]).ok()?;
        let value = new.with_value(|source, tree, id| match &tree[id].kind {
            NodeKind::Scalar(scalar) => Some(scalar.value.view(source).to_value()),
            _ => None,
        });
        let value = value.ok()??;
        let view = value.view("");
        let mut plaintext = Vec::new();
        view.plaintext(&mut plaintext);
        let plaintext = SecretBytes::new(plaintext);
        let kind = view.type_word();
        // Numbers of other kinds may be equal, and others may lose digits.
        let is_plain = |kind| matches!(kind, "str" | "int" | "bool");
        if !is_plain(leaf.encrypted.kind)
            || !is_plain(kind)
            || matches!(view, ValueRef::Unsigned(_) | ValueRef::Str(b""))
        {
            return None;
        }
        // In brackets, a number without quotes has a ciphertext in quotes.
        let is_quoted =
            matches!(&node.kind, NodeKind::Scalar(scalar) if scalar.style != Style::Plain);
        if self.file.format == Format::Yaml
            && is_quoted
            && leaf.encrypted.kind != "str"
            && kind == "str"
        {
            return None;
        }
        Some(Replacement {
            node: leaf.node,
            is_same: leaf.encrypted.kind == kind && *before == plaintext.expose(),
            additional_data: leaf.additional_data,
            kind,
            plaintext,
            value,
        })
    }

    fn enc(
        &self,
        nonces: &mut NonceSource,
        plaintext: &[u8],
        kind: &str,
        additional_data: &[u8],
    ) -> Option<String> {
        let nonce = nonces.draw().ok()?;
        let mut enc = String::new();
        self.cipher
            .encrypt_into(plaintext, kind, additional_data, &nonce, &mut enc)
            .ok()?;
        Some(enc)
    }

    /// Writes the file with other values and metadata, and reads it again: as it is, and with the values decrypted. It
    /// has to have what it had, and these.
    fn write(
        &self,
        replacements: &[Replacement],
        metadata: &Metadata,
        nonces: &mut NonceSource,
    ) -> Option<Vec<u8>> {
        let EncryptedFile {
            text, tree, format, ..
        } = &self.file;
        let engine = format.engine();
        let mut edits = Vec::new();
        let mut restored = Vec::new();
        for to in replacements {
            let enc = self.enc(nonces, to.plaintext.expose(), to.kind, &to.additional_data)?;
            engine.encrypted(text, tree, to.node, EditText::from(enc), &mut edits);
            engine.restored(text, tree, to.node, to.value.view(""), &mut restored);
        }
        edits.extend(engine.replace_metadata(text, tree, &metadata.to_raw()));
        restored.extend(engine.remove_metadata(text, tree));

        let opens_to = |edits: &mut [Edit]| {
            let opened = SecretText::new(splice(text, edits));
            let read = format.parse(opened.expose(), ParseOptions::default());
            read.is_ok_and(|read| {
                self.has_leaves((opened.expose(), &read), replacements, |to, value| {
                    let mut plaintext = zeroize::Zeroizing::new(Vec::new());
                    value.plaintext(&mut plaintext);
                    value.type_word() == to.kind && *plaintext == to.plaintext.expose()
                })
            })
        };
        let (written, opens) = thread::scope(|scope| {
            let opens = scope.spawn(|| opens_to(&mut restored));
            let written = splice(text, &mut edits);
            let written = EncryptedFile::from_text(Cow::Owned(written), *format);
            (written, opens.join().unwrap_or(false))
        });
        let written = written.ok()?;
        let holds = |to: &Replacement, value: ValueRef<'_>| {
            let ValueRef::Str(enc) = value else {
                return false;
            };
            let mut plaintext = zeroize::Zeroizing::new(Vec::new());
            EncryptedValue::parse(enc).is_ok_and(|enc| {
                enc.kind == to.kind
                    && self
                        .cipher
                        .decrypt_into(&enc, &to.additional_data, &mut plaintext)
                        .is_ok()
                    && *plaintext == to.plaintext.expose()
            })
        };
        let is_written = self.has_leaves((&written.text, &written.tree), replacements, holds)
            && written.metadata.to_raw() == metadata.to_raw();
        (opens && is_written).then(|| written.text.into_owned().into_bytes())
    }

    /// Whether another text has the nodes that the file has, where the metadata do not count, and what is expected in
    /// the places of some leaves.
    fn has_leaves(
        &self,
        other: (&str, &Tree),
        replacements: &[Replacement],
        is_expected: impl Fn(&Replacement, ValueRef<'_>) -> bool,
    ) -> bool {
        let EncryptedFile { text, tree, .. } = &self.file;
        let (other_text, other_tree) = other;
        let mut nodes = Counted::new(text, tree);
        let mut others = Counted::new(other_text, other_tree);
        let mut replacements = replacements.iter().peekable();
        loop {
            let ((id, node, size), (_, other, other_size)) = match (nodes.next(), others.next()) {
                (Some(node), Some(other)) => (node, other),
                (None, None) => return replacements.peek().is_none(),
                _ => return false,
            };
            let to = replacements.next_if(|to| to.node == id);
            let is_same = match (&node.kind, &other.kind) {
                (NodeKind::Document, NodeKind::Document)
                | (NodeKind::Sequence, NodeKind::Sequence) => true,
                (NodeKind::Map { flow }, NodeKind::Map { flow: other }) => flow == other,
                (NodeKind::Comment, NodeKind::Comment) => {
                    node.span.of(text) == other.span.of(other_text)
                }
                (NodeKind::Key { text: key, .. }, NodeKind::Key { text: other, .. }) => {
                    key.bytes(text) == other.bytes(other_text)
                }
                (NodeKind::Scalar(_), NodeKind::Scalar(other)) if to.is_some() => {
                    to.is_some_and(|to| is_expected(to, other.value.view(other_text)))
                }
                (NodeKind::Scalar(_), NodeKind::Scalar(_)) => {
                    node.span.of(text) == other.span.of(other_text)
                }
                _ => false,
            };
            if !is_same || size != other_size {
                return false;
            }
        }
    }
}

/// The nodes of a tree but for those of the metadata, each with how many of them it has.
struct Counted<'t> {
    tree: &'t Tree,
    /// Those that are still to come.
    metadata: Peekable<IntoIter<Range<NodeId>>>,
    next: u32,
}

impl<'t> Counted<'t> {
    fn new(text: &str, tree: &'t Tree) -> Self {
        Self {
            tree,
            metadata: metadata_nodes(text, tree).into_iter().peekable(),
            next: 0,
        }
    }
}

impl<'t> Iterator for Counted<'t> {
    type Item = (NodeId, &'t Node, u32);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(metadata) = self.metadata.next_if(|nodes| nodes.start.0 == self.next) {
            self.next = metadata.end.0;
        }
        let id = NodeId(self.next);
        let node = self.tree.nodes().get(id.index())?;
        self.next += 1;
        // A document has one.
        let inside = self.metadata.peek();
        let inside = inside.filter(|metadata| metadata.start.0 < node.end);
        let metadata = inside.map_or(0, |metadata| metadata.end.0 - metadata.start.0);
        Some((id, node, node.end - id.0 - metadata))
    }
}

#[cfg(all(test, feature = "age"))]
mod tests {
    use super::*;
    use crate::{
        EncryptOptions, Keyring, PlainFile, Selector, TreePath, keys::Identities,
        metadata::MasterKey,
    };

    /// A keyring, and options to encrypt for it.
    fn key() -> (Keyring, EncryptOptions) {
        let identities = Identities::generate();
        let recipient = identities.recipients().remove(0);
        let options = EncryptOptions::new(vec![vec![MasterKey::Age { recipient }]]);
        (Keyring::new().with_identities(identities), options)
    }

    fn unlock<'t>(bytes: &'t [u8], format: Format, keyring: &Keyring) -> Unlocked<'t> {
        let file = EncryptedFile::parse(bytes, format).expect("an encrypted file");
        file.unlock(keyring).expect("the key opens it")
    }

    fn set(path: &str, json: &str) -> Change {
        Change::Set {
            path: TreePath::parse(path).expect("a path"),
            json: SecretText::new(json.to_owned()),
        }
    }

    const YAML: &str = "# about it\na: text # beside\nb:\n    c: 'single'\n    d: \"double\"\n    e: 5\n    \
                        f: true\n    g: |\n        two\n        lines\n    h: >-\n        folded\n        text\n\
                        list:\n    - one\n    # between\n    - {x: \"y\", z: [1, 2]}\n    - - deep\n\
                        open_unencrypted: 1\nnothing: null\nempty: \"\"\nlast: end";
    const JSON: &str =
        "{\n\t\"a\": \"text\", \"b\": {\"c\": 5, \"d\": [true, \"x\"]},\n\t\"last\": \"end\"\n}\n";

    const VALUES: [&str; 9] = [
        "\"new\"",
        "\"a: b # c\"",
        "\"two\\nlines\\n\"",
        "\" blanks \"",
        "\"ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\"",
        "\"true\"",
        "7",
        "-0",
        "false",
    ];

    /// Sets each value at each path in place and by the long way: both have to give the same plaintext.
    #[track_caller]
    fn is_as_by_the_long_way(text: &str, format: Format, paths: &[&str]) {
        let (keyring, options) = key();
        let plain = PlainFile::parse(text.as_bytes(), format).unwrap();
        let encrypted = plain.encrypt(&options, &keyring).unwrap().bytes;
        let how = DecryptOptions::default();
        let unlocked = unlock(&encrypted, format, &keyring);
        for path in paths {
            for value in VALUES {
                let changes = [set(path, value)];
                let changed = unlocked.change_in_place(&changes, &how);
                let changed = changed.unwrap_or_else(|| panic!("{path} {value}")).bytes;
                let expected = unlocked.change_plaintext(&changes, &how).unwrap().bytes;
                let [changed_text, expected] = [&changed, &expected].map(|bytes| {
                    unlock(bytes, format, &keyring)
                        .decrypt(&how)
                        .unwrap()
                        .bytes()
                        .to_vec()
                });
                assert_eq!(
                    String::from_utf8_lossy(&changed_text),
                    String::from_utf8_lossy(&expected),
                    "{path} {value}"
                );
                // What is there already changes nothing.
                let again = unlock(&changed, format, &keyring)
                    .change_in_place(&changes, &how)
                    .unwrap();
                assert_eq!(again.bytes, changed, "{path} {value}");
            }
        }
    }

    #[test]
    fn a_value_in_yaml() {
        let paths = [
            "a",
            "b.c",
            "b.d",
            "b.e",
            "b.f",
            "b.g",
            "list[0]",
            "list[1].x",
            "list[2][0]",
            "last",
        ];
        is_as_by_the_long_way(YAML, Format::Yaml, &paths);
        let two = format!("---\n{YAML}\n---\nother: x\n");
        is_as_by_the_long_way(&two, Format::Yaml, &["a", "b.g", "last"]);
        is_as_by_the_long_way(
            &YAML.replace('\n', "\r\n"),
            Format::Yaml,
            &["a", "b.e", "last"],
        );
    }

    #[test]
    fn a_value_in_json() {
        is_as_by_the_long_way(
            JSON,
            Format::Json,
            &["a", "b.c", "b.d[0]", "b.d[1]", "last"],
        );
    }

    #[test]
    fn only_the_value_and_the_metadata_change() {
        let (keyring, options) = key();
        let plain = PlainFile::parse(YAML.as_bytes(), Format::Yaml).unwrap();
        let before = plain.encrypt(&options, &keyring).unwrap().bytes;
        let unlocked = EncryptedFile::parse(&before, Format::Yaml).unwrap();
        let unlocked = unlocked.unlock(&keyring).unwrap();
        let changes = [set("b.e", "6"), set("a", "\"other\""), set("b.f", "true")];
        let after = unlocked
            .change_in_place(&changes, &DecryptOptions::default())
            .unwrap()
            .bytes;
        let lines = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (before, after) = (lines(&before), lines(&after));
        let changed = before.lines().zip(after.lines());
        let changed: Vec<_> = changed
            .filter(|(before, after)| before != after)
            .map(|(before, _)| before.trim_start().split(':').next().unwrap_or_default())
            .collect();
        assert_eq!(before.lines().count(), after.lines().count());
        // The time is in whole seconds.
        let changed: Vec<_> = changed
            .iter()
            .filter(|key| **key != "lastmodified")
            .collect();
        assert_eq!(changed, [&"a", &"e", &"mac"]);
    }

    /// The long way does not take a value for another that is equal and has the same path.
    #[test]
    fn equal_values_keep_their_own_ciphertexts() {
        let (keyring, options) = key();
        let many: String = (0..3000)
            .map(|n| format!("  - r: same\n    n: {n}\n"))
            .collect();
        for items in ["  - r: same\n  - r: same\n", many.as_str()] {
            let text = format!("# twice\nlist:\n{items}# twice\nz: same\n");
            let plain = PlainFile::parse(text.as_bytes(), Format::Yaml).unwrap();
            let before = plain.encrypt(&options, &keyring).unwrap().bytes;
            let unlocked = unlock(&before, Format::Yaml, &keyring);
            let changed = format!("{text}new: same\nlist2:\n{items}");
            let after = unlocked.update(changed.as_bytes()).unwrap().bytes;
            let kept = String::from_utf8(before).unwrap();
            let after = String::from_utf8(after).unwrap();
            let is_value = |line: &&str| line.contains("ENC[") && !line.contains("mac: ");
            let kept: Vec<&str> = kept.lines().filter(is_value).collect();
            let after: Vec<&str> = after.lines().filter(is_value).collect();
            assert_eq!(after[..kept.len()], kept[..]);
            let all: std::collections::HashSet<&str> = after.iter().copied().collect();
            assert_eq!(all.len(), after.len());
        }
    }

    #[test]
    fn what_is_more_is_left_to_the_long_way() {
        let (keyring, options) = key();
        let is_left = |text: &str, options: &EncryptOptions, change: Change| {
            let plain = PlainFile::parse(text.as_bytes(), Format::Yaml).unwrap();
            let encrypted = plain.encrypt(options, &keyring).unwrap().bytes;
            let file = EncryptedFile::parse(&encrypted, Format::Yaml).unwrap();
            let unlocked = file.unlock(&keyring).unwrap();
            unlocked
                .change_in_place(&[change], &DecryptOptions::default())
                .is_none()
        };
        for (path, value) in [
            ("a", "1.5"),
            ("a", "null"),
            ("a", "\"\""),
            ("a", "[1]"),
            ("a", "{\"x\": 1}"),
            ("a", "18446744073709551615"),
            ("a", "nonsense"),
            ("b", "1"),
            // Its spelling is remembered.
            ("b.h", "1"),
            ("list[1].z[1]", "\"text\""),
            ("none", "1"),
            ("a.b", "1"),
            ("list[3]", "1"),
            ("open_unencrypted", "2"),
            ("nothing", "2"),
            ("empty", "2"),
            ("sops.mac", "\"x\""),
        ] {
            assert!(is_left(YAML, &options, set(path, value)), "{path} {value}");
        }
        let unset = Change::Unset {
            path: TreePath::parse("a").unwrap(),
            if_there: false,
        };
        assert!(is_left(YAML, &options, unset));
        for text in [
            "a: &x text\nb: *x\n",
            "a: !!str text\n",
            "a: 1.5\n",
            "a: 2001-01-01\n",
            "a: 0x1F\n",
        ] {
            assert!(is_left(text, &options, set("a", "1")), "{text}");
        }
        // The alias is written out, and remembered.
        let anchored = "a: &x\n  b: c\nd: *x\ne: 0x1F\n";
        assert!(is_left(anchored, &options, set("a.b", "1")));
        assert!(!is_left("a: 1\nb: 0x1F\n", &options, set("a", "2")));
        let mut by_comment = options.clone();
        by_comment.selector = Selector::EncryptedCommentRegex("secret".to_owned());
        let text = "# secret\na: text\n";
        assert!(is_left(text, &by_comment, set("a", "1")));
    }

    #[test]
    fn a_file_that_was_tampered_with_is_left_to_the_long_way() {
        let (keyring, options) = key();
        let plain = PlainFile::parse(b"a: x\nb_unencrypted: 1\n", Format::Yaml).unwrap();
        let encrypted = plain.encrypt(&options, &keyring).unwrap().bytes;
        let encrypted = String::from_utf8(encrypted).unwrap();
        let tampered = encrypted.replace("b_unencrypted: 1", "b_unencrypted: 2");
        let file = EncryptedFile::parse(tampered.as_bytes(), Format::Yaml).unwrap();
        let unlocked = file.unlock(&keyring).unwrap();
        let changes = [set("a", "\"z\"")];
        let how = DecryptOptions::default();
        assert!(unlocked.change_in_place(&changes, &how).is_none());
        assert!(matches!(
            unlocked.change(&changes, &how),
            Err(crate::Error::Mac(_))
        ));
        let ignoring = how.danger_ignore_mac(true);
        let changed = unlocked.change_in_place(&changes, &ignoring).unwrap().bytes;
        let file = EncryptedFile::parse(&changed, Format::Yaml).unwrap();
        let unlocked = file.unlock(&keyring).unwrap();
        assert_eq!(
            unlocked.decrypt(&how).unwrap().bytes(),
            b"a: z\nb_unencrypted: 2\n"
        );
    }
}
