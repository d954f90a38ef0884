//! From text to tokens, with the token model of libyaml as Go's yaml v3 has it.
//!
//! The tokens matter, not only what they add up to: comments are attached by the marks of the tokens around them, and
//! by how far the scanner has looked ahead. See [`comments`](super::comments).

use std::collections::VecDeque;

use super::{
    characters::{break_length, byte, count, is_blank, is_blank_or_end, is_break},
    comments::CommentQueue,
    place::{LINE_BREAKS, line_break_of},
};
use crate::tree::{Span, Style, Text};

/// How many block collections, and how many flow collections, may stand inside each other: as many as for the reference.
pub(super) const MAX_DEPTH: usize = 10_000;

/// A place in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The byte.
    pub(super) index: usize,
    /// Counted from 0.
    pub(super) line: usize,
    /// In characters, counted from 0.
    pub(super) column: usize,
}

#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: Mark,
    /// The byte after the token.
    pub(super) end: usize,
}

#[derive(Debug)]
pub(super) enum TokenKind {
    StreamStart,
    StreamEnd,
    /// `%YAML 1.` and this.
    VersionDirective(u8),
    /// Handle and prefix. Boxed like [`TokenKind::Tag`], to keep tokens small: they are moved a lot.
    TagDirective(Box<(String, String)>),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    /// The name.
    Alias(Span),
    /// The name.
    Anchor(Span),
    /// Handle and suffix.
    Tag(Box<(String, String)>),
    Scalar {
        text: Text,
        style: Style,
    },
    /// The key that will be appended to the document, see [`ParseOptions`](crate::format::ParseOptions).
    AppendedKey,
}

/// What is wrong, at which byte.
#[derive(Debug)]
pub(super) struct ScanError {
    pub(super) at: usize,
    pub(super) message: &'static str,
    pub(super) hint: Option<&'static str>,
    pub(super) is_too_deep: bool,
}

impl ScanError {
    pub(super) fn new(at: usize, message: &'static str) -> Self {
        Self {
            at,
            message,
            hint: None,
            is_too_deep: false,
        }
    }

    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// A place where a mapping key may have started, which only its `:` will tell.
#[derive(Clone, Copy, Debug)]
struct SimpleKey {
    is_possible: bool,
    is_required: bool,
    token_number: usize,
    mark: Mark,
}

pub(super) struct Scanner<'s> {
    pub(super) bytes: &'s [u8],
    pub(super) mark: Mark,
    /// Line breaks since the last character that is no blank.
    pub(super) newlines: usize,
    pub(super) flow_level: usize,
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) tokens: VecDeque<Token>,
    /// How many tokens have been taken.
    taken: usize,
    is_head_ready: bool,
    simple_keys: Vec<SimpleKey>,
    /// The possible simple keys, by the number of their token, each with its flow level: oldest first.
    possible: VecDeque<(usize, usize)>,
    simple_key_allowed: bool,
    has_started: bool,
    has_ended: bool,
    pub(super) comments: CommentQueue,
    before_root_key: bool,
    /// The line break that the text lacks before such a key.
    appended_break: &'s str,
    /// The column of the block mapping at the root of the current document.
    root_column: Option<usize>,
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

    fn here(&self) -> u8 {
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
    fn skip_to(&mut self, end: usize) {
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

    fn push(&mut self, kind: TokenKind, start: Mark) {
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

    fn fetch_content(&mut self) -> Result<(), ScanError> {
        let next_ends = is_blank_or_end(self.bytes, self.mark.index + 1);
        let in_flow = self.flow_level > 0;
        match self.here() {
            b'[' => self.fetch_flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(TokenKind::FlowMappingStart),
            b']' => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if next_ends => self.fetch_block_entry(),
            b'?' if in_flow || next_ends => self.fetch_key(),
            b':' if in_flow || next_ends => self.fetch_value(),
            b'*' => self.fetch_name(true),
            b'&' => self.fetch_name(false),
            b'!' => self.fetch_tag(),
            b'|' if !in_flow => self.fetch_block_scalar(true),
            b'>' if !in_flow => self.fetch_block_scalar(false),
            b'\'' => self.fetch_quoted(true),
            b'"' => self.fetch_quoted(false),
            b'-' if !is_blank(byte(self.bytes, self.mark.index + 1)) => self.fetch_plain(),
            b'?' | b':' if !in_flow && !next_ends => self.fetch_plain(),
            b'\t' => Err(ScanError::new(
                self.mark.index,
                "a tab stands where only blanks may indent",
            )
            .hint("indent with blanks")),
            b'-' | b'?' | b':' | b'|' | b'>' | b'#' | b'%' | b'@' | b'`' | b' ' => Err(
                ScanError::new(self.mark.index, "this character cannot start a value")
                    .hint("put the value in quotes"),
            ),
            _ => self.fetch_plain(),
        }
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

    // Simple keys

    fn is_valid(&mut self, level: usize) -> Result<bool, ScanError> {
        let key = &mut self.simple_keys[level];
        if !key.is_possible {
            return Ok(false);
        }
        // A key is one line. (The reference also stops after 1,024 characters.)
        if key.mark.line < self.mark.line {
            if key.is_required {
                return Err(missing_colon(key.mark.index));
            }
            key.is_possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_simple_key(&mut self) -> Result<(), ScanError> {
        let is_required =
            self.flow_level == 0 && usize::try_from(self.indent) == Ok(self.mark.column);
        if self.simple_key_allowed {
            self.remove_simple_key()?;
            let token_number = self.taken + self.tokens.len();
            let level = self.simple_keys.len() - 1;
            self.simple_keys[level] = SimpleKey {
                is_possible: true,
                is_required,
                token_number,
                mark: self.mark,
            };
            self.possible.push_back((token_number, level));
        }
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<(), ScanError> {
        let level = self.simple_keys.len() - 1;
        let key = &mut self.simple_keys[level];
        if key.is_possible {
            if key.is_required {
                return Err(missing_colon(key.mark.index));
            }
            key.is_possible = false;
        }
        self.forget_possible(level);
        Ok(())
    }

    fn forget_possible(&mut self, level: usize) {
        if self.possible.back().is_some_and(|&(_, last)| last == level) {
            self.possible.pop_back();
        }
    }

    // Indentation

    fn roll_indent(
        &mut self,
        column: usize,
        before_token: Option<usize>,
        kind: TokenKind,
        mark: Mark,
    ) -> Result<(), ScanError> {
        let column = isize::try_from(column).unwrap_or(isize::MAX);
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        if self.indents.is_empty() && matches!(kind, TokenKind::BlockMappingStart) {
            self.root_column = Some(mark.column);
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > MAX_DEPTH {
            return Err(too_deep(mark.index));
        }
        let token = Token {
            kind,
            start: mark,
            end: mark.index,
        };
        match before_token {
            Some(number) => self.tokens.insert(number - self.taken, token),
            None => self.tokens.push_back(token),
        }
        Ok(())
    }

    /// Ends the blocks that are indented deeper than `column`. Comments that stand at the column of a block that ends
    /// are still part of it.
    fn unroll_indent(&mut self, column: isize, scan_mark: Mark) {
        if self.flow_level > 0 {
            return;
        }
        let mut end = scan_mark;
        // One before: a comment that starts right here counts as after the block.
        let mut end_index = isize::try_from(scan_mark.index).unwrap_or(isize::MAX) - 1;
        while self.indent > column {
            let own_column = usize::try_from(self.indent + 1).unwrap_or(0);
            if let Some(start) = self.comments.start_of_comments_at(own_column, end_index) {
                end = start;
                end_index = isize::try_from(start.index).unwrap_or(isize::MAX);
            }
            // An index of -1 can only be that of an empty text, which has no blocks.
            let start = Mark {
                index: usize::try_from(end_index).unwrap_or(0),
                ..end
            };
            self.tokens.push_back(Token {
                kind: TokenKind::BlockEnd,
                start,
                end: start.index,
            });
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    // Tokens

    fn fetch_stream_end(&mut self) -> Result<(), ScanError> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.unroll_indent(-1, self.mark);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(TokenKind::StreamEnd, self.mark);
        Ok(())
    }

    /// Behaves as if one more key of the root mapping stood here.
    fn fetch_appended_key(&mut self, scan_mark: Mark, at_end: bool) -> Result<(), ScanError> {
        let column = self.root_column.take().unwrap_or(0);
        if at_end && self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.unroll_indent(isize::try_from(column).unwrap_or(0), scan_mark);
        self.remove_simple_key()?;
        self.push(TokenKind::Key, self.mark);
        self.push(TokenKind::AppendedKey, self.mark);
        self.push(TokenKind::Value, self.mark);
        self.simple_key_allowed = true;
        Ok(())
    }

    fn fetch_document_indicator(&mut self) -> Result<(), ScanError> {
        self.unroll_indent(-1, self.mark);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.root_column = None;
        let start = self.mark;
        let kind = if self.here() == b'-' {
            TokenKind::DocumentStart
        } else {
            TokenKind::DocumentEnd
        };
        self.skip_to(start.index + 3);
        self.push(kind, start);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: TokenKind) -> Result<(), ScanError> {
        self.save_simple_key()?;
        self.simple_keys.push(SimpleKey {
            is_possible: false,
            is_required: false,
            token_number: 0,
            mark: self.mark,
        });
        self.flow_level += 1;
        if self.flow_level > MAX_DEPTH {
            return Err(too_deep(self.mark.index));
        }
        self.simple_key_allowed = true;
        self.fetch_indicator(kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind) -> Result<(), ScanError> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            let level = self.simple_keys.len() - 1;
            self.forget_possible(level);
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        self.fetch_indicator(kind);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<(), ScanError> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.fetch_indicator(TokenKind::FlowEntry);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), ScanError> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(
                    ScanError::new(self.mark.index, "a list item cannot start here")
                        .hint("start it on a line of its own"),
                );
            }
            self.roll_indent(
                self.mark.column,
                None,
                TokenKind::BlockSequenceStart,
                self.mark,
            )?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.fetch_indicator(TokenKind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), ScanError> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(ScanError::new(
                    self.mark.index,
                    "a mapping key cannot start here",
                ));
            }
            self.roll_indent(
                self.mark.column,
                None,
                TokenKind::BlockMappingStart,
                self.mark,
            )?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.fetch_indicator(TokenKind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), ScanError> {
        let level = self.simple_keys.len() - 1;
        if self.is_valid(level)? {
            let key = self.simple_keys[level];
            let token = Token {
                kind: TokenKind::Key,
                start: key.mark,
                end: key.mark.index,
            };
            self.tokens.insert(key.token_number - self.taken, token);
            let number = Some(key.token_number);
            self.roll_indent(
                key.mark.column,
                number,
                TokenKind::BlockMappingStart,
                key.mark,
            )?;
            self.simple_keys[level].is_possible = false;
            self.forget_possible(level);
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(ScanError::new(
                        self.mark.index,
                        "`:` cannot stand here: mapping values are not allowed in this context",
                    )
                    .hint("put a value that contains `: ` in quotes, and check the indentation"));
                }
                self.roll_indent(
                    self.mark.column,
                    None,
                    TokenKind::BlockMappingStart,
                    self.mark,
                )?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.fetch_indicator(TokenKind::Value);
        Ok(())
    }

    fn fetch_indicator(&mut self, kind: TokenKind) {
        let start = self.mark;
        self.skip();
        self.push(kind, start);
    }

    fn fetch_quoted(&mut self, is_single: bool) -> Result<(), ScanError> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let text = self.scan_quoted(is_single)?;
        let style = if is_single {
            Style::SingleQuoted
        } else {
            Style::DoubleQuoted
        };
        self.push(TokenKind::Scalar { text, style }, start);
        Ok(())
    }

    fn fetch_plain(&mut self) -> Result<(), ScanError> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let (text, end, is_multi_line) = self.scan_plain()?;
        if is_multi_line {
            self.simple_key_allowed = true;
        }
        let kind = TokenKind::Scalar {
            text,
            style: Style::Plain,
        };
        self.tokens.push_back(Token { kind, start, end });
        Ok(())
    }

    fn fetch_block_scalar(&mut self, is_literal: bool) -> Result<(), ScanError> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let start = self.mark;
        let (text, end) = self.scan_block_scalar(is_literal)?;
        let style = if is_literal {
            Style::Literal
        } else {
            Style::Folded
        };
        self.tokens.push_back(Token {
            kind: TokenKind::Scalar { text, style },
            start,
            end,
        });
        Ok(())
    }

    fn fetch_name(&mut self, is_alias: bool) -> Result<(), ScanError> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let name = self.scan_name()?;
        self.push(
            if is_alias {
                TokenKind::Alias(name)
            } else {
                TokenKind::Anchor(name)
            },
            start,
        );
        Ok(())
    }

    fn fetch_tag(&mut self) -> Result<(), ScanError> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let tag = self.scan_tag()?;
        self.push(TokenKind::Tag(Box::new(tag)), start);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<(), ScanError> {
        self.unroll_indent(-1, self.mark);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let kind = self.scan_directive()?;
        self.push(kind, start);
        Ok(())
    }

    fn scan_to_next_token(&mut self) -> Result<(), ScanError> {
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

    /// Where the name of an alias or anchor is.
    fn scan_name(&mut self) -> Result<Span, ScanError> {
        use super::characters::is_word;
        let start = self.mark.index + 1;
        let mut end = start;
        while is_word(byte(self.bytes, end)) {
            end += 1;
        }
        let ends_well =
            is_blank_or_end(self.bytes, end) || b"?:,]}%@`".contains(&byte(self.bytes, end));
        if end == start || !ends_well {
            return Err(ScanError::new(
                self.mark.index,
                "the name of an anchor or alias is missing, or has other characters than letters, digits, - and _",
            )
            .hint("put a value that starts with & or * in quotes"));
        }
        self.skip_to(end);
        Ok(Span::new(start, end))
    }
}

fn missing_colon(at: usize) -> ScanError {
    ScanError::new(at, "could not find the `:` of this mapping key")
        .hint("check the indentation, and that every key is followed by `: `")
}

fn too_deep(at: usize) -> ScanError {
    let mut error = ScanError::new(at, "nested too deeply: at most 10,000 levels are accepted");
    error.is_too_deep = true;
    error
}

pub(super) fn control_character(at: usize) -> ScanError {
    ScanError::new(at, "control characters are not allowed")
        .hint("write it as an escape in double quotes, such as \"\\x07\"")
}
