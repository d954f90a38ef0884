//! Random dotenv and INI documents, the same for the same seed.

use crate::{
    documents::{Document, Random},
    rules::Rules,
};

/// Lines of keys and values as they are found, and as they could be: quotes that are part of values, blanks anywhere,
/// `\n`, comments, blank lines, keys that stand twice.
pub(crate) fn dotenv(seed: u64) -> Document {
    const KEYS: &[&str] = &[
        "A",
        "DB_URL",
        "export TOKEN",
        "lower",
        " padded ",
        "é",
        "1",
        "a.b",
        "x-y",
        "",
        "KEY_unencrypted",
    ];
    const VALUES: &[&str] = &[
        "",
        "1",
        "true",
        "secret",
        "\"quoted # text\"",
        "'single'",
        " blanks ",
        "a=b=c",
        "one\\ntwo",
        "\\\\n",
        "\\",
        "#no comment",
        "ünïcödé ☃",
        "postgres://u:p@h:5432/d?x=y",
        "tab\there",
        "null",
        "😀",
    ];
    let mut random = Random::new(seed);
    let mut lines = Vec::new();
    for _ in 0..random.below(8) {
        match random.below(6) {
            0 => lines.push(String::new()),
            1 => lines.push(format!(
                "#{}note {}",
                " ".repeat(random.below(2)),
                random.below(10)
            )),
            2 if random.one_in(4) => lines.push("#".to_owned()),
            _ => lines.push(format!(
                "{}={}",
                pick(&mut random, KEYS),
                pick(&mut random, VALUES)
            )),
        }
    }
    Document {
        name: "document.env",
        text: joined(&mut random, &lines, true),
        rules: Rules::default(),
    }
}

/// Sections with every kind of value: quoted in four ways, over several lines, continued, cut off by comments; comments
/// in every place; sections that stand twice.
pub(crate) fn ini(seed: u64) -> Document {
    const SECTIONS: &[&str] = &[
        "a",
        "b.c",
        " padded ",
        "with space",
        "DEFAULT",
        "é",
        "1",
        "x]y",
        "#odd",
    ];
    const KEYS: &[&str] = &[
        "user",
        "password",
        "with space",
        "\"quoted\"",
        "`a=b`",
        "é",
        "1",
        "a.b",
        "a#b",
        "x-y",
        "it's",
        "key_unencrypted",
    ];
    const VALUES: &[&str] = &[
        "",
        "1",
        "true",
        "secret",
        "two words",
        "\"double\"",
        "'single'",
        "`back;tick`",
        "\"\"\"three ; # \"\"\"",
        "\"\"\"one\ntwo\n\nthree\"\"\"",
        "`one\n  two`",
        "continued \\\n  here",
        "a:b=c",
        "\"in\"side\"",
        "\"a",
        "ünïcödé ☃",
        "C:\\dir\\file",
        "%(user)s",
        "${x}",
        "😀",
        "\\n",
        "it's",
        "[x]",
        "a , b",
        "\"  blanks  \"",
    ];
    let mut random = Random::new(seed);
    let mut lines = Vec::new();
    let mut keys: Vec<&str> = Vec::new();
    for _ in 0..random.below(14) {
        match random.below(10) {
            0 => lines.push([" ", "", "\t"][random.below(3)].to_owned()),
            1 | 2 => {
                for _ in 0..=random.below(2) {
                    lines.push(comment(&mut random));
                }
            }
            3 | 4 => {
                keys.clear();
                let behind = match random.one_in(5) {
                    true => format!(" {}", comment(&mut random)),
                    false => String::new(),
                };
                lines.push(format!("[{}]{behind}", pick(&mut random, SECTIONS)));
            }
            _ => {
                let key = pick(&mut random, KEYS);
                if keys.contains(&key) {
                    continue;
                }
                keys.push(key);
                let value = pick(&mut random, VALUES);
                let delimiter = ["=", " = ", ":", "  =\t", "= "][random.below(5)];
                let indentation = " ".repeat(random.below(8) / 6);
                let behind = match random.one_in(6) && !value.contains('\\') {
                    true => format!(" {}", comment(&mut random)),
                    false => String::new(),
                };
                lines.push(format!("{indentation}{key}{delimiter}{value}{behind}"));
            }
        }
    }
    Document {
        name: "document.ini",
        text: joined(&mut random, &lines, false),
        rules: Rules::default(),
    }
}

fn comment(random: &mut Random) -> String {
    let mark = ["; ", "# ", ";", "#", ";; "][random.below(5)];
    match random.one_in(8) {
        true => mark.to_owned(),
        false => format!("{mark}note {}", random.below(10)),
    }
}

fn pick<'w>(random: &mut Random, words: &[&'w str]) -> &'w str {
    words[random.below(words.len())]
}

/// Joins lines, with all that can happen to their ends.
fn joined(random: &mut Random, lines: &[String], is_dotenv: bool) -> Vec<u8> {
    let line_break = match random.one_in(6) {
        true => "\r\n",
        false => "\n",
    };
    let mut text = lines.join("\n").replace('\n', line_break);
    if !lines.is_empty() && !random.one_in(6) {
        text.push_str(line_break);
    }
    // In dotenv, a carriage return alone is a line without `=`.
    while is_dotenv && text.contains("\n\r\n") {
        text = text.replace("\n\r\n", "\n\n");
    }
    if is_dotenv && text.ends_with("\n\r") {
        text.pop();
    }
    if text.starts_with('\r') {
        text.remove(0);
    }
    if !is_dotenv && random.one_in(12) {
        text.insert(0, '\u{feff}');
    }
    text.into_bytes()
}
