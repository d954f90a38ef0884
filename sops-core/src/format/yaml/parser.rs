//! From tokens to events, with the comments that each event takes along.

use super::{
    comments::Pieces,
    scanner::{ScanError, Scanner, Token, TokenKind},
};
use crate::tree::{Span, Style, Text};

/// A step through the structure of the text.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    /// Where the node starts with its tag and anchor.
    pub(super) outer_start: usize,
    /// Where its content starts.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) comments: Taken,
}

/// The comments of an event, if it has any: few have, and events are moved a lot.
pub(super) type Taken = Option<Box<Attached>>;

/// Comments by where they stand to a node.
#[derive(Debug, Default)]
pub(super) struct Attached {
    pub(super) head: Pieces,
    pub(super) line: Pieces,
    pub(super) foot: Pieces,
}

#[derive(Debug)]
pub(super) enum EventKind {
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    MappingStart {
        properties: MaybeProperties,
        flow: bool,
    },
    MappingEnd,
    SequenceStart {
        properties: MaybeProperties,
        flow: bool,
    },
    SequenceEnd,
    Scalar {
        properties: MaybeProperties,
        text: Text,
        style: Style,
    },
    Alias {
        name: Span,
    },
    /// See [`TokenKind::AppendedKey`].
    AppendedKey,
}

/// The properties of a node, if it has any: few have, and events are moved a lot.
pub(super) type MaybeProperties = Option<Box<Properties>>;

/// Tag and anchor of a node.
#[derive(Debug, Default)]
pub(super) struct Properties {
    /// Resolved, and shortened: `!!str`, `!custom`.
    pub(super) tag: Option<String>,
    /// The name.
    pub(super) anchor: Option<Span>,
}

/// Returns the tag among the properties.
pub(super) fn tag_of(properties: &MaybeProperties) -> Option<&str> {
    properties.as_ref()?.tag.as_deref()
}

/// Returns the name of the anchor among the properties.
pub(super) fn anchor_of(properties: &MaybeProperties) -> Option<Span> {
    properties.as_ref()?.anchor
}

#[derive(Clone, Copy, Debug)]
enum State {
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
    state: State,
    states: Vec<State>,
    /// Where the open collections start, for messages.
    starts: Vec<usize>,
    tag_directives: Vec<(String, String)>,
}

type Step = Result<Event, ScanError>;

/// What a token is, without its contents.
macro_rules! peek_is {
    ($parser:expr, $pattern:pat) => {
        matches!($parser.scanner.peek()?.kind, $pattern)
    };
}

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

    fn pop_state(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    fn peek_start(&mut self) -> Result<usize, ScanError> {
        Ok(self.scanner.peek()?.start.index)
    }

    /// Takes the comments that have gathered.
    fn with_comments(&mut self, event: Event) -> Event {
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
    fn with_stem(&mut self, event: Event) -> Event {
        let head = std::mem::take(&mut self.scanner.comments.stem);
        Event {
            comments: head_only(head),
            ..event
        }
    }

    fn document_start(&mut self, implicit: bool) -> Step {
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

    fn document_content(&mut self) -> Step {
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

    fn document_end(&mut self) -> Step {
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
    fn process_directives(&mut self) -> Result<(), ScanError> {
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

    fn node(&mut self, block: bool, indentless_sequence: bool) -> Step {
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

    fn open(&mut self, first: bool) -> Result<(), ScanError> {
        if first {
            let start = self.peek_start()?;
            self.starts.push(start);
            self.scanner.take();
        }
        Ok(())
    }

    fn block_sequence_entry(&mut self, first: bool) -> Step {
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

    fn indentless_sequence_entry(&mut self) -> Step {
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
    fn split_stem(&mut self, length: usize) -> Result<(), ScanError> {
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

    fn block_mapping_key(&mut self, first: bool) -> Step {
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

    fn block_mapping_value(&mut self) -> Step {
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

    fn flow_sequence_entry(&mut self, first: bool) -> Step {
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

    fn flow_comma(&mut self, message: &'static str) -> Result<(), ScanError> {
        if peek_is!(self, TokenKind::FlowEntry) {
            self.scanner.take();
            return Ok(());
        }
        let at = self.peek_start()?;
        Err(ScanError::new(at, message).hint(
            "close every bracket that is opened, and put values with special characters in quotes",
        ))
    }

    fn flow_end(&mut self, kind: EventKind) -> Step {
        self.pop_state();
        self.starts.pop();
        let start = self.peek_start()?;
        let end = self.scanner.peek()?.end;
        let event = self.with_comments(bare(kind, start, end));
        self.scanner.take();
        Ok(event)
    }

    fn flow_sequence_entry_mapping_key(&mut self) -> Step {
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

    fn flow_sequence_entry_mapping_value(&mut self) -> Step {
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

    fn flow_mapping_key(&mut self, first: bool) -> Step {
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

    fn flow_mapping_value(&mut self, empty: bool) -> Step {
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

/// The prefix of YAML's own tags.
const LONG_PREFIX: &str = "tag:yaml.org,2002:";

fn bare(kind: EventKind, start: usize, end: usize) -> Event {
    Event {
        kind,
        outer_start: start,
        start,
        end,
        comments: None,
    }
}

fn empty_scalar(at: usize) -> Event {
    let kind = EventKind::Scalar {
        properties: None,
        text: Text::Source(Span::new(at, at)),
        style: Style::Plain,
    };
    bare(kind, at, at)
}

fn head_only(head: Pieces) -> Taken {
    (!head.is_empty()).then(|| {
        Box::new(Attached {
            head,
            ..Attached::default()
        })
    })
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
