//! Classes of characters, written as the inside of a bracket expression.

use super::unicode_names;

/// Returns the class of `\d`, `\D`, `\s`, `\S`, `\w` or `\W`.
pub(super) fn perl(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "0-9",
        'D' => "[^0-9]",
        's' => r"\t\n\x0C\r\x20",
        'S' => r"[^\t\n\x0C\r\x20]",
        'w' => "0-9A-Za-z_",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

/// Returns the class that stands between `[:` and `:]`.
pub(super) fn posix(name: &str) -> Option<String> {
    let (negated, name) = match name.strip_prefix('^') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let class = match name {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "ascii" => r"\x00-\x7F",
        "blank" => r"\t\x20",
        "cntrl" => r"\x00-\x1F\x7F",
        "digit" => "0-9",
        "graph" => r"\x21-\x7E",
        "lower" => "a-z",
        "print" => r"\x20-\x7E",
        "punct" => r"\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E",
        "space" => r"\t\n\x0B\x0C\r\x20",
        "upper" => "A-Z",
        "word" => "0-9A-Za-z_",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    };
    Some(if negated {
        format!("[^{class}]")
    } else {
        class.to_owned()
    })
}

/// Returns the class of `\p{name}` or, if negated, `\P{name}`.
pub(super) fn unicode(name: &str, negated: bool) -> Option<String> {
    let (negated, name) = match name.strip_prefix('^') {
        Some(name) => (!negated, name),
        None => (negated, name),
    };
    let name = canonical(name);
    let class = match name.as_str() {
        "Any" => r"\x{0}-\x{10FFFF}".to_owned(),
        "Ascii" => r"\x00-\x7F".to_owned(),
        "Assigned" => r"\P{gc=Cn}".to_owned(),
        "Lc" | "Casedletter" => r"\p{gc=Lu}\p{gc=Ll}\p{gc=Lt}".to_owned(),
        // Surrogates are no characters of a text.
        "Cs" | "Surrogate" => r"[^\x{0}-\x{10FFFF}]".to_owned(),
        name => {
            if let Some(category) = unicode_names::category(name) {
                format!(r"\p{{gc={category}}}")
            } else if unicode_names::SCRIPTS.contains(&name) {
                format!(r"\p{{sc={name}}}")
            } else {
                return None;
            }
        }
    };
    Some(if negated {
        format!("[^{class}]")
    } else {
        class
    })
}

/// First letter large, the others small; `_`, `-` and blanks do not count.
fn canonical(name: &str) -> String {
    let mut letters = name
        .chars()
        .filter(|letter| !matches!(letter, '_' | '-' | ' '));
    letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters.map(|letter| letter.to_ascii_lowercase()))
        .collect()
}
