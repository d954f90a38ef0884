//! Block collections start and end by how far lines are indented.

use super::{
    scanner::Scanner,
    token::{Mark, ScanError, Token, TokenKind},
};

/// How many block collections, and how many flow collections, may stand inside each other: as many as for the reference.
pub(super) const MAX_DEPTH: usize = 10_000;

impl Scanner<'_> {
    pub(super) fn roll_indent(
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
    pub(super) fn unroll_indent(&mut self, column: isize, scan_mark: Mark) {
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
}

/// The error of too many collections inside each other.
pub(super) fn too_deep(at: usize) -> ScanError {
    let mut error = ScanError::new(at, "nested too deeply: at most 10,000 levels are accepted");
    error.is_too_deep = true;
    error
}
