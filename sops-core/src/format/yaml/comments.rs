//! Which comment belongs to what, as Go's yaml v3 decides it while it scans.
//!
//! A comment is put in a queue as *head* of what follows, *line* comment of what stands before it on its line, or
//! *foot* of what came before. It waits there until the parser looks at a token at or after the comment's mark, and
//! joins the event that is made then. Encrypted comments are authenticated with the path of the container they end up
//! in, so these rules are part of the file format.

use std::collections::VecDeque;

use super::{
    characters::{is_blank, is_break},
    scanner::Scanner,
    token::{Mark, Token, TokenKind},
};
use crate::tree::Span;

/// A line of comment, without its `#`; or the empty line after one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Line(Span),
    Blank,
}

pub(super) type Pieces = Vec<Piece>;

/// A comment that waits for its token.
#[derive(Debug, Default)]
struct Waiting {
    /// Where the scan started that found it.
    scan_mark: Mark,
    /// The first token at or after this mark takes it.
    token_mark: Mark,
    start: Mark,
    end: usize,
    head: Pieces,
    line: Pieces,
    foot: Pieces,
}

impl Waiting {
    /// The foot of what came before, which ends at `end`. The marks are those of the scan, of the token and of the start.
    fn foot((scan_mark, token_mark, start): (Mark, Mark, Mark), end: Mark, foot: Pieces) -> Self {
        Self {
            scan_mark,
            token_mark,
            start,
            end: end.index,
            foot,
            ..Self::default()
        }
    }
}

/// The comments that no event has taken yet.
#[derive(Debug, Default)]
pub(super) struct CommentQueue {
    waiting: VecDeque<Waiting>,
    /// What the next event gets.
    pub(super) head: Pieces,
    pub(super) line: Pieces,
    pub(super) foot: Pieces,
    /// A comment before a list item that is a collection.
    pub(super) stem: Pieces,
}

impl CommentQueue {
    /// Whether the next event gets no comments.
    pub(super) fn has_nothing(&self) -> bool {
        self.head.is_empty() && self.line.is_empty() && self.foot.is_empty() && self.stem.is_empty()
    }

    /// Hands over the comments that stand before `token`.
    pub(super) fn unfold(&mut self, token: &Token) {
        while let Some(first) = self.waiting.front_mut() {
            if token.start.index < first.token_mark.index {
                return;
            }
            if !first.head.is_empty() {
                // A block's end has no head: it waits for what follows.
                if matches!(token.kind, TokenKind::BlockEnd) {
                    return;
                }
                self.head.append(&mut first.head);
            }
            self.foot.append(&mut first.foot);
            self.line.append(&mut first.line);
            self.waiting.pop_front();
        }
    }

    fn push(&mut self, comment: Waiting) {
        self.waiting.push_back(comment);
    }

    /// Returns where the earliest of the comments starts that stand at `column` (counted from 1), and after
    /// `stop_index`, with nothing but comments between them.
    pub(super) fn start_of_comments_at(&self, column: usize, stop_index: isize) -> Option<Mark> {
        let mut found = None;
        let mut stop = stop_index;
        for comment in self.waiting.iter().rev() {
            if isize::try_from(comment.end).unwrap_or(isize::MAX) < stop {
                break;
            }
            if comment.start.column == column {
                found = Some(comment.start);
            }
            stop = isize::try_from(comment.scan_mark.index).unwrap_or(isize::MAX);
        }
        found
    }
}

impl Scanner<'_> {
    /// Turns the comment after the first dash of a list into the head of the item, when something follows:
    ///
    /// ```yaml
    /// - # comment
    ///   - item
    /// ```
    pub(super) fn turn_line_comment_into_head(&mut self) {
        let count = self.tokens.len();
        if count < 2 || self.line_break_here() {
            return;
        }
        let first_item = matches!(self.tokens[count - 2].kind, TokenKind::BlockSequenceStart)
            && matches!(self.tokens[count - 1].kind, TokenKind::BlockEntry);
        let mark = self.mark;
        if let Some(comment) = self.comments.waiting.back_mut()
            && first_item
            && !comment.line.is_empty()
        {
            comment.head = std::mem::take(&mut comment.line);
            if comment.start.line + 1 == mark.line {
                comment.token_mark = mark;
            }
        }
    }

    /// Takes the comment at the end of the line that was just scanned, if there is one.
    pub(super) fn scan_line_comment(&mut self, token_mark: Mark) {
        if self.newlines > 0 {
            return;
        }
        let mut ahead = 0;
        while is_blank(self.ahead_in_text(ahead)) {
            ahead += 1;
            if ahead == LOOK_AHEAD {
                return;
            }
        }
        if self.ahead_in_text(ahead) != b'#' {
            return;
        }
        for _ in 0..ahead {
            self.skip();
        }
        let start = self.mark;
        let line = self.take_comment_line();
        self.comments.push(Waiting {
            token_mark,
            start,
            line: vec![line],
            ..Waiting::default()
        });
    }

    /// Takes the comments from here to the next content, and decides for each run of them whether it is the foot of
    /// what came before or the head of what follows.
    pub(super) fn scan_comments(&mut self, mut scan_mark: Mark) {
        let count = self.tokens.len();
        let last = match &self.tokens[count - 1].kind {
            TokenKind::FlowEntry if count > 1 => &self.tokens[count - 2],
            _ => &self.tokens[count - 1],
        };
        let after_value = matches!(last.kind, TokenKind::Value);
        let mut token_mark = last.start;
        let next_indent = usize::try_from(self.indent).unwrap_or(0);
        let mut start = Mark::default();
        let mut recent_empty = false;
        let mut first_empty = self.newlines <= 1;
        let mut line = self.mark.line;
        let mut column = self.mark.column;
        let mut text: Pieces = Vec::new();

        // The line on which a comment has to start to be a foot of what came before.
        let foot_line = (scan_mark.line > 0).then(|| {
            let next = self.mark.line + 1 - self.newlines.min(self.mark.line + 1);
            next + usize::from(self.newlines == 0 && self.mark.column > 1)
        });

        let mut ahead = 0;
        while ahead < LOOK_AHEAD {
            column += 1;
            let byte = self.ahead(ahead);
            if is_blank(byte) {
                ahead += 1;
                continue;
            }
            let closes_flow = self.flow_level > 0 && matches!(byte, b']' | b'}');
            let here = Mark {
                index: self.mark.index + ahead,
                line,
                column,
            };
            let is_line_break = self.is_break_ahead(ahead);
            if closes_flow || is_line_break || byte == 0 {
                if closes_flow || !recent_empty {
                    // Columns of comments count from 1.
                    let is_dedented = start.column < next_indent + 1;
                    let is_foot = closes_flow
                        || first_empty
                            && (foot_line == Some(start.line) && !after_value || is_dedented);
                    if is_foot {
                        if !text.is_empty() {
                            if is_dedented {
                                token_mark = start;
                            }
                            let foot = std::mem::take(&mut text);
                            let marks = (scan_mark, token_mark, start);
                            self.comments.push(Waiting::foot(marks, here, foot));
                            scan_mark = here;
                            token_mark = here;
                        }
                    } else if !text.is_empty() && byte != 0 {
                        text.push(Piece::Blank);
                    }
                }
                if !is_line_break {
                    break;
                }
                first_empty = false;
                recent_empty = true;
                column = 0;
                line += 1;
                ahead += 1;
                continue;
            }
            // The key that will be appended comes before what ends the document.
            if column == 1
                && let Some(appended) = self.appended_column()
                && self.flow_level == 0
                && self.ends_document(here.index)
            {
                column = appended + 1;
            }
            if !text.is_empty() && column - 1 < next_indent && column != start.column {
                let foot = std::mem::take(&mut text);
                let marks = (scan_mark, token_mark, start);
                self.comments.push(Waiting::foot(marks, here, foot));
                scan_mark = here;
                token_mark = here;
            }
            if byte != b'#' {
                break;
            }
            if text.is_empty() {
                start = here;
            }
            recent_empty = false;
            self.skip_ahead(ahead);
            text.push(self.take_comment_line());
            // On with the line after the break; only the first byte of CR LF counts as that break, so that the other
            // one is an empty line.
            ahead = 1;
            column = 0;
            line = self.mark.line;
        }

        if !text.is_empty() {
            self.comments.push(Waiting {
                scan_mark,
                token_mark: start,
                start,
                end: (self.mark.index + ahead).saturating_sub(1),
                head: text,
                ..Waiting::default()
            });
        }
    }

    /// Takes the comment at the end of a directive, for what comes after the directive. (The reference drops it.)
    pub(super) fn scan_directive_comment(&mut self) {
        let token_mark = self.mark;
        let head = vec![self.take_comment_line()];
        // Its column is that of no block.
        let start = Mark {
            column: usize::MAX,
            ..token_mark
        };
        self.comments.push(Waiting {
            scan_mark: token_mark,
            token_mark,
            start,
            end: self.mark.index,
            head,
            ..Waiting::default()
        });
    }

    /// Goes on over blanks and line breaks.
    fn skip_ahead(&mut self, ahead: usize) {
        let end = self.mark.index + ahead;
        while self.mark.index < end {
            if is_break(self.bytes, self.mark.index) {
                self.skip_break();
            } else {
                self.skip();
            }
        }
    }

    /// Takes a comment from its `#` to the end of the line.
    fn take_comment_line(&mut self) -> Piece {
        let start = self.mark.index + 1;
        let mut end = start;
        while end < self.bytes.len() && !is_break(self.bytes, end) && self.bytes[end] != 0 {
            end += 1;
        }
        self.mark.column += super::characters::count(&self.bytes[self.mark.index..end]);
        self.mark.index = end;
        self.newlines = 0;
        Piece::Line(Span::new(start, end))
    }

    fn ahead_in_text(&self, ahead: usize) -> u8 {
        super::characters::byte(self.bytes, self.mark.index + ahead)
    }

    /// Whether a line break starts here. The reference goes on by one byte after it: CR LF are two breaks there, and
    /// the rest of a longer break looks like content.
    fn is_break_ahead(&self, ahead: usize) -> bool {
        matches!(self.ahead(ahead), b'\n' | b'\r') || is_break(self.bytes, self.mark.index + ahead)
    }
}

/// How many characters the reference looks ahead for a comment.
const LOOK_AHEAD: usize = 512;
