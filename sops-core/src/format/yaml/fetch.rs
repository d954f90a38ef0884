//! One token after the other.

use super::{
    characters::{byte, is_blank, is_blank_or_end, is_word},
    indentation::{MAX_DEPTH, too_deep},
    scanner::Scanner,
    simple_keys::SimpleKey,
    token::{Mark, ScanError, Token, TokenKind},
};
use crate::tree::{Span, Style};

impl Scanner<'_> {
    pub(super) fn fetch_content(&mut self) -> Result<(), ScanError> {
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

    pub(super) fn fetch_stream_end(&mut self) -> Result<(), ScanError> {
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
    pub(super) fn fetch_appended_key(
        &mut self,
        scan_mark: Mark,
        at_end: bool,
    ) -> Result<(), ScanError> {
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

    pub(super) fn fetch_document_indicator(&mut self) -> Result<(), ScanError> {
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

    pub(super) fn fetch_flow_start(&mut self, kind: TokenKind) -> Result<(), ScanError> {
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

    pub(super) fn fetch_flow_end(&mut self, kind: TokenKind) -> Result<(), ScanError> {
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

    pub(super) fn fetch_flow_entry(&mut self) -> Result<(), ScanError> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.fetch_indicator(TokenKind::FlowEntry);
        Ok(())
    }

    pub(super) fn fetch_block_entry(&mut self) -> Result<(), ScanError> {
        self.open_block(
            TokenKind::BlockSequenceStart,
            "a list item cannot start here",
            Some("start it on a line of its own"),
        )?;
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.fetch_indicator(TokenKind::BlockEntry);
        Ok(())
    }

    pub(super) fn fetch_key(&mut self) -> Result<(), ScanError> {
        self.open_block(
            TokenKind::BlockMappingStart,
            "a mapping key cannot start here",
            None,
        )?;
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.fetch_indicator(TokenKind::Key);
        Ok(())
    }

    pub(super) fn fetch_value(&mut self) -> Result<(), ScanError> {
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
            self.open_block(
                TokenKind::BlockMappingStart,
                "`:` cannot stand here: mapping values are not allowed in this context",
                Some("put a value that contains `: ` in quotes, and check the indentation"),
            )?;
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.fetch_indicator(TokenKind::Value);
        Ok(())
    }

    /// Opens the block of the item or entry that starts here, unless it is open, or this is a flow collection. `message`
    /// and `hint` are for a place where none can start.
    fn open_block(
        &mut self,
        kind: TokenKind,
        message: &'static str,
        hint: Option<&'static str>,
    ) -> Result<(), ScanError> {
        if self.flow_level > 0 {
            return Ok(());
        }
        if !self.simple_key_allowed {
            return Err(ScanError {
                hint,
                ..ScanError::new(self.mark.index, message)
            });
        }
        self.roll_indent(self.mark.column, None, kind, self.mark)
    }

    pub(super) fn fetch_indicator(&mut self, kind: TokenKind) {
        let start = self.mark;
        self.skip();
        self.push(kind, start);
    }

    pub(super) fn fetch_quoted(&mut self, is_single: bool) -> Result<(), ScanError> {
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

    pub(super) fn fetch_plain(&mut self) -> Result<(), ScanError> {
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

    pub(super) fn fetch_block_scalar(&mut self, is_literal: bool) -> Result<(), ScanError> {
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

    pub(super) fn fetch_name(&mut self, is_alias: bool) -> Result<(), ScanError> {
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

    pub(super) fn fetch_tag(&mut self) -> Result<(), ScanError> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let tag = self.scan_tag()?;
        self.push(TokenKind::Tag(Box::new(tag)), start);
        Ok(())
    }

    pub(super) fn fetch_directive(&mut self) -> Result<(), ScanError> {
        self.unroll_indent(-1, self.mark);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let kind = self.scan_directive()?;
        self.push(kind, start);
        Ok(())
    }

    /// Where the name of an alias or anchor is.
    fn scan_name(&mut self) -> Result<Span, ScanError> {
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
