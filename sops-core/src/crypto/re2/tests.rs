use std::{fs, path::Path};

use super::*;

/// Go's answers, from `testdata/regex/go-re2.tsv`.
#[test]
fn answers_as_go_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/regex/go-re2.tsv");
    let table = fs::read_to_string(path).expect("the table is in the repository");
    let mut inputs = Vec::new();
    let mut patterns = 0;
    let mut wrong = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        match columns.as_slice() {
            ["input", text] => inputs.push(unescape(text)),
            ["pattern", pattern, answers] => {
                patterns += 1;
                let pattern = String::from_utf8(unescape(pattern)).expect("patterns are UTF-8");
                let ours = match compile(&pattern) {
                    Err(_) => "error".to_owned(),
                    Ok(regex) => inputs
                        .iter()
                        .map(|input| if regex.is_match(input) { '1' } else { '0' })
                        .collect(),
                };
                if ours != *answers {
                    wrong.push(format!("{pattern}\n  go   {answers}\n  ours {ours}"));
                }
            }
            other => panic!("not a row: {other:?}"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(patterns > 200 && inputs.len() > 50);
}

/// Reads the escapes of a Go string literal.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let Some(escape) = rest.strip_prefix('\\') else {
            bytes.extend_from_slice(&rest.as_bytes()[..next.len_utf8()]);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        let number = |digits: &str| u32::from_str_radix(digits, 16).expect("hexadecimal digits");
        let length = match escape.as_bytes()[0] {
            b'x' => {
                bytes.push(u8::try_from(number(&escape[1..3])).expect("two digits"));
                3
            }
            b'u' => {
                let character = char::from_u32(number(&escape[1..5])).expect("a character");
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                5
            }
            byte => {
                bytes.push(match byte {
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'r' => b'\r',
                    other => other,
                });
                1
            }
        };
        rest = &escape[length..];
    }
    bytes
}

#[test]
fn errors_name_place_and_reason() {
    for (pattern, column, reason) in [
        ("^(?!prod)", 2, "look-ahead is not in RE2"),
        ("a(?<=b)", 2, "look-behind is not in RE2"),
        ("é(?>b)", 2, "atomic group"),
        ("(?x) a", 3, "the flag x"),
        ("(a)\\1", 4, "backreference"),
        ("a**", 3, "repetition of a repetition"),
        ("a{1001}", 2, "more than 1000"),
        ("(a{50}){50}", 8, "more than 1000"),
        ("a{2,1}", 2, "wrong order"),
        ("x[", 2, "missing closing ]"),
        ("x(a", 4, "missing closing )"),
        ("xa)", 3, "no group to close"),
        ("*", 1, "nothing to repeat"),
        ("[z-a]", 2, "wrong order"),
        ("[[:foo:]]", 2, "class names"),
        ("\\p{Emoji}", 1, "not a class"),
        ("a\\", 2, "escapes nothing"),
        ("\\q", 1, "not an escape"),
        ("\\x{110000}", 1, "Unicode"),
        ("\\x{D800}", 1, "no Unicode character"),
    ] {
        let error = compile(pattern).expect_err(pattern);
        assert_eq!(error.column, column, "{pattern}: {error}");
        assert!(error.message.contains(reason), "{pattern}: {error}");
    }
}

#[test]
fn limits() {
    let nested = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
    assert!(compile(&nested(200)).is_ok());
    assert!(compile(&nested(201)).is_err());
    assert!(compile(&nested(100_000)).is_err());
    let repeated = |levels: usize| format!("{}(a|b[c]){}", "(".repeat(levels), ")*".repeat(levels));
    assert!(compile(&repeated(99)).is_ok());
    assert!(compile(&repeated(200)).is_err());
    assert!(compile(&format!("a{}", "*(?i)".repeat(100_000))).is_err());
    assert!(compile(r"(\pL{30}\PL{30}){30}").is_err());
    assert!(compile(&"[".repeat(100_000)).is_err());
}
