//! Where documents start and end, and their directives.

use super::{
    comments::Pieces,
    event::{EventKind, bare, empty_scalar, head_only},
    parser::{LONG_PREFIX, Parser, State, Step, peek_is},
    token::{ScanError, TokenKind},
};

impl Parser<'_> {
    pub(super) fn document_start(&mut self, implicit: bool) -> Step {
        if !implicit {
            while peek_is!(self, TokenKind::DocumentEnd) {
                self.scanner.take();
            }
        }
        let is_explicit = peek_is!(
            self,
            TokenKind::VersionDirective(_) | TokenKind::TagDirective(_) | TokenKind::DocumentStart
        );
        let start = self.peek_start()?;
        if peek_is!(self, TokenKind::StreamEnd) {
            self.scanner.take();
            self.state = State::End;
            return Ok(self.with_comments(bare(EventKind::StreamEnd, start, start)));
        }
        if implicit && !is_explicit {
            self.process_directives()?;
            self.states.push(State::DocumentEnd);
            self.state = State::BlockNode;
            let mut event = bare(EventKind::DocumentStart, start, start);
            event.comments = head_only(split_document_head(&mut self.scanner.comments.head));
            return Ok(event);
        }
        self.process_directives()?;
        if !peek_is!(self, TokenKind::DocumentStart) {
            return Err(ScanError::new(
                self.peek_start()?,
                "a `---` or the end of the text is expected here",
            )
            .hint("check the indentation of the lines above"));
        }
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        let token = self.scanner.take();
        Ok(bare(EventKind::DocumentStart, start, token.end))
    }

    pub(super) fn document_content(&mut self) -> Step {
        if peek_is!(
            self,
            TokenKind::VersionDirective(_)
                | TokenKind::TagDirective(_)
                | TokenKind::DocumentStart
                | TokenKind::DocumentEnd
                | TokenKind::StreamEnd
        ) {
            self.pop_state();
            let at = self.peek_start()?;
            return Ok(empty_scalar(at));
        }
        self.node(true, false)
    }

    pub(super) fn document_end(&mut self) -> Step {
        let start = self.peek_start()?;
        let mut end = start;
        if peek_is!(self, TokenKind::DocumentEnd) {
            end = self.scanner.take().end;
        }
        self.tag_directives.clear();
        self.state = State::DocumentStart;
        Ok(self.with_comments(bare(EventKind::DocumentEnd, start, end)))
    }

    /// Reads the directives before a document.
    pub(super) fn process_directives(&mut self) -> Result<(), ScanError> {
        let mut has_version = false;
        loop {
            let start = self.peek_start()?;
            match &self.scanner.peek()?.kind {
                TokenKind::VersionDirective(_) => {
                    if std::mem::replace(&mut has_version, true) {
                        return Err(ScanError::new(
                            start,
                            "a second %YAML directive for one document",
                        ));
                    }
                }
                TokenKind::TagDirective(directive) => {
                    let (handle, _) = &**directive;
                    if self.tag_directives.iter().any(|(known, _)| known == handle) {
                        return Err(ScanError::new(
                            start,
                            "a second %TAG directive for one handle",
                        ));
                    }
                    let directive = (**directive).clone();
                    self.tag_directives.push(directive);
                }
                _ => break,
            }
            self.scanner.take();
        }
        for (handle, prefix) in [("!", "!"), ("!!", LONG_PREFIX)] {
            if !self.tag_directives.iter().any(|(known, _)| known == handle) {
                self.tag_directives
                    .push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }
}

/// Cuts off the comments up to the last empty line: they are about the document, not about its first key.
fn split_document_head(head: &mut Pieces) -> Pieces {
    use super::comments::Piece;
    match head.iter().rposition(|piece| *piece == Piece::Blank) {
        Some(at) => {
            let rest = head.split_off(at + 1);
            std::mem::replace(head, rest)
        }
        None => Vec::new(),
    }
}
