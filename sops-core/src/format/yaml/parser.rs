//! From tokens to events, with the comments that each event takes along.

use super::{
    event::{Attached, Event, EventKind, MaybeProperties, anchor_of, bare, head_only, tag_of},
    scanner::Scanner,
    token::{ScanError, Token, TokenKind},
};
use crate::tree::{Span, Style, Text};

#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    StreamStart,
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceEntry { first: bool },
    IndentlessSequenceEntry,
    BlockMappingKey { first: bool },
    BlockMappingValue,
    FlowSequenceEntry { first: bool },
    FlowSequenceEntryMappingKey,
    FlowSequenceEntryMappingValue,
    FlowSequenceEntryMappingEnd,
    FlowMappingKey { first: bool },
    FlowMappingValue { empty: bool },
    End,
}

pub(super) struct Parser<'s> {
    pub(super) scanner: Scanner<'s>,
    pub(super) state: State,
    pub(super) states: Vec<State>,
    /// Where the open collections start, for messages.
    pub(super) starts: Vec<usize>,
    pub(super) tag_directives: Vec<(String, String)>,
}

pub(super) type Step = Result<Event, ScanError>;

/// What a token is, without its contents.
macro_rules! peek_is {
    ($parser:expr, $pattern:pat) => {
        matches!($parser.scanner.peek()?.kind, $pattern)
    };
}
pub(super) use peek_is;

impl<'s> Parser<'s> {
    pub(super) fn new(source: &'s str, before_root_key: bool) -> Self {
        Self {
            scanner: Scanner::new(source, before_root_key),
            state: State::StreamStart,
            states: Vec::new(),
            starts: Vec::new(),
            tag_directives: Vec::new(),
        }
    }

    pub(super) fn next_event(&mut self) -> Step {
        match self.state {
            State::StreamStart => {
                self.scanner.peek()?;
                self.scanner.take();
                self.state = State::ImplicitDocumentStart;
                self.document_start(true)
            }
            State::ImplicitDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceEntry { first } => self.block_sequence_entry(first),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingKey { first } => self.block_mapping_key(first),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceEntry { first } => self.flow_sequence_entry(first),
            State::FlowSequenceEntryMappingKey => self.flow_sequence_entry_mapping_key(),
            State::FlowSequenceEntryMappingValue => self.flow_sequence_entry_mapping_value(),
            State::FlowSequenceEntryMappingEnd => {
                let at = self.scanner.peek()?.start.index;
                self.state = State::FlowSequenceEntry { first: false };
                Ok(bare(EventKind::MappingEnd, at, at))
            }
            State::FlowMappingKey { first } => self.flow_mapping_key(first),
            State::FlowMappingValue { empty } => self.flow_mapping_value(empty),
            State::End => Ok(bare(
                EventKind::StreamEnd,
                self.scanner.bytes.len(),
                self.scanner.bytes.len(),
            )),
        }
    }

    pub(super) fn pop_state(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    pub(super) fn peek_start(&mut self) -> Result<usize, ScanError> {
        Ok(self.scanner.peek()?.start.index)
    }

    /// Takes the comments that have gathered.
    pub(super) fn with_comments(&mut self, event: Event) -> Event {
        let queue = &mut self.scanner.comments;
        if queue.has_nothing() {
            return event;
        }
        let mut attached = Attached {
            head: std::mem::take(&mut queue.head),
            line: std::mem::take(&mut queue.line),
            foot: std::mem::take(&mut queue.foot),
        };
        // The reference drops what is left of this one here; we keep every comment.
        attached.head.splice(0..0, std::mem::take(&mut queue.stem));
        Event {
            comments: Some(Box::new(attached)),
            ..event
        }
    }

    /// Takes the comments that were set aside for a collection in a list.
    pub(super) fn with_stem(&mut self, event: Event) -> Event {
        let head = std::mem::take(&mut self.scanner.comments.stem);
        Event {
            comments: head_only(head),
            ..event
        }
    }

    pub(super) fn node(&mut self, block: bool, indentless_sequence: bool) -> Step {
        if let TokenKind::Alias(name) = self.scanner.peek()?.kind {
            self.pop_state();
            let token = self.scanner.take();
            let event = bare(EventKind::Alias { name }, token.start.index, token.end);
            return Ok(self.with_comments(event));
        }
        let outer_start = self.peek_start()?;
        let mut properties: MaybeProperties = None;
        let mut properties_end = outer_start;
        // Tag and anchor, in either order, each at most once.
        for _ in 0..2 {
            match &self.scanner.peek()?.kind {
                TokenKind::Anchor(name) if anchor_of(&properties).is_none() => {
                    properties.get_or_insert_default().anchor = Some(*name);
                    properties_end = self.scanner.take().end;
                }
                TokenKind::Tag(_) if tag_of(&properties).is_none() => {
                    let token = self.scanner.take();
                    properties_end = token.end;
                    properties.get_or_insert_default().tag = Some(self.resolve_tag(token)?);
                }
                _ => break,
            }
        }
        let start = self.peek_start()?;
        let end = self.scanner.peek()?.end;
        let has_properties = properties.is_some();
        let event = |kind, end| Event {
            outer_start,
            ..bare(kind, start, end)
        };
        if indentless_sequence && peek_is!(self, TokenKind::BlockEntry) {
            self.state = State::IndentlessSequenceEntry;
            return Ok(event(
                EventKind::SequenceStart {
                    properties,
                    flow: false,
                },
                end,
            ));
        }
        match &self.scanner.peek()?.kind {
            TokenKind::Scalar { .. } => {
                self.pop_state();
                let TokenKind::Scalar { text, style } = self.scanner.tokens_front_scalar() else {
                    return Err(ScanError::new(start, "a value is expected here"));
                };
                let event = event(
                    EventKind::Scalar {
                        properties,
                        text,
                        style,
                    },
                    end,
                );
                let event = self.with_comments(event);
                self.scanner.take();
                Ok(event)
            }
            TokenKind::AppendedKey => {
                self.pop_state();
                let event = self.with_comments(event(EventKind::AppendedKey, start));
                self.scanner.take();
                Ok(event)
            }
            TokenKind::FlowSequenceStart => {
                self.state = State::FlowSequenceEntry { first: true };
                let event = event(
                    EventKind::SequenceStart {
                        properties,
                        flow: true,
                    },
                    end,
                );
                Ok(self.with_comments(event))
            }
            TokenKind::FlowMappingStart => {
                self.state = State::FlowMappingKey { first: true };
                let event = event(
                    EventKind::MappingStart {
                        properties,
                        flow: true,
                    },
                    end,
                );
                Ok(self.with_comments(event))
            }
            TokenKind::BlockSequenceStart if block => {
                self.state = State::BlockSequenceEntry { first: true };
                let event = event(
                    EventKind::SequenceStart {
                        properties,
                        flow: false,
                    },
                    end,
                );
                Ok(self.with_stem(event))
            }
            TokenKind::BlockMappingStart if block => {
                self.state = State::BlockMappingKey { first: true };
                let event = event(
                    EventKind::MappingStart {
                        properties,
                        flow: false,
                    },
                    end,
                );
                Ok(self.with_stem(event))
            }
            _ if has_properties => {
                self.pop_state();
                let kind = EventKind::Scalar {
                    properties,
                    text: Text::Source(Span::new(properties_end, properties_end)),
                    style: Style::Plain,
                };
                Ok(Event {
                    outer_start,
                    ..bare(kind, properties_end, properties_end)
                })
            }
            _ => Err(ScanError::new(start, "a value is expected here").hint(
                "put values that start with one of , [ ] { } # & * ! | > ' \" % @ ` in quotes",
            )),
        }
    }

    /// Turns handle and suffix into a tag, in the short form for YAML's own (`!!str`).
    fn resolve_tag(&self, token: Token) -> Result<String, ScanError> {
        let TokenKind::Tag(tag) = token.kind else {
            return Err(ScanError::new(token.start.index, "a tag is expected here"));
        };
        let (handle, suffix) = *tag;
        let long = if handle.is_empty() {
            suffix
        } else {
            let prefix = self
                .tag_directives
                .iter()
                .find(|(known, _)| *known == handle);
            let Some((_, prefix)) = prefix else {
                return Err(
                    ScanError::new(token.start.index, "this tag handle is not declared")
                        .hint("declare it with a %TAG directive"),
                );
            };
            format!("{prefix}{suffix}")
        };
        Ok(match long.strip_prefix(LONG_PREFIX) {
            Some(short) => format!("!!{short}"),
            None => long,
        })
    }

    pub(super) fn open(&mut self, first: bool) -> Result<(), ScanError> {
        if first {
            let start = self.peek_start()?;
            self.starts.push(start);
            self.scanner.take();
        }
        Ok(())
    }
}

/// The prefix of YAML's own tags.
pub(super) const LONG_PREFIX: &str = "tag:yaml.org,2002:";
