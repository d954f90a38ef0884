//! Which leaves are encrypted and which should be.

use super::{
    finding::{FindingKind, Findings},
    rule::LeafRule,
};
use crate::tree::{NodeId, NodeKind, Span, Tree, TreePath, Value, path::Step};

/// How many nodes behind aliases are looked at, beyond as many as stand in the text.
const FREE_VISITS: usize = 100_000;

/// What every encrypted value starts with.
pub(super) const MARK: &str = "ENC[AES256_GCM,";

/// Reports clear values that `rule` selects, and encrypted ones that it does not.
pub(super) fn check(tree: &Tree, rule: &LeafRule, findings: &mut Findings<'_>) {
    let mut walk = Walk {
        tree,
        rule,
        findings,
        aliases: Vec::new(),
        visits_left: tree.len().saturating_add(FREE_VISITS),
    };
    for document in tree.documents() {
        let start = Start {
            node: document,
            selected: false,
            path: TreePath::default(),
            place: None,
        };
        walk.run(start);
        while let Some(alias) = walk.aliases.pop() {
            walk.run(alias);
        }
    }
}

/// Returns the first encrypted value of the tree.
pub(super) fn first_encrypted(source: &str, tree: &Tree) -> Option<NodeId> {
    (0..tree.len())
        .filter_map(|index| u32::try_from(index).ok().map(NodeId))
        .find(|&id| text(source, tree, id).is_some_and(|text| is_encrypted(text) == Ok(true)))
}

/// Returns whether a text is an encrypted value, or what is wrong with one that is damaged.
pub(super) fn is_encrypted(text: &[u8]) -> Result<bool, &'static str> {
    let Some(inside) = text.strip_prefix(MARK.as_bytes()) else {
        return Ok(false);
    };
    // As the reference reads it: to the last bracket of the first line, each part as long as possible.
    let line = inside.split(|&byte| byte == b'\n').next().unwrap_or(inside);
    let end = line
        .iter()
        .rposition(|&byte| byte == b']')
        .ok_or("the closing bracket is missing")?;
    let (rest, kind) = rsplit(&line[..end], b",type:").ok_or("the type is missing")?;
    let (rest, tag) = rsplit(rest, b",tag:").ok_or("the tag is missing")?;
    let (rest, iv) = rsplit(rest, b",iv:").ok_or("the iv is missing")?;
    let data = rest.strip_prefix(b"data:").ok_or("the data are missing")?;
    for (part, problem) in [
        (data, "the data are not base64"),
        (iv, "the iv is not base64"),
        (tag, "the tag is not base64"),
    ] {
        if !is_base64(part) {
            return Err(problem);
        }
    }
    match kind {
        b"str" | b"int" | b"float" | b"bool" | b"time" | b"comment" | b"bytes" => Ok(true),
        _ => Err("the type is none that there is"),
    }
}

/// Returns the bytes before and after the last `separator`.
fn rsplit<'t>(text: &'t [u8], separator: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let at = text
        .windows(separator.len())
        .rposition(|window| window == separator)?;
    Some((&text[..at], &text[at + separator.len()..]))
}

/// Returns whether a text is standard base64 with padding, and not empty. Like Go, does not mind carriage returns.
fn is_base64(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    let digits = &text[..text.len() - padding];
    let returns = digits.iter().filter(|&&byte| byte == b'\r').count();
    let is_digit = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'\r');
    digits.iter().all(is_digit)
        && padding <= 2
        && digits.len() > returns
        && (text.len() - returns).is_multiple_of(4)
}

fn text<'a>(source: &'a str, tree: &'a Tree, id: NodeId) -> Option<&'a [u8]> {
    match &tree[id].kind {
        NodeKind::Scalar(scalar) => match &scalar.value {
            Value::Str(text) => Some(text.bytes(source)),
            _ => None,
        },
        _ => None,
    }
}

struct Walk<'w, 's> {
    tree: &'w Tree,
    rule: &'w LeafRule,
    findings: &'w mut Findings<'s>,
    /// What aliases stand for, to be looked at afterwards.
    aliases: Vec<Start>,
    visits_left: usize,
}

/// Where a walk starts: at a document, or at what an alias stands for.
struct Start {
    node: NodeId,
    /// Whether something above matches the rule.
    selected: bool,
    path: TreePath,
    /// Where the alias stands.
    place: Option<Span>,
}

/// A container on the way to the current node.
struct Level {
    end: u32,
    is_list: bool,
    /// Whether something above matches the rule.
    selected: bool,
    /// Whether a comment since the previous item matches it.
    comment: bool,
    /// The key of the current entry, and whether it matches.
    key: Option<(NodeId, bool)>,
    /// How many items there were so far.
    items: usize,
}

impl Walk<'_, '_> {
    fn run(&mut self, start: Start) {
        let tree = self.tree;
        let end = tree[start.node].end;
        let mut levels = vec![Level {
            end,
            is_list: false,
            selected: start.selected,
            comment: false,
            key: None,
            items: 0,
        }];
        let mut next = start.node;
        if let NodeKind::Document = tree[next].kind {
            next.0 += 1;
        }
        while next.0 < end {
            let id = next;
            next.0 += 1;
            while levels.len() > 1 && levels.last().is_some_and(|level| level.end <= id.0) {
                levels.pop();
            }
            let depth = levels.len();
            let level = levels
                .last_mut()
                .expect("the first level ends where the walk ends");
            match &tree[id].kind {
                NodeKind::Comment => {
                    let text = tree[id].span.of(self.findings.source());
                    level.comment |= self.rule.matches_comment(text);
                }
                NodeKind::Key { text, .. } => {
                    let name = text.bytes(self.findings.source());
                    if depth == 2 && start.place.is_none() && name == b"sops" {
                        // The metadata, in whatever document.
                        level.comment = false;
                        next.0 = tree[NodeId(next.0)].end;
                        continue;
                    }
                    level.key = Some((id, self.rule.matches_key(name)));
                }
                kind => {
                    let selected = level.selected
                        || level.comment
                        || level.key.is_some_and(|(_, matches)| matches);
                    level.comment = false;
                    level.items += 1;
                    match kind {
                        NodeKind::Map { .. } | NodeKind::Sequence { .. } => levels.push(Level {
                            end: tree[id].end,
                            is_list: matches!(kind, NodeKind::Sequence { .. }),
                            selected,
                            comment: false,
                            key: None,
                            items: 0,
                        }),
                        NodeKind::Alias { target } => {
                            self.follow(*target, selected, id, &start, &levels);
                        }
                        _ => self.judge(id, selected, &start, &levels),
                    }
                }
            }
        }
    }

    fn follow(
        &mut self,
        target: NodeId,
        selected: bool,
        alias: NodeId,
        start: &Start,
        levels: &[Level],
    ) {
        let size = (self.tree[target].end - target.0) as usize;
        // The parser refuses alias bombs; what is left over is not worth more time.
        let Some(left) = self.visits_left.checked_sub(size) else {
            return;
        };
        self.visits_left = left;
        self.aliases.push(Start {
            node: target,
            selected,
            path: self.path(start, levels),
            place: Some(start.place.unwrap_or(self.tree[alias].span)),
        });
    }

    fn judge(&mut self, id: NodeId, selected: bool, start: &Start, levels: &[Level]) {
        let source = self.findings.source();
        let span = start.place.unwrap_or(self.tree[id].span);
        let wanted = self.rule.encrypts(selected);
        let is_clear_anyway = match &self.tree[id].kind {
            NodeKind::Scalar(scalar) => match &scalar.value {
                Value::Null => true,
                Value::Str(text) => text.bytes(source).is_empty(),
                _ => false,
            },
            _ => true,
        };
        if is_clear_anyway {
            return;
        }
        let text = text(source, self.tree, id).unwrap_or_default();
        let (kind, message, hint) = match is_encrypted(text) {
            Err(problem) if wanted => (
                FindingKind::BadValue,
                format!("the encrypted value is damaged: {problem}"),
                "restore it from an earlier version of the file",
            ),
            Ok(false) if wanted => (
                FindingKind::ClearValue,
                format!(
                    "the value is in clear text, and {} wants it encrypted",
                    self.rule
                ),
                "enter it with sops set or sops edit; if it was committed, change the secret",
            ),
            Ok(true) if !wanted && !text.ends_with(b",type:comment]") => (
                FindingKind::UnexpectedCiphertext,
                format!(
                    "the value is encrypted, and {} leaves it in clear text: nobody decrypts it",
                    self.rule
                ),
                "restore the clear text, or the place or selector that it was encrypted with",
            ),
            _ => return,
        };
        let path = self.path(start, levels).to_string();
        let finding = self.findings.add(kind, span.start as usize, message);
        finding.path = Some(path);
        finding.hint = Some(hint.to_owned());
    }

    fn path(&self, start: &Start, levels: &[Level]) -> TreePath {
        let mut path = start.path.clone();
        for level in levels {
            if let Some((key, _)) = level.key {
                let name = self.tree.key_name(self.findings.source(), key);
                path.push(Step::Key(name));
            } else if level.is_list {
                path.push(Step::Index(level.items - 1));
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::is_encrypted;

    #[test]
    fn encrypted_values_and_damaged_ones() {
        for good in [
            "ENC[AES256_GCM,data:+P76EQ==,iv:2fjx,tag:0eTH,type:int]",
            "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:comment]",
            "ENC[AES256_GCM,data:YWFh,iv:YWFh,tag:YWFh,type:str] and more text",
            "ENC[AES256_GCM,data:YWFh,iv:YWFh,tag:YWFh,type:str]\n",
            "ENC[AES256_GCM,data:YW\rFh,iv:YWFh,tag:YWFh,type:bytes]",
        ] {
            assert_eq!(is_encrypted(good.as_bytes()), Ok(true), "{good}");
        }
        for other in [
            "",
            "ENC[",
            "ENC[x]",
            "enc[AES256_GCM,data:",
            " ENC[AES256_GCM,data:YQ==",
        ] {
            assert_eq!(is_encrypted(other.as_bytes()), Ok(false), "{other}");
        }
        for (damaged, problem) in [
            ("ENC[AES256_GCM,", "bracket"),
            (
                "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str",
                "bracket",
            ),
            (
                "ENC[AES256_GCM,data:YQ==,\niv:YQ==,tag:YQ==,type:str]",
                "bracket",
            ),
            ("ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==]", "type"),
            (
                "ENC[AES256_GCM,data:YQ==,iv:YQ==,type:str]",
                "tag is missing",
            ),
            (
                "ENC[AES256_GCM,data:YQ==,tag:YQ==,type:str]",
                "iv is missing",
            ),
            ("ENC[AES256_GCM,iv:YQ==,tag:YQ==,type:str]", "iv is missing"),
            (
                "ENC[AES256_GCM,xdata:YQ==,iv:YQ==,tag:YQ==,type:str]",
                "data are missing",
            ),
            (
                "ENC[AES256_GCM,data:,iv:YQ==,tag:YQ==,type:str]",
                "data are not",
            ),
            (
                "ENC[AES256_GCM,data:YQ,iv:YQ==,tag:YQ==,type:str]",
                "data are not",
            ),
            (
                "ENC[AES256_GCM,data:Y===,iv:YQ==,tag:YQ==,type:str]",
                "data are not",
            ),
            (
                "ENC[AES256_GCM,data:YQ==,iv:Y_==,tag:YQ==,type:str]",
                "iv is not",
            ),
            (
                "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:Y Q=,type:str]",
                "tag is not",
            ),
            (
                "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:text]",
                "type",
            ),
            (
                "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]]",
                "type",
            ),
        ] {
            let found = is_encrypted(damaged.as_bytes()).expect_err(damaged);
            assert!(found.contains(problem), "{damaged}: {found}");
        }
    }
}
