//! A whole subtree in flow style on one line: what stands for an alias that has to be written out.

use super::{
    place::{line_break_of, line_end},
    plain_value,
    quote::{double_quoted, is_plain},
    render::{binary, one_line},
};
use crate::tree::{Node, NodeId, NodeKind, Scalar, Style, Tree, ValueRef};

/// Keys must start and end within 1024 characters unless a `?` announces them.
const LONGEST_SIMPLE_KEY: usize = 1000;

/// Returns the text of a subtree. `leaf` is asked for the ciphertext of every scalar, in the order of the tree; aliases
/// are followed. Scalars without one are written so that they read back as the same value. Comments are dropped but for
/// those that `is_kept` is true for, tags and anchors all.
pub(crate) fn flow_copy(
    source: &str,
    tree: &Tree,
    target: NodeId,
    leaf: &mut dyn FnMut(NodeId) -> Option<String>,
    is_kept: &mut dyn FnMut(NodeId) -> bool,
) -> String {
    let mut copy = Copy {
        source,
        tree,
        out: String::new(),
        open: Vec::new(),
        comments: Vec::new(),
    };
    copy.push(target, leaf);
    while let Some(container) = copy.open.last_mut() {
        if container.next >= container.end {
            copy.out.push(container.closing);
            copy.comments.clear();
            copy.open.pop();
            continue;
        }
        let child = NodeId(container.next);
        container.next = tree[child].end;
        match &tree[child].kind {
            NodeKind::Comment if is_kept(child) => copy.comments.push(child),
            NodeKind::Comment => {}
            NodeKind::Key { .. } => {
                container.separate(&mut copy.out);
                copy.push_comments();
                copy.push_key(child);
            }
            _ => {
                if container.closing == ']' {
                    container.separate(&mut copy.out);
                    copy.push_comments();
                }
                copy.push(child, leaf);
            }
        }
    }
    copy.out
}

struct Copy<'a> {
    source: &'a str,
    tree: &'a Tree,
    out: String,
    /// The containers around the place that is written; as deep as the document, hence no recursion.
    open: Vec<Container>,
    /// Comments before the next entry or item.
    comments: Vec<NodeId>,
}

struct Container {
    next: u32,
    end: u32,
    closing: char,
    is_empty: bool,
}

impl Container {
    fn separate(&mut self, out: &mut String) {
        if !self.is_empty {
            out.push_str(", ");
        }
        self.is_empty = false;
    }
}

impl Copy<'_> {
    fn push(&mut self, id: NodeId, leaf: &mut dyn FnMut(NodeId) -> Option<String>) {
        let mut id = id;
        while let NodeKind::Alias { target } = self.tree[id].kind {
            id = target;
        }
        let node = &self.tree[id];
        let (opening, closing) = match &node.kind {
            NodeKind::Map { .. } => ('{', '}'),
            NodeKind::Sequence => ('[', ']'),
            NodeKind::Scalar(scalar) => {
                match leaf(id) {
                    // In quotes even where it stands alone: the alias may stand in a flow collection.
                    Some(enc) => self.out.push_str(&double_quoted(&enc)),
                    None => self.push_clear(node, scalar),
                }
                return;
            }
            NodeKind::Document
            | NodeKind::Key { .. }
            | NodeKind::Comment
            | NodeKind::Alias { .. } => return,
        };
        self.out.push(opening);
        self.open.push(Container {
            next: id.0 + 1,
            end: node.end,
            closing,
            is_empty: true,
        });
    }

    /// Writes the comments on lines of their own.
    fn push_comments(&mut self) {
        for comment in std::mem::take(&mut self.comments) {
            let line_break = line_break_of(self.source);
            let text = self.tree[comment].span.of(self.source);
            self.out.push_str(line_break);
            self.out.push_str(" #");
            self.out.push_str(text);
            self.out.push_str(line_break);
            self.out.push(' ');
        }
    }

    fn push_key(&mut self, id: NodeId) {
        let node = &self.tree[id];
        let NodeKind::Key { text, alias } = &node.kind else {
            return;
        };
        let text = String::from_utf8_lossy(text.bytes(self.source));
        let is_quoted = node.span.of(self.source).starts_with(['"', '\'']);
        // A merge key is one only when it is plain, hence stays as it is.
        let is_merge = text == "<<" && !is_quoted && !alias;
        let key = match is_merge {
            true => text.into_owned(),
            false => key_text(&text),
        };
        if key.len() > LONGEST_SIMPLE_KEY {
            self.out.push_str("? ");
            self.out.push_str(&key);
            self.out.push_str(" : ");
        } else {
            self.out.push_str(&key);
            self.out.push_str(": ");
        }
    }

    /// Writes a clear scalar: as it is if it can stand here so, else in a form of ours.
    fn push_clear(&mut self, node: &Node, scalar: &Scalar) {
        let start = node.span.start as usize;
        let spelling = node.span.of(self.source);
        let has_properties = node.outer_start as usize != start;
        let on_one_line = line_end(self.source, start) >= node.span.end as usize;
        let as_it_is = match scalar.style {
            // Of texts the plain ones need care; other plain scalars hold nothing that ends them.
            Style::Plain => {
                !spelling.is_empty()
                    && (is_plain(spelling, true)
                        || !matches!(scalar.value.view(self.source), ValueRef::Str(_)))
            }
            Style::SingleQuoted | Style::DoubleQuoted => true,
            Style::Literal | Style::Folded => false,
        };
        if as_it_is && on_one_line && !has_properties {
            self.out.push_str(spelling);
            return;
        }
        match scalar.value.view(self.source) {
            ValueRef::Str(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => self.out.push_str(&one_line(text, false, true)),
                Err(_) => self.out.push_str(&binary(bytes)),
            },
            value => self.out.push_str(&plain_value::text(value)),
        }
    }
}

/// Returns a key that merges nothing: plain if it can be, else in double quotes.
pub(super) fn key_text(text: &str) -> String {
    match is_plain(text, true) && text != "<<" {
        true => text.to_owned(),
        false => double_quoted(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Span, Text, Value};

    /// Builds a tree whose spans are those of the pieces of `source`, each searched for behind the one before.
    struct Builder {
        source: &'static str,
        tree: Tree,
        at: usize,
    }

    impl Builder {
        fn new(source: &'static str) -> Self {
            Self {
                source,
                tree: Tree::default(),
                at: 0,
            }
        }

        fn find(&mut self, piece: &str) -> Span {
            let start = self.at + self.source[self.at..].find(piece).expect(piece);
            self.at = start + piece.len();
            Span::new(start, self.at)
        }

        fn open(&mut self, kind: NodeKind) -> NodeId {
            let at = Span::new(self.at, self.at);
            self.tree.push(kind, at, at.start)
        }

        fn close(&mut self, id: NodeId) {
            self.tree.close(id, self.at as u32);
        }

        fn key(&mut self, piece: &str, text: &str) {
            let span = self.find(piece);
            let text = Text::Owned(text.as_bytes().into());
            let kind = NodeKind::Key { text, alias: false };
            self.tree.push(kind, span, span.start);
        }

        fn scalar(&mut self, piece: &str, value: Value) -> NodeId {
            let outer = self.find(piece);
            let content = piece
                .rsplit_once(' ')
                .filter(|_| piece.starts_with(['!', '&']));
            let content = content.map_or(piece, |(_, content)| content);
            let span = Span::new(self.at - content.len(), self.at);
            let style = match content.as_bytes().first() {
                Some(b'"') => Style::DoubleQuoted,
                Some(b'\'') => Style::SingleQuoted,
                Some(b'|') => Style::Literal,
                _ => Style::Plain,
            };
            let scalar = Scalar {
                value,
                style,
                flow: false,
                converting_tag: false,
            };
            self.tree.push(NodeKind::Scalar(scalar), span, outer.start)
        }
    }

    fn text(text: &str) -> Value {
        Value::Str(Text::Owned(text.as_bytes().into()))
    }

    #[test]
    fn clear_values_read_back_and_ciphertexts_are_quoted() {
        let mut b = Builder::new(
            "a b: &x 1_0\n'k: v': \"x\\ty\"\n# c\n\"<<\": ~\n<<: s\nlist:\n- yes\n- a, b\n- \n- |\n  x\n  y\n- !!str 1\n- &e {}\n- *x\n- 2001-12-14 21:59:43\n1: z\n",
        );
        let map = b.open(NodeKind::Map { flow: false });
        b.key("a b", "a b");
        let x = b.scalar("&x 1_0", Value::Int(10));
        b.key("'k: v'", "k: v");
        b.scalar("\"x\\ty\"", text("x\ty"));
        let comment = b.find(" c");
        b.tree.push(NodeKind::Comment, comment, comment.start);
        b.key("\"<<\"", "<<");
        b.scalar("~", Value::Null);
        b.key("<<", "<<");
        let secret = b.scalar("s", text("s"));
        b.key("list", "list");
        let list = b.open(NodeKind::Sequence);
        b.scalar("yes", text("yes"));
        b.scalar("a, b", text("a, b"));
        b.scalar("", Value::Null);
        b.scalar("|\n  x\n  y", text("x\ny\n"));
        b.scalar("!!str 1", text("1"));
        let empty = b.open(NodeKind::Map { flow: true });
        b.close(empty);
        b.open(NodeKind::Alias { target: x });
        let time = crate::tree::timestamp::Timestamp::from_yaml(b"2001-12-14 21:59:43");
        b.scalar("2001-12-14 21:59:43", Value::Time(time.unwrap().unwrap()));
        b.close(list);
        b.key("1", "1");
        b.scalar("z", Value::Str(Text::Owned(b"\xff\0".as_slice().into())));
        b.close(map);

        let mut asked = Vec::new();
        let copied = flow_copy(
            b.source,
            &b.tree,
            map,
            &mut |id| {
                asked.push(id);
                (id == secret).then(|| "ENC[x]".to_owned())
            },
            &mut |_| false,
        );
        assert_eq!(
            copied,
            "{a b: 10, \"k: v\": \"x\\ty\", \"<<\": ~, <<: \"ENC[x]\", list: [yes, 'a, b', null, \"x\\ny\\n\", \"1\", {}, 10, \
             2001-12-14 21:59:43], \"1\": z}"
        );
        assert_eq!(asked.iter().filter(|&&id| id == x).count(), 2);
        assert_eq!(asked.len(), 12);
        let lone = flow_copy(
            b.source,
            &b.tree,
            secret,
            &mut |_| Some("ENC[x]".to_owned()),
            &mut |_| false,
        );
        assert_eq!(lone, "\"ENC[x]\"");
        let with_comment = flow_copy(b.source, &b.tree, map, &mut |_| None, &mut |_| true);
        assert!(
            with_comment.contains("\"x\\ty\", \n # c\n \"<<\": ~"),
            "{with_comment}"
        );
    }

    #[test]
    fn long_keys_are_announced() {
        let mut b = Builder::new("v");
        let map = b.open(NodeKind::Map { flow: false });
        let long = "k".repeat(1100);
        b.key("", &long);
        b.scalar("v", text("v"));
        b.close(map);
        let copied = flow_copy(b.source, &b.tree, map, &mut |_| None, &mut |_| false);
        assert_eq!(copied, format!("{{? {long} : v}}"));
    }

    #[test]
    fn depth_does_not_matter() {
        let mut b = Builder::new("");
        let lists: Vec<NodeId> = (0..100_000).map(|_| b.open(NodeKind::Sequence)).collect();
        for list in lists {
            b.close(list);
        }
        let copied = flow_copy(b.source, &b.tree, NodeId(0), &mut |_| None, &mut |_| false);
        assert_eq!(copied.len(), 200_000);
    }
}
