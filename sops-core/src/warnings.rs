//! When a file that was handled deserves a word.

use crate::{
    crypto::{
        decrypt::DecryptedLeaves,
        encrypt::EncryptedLeaves,
        select::{Matcher, Selector},
    },
    format::{Format, yaml},
    metadata::Metadata,
    tree::{NodeId, NodeKind, Tree, Value, span::Position},
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
    warnings.extend(about_text(text, tree, format, &metadata.selector));
    let expanded = leaves.expanded.iter().copied();
    about_each(expanded, text, tree, &WRITTEN_OUT, &mut warnings);
    let keys = leaves.expanded_keys.iter().copied();
    about_each(keys, text, tree, &READABLE_KEY, &mut warnings);
    warnings.extend(about_values(text, tree));
    warnings
}

/// Returns what to say about the text of a file that is encrypted.
pub(crate) fn about_text(
    text: &str,
    tree: &Tree,
    format: Format,
    selector: &Selector,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if format == Format::Yaml
        && let Some(offset) = yaml::unreadable_directive(text)
    {
        warnings.push(
            Warning::new("the reference implementation of SOPS refuses this %YAML directive, so it cannot open the file")
                .at(Position::of(text, offset))
                .hint("remove the line, or write %YAML 1.1"),
        );
    }
    if format == Format::Ini {
        about_each(cut_values(text, tree), text, tree, &CUT, &mut warnings);
        let disputed = disputed_comments(text, tree, selector);
        about_each(disputed, text, tree, &DISPUTED, &mut warnings);
    }
    if format == Format::Yaml {
        about_each(long_keys(text, tree), text, tree, &LONG_KEY, &mut warnings);
    }
    warnings
}

/// Returns what to say about the values of a file that is encrypted.
pub(crate) fn about_values(text: &str, tree: &Tree) -> Vec<Warning> {
    let mut warnings = Vec::new();
    about_each(
        rounded_values(text, tree),
        text,
        tree,
        &ROUNDED,
        &mut warnings,
    );
    warnings
}

/// Returns what to say about a selector for a binary file, whose one value is always encrypted.
pub(crate) fn about_selector_of_binary(selector: &Selector) -> Vec<Warning> {
    if *selector == Selector::default() {
        return Vec::new();
    }
    let name = selector.key().unwrap_or("the selector");
    let message = format!("{name} is ignored: a binary file is one value, which is encrypted");
    vec![Warning::new(message)]
}

/// Returns what to say about a file that was just decrypted.
pub(crate) fn after_decryption(text: &str, tree: &Tree, leaves: &DecryptedLeaves) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let comments = leaves.undecrypted_comments.iter().copied();
    about_each(comments, text, tree, &UNDECRYPTED_COMMENT, &mut warnings);
    let lossy = leaves.lossy.iter().copied();
    about_each(lossy, text, tree, &NOT_UTF8, &mut warnings);
    warnings
}

/// Something that can be said about many nodes of a file.
struct Finding {
    message: &'static str,
    hint: &'static str,
}

const LONG_KEY: Finding = Finding {
    message: "a key has more than 1,024 characters: the reference implementation of SOPS cannot open the file",
    hint: "write it as an explicit key, `? key` with `: value` on the next line",
};
const WRITTEN_OUT: Finding = Finding {
    message: "the alias is written out, because what it stands for is encrypted",
    hint: "decrypting gives the alias back",
};
const CUT: Finding = Finding {
    message: "readers cut values at the first ; or #, also inside of quotes: the rest is a comment",
    hint: "if it is part of the value, put the value in backquotes; else put a blank before the comment",
};
const DISPUTED: Finding = Finding {
    message: "the reference implementation of SOPS applies this comment to the key after the one it stands above: it \
              cannot open the file",
    hint: "select by the names of keys instead: encrypted_regex or encrypted_suffix",
};
const READABLE_KEY: Finding = Finding {
    message: "the key is an alias of an encrypted value, and is written out: keys are not encrypted, so this value can be read in the file",
    hint: "give the mapping a key that is no secret",
};
const ROUNDED: Finding = Finding {
    message: "the value cannot be held exactly: every reader rounds it",
    hint: "quote it, so that it is a text",
};
const UNDECRYPTED_COMMENT: Finding = Finding {
    message: "an encrypted comment cannot be decrypted, and stays as it is",
    hint: "it was moved, changed, or encrypted with another data key",
};
const NOT_UTF8: Finding = Finding {
    message: "the format cannot hold the value, so it is changed",
    hint: "what is not UTF-8, or has a \\n that is no line break in dotenv, has to be kept in YAML or in a file of its own",
};

/// Returns the values of an INI file that a comment cuts off without a blank before it.
fn cut_values<'t>(text: &'t str, tree: &'t Tree) -> impl Iterator<Item = NodeId> + 't {
    tree.numbered().filter_map(move |(id, node)| {
        if !matches!(node.kind, NodeKind::Scalar(_)) || node.span.is_empty() {
            return None;
        }
        let rest = &text[node.span.end as usize..];
        let value = node.span.of(text);
        let is_open = ['"', '\''].iter().any(|&quote| {
            value.starts_with(quote) && (value.len() == 1 || !value.ends_with(quote))
        });
        let is_cut = rest.starts_with([';', '#'])
            || is_open && rest.trim_start_matches([' ', '\t']).starts_with([';', '#']);
        is_cut.then_some(id)
    })
}

/// Returns the comments of an INI file that decide about a key, but for those above a section.
fn disputed_comments<'t>(
    text: &'t str,
    tree: &'t Tree,
    selector: &Selector,
) -> impl Iterator<Item = NodeId> + 't {
    let matcher = selector.compile().ok();
    let matcher = matcher.filter(Matcher::is_by_comment);
    let mut section = 0;
    tree.numbered()
        .filter_map(move |(id, node)| match node.kind {
            NodeKind::Map { .. } => {
                section = node.span.start;
                None
            }
            NodeKind::Comment => {
                let decides = matcher.as_ref()?.comment(node.span.of(text).as_bytes());
                (decides && node.span.start > section).then_some(id)
            }
            _ => None,
        })
}

/// How many nodes are named one by one. Nobody reads more, and finding the place of each costs a look through the file.
const MOST: usize = 20;

/// Says the same about each of some nodes, up to a number.
fn about_each(
    mut nodes: impl Iterator<Item = NodeId>,
    text: &str,
    tree: &Tree,
    finding: &Finding,
    warnings: &mut Vec<Warning>,
) {
    for node in nodes.by_ref().take(MOST) {
        let mut warning = Warning::new(finding.message)
            .at(Position::of(text, tree[node].outer_start as usize))
            .hint(finding.hint);
        let path = tree.path_of(text, node);
        // A key of this kind would fill the screen.
        let names_secret = finding.message == READABLE_KEY.message;
        if !path.steps().is_empty() && finding.message != LONG_KEY.message && !names_secret {
            warning = warning.path(path.to_string());
        }
        warnings.push(warning);
    }
    let more = nodes.count();
    if more > 0 {
        warnings.push(Warning::new(format!("{more} more: {}", finding.message)).hint(finding.hint));
    }
}

/// Keys that the reference refuses: it looks for the `:` of a key within this many characters.
const LONGEST_KEY: usize = 1024;

fn long_keys<'t>(text: &'t str, tree: &'t Tree) -> impl Iterator<Item = NodeId> + 't {
    tree.numbered()
        .filter(move |(_, node)| {
            let key = node.span.of(text);
            matches!(node.kind, NodeKind::Key { .. })
                && key.len() > LONGEST_KEY
                && key.chars().count() > LONGEST_KEY
        })
        .map(|(id, _)| id)
}

/// Numbers and times whose value is not that of the digits they are written with.
fn rounded_values<'t>(text: &'t str, tree: &'t Tree) -> impl Iterator<Item = NodeId> + 't {
    let mut plaintext = Vec::new();
    tree.numbered()
        .filter(move |(_, node)| {
            let NodeKind::Scalar(scalar) = &node.kind else {
                return false;
            };
            let literal = || node.span.of(text).trim_matches(['"', '\'']);
            match &scalar.value {
                value @ Value::Float(_) => {
                    plaintext.clear();
                    value.view(text).plaintext(&mut plaintext);
                    !same_number(literal(), &String::from_utf8_lossy(&plaintext))
                }
                Value::Time(_) => !fits_nanoseconds(literal()),
                _ => false,
            }
        })
        .map(|(id, _)| id)
}

/// Whether the fraction of a time has nine digits, but for zeros at its end.
fn fits_nanoseconds(time: &str) -> bool {
    let Some((_, fraction)) = time.split_once(['.', ',']) else {
        return true;
    };
    let digits = fraction.find(|other: char| !other.is_ascii_digit());
    let digits = &fraction[..digits.unwrap_or(fraction.len())];
    digits.trim_end_matches('0').len() <= 9
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
    use super::{fits_nanoseconds, same_number};

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
    fn digits_of_times_that_get_lost() {
        for (time, fits) in [
            ("2001-12-14", true),
            ("2001-12-14 21:59:43.123456789", true),
            ("2001-12-14T21:59:43.12345678900Z", true),
            ("2001-12-14T21:59:43.1234567891+01:00", false),
            ("2001-12-14 21:59:43,0000000001", false),
        ] {
            assert_eq!(fits_nanoseconds(time), fits, "{time}");
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
