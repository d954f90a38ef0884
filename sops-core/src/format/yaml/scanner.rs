//! From text to tokens, with the token model of libyaml as Go's yaml v3 has it.
//!
//! The tokens matter, not only what they add up to: comments are attached by the marks of the tokens around them, and
//! by how far the scanner has looked ahead. See [`comments`](super::comments).

use std::collections::VecDeque;

use super::{
    characters::{break_length, byte, count, is_blank, is_blank_or_end, is_break},
    comments::CommentQueue,
    place::{LINE_BREAKS, line_break_of},
    simple_keys::SimpleKey,
    token::{Mark, ScanError, Token, TokenKind, control_character},
};

pub(super) struct Scanner<'s> {
    pub(super) bytes: &'s [u8],
    pub(super) mark: Mark,
    /// Line breaks since the last character that is no blank.
    pub(super) newlines: usize,
    pub(super) flow_level: usize,
    pub(super) indent: isize,
    pub(super) indents: Vec<isize>,
    pub(super) tokens: VecDeque<Token>,
    /// How many tokens have been taken.
    pub(super) taken: usize,
    pub(super) is_head_ready: bool,
    pub(super) simple_keys: Vec<SimpleKey>,
    /// The possible simple keys, by the number of their token, each with its flow level: oldest first.
    pub(super) possible: VecDeque<(usize, usize)>,
    pub(super) simple_key_allowed: bool,
    pub(super) has_started: bool,
    pub(super) has_ended: bool,
    pub(super) comments: CommentQueue,
    pub(super) before_root_key: bool,
    /// The line break that the text lacks before such a key.
    pub(super) appended_break: &'s str,
    /// The column of the block mapping at the root of the current document.
    pub(super) root_column: Option<usize>,
}

impl<'s> Scanner<'s> {
    pub(super) fn new(source: &'s str, before_root_key: bool) -> Self {
        let bytes = source.as_bytes();
        let start = if bytes.starts_with("\u{feff}".as_bytes()) {
            3
        } else {
            0
        };
        Self {
            bytes,
            mark: Mark {
                index: start,
                line: 0,
                column: 0,
            },
            newlines: 0,
            flow_level: 0,
            indent: -1,
            indents: Vec::new(),
            tokens: VecDeque::new(),
            taken: 0,
            is_head_ready: false,
            simple_keys: vec![SimpleKey {
                is_possible: false,
                is_required: false,
                token_number: 0,
                mark: Mark::default(),
            }],
            possible: VecDeque::new(),
            simple_key_allowed: true,
            has_started: false,
            has_ended: false,
            comments: CommentQueue::default(),
            before_root_key,
            appended_break: match source.ends_with(LINE_BREAKS) {
                true => "",
                false => line_break_of(source),
            },
            root_column: None,
        }
    }

    /// Returns the next token without taking it.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<&Token, ScanError> {
        if !self.is_head_ready {
            self.fetch_more()?;
        }
        let token = self.tokens.front().expect("the queue was just filled");
        self.comments.unfold(token);
        Ok(token)
    }

    /// Takes the token that was peeked at.
    pub(super) fn take(&mut self) -> Token {
        self.is_head_ready = false;
        self.taken += 1;
        let token = self
            .tokens
            .pop_front()
            .expect("taken after being peeked at");
        self.has_ended |= matches!(token.kind, TokenKind::StreamEnd);
        token
    }

    /// Moves the contents out of the scalar at the head of the queue, which was peeked at.
    pub(super) fn tokens_front_scalar(&mut self) -> TokenKind {
        match self.tokens.front_mut() {
            Some(token) => std::mem::replace(&mut token.kind, TokenKind::Key),
            None => TokenKind::Key,
        }
    }

    /// Fills the queue until its head is certain: no simple key can start there any more, and two tokens follow it,
    /// so that comments after it have been seen.
    fn fetch_more(&mut self) -> Result<(), ScanError> {
        loop {
            if self.tokens.len() > 2 {
                while self
                    .possible
                    .front()
                    .is_some_and(|&(number, _)| number < self.taken)
                {
                    self.possible.pop_front();
                }
                let head_key = self
                    .possible
                    .front()
                    .filter(|(number, _)| *number == self.taken);
                match head_key.copied() {
                    None => break,
                    Some((_, level)) => {
                        if !self.is_valid(level)? {
                            self.possible.pop_front();
                            break;
                        }
                    }
                }
            } else if matches!(
                self.tokens.back(),
                Some(Token {
                    kind: TokenKind::StreamEnd,
                    ..
                })
            ) {
                break;
            }
            self.fetch_next()?;
        }
        self.is_head_ready = true;
        Ok(())
    }

    /// Returns the byte that the scanner sees `ahead` of its place. Where a root key will be appended, the end of the
    /// text looks like the line before such a key.
    pub(super) fn ahead(&self, ahead: usize) -> u8 {
        let at = self.mark.index + ahead;
        match self.bytes.get(at) {
            Some(&byte) => byte,
            None => match self.appended_column() {
                Some(column) => self.appended(at - self.bytes.len(), column),
                None => 0,
            },
        }
    }

    fn appended(&self, at: usize, column: usize) -> u8 {
        match self.appended_break.as_bytes().get(at) {
            Some(&byte) => byte,
            None if at - self.appended_break.len() < column => b' ',
            None => b'x',
        }
    }

    /// Returns the column of the key that will be appended to the current document.
    pub(super) fn appended_column(&self) -> Option<usize> {
        self.root_column.filter(|_| self.before_root_key)
    }

    pub(super) fn here(&self) -> u8 {
        byte(self.bytes, self.mark.index)
    }

    /// Goes on over one character that is no line break.
    pub(super) fn skip(&mut self) {
        let first = self.here();
        if !is_blank(first) {
            self.newlines = 0;
        }
        self.mark.index += match first {
            0..0x80 => 1,
            0x80..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0.. => 4,
        };
        self.mark.column += 1;
    }

    /// Goes on to `end`, over characters of which none is a line break, and the last is no blank.
    pub(super) fn skip_to(&mut self, end: usize) {
        if end > self.mark.index {
            self.newlines = 0;
            self.mark.column += count(&self.bytes[self.mark.index..end]);
            self.mark.index = end;
        }
    }

    pub(super) fn skip_break(&mut self) {
        let length = break_length(self.bytes, self.mark.index);
        if length > 0 {
            self.mark.index += length;
            self.mark.column = 0;
            self.mark.line += 1;
            self.newlines += 1;
        }
    }

    pub(super) fn push(&mut self, kind: TokenKind, start: Mark) {
        self.tokens.push_back(Token {
            kind,
            start,
            end: self.mark.index,
        });
    }

    fn fetch_next(&mut self) -> Result<(), ScanError> {
        if !self.has_started {
            self.has_started = true;
            self.push(TokenKind::StreamStart, self.mark);
            return Ok(());
        }
        let scan_mark = self.mark;
        self.scan_to_next_token()?;

        let at_end = self.mark.index >= self.bytes.len();
        let indicator = self.mark.column == 0 && self.is_document_indicator(self.mark.index);
        let ends_document = at_end || self.mark.column == 0 && self.ends_document(self.mark.index);
        if ends_document && self.flow_level == 0 && self.appended_column().is_some() {
            self.fetch_appended_key(scan_mark, at_end)?;
            return Ok(());
        }

        self.unroll_indent(
            isize::try_from(self.mark.column).unwrap_or(isize::MAX),
            scan_mark,
        );
        if at_end {
            return self.fetch_stream_end();
        }
        if self.here() == 0 {
            return Err(control_character(self.mark.index));
        }
        if self.mark.column == 0 && self.here() == b'%' {
            return self.fetch_directive();
        }
        if indicator {
            return self.fetch_document_indicator();
        }

        // Comments after `:` and, in flow style, `,` belong to the token before.
        let takes_over = match self.flow_level {
            0 => self.here() == b':',
            _ => self.here() == b',',
        };
        let comment_mark = match self.tokens.back() {
            Some(last) if takes_over => last.start,
            _ => self.mark,
        };
        self.fetch_content()?;
        // A dash alone has no comment at the end of its line: it is about what follows.
        if !matches!(
            self.tokens.back(),
            Some(Token {
                kind: TokenKind::BlockEntry,
                ..
            })
        ) {
            self.scan_line_comment(comment_mark);
        }
        Ok(())
    }

    /// Whether `---` or `...` stands at `at`, which is the start of a line.
    pub(super) fn is_document_indicator(&self, at: usize) -> bool {
        let rest = self.bytes.get(at..).unwrap_or_default();
        (rest.starts_with(b"---") || rest.starts_with(b"..."))
            && is_blank_or_end(self.bytes, at + 3)
    }

    /// Whether a marker or a directive stands at `at`, which is the start of a line.
    pub(super) fn ends_document(&self, at: usize) -> bool {
        byte(self.bytes, at) == b'%' || self.is_document_indicator(at)
    }

    pub(super) fn scan_to_next_token(&mut self) -> Result<(), ScanError> {
        let scan_mark = self.mark;
        loop {
            while self.here() == b' '
                || (self.here() == b'\t' && (self.flow_level > 0 || !self.simple_key_allowed))
            {
                self.skip();
            }
            self.turn_line_comment_into_head();
            if self.here() == b'#' {
                self.scan_comments(scan_mark);
            }
            if !is_break(self.bytes, self.mark.index) {
                return Ok(());
            }
            self.skip_break();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    pub(super) fn line_break_here(&self) -> bool {
        is_break(self.bytes, self.mark.index)
    }
}
