//! JSON, as far as reports need it. What they say is made of texts, numbers, truths, lists and objects.

use std::fmt::Write as _;

use sops_core::printable;

/// An object, written key by key.
pub(crate) struct Object {
    text: String,
    /// What stands between a key and its value, and between two entries.
    colon: &'static str,
    comma: &'static str,
}

impl Object {
    /// Returns an object without blanks.
    pub(crate) fn new() -> Self {
        Self {
            text: String::from("{"),
            colon: ":",
            comma: ",",
        }
    }

    /// Returns an object with a blank behind each colon and comma.
    pub(crate) fn with_blanks() -> Self {
        Self {
            colon: ": ",
            comma: ", ",
            ..Self::new()
        }
    }

    /// Makes room for this many bytes more. A secret that fits leaves no copy of itself behind.
    #[cfg(any(test, feature = "age"))]
    pub(crate) fn with_room(mut self, bytes: usize) -> Self {
        self.text.reserve_exact(bytes);
        self
    }

    pub(crate) fn text(mut self, key: &str, text: &str) -> Self {
        self.key(key);
        quote(&mut self.text, text);
        self
    }

    pub(crate) fn text_or_null(self, key: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self.null(key),
        }
    }

    /// Adds a list of texts.
    pub(crate) fn texts<T: AsRef<str>>(
        self,
        key: &str,
        texts: impl IntoIterator<Item = T>,
    ) -> Self {
        self.list(key, texts.into_iter().map(|item| text(item.as_ref())))
    }

    pub(crate) fn number(self, key: &str, number: usize) -> Self {
        self.raw(key, &number.to_string())
    }

    pub(crate) fn number_or_null(self, key: &str, number: Option<usize>) -> Self {
        match number {
            Some(number) => self.number(key, number),
            None => self.null(key),
        }
    }

    pub(crate) fn truth(self, key: &str, truth: bool) -> Self {
        self.raw(key, if truth { "true" } else { "false" })
    }

    pub(crate) fn truth_or_null(self, key: &str, truth: Option<bool>) -> Self {
        match truth {
            Some(truth) => self.truth(key, truth),
            None => self.null(key),
        }
    }

    pub(crate) fn object(self, key: &str, object: Self) -> Self {
        self.raw(key, &object.finish())
    }

    /// Adds a list of what is JSON already.
    pub(crate) fn list(self, key: &str, items: impl IntoIterator<Item = String>) -> Self {
        self.raw(key, &list(items))
    }

    pub(crate) fn null(self, key: &str) -> Self {
        self.raw(key, "null")
    }

    /// Returns the text.
    pub(crate) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }

    /// Returns the text as a line.
    pub(crate) fn line(mut self) -> String {
        self.text.push_str("}\n");
        self.text
    }

    fn raw(mut self, key: &str, json: &str) -> Self {
        self.key(key);
        self.text.push_str(json);
        self
    }

    fn key(&mut self, key: &str) {
        if self.text != "{" {
            self.text.push_str(self.comma);
        }
        quote(&mut self.text, key);
        self.text.push_str(self.colon);
    }
}

/// A list of what is JSON already.
pub(crate) fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// A text alone.
pub(crate) fn text(text: &str) -> String {
    let mut quoted = String::new();
    quote(&mut quoted, text);
    quoted
}

/// Writes a text as JSON has it.
fn quote(quoted: &mut String, text: &str) {
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if printable::is_obeyed(letter) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_needs_it() {
        let object = Object::new().text("k\"", "a\"b\\c\nd\te\u{1}\u{7f}\u{202e}é");
        assert_eq!(
            object.finish(),
            r#"{"k\"":"a\"b\\c\nd\te\u0001\u007f\u202eé"}"#
        );
    }

    #[test]
    fn writes_what_reports_are_made_of() {
        let object = Object::new()
            .text_or_null("a", None)
            .text_or_null("b", Some(""))
            .number_or_null("c", None)
            .number_or_null("d", Some(3))
            .truth("e", true)
            .truth_or_null("f", Some(false))
            .truth_or_null("g", None)
            .texts::<&str>("h", [])
            .texts("i", ["a", "\""])
            .list("j", [list(["1".to_owned()]), list([])])
            .object("k", Object::new());
        assert_eq!(
            object.line(),
            "{\"a\":null,\"b\":\"\",\"c\":null,\"d\":3,\"e\":true,\"f\":false,\"g\":null,\
             \"h\":[],\"i\":[\"a\",\"\\\"\"],\"j\":[[1],[]],\"k\":{}}\n"
        );
    }

    #[test]
    fn puts_blanks_where_they_are_wanted() {
        let object = Object::with_blanks().number("a", 1).number("b", 2);
        assert_eq!(object.finish(), r#"{"a": 1, "b": 2}"#);
    }

    #[test]
    fn stays_where_it_has_room() {
        let object = Object::new().with_room(100);
        let before = object.text.as_ptr();
        let text = object.text("identity", &"a".repeat(80)).line();
        assert_eq!(text.as_ptr(), before);
    }
}
