//! Keys without a `?`: where one may have started, its `:` will tell.

use super::{
    scanner::Scanner,
    token::{Mark, ScanError},
};

/// A place where a mapping key may have started, which only its `:` will tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct SimpleKey {
    pub(super) is_possible: bool,
    pub(super) is_required: bool,
    pub(super) token_number: usize,
    pub(super) mark: Mark,
}

impl Scanner<'_> {
    pub(super) fn is_valid(&mut self, level: usize) -> Result<bool, ScanError> {
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

    pub(super) fn save_simple_key(&mut self) -> Result<(), ScanError> {
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

    pub(super) fn remove_simple_key(&mut self) -> Result<(), ScanError> {
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

    pub(super) fn forget_possible(&mut self, level: usize) {
        if self.possible.back().is_some_and(|&(_, last)| last == level) {
            self.possible.pop_back();
        }
    }
}

fn missing_colon(at: usize) -> ScanError {
    ScanError::new(at, "could not find the `:` of this mapping key")
        .hint("check the indentation, and that every key is followed by `: `")
}
