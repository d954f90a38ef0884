//! Collections in block style.

use super::{
    event::{EventKind, bare, empty_scalar},
    parser::{Parser, State, Step, peek_is},
    token::{ScanError, TokenKind},
};

impl Parser<'_> {
    pub(super) fn block_sequence_entry(&mut self, first: bool) -> Step {
        self.open(first)?;
        if peek_is!(self, TokenKind::BlockEntry) {
            let head_before = self.scanner.comments.head.len();
            let end = self.scanner.take().end;
            self.split_stem(head_before)?;
            if peek_is!(self, TokenKind::BlockEntry | TokenKind::BlockEnd) {
                self.state = State::BlockSequenceEntry { first: false };
                return Ok(empty_scalar(end));
            }
            self.states.push(State::BlockSequenceEntry { first: false });
            return self.node(true, false);
        }
        let start = self.peek_start()?;
        if peek_is!(self, TokenKind::BlockEnd) {
            self.pop_state();
            self.starts.pop();
            self.scanner.take();
            return Ok(bare(EventKind::SequenceEnd, start, start));
        }
        Err(ScanError::new(
            start,
            "a list item (`- `) or the end of the list is expected here",
        )
        .hint("indent all items of a list alike"))
    }

    pub(super) fn indentless_sequence_entry(&mut self) -> Step {
        if peek_is!(self, TokenKind::BlockEntry) {
            let head_before = self.scanner.comments.head.len();
            let end = self.scanner.take().end;
            self.split_stem(head_before)?;
            if peek_is!(
                self,
                TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
            ) {
                self.state = State::IndentlessSequenceEntry;
                return Ok(empty_scalar(end));
            }
            self.states.push(State::IndentlessSequenceEntry);
            return self.node(true, false);
        }
        self.pop_state();
        let start = self.peek_start()?;
        Ok(bare(EventKind::SequenceEnd, start, start))
    }

    /// Sets aside the comments before a dash when a collection follows it: they are about the collection, not about
    /// its first entry.
    pub(super) fn split_stem(&mut self, length: usize) -> Result<(), ScanError> {
        if length == 0
            || !peek_is!(
                self,
                TokenKind::BlockSequenceStart | TokenKind::BlockMappingStart
            )
        {
            return Ok(());
        }
        let queue = &mut self.scanner.comments;
        let rest = queue.head.split_off(length);
        queue.stem = std::mem::replace(&mut queue.head, rest);
        Ok(())
    }

    pub(super) fn block_mapping_key(&mut self, first: bool) -> Step {
        self.open(first)?;
        let start = self.peek_start()?;
        if peek_is!(self, TokenKind::Key) {
            let end = self.scanner.take().end;
            if peek_is!(
                self,
                TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
            ) {
                self.state = State::BlockMappingValue;
                return Ok(empty_scalar(end));
            }
            self.states.push(State::BlockMappingValue);
            return self.node(true, true);
        }
        if peek_is!(self, TokenKind::BlockEnd) {
            self.pop_state();
            self.starts.pop();
            let event = self.with_comments(bare(EventKind::MappingEnd, start, start));
            self.scanner.take();
            return Ok(event);
        }
        Err(ScanError::new(
            start,
            "a mapping key or the end of the mapping is expected here",
        )
        .hint(
            "indent all keys of a mapping alike, and put values with special characters in quotes",
        ))
    }

    pub(super) fn block_mapping_value(&mut self) -> Step {
        if peek_is!(self, TokenKind::Value) {
            let end = self.scanner.take().end;
            if peek_is!(
                self,
                TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
            ) {
                self.state = State::BlockMappingKey { first: false };
                return Ok(empty_scalar(end));
            }
            self.states.push(State::BlockMappingKey { first: false });
            return self.node(true, true);
        }
        self.state = State::BlockMappingKey { first: false };
        let at = self.peek_start()?;
        Ok(empty_scalar(at))
    }
}
