//! The MAC of a large file, when nothing else is asked for: all cores decrypt, and the hash follows them.

use std::{
    ops::Range,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use zeroize::Zeroizing;

use super::{
    EncryptedValue, Mac, ahead,
    decrypt::{COMMENT, ChangedLeaf, Decryption, extend, plaintext_len},
    looks_encrypted,
    paths::Paths,
    walk::{Place, Visitor, walk},
};
use crate::tree::{NodeId, NodeKind, Scalar, Tree, ValueRef};

/// How many parts each core gets: the hash over one is taken while others are decrypted.
const PARTS: usize = 8;

/// What [`of_large`] finds.
pub(super) struct Macs {
    pub(super) mac: Mac,
    /// The MAC with the changed leaves, if there are any.
    pub(super) changed: Option<Mac>,
}

/// Returns the MACs of a large file. `None` if it is small, or holds what takes a closer look: aliases, encrypted comments,
/// anything that is wrong.
pub(super) fn of_large(decryption: &Decryption<'_>, source: &str, tree: &Tree) -> Option<Macs> {
    let cores = ahead::cores_for(tree);
    (cores > 1)
        .then(|| in_parts(decryption, source, tree, cores, cores * PARTS))
        .flatten()
}

fn in_parts(
    decryption: &Decryption<'_>,
    source: &str,
    tree: &Tree,
    threads: usize,
    parts: usize,
) -> Option<Macs> {
    if decryption.by_content {
        return None;
    }
    let mut leaves = Leaves {
        source,
        tree,
        only_encrypted: decryption.mac_only_encrypted,
        paths: Paths::default(),
        leaves: Vec::new(),
    };
    walk(source, tree, decryption.matcher, &mut leaves).ok()?;
    let Leaves { paths, leaves, .. } = leaves;
    let parts: Vec<_> = leaves.chunks(leaves.len().div_ceil(parts).max(1)).collect();
    let plaintexts = |part: &[Leaf]| Plaintexts::of(decryption, source, tree, &paths, part);

    let next = AtomicUsize::new(0);
    let mut macs = Macs {
        mac: Mac::new(decryption.mac_only_encrypted),
        changed: None,
    };
    let hashed = thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let first = part.first().map(|leaf| leaf.id);
                    if sender.send((first, plaintexts(part))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = Vec::new();
        for part in &parts {
            let first = part.first().map(|leaf| leaf.id);
            let plaintexts = loop {
                if let Some(at) = early.iter().position(|(other, _)| *other == first) {
                    break early.swap_remove(at).1;
                }
                early.push(receiver.recv().ok()?);
            };
            macs.update(&plaintexts?, decryption.changed);
        }
        Some(())
    });
    hashed.map(|()| macs)
}

impl Macs {
    fn update(&mut self, plaintexts: &Plaintexts, changes: &[ChangedLeaf]) {
        let bytes = &plaintexts.bytes;
        if !plaintexts.changed.is_empty() && self.changed.is_none() {
            self.changed = Some(self.mac.clone());
        }
        if let Some(changed) = &mut self.changed {
            let mut hashed = 0;
            for (place, change) in &plaintexts.changed {
                changed.update(&bytes[hashed..place.start]);
                changed.update(changes[*change].plaintext.expose());
                hashed = place.end;
            }
            changed.update(&bytes[hashed..]);
        }
        self.mac.update(bytes);
    }
}

/// The plaintexts of some leaves, one after the other, as the MAC takes them.
struct Plaintexts {
    bytes: Zeroizing<Vec<u8>>,
    /// Where those are that get other values, and which.
    changed: Vec<(Range<usize>, usize)>,
}

impl Plaintexts {
    fn of(
        decryption: &Decryption<'_>,
        source: &str,
        tree: &Tree,
        paths: &Paths,
        leaves: &[Leaf],
    ) -> Option<Self> {
        let value = |leaf: &Leaf| match &tree[leaf.id].kind {
            NodeKind::Scalar(scalar) => scalar.value.view(source),
            _ => ValueRef::Null,
        };
        let size = leaves.iter().map(|leaf| plaintext_len(value(leaf))).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        let mut changed = Vec::new();
        let mut plaintext = Zeroizing::new(Vec::new());
        let mut canonical = Zeroizing::new(Vec::new());
        for leaf in leaves {
            let start = bytes.len();
            match (&leaf.path, value(leaf)) {
                (Some(path), ValueRef::Str(text)) => {
                    let encrypted = EncryptedValue::parse(text).ok()?;
                    let path = paths.get(path);
                    let cipher = decryption.cipher;
                    cipher.decrypt_into(&encrypted, path, &mut plaintext).ok()?;
                    match encrypted.kind {
                        COMMENT => return None,
                        "str" if decryption.format.engine().holds(&plaintext) => {
                            extend(&mut bytes, &plaintext);
                        }
                        "str" => return None,
                        kind => {
                            canonical.clear();
                            let value = ValueRef::from_plaintext(kind, &plaintext).ok()?;
                            value.plaintext(&mut canonical);
                            extend(&mut bytes, &canonical);
                        }
                    }
                }
                (Some(_), _) => return None,
                (None, value) => {
                    canonical.clear();
                    value.plaintext(&mut canonical);
                    extend(&mut bytes, &canonical);
                }
            }
            let changes = decryption.changed;
            if let Ok(change) = changes.binary_search_by_key(&leaf.id, |change| change.node) {
                changed.push((start..bytes.len(), change));
            }
        }
        Some(Self { bytes, changed })
    }
}

/// A leaf that the MAC covers.
struct Leaf {
    id: NodeId,
    /// Where its path is, if it is encrypted.
    path: Option<Range<u32>>,
}

/// Collects the leaves, as long as there is nothing unusual.
struct Leaves<'s> {
    source: &'s str,
    tree: &'s Tree,
    only_encrypted: bool,
    paths: Paths,
    leaves: Vec<Leaf>,
}

/// There is something that takes a closer look.
struct Unusual;

impl Leaves<'_> {
    fn path(&mut self, path: &[u8]) -> Result<Range<u32>, Unusual> {
        let last = self.leaves.last().and_then(|last| last.path.clone());
        self.paths.push(path, last).ok_or(Unusual)
    }
}

impl Visitor for Leaves<'_> {
    type Error = Unusual;

    fn leaf(&mut self, at: &Place<'_>, scalar: &Scalar) -> Result<(), Unusual> {
        if at.alias.is_some() {
            return Err(Unusual);
        }
        let path = match scalar.value.view(self.source) {
            ValueRef::Null => return Ok(()),
            ValueRef::Unsigned(_) => return Err(Unusual),
            // Never encrypted.
            ValueRef::Str(b"") if at.selected => None,
            ValueRef::Str(text) if at.selected && looks_encrypted(text) => {
                Some(self.path(at.additional_data)?)
            }
            _ if at.selected => return Err(Unusual),
            ValueRef::Int(0) if self.tree[at.id].span.of(self.source) == "-0" => {
                return Err(Unusual);
            }
            _ if self.only_encrypted => return Ok(()),
            _ => None,
        };
        self.leaves.push(Leaf { id: at.id, path });
        Ok(())
    }

    fn comment(&mut self, at: &Place<'_>) -> Result<(), Unusual> {
        let text = self.tree[at.id].span.of(self.source);
        match at.selected && looks_encrypted(text.as_bytes()) {
            true => Err(Unusual),
            false => Ok(()),
        }
    }

    fn too_many_nodes(&mut self, _: NodeId) -> Unusual {
        Unusual
    }
}

#[cfg(all(test, feature = "age"))]
mod tests {
    use super::*;
    use crate::{
        EncryptOptions, Format, Keyring, PlainFile, Selector,
        crypto::{Cipher, DataKey},
        format::ParseOptions,
        keys::Identities,
        metadata::{MasterKey, Metadata},
        secret::SecretBytes,
    };

    const TEXT: &str = "a: text\nb: [1, 1.5, true, {c: deep, d: null}]\ne: ''\nf: 2001-01-01\n\
                        g_unencrypted: {h: open, i: 7}\nj: last\n";

    /// Encrypts, and calls `check` with what decrypting it in other ways needs.
    fn with_encrypted(
        text: &str,
        options: &EncryptOptions,
        check: impl Fn(&Decryption<'_>, &str, &Tree),
    ) {
        let identities = Identities::generate();
        let recipient = identities.recipients().remove(0);
        let keyring = Keyring::new().with_identities(identities);
        let mut options = options.clone();
        options.groups = vec![vec![MasterKey::Age { recipient }]];
        let plain = PlainFile::parse(text.as_bytes(), Format::Yaml).unwrap();
        let encrypted = plain.encrypt(&options, &keyring).unwrap().bytes;
        let encrypted = String::from_utf8(encrypted).unwrap();
        let tree = Format::Yaml
            .parse(&encrypted, ParseOptions::default())
            .unwrap();
        let document = tree.documents().next().unwrap();
        let (_, value) = tree.metadata_entry(&encrypted, document).unwrap();
        let raw = Format::Yaml.engine().metadata(&encrypted, &tree, value);
        let metadata = Metadata::from_raw(&raw).unwrap();
        let data_key: DataKey = keyring.unwrap(&metadata).unwrap();
        check(
            &Decryption::of_mac(
                Format::Yaml,
                &Cipher::new(&data_key),
                &options.selector.compile().unwrap(),
                options.mac_only_encrypted,
            ),
            &encrypted,
            &tree,
        );
    }

    #[test]
    fn are_those_of_the_walk() {
        for only_encrypted in [false, true] {
            for selector in [
                Selector::default(),
                Selector::EncryptedRegex("^[ab]$".to_owned()),
            ] {
                let mut options = EncryptOptions::new(Vec::new());
                options.selector = selector;
                options.mac_only_encrypted = only_encrypted;
                with_encrypted(TEXT, &options, |decryption, text, tree| {
                    let leaves = tree.numbered();
                    let leaves =
                        leaves.filter(|(_, node)| matches!(node.kind, NodeKind::Scalar(_)));
                    let changed: Vec<_> = leaves
                        .map(|(node, _)| ChangedLeaf {
                            node,
                            plaintext: SecretBytes::new(b"another".to_vec()),
                        })
                        .collect();
                    for changed in [&[], &changed[..1], &changed[1..3], &changed[..]] {
                        let decryption = Decryption {
                            changed,
                            ..*decryption
                        };
                        let expected = decryption.run(text, tree).unwrap();
                        let digest =
                            |mac: Option<Mac>| mac.map(|mac| mac.finish().expose().to_vec());
                        for parts in [1, 2, 3, 100] {
                            let macs = in_parts(&decryption, text, tree, 2, parts).expect("usual");
                            assert_eq!(digest(Some(macs.mac)), digest(Some(expected.mac.clone())));
                            assert_eq!(digest(macs.changed), digest(expected.changed_mac.clone()));
                        }
                    }
                });
            }
        }
    }

    #[test]
    fn the_unusual_is_left_to_the_walk() {
        for text in [
            "a_unencrypted: &x text\nb_unencrypted: *x\n",
            "a: text # secret\n",
            "a_unencrypted: -0\n",
        ] {
            with_encrypted(
                text,
                &EncryptOptions::new(Vec::new()),
                |decryption, text, tree| {
                    assert!(in_parts(decryption, text, tree, 2, 2).is_none(), "{text}");
                },
            );
        }
        let damages = [
            ("b: ENC[AES256_GCM,data:", "b: ENC[AES256_GCM,data:AAAA"),
            ("type:str", "type:comment"),
            ("type:str", "type:int"),
            ("type:str", "type:other"),
            ("b: ENC", "b: DEC"),
        ];
        with_encrypted(
            "b: text\n",
            &EncryptOptions::new(Vec::new()),
            |decryption, text, _| {
                for (whole, damaged) in damages {
                    let text = text.replacen(whole, damaged, 1);
                    let tree = Format::Yaml.parse(&text, ParseOptions::default()).unwrap();
                    assert!(
                        in_parts(decryption, &text, &tree, 2, 2).is_none(),
                        "{damaged}"
                    );
                }
            },
        );
    }
}
