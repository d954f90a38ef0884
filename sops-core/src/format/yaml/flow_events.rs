//! Collections in flow style.

use super::{
    event::{EventKind, bare, empty_scalar},
    parser::{Parser, State, Step, peek_is},
    token::{ScanError, TokenKind},
};

impl Parser<'_> {
    pub(super) fn flow_sequence_entry(&mut self, first: bool) -> Step {
        self.open(first)?;
        if !peek_is!(self, TokenKind::FlowSequenceEnd) {
            if !first {
                self.flow_comma("a `,` or the `]` of this list is expected here")?;
            }
            let token = self.scanner.peek()?;
            let (start, end) = (token.start.index, token.end);
            if peek_is!(self, TokenKind::Key) {
                self.state = State::FlowSequenceEntryMappingKey;
                self.scanner.take();
                let properties = None;
                return Ok(bare(
                    EventKind::MappingStart {
                        properties,
                        flow: true,
                    },
                    start,
                    end,
                ));
            }
            if !peek_is!(self, TokenKind::FlowSequenceEnd) {
                self.states.push(State::FlowSequenceEntry { first: false });
                return self.node(false, false);
            }
        }
        self.flow_end(EventKind::SequenceEnd)
    }

    pub(super) fn flow_comma(&mut self, message: &'static str) -> Result<(), ScanError> {
        if peek_is!(self, TokenKind::FlowEntry) {
            self.scanner.take();
            return Ok(());
        }
        let at = self.peek_start()?;
        Err(ScanError::new(at, message).hint(
            "close every bracket that is opened, and put values with special characters in quotes",
        ))
    }

    pub(super) fn flow_end(&mut self, kind: EventKind) -> Step {
        self.pop_state();
        self.starts.pop();
        let start = self.peek_start()?;
        let end = self.scanner.peek()?.end;
        let event = self.with_comments(bare(kind, start, end));
        self.scanner.take();
        Ok(event)
    }

    pub(super) fn flow_sequence_entry_mapping_key(&mut self) -> Step {
        if peek_is!(
            self,
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd
        ) {
            self.state = State::FlowSequenceEntryMappingValue;
            let at = self.peek_start()?;
            return Ok(empty_scalar(at));
        }
        self.states.push(State::FlowSequenceEntryMappingValue);
        self.node(false, false)
    }

    pub(super) fn flow_sequence_entry_mapping_value(&mut self) -> Step {
        if peek_is!(self, TokenKind::Value) {
            self.scanner.take();
            if !peek_is!(self, TokenKind::FlowEntry | TokenKind::FlowSequenceEnd) {
                self.states.push(State::FlowSequenceEntryMappingEnd);
                return self.node(false, false);
            }
        }
        self.state = State::FlowSequenceEntryMappingEnd;
        let at = self.peek_start()?;
        Ok(empty_scalar(at))
    }

    pub(super) fn flow_mapping_key(&mut self, first: bool) -> Step {
        self.open(first)?;
        if !peek_is!(self, TokenKind::FlowMappingEnd) {
            if !first {
                self.flow_comma("a `,` or the `}` of this mapping is expected here")?;
            }
            if peek_is!(self, TokenKind::Key) {
                self.scanner.take();
                if peek_is!(
                    self,
                    TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMappingEnd
                ) {
                    self.state = State::FlowMappingValue { empty: false };
                    let at = self.peek_start()?;
                    return Ok(empty_scalar(at));
                }
                self.states.push(State::FlowMappingValue { empty: false });
                return self.node(false, false);
            }
            if !peek_is!(self, TokenKind::FlowMappingEnd) {
                self.states.push(State::FlowMappingValue { empty: true });
                return self.node(false, false);
            }
        }
        self.flow_end(EventKind::MappingEnd)
    }

    pub(super) fn flow_mapping_value(&mut self, empty: bool) -> Step {
        let at = self.peek_start()?;
        if !empty && peek_is!(self, TokenKind::Value) {
            self.scanner.take();
            if !peek_is!(self, TokenKind::FlowEntry | TokenKind::FlowMappingEnd) {
                self.states.push(State::FlowMappingKey { first: false });
                return self.node(false, false);
            }
        }
        self.state = State::FlowMappingKey { first: false };
        Ok(empty_scalar(at))
    }
}
