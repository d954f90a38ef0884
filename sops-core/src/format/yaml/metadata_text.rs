//! The metadata as YAML: in block style as the reference writes it, in flow style on one line.

use super::{
    plain_value,
    quote::{double_quoted, fits_one_line, is_plain, is_printable, single_quoted},
    resolve::{Resolved, untagged},
};
use crate::{metadata::Raw, tree::ValueRef};

/// Appends `raw` as the value of a key that stands at the column `indentation`. Each line is preceded by `line_break`;
/// none stands behind the last.
pub(super) fn push_block(
    out: &mut String,
    raw: &Raw,
    indentation: usize,
    step: usize,
    line_break: &str,
) {
    let mut writer = BlockWriter {
        out,
        base: indentation,
        step,
        line_break,
    };
    let mut open = Vec::new();
    writer.push_value(raw, 0, &mut open);
    while let Some(members) = open.last_mut() {
        match members {
            Members::Entries {
                rest,
                column,
                on_dash,
            } => {
                let Some(((key, value), next)) = rest.split_first() else {
                    open.pop();
                    continue;
                };
                let (column, on_dash) = (*column, std::mem::take(on_dash));
                *rest = next;
                if !on_dash {
                    writer.start_line(column);
                }
                writer.out.push_str(&text(key));
                writer.out.push(':');
                let opened = writer.push_value_after_key(value, column);
                open.extend(opened);
            }
            Members::Items { rest, column } => {
                let Some((item, next)) = rest.split_first() else {
                    open.pop();
                    continue;
                };
                let column = *column;
                *rest = next;
                writer.start_line(column);
                writer.out.push('-');
                let opened = writer.push_item(item, column);
                open.extend(opened);
            }
        }
    }
}

/// Returns `raw` in flow style on one line, which is JSON but for numbers that JSON has not.
pub(super) fn flow(raw: &Raw) -> String {
    let mut out = String::new();
    let mut open = vec![Pending::Value(raw)];
    while let Some(pending) = open.pop() {
        match pending {
            Pending::Text(text) => out.push_str(text),
            Pending::Key(key) => {
                out.push_str(&double_quoted(key));
                out.push_str(": ");
            }
            Pending::Value(Raw::List(items)) => {
                out.push('[');
                open.push(Pending::Text("]"));
                for (index, item) in items.iter().enumerate().rev() {
                    open.push(Pending::Value(item));
                    open.extend((index > 0).then_some(Pending::Text(", ")));
                }
            }
            Pending::Value(Raw::Map(entries)) => {
                out.push('{');
                open.push(Pending::Text("}"));
                for (index, (key, value)) in entries.iter().enumerate().rev() {
                    open.push(Pending::Value(value));
                    open.push(Pending::Key(key));
                    open.extend((index > 0).then_some(Pending::Text(", ")));
                }
            }
            Pending::Value(Raw::Text(text)) => out.push_str(&double_quoted(text)),
            Pending::Value(raw) => out.push_str(&scalar(raw)),
        }
    }
    out
}

/// A collection whose first members are written.
enum Members<'r> {
    Entries {
        rest: &'r [(String, Raw)],
        column: usize,
        /// Whether the first entry follows a `-` on its line.
        on_dash: bool,
    },
    Items {
        rest: &'r [Raw],
        column: usize,
    },
}

/// What is left to write of flow collections, the next last.
enum Pending<'r> {
    Value(&'r Raw),
    Key(&'r str),
    Text(&'static str),
}

struct BlockWriter<'o> {
    out: &'o mut String,
    /// The column of the key; the others count from there.
    base: usize,
    step: usize,
    line_break: &'o str,
}

impl BlockWriter<'_> {
    fn push_value<'r>(&mut self, raw: &'r Raw, column: usize, open: &mut Vec<Members<'r>>) {
        open.extend(self.push_value_after_key(raw, column));
    }

    fn push_value_after_key<'r>(&mut self, raw: &'r Raw, column: usize) -> Option<Members<'r>> {
        let inner = self.next_indentation(column);
        match raw {
            Raw::Map(entries) if !entries.is_empty() => Some(Members::Entries {
                rest: entries,
                column: inner,
                on_dash: false,
            }),
            Raw::List(items) if !items.is_empty() => Some(Members::Items {
                rest: items,
                column: inner,
            }),
            raw => {
                self.out.push(' ');
                self.push_scalar(raw, inner);
                None
            }
        }
    }

    fn push_item<'r>(&mut self, raw: &'r Raw, column: usize) -> Option<Members<'r>> {
        match raw {
            Raw::Map(entries) if !entries.is_empty() => {
                self.out.push(' ');
                Some(Members::Entries {
                    rest: entries,
                    column: column + 2,
                    on_dash: true,
                })
            }
            raw => self.push_value_after_key(raw, column),
        }
    }

    fn push_scalar(&mut self, raw: &Raw, column: usize) {
        match raw {
            Raw::Text(text) if is_literal(text) => self.push_literal(text, column),
            raw => self.out.push_str(&scalar(raw)),
        }
    }

    fn push_literal(&mut self, text: &str, column: usize) {
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push_str(&self.step.to_string());
        }
        let body = text.trim_end_matches('\n');
        match text.len() - body.len() {
            0 => self.out.push('-'),
            1 if !body.is_empty() => {}
            _ => self.out.push('+'),
        }
        // Every line break but the last of the text stands before a line of it.
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if line.is_empty() {
                self.out.push_str(self.line_break);
            } else {
                self.start_line(column);
                self.out.push_str(line);
            }
        }
    }

    fn start_line(&mut self, column: usize) {
        self.out.push_str(self.line_break);
        self.out
            .extend(std::iter::repeat_n(' ', self.base + column));
    }

    /// The indentation below a node: the next multiple of the step, so that what stands below a key behind a `-` is
    /// indented from the `-`.
    fn next_indentation(&self, column: usize) -> usize {
        (column + self.step) / self.step * self.step
    }
}

/// Whether the reference writes a text as a literal block.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.contains(" \n")
        && !text.ends_with(' ')
        // With an indicator the lines would depend on how it is counted below a `-`.
        && !text.starts_with([' ', '\t', '\n'])
        && text
            .chars()
            .all(|character| character == '\n' || is_printable(character))
}

fn scalar(raw: &Raw) -> String {
    match raw {
        Raw::Null => plain_value::text(ValueRef::Null),
        Raw::Bool(value) => plain_value::text(ValueRef::Bool(*value)),
        Raw::Int(value) => plain_value::text(ValueRef::Int(*value)),
        Raw::Float(value) => plain_value::text(ValueRef::Float(*value)),
        Raw::Time(text) => text.clone(),
        Raw::Text(value) => text(value),
        Raw::List(_) => "[]".to_owned(),
        Raw::Map(_) => "{}".to_owned(),
    }
}

/// Returns a text on one line as the reference writes it: in double quotes what readers of any version of YAML could
/// take for another type, in single quotes what is plain nowhere.
fn text(text: &str) -> String {
    let is_text = untagged(text) == Ok(Resolved::Str) && !is_of_yaml_1_1(text);
    if is_text && is_plain(text, false) && !text.starts_with("---") && !text.starts_with("...") {
        text.to_owned()
    } else if is_text && fits_one_line(text) && !text.contains('\t') {
        single_quoted(text)
    } else {
        double_quoted(text)
    }
}

/// Whether a text was a boolean or a number of base 60 in YAML 1.1.
fn is_of_yaml_1_1(text: &str) -> bool {
    let is_boolean = matches!(
        text,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "on"
            | "On"
            | "ON"
            | "n"
            | "N"
            | "no"
            | "No"
            | "NO"
            | "off"
            | "Off"
            | "OFF"
    );
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_base_60 = digits.contains(':')
        && digits.starts_with(|first: char| first.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b":_.".contains(&byte));
    is_boolean || is_base_60
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    fn map(entries: &[(&str, Raw)]) -> Raw {
        let owned = |(key, value): &(&str, Raw)| ((*key).to_owned(), value.clone());
        Raw::Map(entries.iter().map(owned).collect())
    }

    fn metadata() -> Raw {
        let age = map(&[
            ("enc", text_of("-----BEGIN-----\nYWdl\n-----END-----\n")),
            ("recipient", text_of("age1x")),
        ]);
        let pgp = map(&[
            ("created_at", text_of("2026-11-23T18:21:39Z")),
            ("enc", text_of("-----BEGIN-----\n\nhF4D\n-----END-----")),
            ("fp", text_of("0B31C79005161CD9841F3916F07AF8230EA0EB66")),
        ]);
        map(&[
            (
                "key_groups",
                Raw::List(vec![
                    map(&[
                        ("age", Raw::List(vec![age.clone(), age])),
                        ("hc_vault", Raw::List(vec![])),
                    ]),
                    map(&[("age", Raw::List(vec![])), ("pgp", Raw::List(vec![pgp]))]),
                ]),
            ),
            ("lastmodified", text_of("2026-11-23T18:21:39Z")),
            (
                "mac",
                text_of("ENC[AES256_GCM,data:GA==,iv:/U==,tag:9X==,type:str]"),
            ),
            ("mac_only_encrypted", Raw::Bool(true)),
            ("shamir_threshold", Raw::Int(2)),
            (
                "x",
                Raw::List(vec![
                    Raw::List(vec![Raw::Int(1), text_of("")]),
                    text_of("a\nb"),
                ]),
            ),
        ])
    }

    fn block(raw: &Raw, indentation: usize, step: usize) -> String {
        let mut out = "sops:".to_owned();
        push_block(&mut out, raw, indentation, step, "\n");
        out
    }

    /// As the reference prints it, but for lists directly in lists, of which metadata have none.
    #[test]
    fn is_written_as_the_reference_does() {
        let expected = "\
sops:
    key_groups:
        - age:
            - enc: |
                -----BEGIN-----
                YWdl
                -----END-----
              recipient: age1x
            - enc: |
                -----BEGIN-----
                YWdl
                -----END-----
              recipient: age1x
          hc_vault: []
        - age: []
          pgp:
            - created_at: \"2026-11-23T18:21:39Z\"
              enc: |-
                -----BEGIN-----

                hF4D
                -----END-----
              fp: 0B31C79005161CD9841F3916F07AF8230EA0EB66
    lastmodified: \"2026-11-23T18:21:39Z\"
    mac: ENC[AES256_GCM,data:GA==,iv:/U==,tag:9X==,type:str]
    mac_only_encrypted: true
    shamir_threshold: 2
    x:
        -
            - 1
            - \"\"
        - |-
            a
            b";
        assert_eq!(block(&metadata(), 0, 4), expected);
    }

    #[test]
    fn steps_and_indentation_are_those_asked_for() {
        let raw = map(&[(
            "l",
            Raw::List(vec![map(&[
                ("enc", text_of("a\nb")),
                ("k", Raw::List(vec![Raw::Null])),
            ])]),
        )]);
        for (step, expected) in [
            (
                2,
                "sops:\n     l:\n       - enc: |-\n           a\n           b\n         k:\n           - null",
            ),
            (
                3,
                "sops:\n      l:\n         - enc: |-\n            a\n            b\n           k:\n            - null",
            ),
        ] {
            assert_eq!(block(&raw, 3, step), expected);
        }
    }

    #[test]
    fn texts_that_could_be_misread_are_quoted() {
        for (value, expected) in [
            ("", "\"\""),
            ("yes", "\"yes\""),
            ("1:30", "\"1:30\""),
            ("12", "\"12\""),
            ("null", "\"null\""),
            ("---a", "'---a'"),
            ("a: b", "'a: b'"),
            ("a\tb", "a\tb"),
            ("a\tb: ", "\"a\\tb: \""),
            ("a \nb", "\"a \\nb\""),
            ("\na", "\"\\na\""),
            ("_unencrypted", "_unencrypted"),
            ("^(data|stringData)$", "^(data|stringData)$"),
            ("[a", "'[a'"),
        ] {
            assert_eq!(scalar(&text_of(value)), expected);
        }
    }

    #[test]
    fn flow_is_json_on_one_line() {
        let flow = flow(&metadata());
        assert!(!flow.contains('\n'));
        assert!(flow.contains("\"mac\": \"ENC["), "{flow}");
        let value: serde_json::Value = serde_json::from_str(&flow).unwrap();
        assert_eq!(value["key_groups"][0]["age"][1]["recipient"], "age1x");
        assert_eq!(value["x"][0][0], 1);
    }

    #[test]
    fn depth_does_not_matter() {
        let mut raw = Raw::Null;
        for _ in 0..5_000 {
            raw = Raw::List(vec![raw]);
        }
        assert_eq!(flow(&raw).len(), 10_004);
        assert!(block(&raw, 0, 1).ends_with("- null"));
    }
}
