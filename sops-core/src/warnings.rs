//! When a file that was handled deserves a word.

use crate::{
    crypto::{decrypt::DecryptedLeaves, encrypt::EncryptedLeaves},
    format::{Format, yaml},
    metadata::Metadata,
    tree::{NodeId, NodeKind, Style, Tree, ValueRef, span::Position},
    warning::Warning,
};

/// Returns what to say about a file that was just encrypted.
pub(crate) fn after_encryption(
    text: &str,
    tree: &Tree,
    format: Format,
    metadata: &Metadata,
    leaves: &EncryptedLeaves,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if leaves.encrypted == 0 && leaves.leaves > 0 {
        warnings.push(
            Warning::new(nothing_encrypted(metadata))
                .hint("check the selector against the keys of the file"),
        );
    }
    if format == Format::Yaml
        && let Some(offset) = yaml::unreadable_directive(text)
    {
        warnings.push(
            Warning::new("the reference implementation of SOPS refuses this %YAML directive, so it cannot open the file")
                .at(Position::of(text, offset))
                .hint("remove the line, or write %YAML 1.1"),
        );
    }
    if format == Format::Yaml {
        warnings.extend(long_keys(text, tree));
    }
    for &alias in &leaves.expanded {
        warnings.push(
            about(
                text,
                tree,
                alias,
                "the alias is written out, because what it stands for is encrypted",
            )
            .hint("decrypting gives the alias back"),
        );
    }
    for (index, node) in tree.nodes().iter().enumerate() {
        let NodeKind::Scalar(scalar) = &node.kind else {
            continue;
        };
        if scalar.style != Style::Plain {
            continue;
        }
        if let value @ ValueRef::Float(_) = scalar.value.view(text) {
            let mut plaintext = Vec::new();
            value.plaintext(&mut plaintext);
            let canonical = String::from_utf8_lossy(&plaintext);
            if !same_number(node.span.of(text), &canonical) {
                let id = NodeId(u32::try_from(index).expect("node numbers are 32 bits wide"));
                warnings.push(
                    about(text, tree, id, "the number has more digits than a number can hold, and is rounded by every reader")
                        .hint("quote it, so that it is a text"),
                );
            }
        }
    }
    warnings
}

/// Keys that the reference refuses: it looks for the `:` of a key within this many characters.
const LONGEST_KEY: usize = 1024;

fn long_keys<'t>(text: &'t str, tree: &'t Tree) -> impl Iterator<Item = Warning> + 't {
    tree.nodes().iter().enumerate().filter_map(move |(index, node)| {
        let key = node.span.of(text);
        let is_long = matches!(node.kind, NodeKind::Key { .. }) && key.len() > LONGEST_KEY;
        (is_long && key.chars().count() > LONGEST_KEY).then(|| {
            let id = NodeId(u32::try_from(index).expect("node numbers are 32 bits wide"));
            let position = Position::of(text, tree[id].span.start as usize);
            Warning::new("a key has more than 1,024 characters: the reference implementation of SOPS cannot open the file")
                .at(position)
                .hint("write it as an explicit key, `? key` with `: value` on the next line")
        })
    })
}

/// Returns what to say about a file that was just decrypted.
pub(crate) fn after_decryption(text: &str, tree: &Tree, leaves: &DecryptedLeaves) -> Vec<Warning> {
    let comments = leaves.undecrypted_comments.iter().map(|&comment| {
        about(
            text,
            tree,
            comment,
            "an encrypted comment cannot be decrypted, and stays as it is",
        )
        .hint("it was moved, changed, or encrypted with another data key")
    });
    let lossy = leaves.lossy.iter().map(|&leaf| {
        about(
            text,
            tree,
            leaf,
            "the value is not UTF-8; JSON cannot hold it, so it is changed",
        )
        .hint("keep binary data in YAML, or in a file of its own")
    });
    comments.chain(lossy).collect()
}

fn nothing_encrypted(metadata: &Metadata) -> String {
    match metadata.selector.key() {
        Some(key) => {
            let text = metadata.selector.text();
            let effect = match key.starts_with("unencrypted") {
                true => "leaves every value in the clear",
                false => "selects no value",
            };
            format!("nothing was encrypted: {key} ({text:?}) {effect}")
        }
        None => "nothing was encrypted: there is no value".to_owned(),
    }
}

fn about(text: &str, tree: &Tree, node: NodeId, message: &str) -> Warning {
    let position = Position::of(text, tree[node].outer_start as usize);
    Warning::new(message)
        .at(position)
        .path(tree.path_of(text, node).to_string())
}

/// Whether two decimal spellings are the same number. Spellings that are no decimals (`.inf`, `0x1F`) count as same:
/// they lose no digits.
fn same_number(literal: &str, canonical: &str) -> bool {
    match (decimal(literal), decimal(canonical)) {
        (Some(left), Some(right)) => left == right,
        _ => true,
    }
}

/// A decimal number as its significant digits, and the power of ten of the first of them.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let text = text.replace('_', "");
    let negative = text.starts_with('-');
    let text = text.trim_start_matches(['+', '-']);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let leading = digits.bytes().take_while(|&byte| byte == b'0').count();
    let significant = digits
        .trim_start_matches('0')
        .trim_end_matches('0')
        .to_owned();
    if significant.is_empty() {
        return Some((false, significant, 0));
    }
    let power = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
    Some((negative, significant, power.checked_add(exponent)?))
}

#[cfg(test)]
mod tests {
    use super::same_number;

    #[test]
    fn spellings_of_one_number() {
        for (literal, canonical) in [
            ("1.10", "1.1"),
            ("1e3", "1000"),
            ("1_000.5", "1000.5"),
            ("-0.0", "-0"),
            ("+.5", "0.5"),
            ("0.001e3", "1"),
            (".inf", "+Inf"),
            ("0x1F", "31"),
        ] {
            assert!(same_number(literal, canonical), "{literal}");
        }
    }

    #[test]
    fn digits_that_get_lost() {
        for (literal, canonical) in [
            ("12345678901234567890123", "12345678901234568000000"),
            ("0.1234567890123456789", "0.12345678901234568"),
            ("1e-400", "0"),
        ] {
            assert!(!same_number(literal, canonical), "{literal}");
        }
    }
}
