//! Random documents, the same for the same seed. YAML and JSON: every style of scalar, comments wherever they can stand,
//! nested and flow collections, anchors, several documents, and every kind of line break. dotenv and INI: see `lines.rs`.

use std::fmt::Write as _;

use crate::{lines, rules::Rules};

/// A document, with a name that says its format, and what of it is encrypted.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) name: &'static str,
    pub(crate) text: Vec<u8>,
    pub(crate) rules: Rules,
}

/// Returns the document of a seed. One in four is JSON, one in eight dotenv, one in eight INI.
pub(crate) fn document(seed: u64) -> Document {
    let mut document = match seed % 8 {
        1 => lines::dotenv(seed),
        5 => lines::ini(seed),
        _ => nested(seed),
    };
    document.rules = Rules::random(seed, document.name);
    document
}

fn nested(seed: u64) -> Document {
    let mut writer = Writer::new(seed);
    if seed % 4 == 3 {
        writer.json();
        return Document {
            name: "document.json",
            text: writer.text.into_bytes(),
            rules: Rules::default(),
        };
    }
    writer.yaml();
    let mut text = writer.text;
    if writer.random.one_in(6) {
        text.truncate(text.trim_end_matches('\n').len());
    }
    if writer.random.one_in(6) {
        text = text.replace('\n', "\r\n");
    }
    if writer.random.one_in(12) {
        text.insert(0, '\u{feff}');
    }
    Document {
        name: "document.yaml",
        text: text.into_bytes(),
        rules: Rules::default(),
    }
}

/// Numbers that look random, and are the same for the same seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

const KEYS: [&str; 14] = [
    "name",
    "user",
    "password",
    "db",
    "\"quoted key\"",
    "'single'",
    "with space",
    "dotted.key",
    "snake_case",
    "über",
    "yes",
    "list",
    "\"1\"",
    "x-y",
];

const PLAIN: [&str; 44] = [
    "secret",
    "two words",
    "it's",
    "a#b",
    "a:b",
    "http://host:80/x?y=z",
    "-x",
    "--",
    "v1.2.3",
    "1",
    "0",
    "-7",
    "0x1F",
    "0o14",
    "014",
    "0b101",
    "1_000",
    "+3",
    "9223372036854775807",
    "08",
    "3.14",
    "1.10",
    "1.0",
    "1e3",
    ".5",
    "6.02e23",
    "-0.5",
    ".inf",
    "-.inf",
    "true",
    "False",
    "TRUE",
    "yes",
    "off",
    "n",
    "2001-12-14",
    "2001-12-14T21:59:43.10-05:00",
    "2001-12-14 21:59:43.10",
    "12:30:45",
    "1.2.3.4",
    "~",
    "null",
    "=",
    "ünïcödé ☃",
];

const DOUBLE: [&str; 12] = [
    "\"plain\"",
    "\"\"",
    "\"a\\tb\"",
    "\"\\u00e9\"",
    "\"line\\nbreak\"",
    "\"# no comment\"",
    "\"12\"",
    "\"true\"",
    "\"\\\"\"",
    "\"ends with blank \"",
    "\"a: b, [c]\"",
    "\"\\x41\\\\\"",
];

const SINGLE: [&str; 8] = [
    "'plain'",
    "''",
    "'it''s'",
    "'# no comment'",
    "'007'",
    "' blanks '",
    "'{a: b}'",
    "'\\n'",
];

const TAGGED: [&str; 8] = [
    "!!str 12",
    "!!int \"3\"",
    "!!float 2",
    "!custom text",
    "! plain",
    "!!str",
    "!!bool \"true\"",
    "!!binary aGVsbG8=",
];

const FLOW: [&str; 14] = [
    "[]",
    "{}",
    "[a, b]",
    "[ 1, 2.5, true ]",
    "[a, [b, c], {d: e}]",
    "{a: b}",
    "{ a: 1, b: [x, 'y'] }",
    "[\"a\", 'b', c]",
    "{\"a\":\"b\"}",
    "[a,]",
    "{a: , b: c}",
    "[x y, z]",
    "{a: {b: {c: d}}}",
    "[ '' ]",
];

const WORDS: [&str; 8] = [
    "first",
    "second line",
    "a: b",
    "# hash",
    "- dash",
    "end.",
    "[x]",
    "'q'",
];

struct Writer {
    random: Random,
    text: String,
    comments: usize,
    anchors: usize,
}

impl Writer {
    fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            text: String::new(),
            comments: 0,
            anchors: 0,
        }
    }

    fn yaml(&mut self) {
        let documents = if self.random.one_in(5) {
            2 + self.random.below(2)
        } else {
            1
        };
        if documents == 1 && self.random.one_in(10) {
            self.text.push_str("---\n");
        }
        for index in 0..documents {
            if index > 0 {
                self.text.push_str("---\n");
            }
            self.anchors = 0;
            if self.random.one_in(12) {
                let flow = self.flow_root();
                self.text.push_str(flow);
                self.text.push('\n');
                continue;
            }
            let step = [2, 2, 4, 3][self.random.below(4)];
            self.mapping(0, step, 0);
        }
    }

    fn flow_root(&mut self) -> &'static str {
        self.random.of(&[
            "{a: b, c: [1, 2]}",
            "{\"a\": \"b\", \"c\": {\"d\": null}}",
            "{\n  a: b, # note\n  c: 'd'\n}",
            "{a: 1}",
        ])
    }

    fn mapping(&mut self, indent: usize, step: usize, depth: usize) {
        let count = 1 + self.random.below(4);
        let mut used: Vec<&str> = Vec::new();
        for _ in 0..count {
            let key = self.random.of(&KEYS);
            if used.contains(&key) {
                continue;
            }
            used.push(key);
            self.between(indent);
            self.indent(indent);
            self.text.push_str(key);
            self.text.push(':');
            self.value(indent, step, depth, false);
        }
        self.between_last(indent);
    }

    fn list(&mut self, indent: usize, step: usize, depth: usize) {
        for _ in 0..1 + self.random.below(4) {
            self.between(indent);
            self.indent(indent);
            self.text.push('-');
            self.value(indent, step, depth, true);
        }
    }

    /// Writes what stands behind a `:` or a `-`, its line break included.
    fn value(&mut self, indent: usize, step: usize, depth: usize, item: bool) {
        let deepest = depth >= 3;
        match self.random.below(if deepest { 14 } else { 20 }) {
            // After a `-` a tab is refused, here as there.
            0 if item => self.text.push('\n'),
            0 => self.end_of_line(),
            1 => self.block_scalar(indent, step),
            2 => {
                let text = self.random.of(&FLOW);
                self.scalar(text);
            }
            3 => {
                let text = self.random.of(&DOUBLE);
                self.scalar(text);
            }
            4 => {
                let text = self.random.of(&SINGLE);
                self.scalar(text);
            }
            5 => {
                let text = self.random.of(&TAGGED);
                self.scalar(text);
            }
            6 if self.random.one_in(2) => self.several_lines(indent, step),
            7 if self.anchors > 0 && self.random.one_in(2) => {
                let alias = format!("*a{}", self.random.below(self.anchors));
                self.scalar(&alias);
            }
            8 if self.random.one_in(2) => {
                let text = format!("&a{} {}", self.anchors, self.random.of(&PLAIN));
                self.anchors += 1;
                self.scalar(&text);
            }
            6..=13 => {
                let text = self.random.of(&PLAIN);
                self.scalar(text);
            }
            14..=16 => {
                if item {
                    self.compact_mapping(indent, step, depth);
                } else {
                    self.end_of_line();
                    self.mapping(indent + step, step, depth + 1);
                }
            }
            _ => {
                let inner = match item || self.random.one_in(2) {
                    true => indent + step,
                    false => indent,
                };
                match item {
                    true => self.text.push('\n'),
                    false => self.end_of_line(),
                }
                self.list(inner, step, depth + 1);
            }
        }
    }

    /// Writes a mapping that begins on the line of its `-`.
    fn compact_mapping(&mut self, indent: usize, step: usize, depth: usize) {
        self.text.push_str(" first:");
        self.value(indent + 2, step, depth + 1, false);
        if self.random.one_in(2) {
            self.between(indent + 2);
            self.indent(indent + 2);
            self.text.push_str("second:");
            self.value(indent + 2, step, depth + 1, false);
        }
    }

    fn scalar(&mut self, text: &str) {
        self.text
            .push_str(if self.random.one_in(8) { "   " } else { " " });
        self.text.push_str(text);
        self.end_of_line();
    }

    fn block_scalar(&mut self, indent: usize, step: usize) {
        let header = self.random.of(&["|", "|-", "|+", ">", ">-", ">+"]);
        self.text.push(' ');
        self.text.push_str(header);
        self.end_of_line();
        for line in 0..1 + self.random.below(4) {
            if line > 0 && self.random.one_in(5) {
                self.text.push('\n');
            }
            let more = if line > 0 && self.random.one_in(5) {
                2
            } else {
                0
            };
            self.indent(indent + step + more);
            let words = self.random.of(&WORDS);
            self.text.push_str(words);
            self.text.push('\n');
        }
        if self.random.one_in(4) {
            self.text.push('\n');
        }
    }

    fn several_lines(&mut self, indent: usize, step: usize) {
        let (open, close) = [("", ""), ("\"", "\""), ("'", "'")][self.random.below(3)];
        let _ = write!(self.text, " {open}one");
        for word in ["two", "three"] {
            self.text.push('\n');
            if self.random.one_in(4) {
                self.text.push('\n');
            }
            self.indent(indent + step);
            self.text.push_str(word);
        }
        self.text.push_str(close);
        self.end_of_line();
    }

    /// Writes what may stand on lines of their own between two entries.
    fn between(&mut self, indent: usize) {
        match self.random.below(8) {
            0 => self.own_comment(indent),
            1 => self.text.push('\n'),
            2 if self.random.one_in(3) => {
                self.own_comment(indent);
                self.text.push('\n');
                self.own_comment(indent);
            }
            _ => {}
        }
    }

    fn between_last(&mut self, indent: usize) {
        if self.random.one_in(6) {
            self.own_comment(indent);
        }
    }

    fn own_comment(&mut self, indent: usize) {
        self.indent(indent);
        self.comment();
        self.text.push('\n');
    }

    fn comment(&mut self) {
        self.comments += 1;
        let gap = self.random.of(&[" ", " ", " ", "", "# "]);
        let _ = write!(self.text, "#{gap}note {}", self.comments);
    }

    fn end_of_line(&mut self) {
        if self.random.one_in(8) {
            let gap = self.random.of(&[" ", "  ", "\t"]);
            self.text.push_str(gap);
            self.comment();
        } else if self.random.one_in(15) {
            self.text.push(' ');
        }
        self.text.push('\n');
    }

    fn indent(&mut self, by: usize) {
        self.text.extend(std::iter::repeat_n(' ', by));
    }

    fn json(&mut self) {
        let style = self.random.below(3);
        self.json_object(0, style);
        if !self.random.one_in(5) {
            self.text.push('\n');
        }
    }

    fn json_object(&mut self, depth: usize, style: usize) {
        const NAMES: [&str; 8] = [
            "a",
            "user",
            "password",
            "with space",
            "é",
            "\\u00e9x",
            "1",
            "",
        ];
        self.text.push('{');
        let first = self.random.below(NAMES.len());
        let count = if depth == 0 {
            1 + self.random.below(6)
        } else {
            self.random.below(4)
        };
        for index in 0..count {
            if index > 0 {
                self.text.push(',');
            }
            self.json_break(depth + 1, style);
            let name = NAMES[(first + index) % NAMES.len()];
            let colon = [": ", ":", " : "][style];
            let _ = write!(self.text, "\"{name}\"{colon}");
            self.json_value(depth + 1, style);
        }
        if count > 0 {
            self.json_break(depth, style);
        }
        self.text.push('}');
    }

    fn json_value(&mut self, depth: usize, style: usize) {
        const SCALARS: [&str; 22] = [
            "\"text\"",
            "\"\"",
            "\"\\\"\\\\\\/\"",
            "\"\\u00e9\\n\"",
            "\"é ☃\"",
            "\"<&>\"",
            "0",
            "-1",
            "1.5",
            "1.10",
            "1e3",
            "1E-2",
            "9223372036854775807",
            "-0.5",
            "true",
            "false",
            "null",
            "\"12\"",
            "\"null\"",
            "\"a\\tb\"",
            "\"\\ud83d\\ude00\"",
            "1234567890123",
        ];
        match self.random.below(if depth > 3 { 7 } else { 10 }) {
            0..=6 => {
                let text = self.random.of(&SCALARS);
                self.text.push_str(text);
            }
            7 | 8 => self.json_object(depth, style),
            _ => {
                self.text.push('[');
                for index in 0..self.random.below(4) {
                    if index > 0 {
                        self.text.push(',');
                    }
                    self.json_break(depth + 1, style);
                    self.json_value(depth + 1, style);
                }
                self.text.push(']');
            }
        }
    }

    fn json_break(&mut self, depth: usize, style: usize) {
        match style {
            0 => {
                self.text.push('\n');
                self.indent(2 * depth);
            }
            1 => {}
            _ => self.text.push_str("\r\n\t"),
        }
    }
}
