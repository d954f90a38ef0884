//! Paths through a tree: `["db"]["users"][0]` on the command line, `db.users[0]` in messages.

use std::{fmt, iter::Peekable, str::CharIndices};

use super::{NodeId, NodeKind, Tree};
use crate::suggest::closest;

/// A path from the root of a document to a node.
///
/// Parsed from any of three spellings: that of SOPS, `["db"]["users"][0]`, with double or single quotes; the one of
/// messages, `db.users[0]`; and JSON Pointer, `/db/users/0`. The empty path is the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreePath {
    steps: Vec<Step>,
}

/// One step of a [`TreePath`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Into the entry of a mapping.
    Key(String),
    /// To an item of a list, counted from 0.
    Index(usize),
    /// A number in a JSON Pointer, which is a key or an index: the tree decides.
    KeyOrIndex(String, usize),
}

/// Why a text is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path: expected {expected} at character {column}")]
#[non_exhaustive]
pub struct PathError {
    /// What should stand there.
    pub expected: &'static str,
    /// Where it should stand: the number of the character, counted from 1.
    pub column: usize,
}

impl TreePath {
    /// Returns the path of the steps.
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// Parses a path.
    ///
    /// In quotes, everything up to the quote before the next `]` belongs to the key: there are no escapes, as in the
    /// reference. A key may contain `[`, which the reference cannot read.
    ///
    /// # Errors
    /// When the text is no path in any of the spellings.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let steps = if text.starts_with('/') {
            parse_pointer(text)?
        } else {
            Parser::new(text).steps()?
        };
        Ok(Self { steps })
    }

    /// Returns the steps of the path, from the root.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How messages call what is there.
    fn or_file(&self) -> String {
        match self.steps.is_empty() {
            true => "the file".to_owned(),
            false => self.to_string(),
        }
    }

    /// Appends a step.
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Removes and returns the last step.
    pub fn pop(&mut self) -> Option<Step> {
        self.steps.pop()
    }
}

impl std::str::FromStr for TreePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl fmt::Display for TreePath {
    /// The path as messages show it: `db.users[0].password`, keys with other characters than letters, digits, `_`
    /// and `-` as `["x.y"]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Key(key) | Step::KeyOrIndex(key, _) => write_key(f, key, index == 0)?,
                Step::Index(item) => write!(f, "[{item}]")?,
            }
        }
        Ok(())
    }
}

impl Tree {
    /// Returns the node at the end of a path, aliases on the way followed. Indexes do not count comments.
    pub(crate) fn find(&self, source: &str, document: NodeId, path: &TreePath) -> Option<NodeId> {
        let mut node = self.root(document)?;
        for step in path.steps() {
            let container = self.resolve(node);
            node = match (&self[container].kind, step) {
                (NodeKind::Map { .. }, Step::Key(key) | Step::KeyOrIndex(key, _)) => {
                    self.entry(source, container, key)?.1
                }
                (NodeKind::Sequence, Step::Index(index) | Step::KeyOrIndex(_, index)) => {
                    self.items(container).nth(*index)?
                }
                _ => return None,
            };
        }
        Some(node)
    }

    /// Says what there is in the first document where a path leads nowhere: a key that is like the one in the path, or how
    /// long a list is.
    pub(crate) fn instead_of(&self, source: &str, path: &TreePath) -> Option<String> {
        let mut node = self.root(self.documents().next()?)?;
        let mut so_far = TreePath::default();
        for step in path.steps() {
            let container = self.resolve(node);
            so_far.push(step.clone());
            let next = match (&self[container].kind, step) {
                (NodeKind::Map { .. }, Step::Key(key) | Step::KeyOrIndex(key, _)) => {
                    let Some((_, value)) = self.entry(source, container, key) else {
                        let names: Vec<String> = self
                            .entries(container)
                            .map(|(key, _)| self.key_name(source, key))
                            .collect();
                        so_far.pop();
                        let similar = closest(key, names.iter().map(String::as_str))?;
                        so_far.push(Step::Key(similar.to_owned()));
                        return Some(format!("did you mean {so_far}?"));
                    };
                    value
                }
                (NodeKind::Sequence, Step::Index(index) | Step::KeyOrIndex(_, index)) => {
                    let Some(item) = self.items(container).nth(*index) else {
                        so_far.pop();
                        let count = self.items(container).count();
                        return Some(format!(
                            "{} has {count} items, counted from 0",
                            so_far.or_file()
                        ));
                    };
                    item
                }
                (NodeKind::Map { .. }, Step::Index(_)) => {
                    so_far.pop();
                    return Some(format!("{} is a map: name a key", so_far.or_file()));
                }
                (NodeKind::Sequence, Step::Key(_)) => {
                    so_far.pop();
                    return Some(format!(
                        "{} is a list: name an item, counted from 0",
                        so_far.or_file()
                    ));
                }
                _ => {
                    so_far.pop();
                    return Some(format!("{} is a single value", so_far.or_file()));
                }
            };
            node = next;
        }
        None
    }

    /// Returns the items of a list, without the comments between them.
    pub(crate) fn items(&self, sequence: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.children(sequence)
            .filter(|&child| !matches!(self[child].kind, NodeKind::Comment))
    }

    /// Returns the path of a node: from the root of its document, through keys and positions in lists.
    ///
    /// For messages: it looks for the node from the top.
    pub(crate) fn path_of(&self, source: &str, wanted: NodeId) -> TreePath {
        let holds = |&id: &NodeId| id <= wanted && wanted.0 < self[id].end;
        let mut path = TreePath::default();
        let Some(document) = self.documents().find(holds) else {
            return path;
        };
        let mut container = self.children(document).find(holds);
        while let Some(node) = container {
            container = match self[node].kind {
                NodeKind::Map { .. } => self
                    .entries(node)
                    .find(|(key, value)| *key == wanted || holds(value))
                    .map(|(key, value)| {
                        path.push(Step::Key(self.key_name(source, key)));
                        value
                    }),
                NodeKind::Sequence => self
                    .items(node)
                    .enumerate()
                    .find(|(_, item)| holds(item))
                    .map(|(index, item)| {
                        path.push(Step::Index(index));
                        item
                    }),
                _ => None,
            };
            if container == Some(wanted) {
                break;
            }
        }
        path
    }

    /// Returns the text of a key, for messages and paths.
    pub(crate) fn key_name(&self, source: &str, key: NodeId) -> String {
        match &self[key].kind {
            NodeKind::Key { text, .. } => String::from_utf8_lossy(text.bytes(source)).into_owned(),
            _ => String::new(),
        }
    }
}

fn write_key(f: &mut fmt::Formatter<'_>, key: &str, is_first: bool) -> fmt::Result {
    let is_plain = key.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && key
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'));
    match (is_plain, is_first) {
        (true, true) => f.write_str(key),
        (true, false) => write!(f, ".{key}"),
        (false, _) => {
            // Control characters would let a key draw on the reader's terminal.
            f.write_str("[\"")?;
            for letter in key.chars() {
                if letter.is_control() {
                    write!(f, "{}", letter.escape_default())?;
                } else {
                    write!(f, "{letter}")?;
                }
            }
            f.write_str("\"]")
        }
    }
}

/// Parses a JSON Pointer (RFC 6901): `~1` is a `/`, `~0` a `~`.
fn parse_pointer(text: &str) -> Result<Vec<Step>, PathError> {
    let mut column = 1;
    text[1..]
        .split('/')
        .map(|part| {
            let start = column + 1;
            column = start + part.chars().count();
            if let Some(at) = wrong_tilde(part) {
                return Err(PathError {
                    expected: "~0 (for ~) or ~1 (for /)",
                    column: start + part[..at].chars().count(),
                });
            }
            let key = part.replace("~1", "/").replace("~0", "~");
            Ok(match as_index(&key) {
                Some(index) => Step::KeyOrIndex(key, index),
                None => Step::Key(key),
            })
        })
        .collect()
}

fn wrong_tilde(part: &str) -> Option<usize> {
    part.match_indices('~')
        .map(|(at, _)| at)
        .find(|at| !part[at + 1..].starts_with(['0', '1']))
}

fn as_index(text: &str) -> Option<usize> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    if is_number && !has_leading_zero {
        text.parse().ok()
    } else {
        None
    }
}

struct Parser<'p> {
    text: &'p str,
    rest: Peekable<CharIndices<'p>>,
}

impl<'p> Parser<'p> {
    fn new(text: &'p str) -> Self {
        Self {
            text,
            rest: text.char_indices().peekable(),
        }
    }

    fn steps(&mut self) -> Result<Vec<Step>, PathError> {
        let mut steps = Vec::new();
        while let Some(&(_, letter)) = self.rest.peek() {
            let step = match letter {
                '[' => self.bracket()?,
                '.' => {
                    self.rest.next();
                    if steps.is_empty() {
                        // jq and yq start their paths with a dot.
                        if self.rest.peek().is_none() {
                            break;
                        }
                        if let Some((_, '[')) = self.rest.peek() {
                            continue;
                        }
                    }
                    self.name()?
                }
                _ if steps.is_empty() => self.name()?,
                _ => return Err(self.error("[ or .")),
            };
            steps.push(step);
        }
        Ok(steps)
    }

    fn name(&mut self) -> Result<Step, PathError> {
        let start = self.offset();
        while self
            .rest
            .next_if(|(_, letter)| !matches!(letter, '.' | '[' | ']' | '"' | '\''))
            .is_some()
        {}
        let name = &self.text[start..self.offset()];
        if name.is_empty() {
            return Err(self.error("a key"));
        }
        Ok(Step::Key(name.to_owned()))
    }

    /// Parses `["key"]`, `['key']` or `[0]`.
    fn bracket(&mut self) -> Result<Step, PathError> {
        self.rest.next();
        match self.rest.peek() {
            Some(&(_, quote @ ('"' | '\''))) => self.quoted(quote),
            Some((_, '0'..='9')) => self.index(),
            _ => Err(self.error("a key in quotes or a number counted from 0")),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Step, PathError> {
        self.rest.next();
        let start = self.offset();
        let rest = &self.text[start..];
        let close = if quote == '"' { "\"]" } else { "']" };
        let Some(len) = rest.find(close) else {
            while self.rest.next().is_some() {}
            let expected = if quote == '"' { "\"]" } else { "']" };
            return Err(self.error(expected));
        };
        while self
            .rest
            .next_if(|&(at, _)| at < start + len + close.len())
            .is_some()
        {}
        Ok(Step::Key(rest[..len].to_owned()))
    }

    fn index(&mut self) -> Result<Step, PathError> {
        let start = self.offset();
        while self
            .rest
            .next_if(|(_, letter)| letter.is_ascii_digit())
            .is_some()
        {}
        let digits = &self.text[start..self.offset()];
        if self.rest.next_if(|&(_, letter)| letter == ']').is_none() {
            return Err(self.error("]"));
        }
        digits
            .parse()
            .map(Step::Index)
            .map_err(|_| self.error("a number below 2^64"))
    }

    fn offset(&mut self) -> usize {
        self.rest.peek().map_or(self.text.len(), |&(at, _)| at)
    }

    fn error(&mut self, expected: &'static str) -> PathError {
        let offset = self.offset();
        PathError {
            expected,
            column: self.text[..offset].chars().count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }

    #[test]
    fn parses_every_spelling() {
        for (text, steps) in [
            ("", vec![]),
            (".", vec![]),
            (r#"["db"]"#, vec![key("db")]),
            ("['db']", vec![key("db")]),
            (
                r#"["db"]["users"][0]"#,
                vec![key("db"), key("users"), Step::Index(0)],
            ),
            (r#"[0]['k2']"#, vec![Step::Index(0), key("k2")]),
            (r#"["a[b"]["c]"]"#, vec![key("a[b"), key("c]")]),
            (r#"["a.b/c"]"#, vec![key("a.b/c")]),
            (r#"["it's"]"#, vec![key("it's")]),
            (r#"["a"b"]"#, vec![key("a\"b")]),
            (r#"[""]"#, vec![key("")]),
            (r#"["a\n"]"#, vec![key("a\\n")]),
            (
                "db.users[0].password",
                vec![key("db"), key("users"), Step::Index(0), key("password")],
            ),
            (".db.x", vec![key("db"), key("x")]),
            (r#".["x.y"]"#, vec![key("x.y")]),
            (r#"db["x.y"].z"#, vec![key("db"), key("x.y"), key("z")]),
            ("0", vec![key("0")]),
            ("a b.é", vec![key("a b"), key("é")]),
            (
                "/db/users/0",
                vec![key("db"), key("users"), Step::KeyOrIndex("0".to_owned(), 0)],
            ),
            ("/a~1b/m~0n/~01", vec![key("a/b"), key("m~n"), key("~1")]),
            ("/", vec![key("")]),
            ("/01/-1", vec![key("01"), key("-1")]),
        ] {
            assert_eq!(
                TreePath::parse(text).as_ref().map(TreePath::steps),
                Ok(&*steps),
                "{text}"
            );
        }
    }

    #[test]
    fn says_what_is_expected_where() {
        for (text, column, expected) in [
            ("[", 2, "a key in quotes or a number"),
            ("[]", 2, "a key in quotes or a number"),
            ("[db]", 2, "a key in quotes or a number"),
            ("[-1]", 2, "a key in quotes or a number"),
            ("[ 0]", 2, "a key in quotes or a number"),
            ("[0", 3, "]"),
            ("[0x]", 3, "]"),
            ("[99999999999999999999]", 23, "a number below"),
            (r#"["db]"#, 6, "\"]"),
            (r#"["db']"#, 7, "\"]"),
            (r#"['é""#, 5, "']"),
            (r#"["a"]b"#, 6, "[ or ."),
            (r#"["a"] ["b"]"#, 6, "[ or ."),
            ("a..b", 3, "a key"),
            ("a.", 3, "a key"),
            ("a]", 2, "[ or ."),
            ("..a", 2, "a key"),
            ("a.[0]", 3, "a key"),
            ("\"a\"", 1, "a key"),
            ("/a/é~2", 5, "~0"),
            ("/a~", 3, "~0"),
        ] {
            let error = TreePath::parse(text).expect_err(text);
            assert_eq!(error.column, column, "{text}: {error}");
            assert!(error.expected.starts_with(expected), "{text}: {error}");
        }
        let error = TreePath::parse("[0x]").expect_err("x is no digit");
        assert_eq!(error.to_string(), "not a path: expected ] at character 3");
    }

    #[test]
    fn is_shown_as_in_messages() {
        for (text, shown) in [
            ("", ""),
            (r#"["db"]["users"][0]["password"]"#, "db.users[0].password"),
            (r#"["x.y"]["a b"]"#, r#"["x.y"]["a b"]"#),
            ("/a/0/b_c-d", r#"a["0"].b_c-d"#),
            (r#"[""]['é']"#, r#"[""].é"#),
            ("[\"\u{1b}[31m\"]", r#"["\u{1b}[31m"]"#),
        ] {
            assert_eq!(TreePath::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn says_what_there_is_instead() {
        let source = r#"{"db": {"users": [{"name": 1}, "x"], "password": "p"}, "n": null}"#;
        let tree = json::parse(source).unwrap();
        for (path, expected) in [
            ("bd", Some("did you mean db?")),
            ("db.passwrod", Some("did you mean db.password?")),
            ("db.users[0].nam", Some("did you mean db.users[0].name?")),
            ("db.users[7]", Some("db.users has 2 items, counted from 0")),
            (
                "db.users.name",
                Some("db.users is a list: name an item, counted from 0"),
            ),
            ("db[0]", Some("db is a map: name a key")),
            ("[0]", Some("the file is a map: name a key")),
            ("db.password.x", Some("db.password is a single value")),
            ("n.x", Some("n is a single value")),
            ("other", None),
            ("db", None),
        ] {
            let instead = tree.instead_of(source, &path.parse().unwrap());
            assert_eq!(instead.as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn finds_nodes_and_their_paths() {
        let source = r#"{"db": {"users": [{"n": 1}, "x", []], "x.y": null, "0": true}}"#;
        let tree = json::parse(source).unwrap();
        let document = tree.documents().next().unwrap();
        for (path, found) in [
            (r#"["db"]["users"][0]["n"]"#, "1"),
            ("db.users[1]", "\"x\""),
            ("/db/users/1", "\"x\""),
            ("/db/0", "true"),
            ("db.users[2]", "[]"),
            ("db[\"x.y\"]", "null"),
        ] {
            let id = tree
                .find(source, document, &path.parse().unwrap())
                .expect(path);
            assert_eq!(tree[id].span.of(source), found, "{path}");
            let again = tree.path_of(source, id);
            assert_eq!(tree.find(source, document, &again), Some(id));
            assert_eq!(
                again.to_string(),
                TreePath::parse(path)
                    .unwrap()
                    .to_string()
                    .replace("users[\"1\"]", "users[1]")
            );
        }
        for path in [
            "x",
            "db.users[3]",
            "db.users.n",
            "db[0]",
            "db.users[0].n.m",
            "db.users[1][0]",
        ] {
            let path = path.parse().unwrap();
            assert_eq!(tree.find(source, document, &path), None, "{path}");
        }
        let root = tree.find(source, document, &TreePath::default()).unwrap();
        assert_eq!(tree.path_of(source, root), TreePath::default());
        let key = NodeId(
            tree.find(source, document, &"db[\"x.y\"]".parse().unwrap())
                .unwrap()
                .0
                - 1,
        );
        assert_eq!(tree.path_of(source, key).to_string(), "db[\"x.y\"]");
    }
}
