//! Which leaves are encrypted and which should be.

use super::finding::{FindingKind, Findings, describe};
use crate::{
    crypto::{
        EncryptedValue, looks_encrypted,
        select::{Matcher, Selector},
        walk::{Place, Visitor, walk},
    },
    tree::{NodeId, NodeKind, Scalar, Tree, Value},
};

/// How many leaves are reported one by one. Each costs a search for its path; and nobody reads more.
const MAX_REPORTED: usize = 100;

/// Reports clear values that the selector wants encrypted, and encrypted ones that it does not.
pub(super) fn check(
    tree: &Tree,
    selector: &Selector,
    matcher: &Matcher,
    findings: &mut Findings<'_>,
) {
    let source = findings.source();
    let mut leaves = Leaves {
        tree,
        selector,
        findings,
        reported: Vec::new(),
        not_reported: None,
    };
    if let Err(TooManyNodes(alias)) = walk(source, tree, matcher, &mut leaves) {
        let offset = tree[alias].span.start as usize;
        let message = "aliases stand for more values than can be checked";
        findings.add(FindingKind::Malformed, offset, message);
        return;
    }
    if let Some(rest) = leaves.not_reported {
        let message = format!("{} more values are not as they should be", rest.count);
        findings.add(rest.kind, rest.offset, message);
    }
}

/// Returns the first encrypted value of the tree.
pub(super) fn first_encrypted(source: &str, tree: &Tree) -> Option<NodeId> {
    (0..tree.len())
        .filter_map(|index| u32::try_from(index).ok().map(NodeId))
        .find(|&id| match &tree[id].kind {
            NodeKind::Scalar(scalar) => is_encrypted(text(source, scalar)) == Ok(true),
            _ => false,
        })
}

/// Returns whether a text is an encrypted value, or what is wrong with one that is damaged.
pub(super) fn is_encrypted(text: &[u8]) -> Result<bool, &'static str> {
    if !looks_encrypted(text) {
        return Ok(false);
    }
    let Ok(value) = EncryptedValue::parse(text) else {
        return Err("a part of it is missing");
    };
    for (part, problem) in [
        (value.data, "its data are not base64"),
        (value.iv, "its iv is not base64"),
        (value.tag, "its tag is not base64"),
    ] {
        if !is_base64(part) {
            return Err(problem);
        }
    }
    match value.kind {
        "str" | "int" | "float" | "bool" | "time" | "comment" | "bytes" => Ok(true),
        _ => Err("its type is none that there is"),
    }
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

/// Returns the text of a scalar; empty if it is none.
fn text<'a>(source: &'a str, scalar: &'a Scalar) -> &'a [u8] {
    match &scalar.value {
        Value::Str(text) => text.bytes(source),
        _ => &[],
    }
}

struct Leaves<'w, 's> {
    tree: &'w Tree,
    selector: &'w Selector,
    findings: &'w mut Findings<'s>,
    reported: Vec<NodeId>,
    not_reported: Option<Rest>,
}

/// The findings beyond [`MAX_REPORTED`].
struct Rest {
    count: usize,
    kind: FindingKind,
    /// Where the first of them is.
    offset: usize,
}

struct TooManyNodes(NodeId);

impl Visitor for Leaves<'_, '_> {
    type Error = TooManyNodes;

    fn leaf(&mut self, at: &Place<'_>, scalar: &Scalar) -> Result<(), TooManyNodes> {
        let text = text(self.findings.source(), scalar);
        let is_null = matches!(scalar.value, Value::Null);
        let is_empty = text.is_empty() && matches!(scalar.value, Value::Str(_));
        if is_null || is_empty {
            return Ok(());
        }
        match is_encrypted(text) {
            Err(problem) if at.selected => self.report(
                at,
                FindingKind::BadValue,
                |_| format!("the encrypted value is damaged: {problem}"),
                "restore it from the history of the file",
            ),
            Ok(false) if at.selected => self.report(
                at,
                FindingKind::ClearValue,
                |selector| format!("the value is in clear text, and {selector} wants it encrypted"),
                "take it out, and put it back in with `sops edit`; if it was committed, change the secret",
            ),
            // Old files hold the comments of lists as items, wherever the list stands.
            Ok(true) if !at.selected && !text.ends_with(b",type:comment]") => self.report(
                at,
                FindingKind::UnexpectedCiphertext,
                |selector| {
                    format!("the value is encrypted, and {selector} leaves it as it is: nobody decrypts it")
                },
                "put the clear text back, or the key or selector that it was encrypted under",
            ),
            _ => {}
        }
        Ok(())
    }

    /// Comments may be clear or not: the reference leaves clear ones behind.
    fn comment(&mut self, _: &Place<'_>) -> Result<(), TooManyNodes> {
        Ok(())
    }

    fn too_many_nodes(&mut self, at: NodeId) -> TooManyNodes {
        TooManyNodes(at)
    }
}

impl Leaves<'_, '_> {
    /// Reports a leaf; for a copy that an alias makes, the alias, and that only once.
    fn report(
        &mut self,
        at: &Place<'_>,
        kind: FindingKind,
        message: impl FnOnce(String) -> String,
        hint: &str,
    ) {
        let node = at.alias.unwrap_or(at.id);
        if self.reported.last() == Some(&node) {
            return;
        }
        let offset = self.tree[node].span.start as usize;
        if self.reported.len() == MAX_REPORTED {
            let rest = self.not_reported.get_or_insert(Rest {
                count: 0,
                kind,
                offset,
            });
            rest.count += 1;
            return;
        }
        self.reported.push(node);
        let path = self.tree.path_of(self.findings.source(), node);
        let message = message(describe(self.selector));
        let finding = self.findings.add(kind, offset, message);
        finding.path = Some(path.to_string());
        finding.hint = Some(hint.to_owned());
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
            ("ENC[AES256_GCM,", "missing"),
            (
                "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str",
                "missing",
            ),
            (
                "ENC[AES256_GCM,data:YQ==,\niv:YQ==,tag:YQ==,type:str]",
                "missing",
            ),
            ("ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==]", "missing"),
            ("ENC[AES256_GCM,data:YQ==,iv:YQ==,type:str]", "missing"),
            ("ENC[AES256_GCM,data:YQ==,tag:YQ==,type:str]", "missing"),
            ("ENC[AES256_GCM,iv:YQ==,tag:YQ==,type:str]", "missing"),
            (
                "ENC[AES256_GCM,xdata:YQ==,iv:YQ==,tag:YQ==,type:str]",
                "missing",
            ),
            ("ENC[AES256_GCM,data:,iv:YQ==,tag:YQ==,type:str]", "missing"),
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
