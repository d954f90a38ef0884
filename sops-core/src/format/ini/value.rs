//! Values: what stands behind the delimiter, and what has to stand there for a text.

use zeroize::Zeroizing;

use super::COMMENT_MARKS;
use crate::tree::{Span, Text};

/// A value that was read.
pub(super) struct Read {
    pub(super) text: Text,
    /// The value with its quotes.
    pub(super) span: Span,
    /// Where a comment stands behind the value.
    pub(super) comment: Option<Span>,
    /// Where the line after the value starts.
    pub(super) next: usize,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The quotes at this place are not closed.
    Unclosed(usize),
    /// At this place stands something behind closing quotes.
    BehindQuotes(usize),
}

const TRIPLE: &str = "\"\"\"";
const BACKTICK: &str = "`";

/// Reads the value that starts somewhere behind `start`, on a line of which the delimiter was read. `next` is where the line
/// after it starts.
pub(super) fn read(source: &str, start: usize, next: usize) -> Result<Read, Unreadable> {
    let line = &source[start..next];
    let text = line.trim_start();
    let at = start + (line.len() - text.len());
    if text.is_empty() {
        let end = start + line.trim_end_matches(['\r', '\n']).len();
        return Ok(Read::new(Span::new(end, end), next));
    }
    if text.starts_with(TRIPLE) && text.len() > TRIPLE.len() {
        return quoted(source, at, TRIPLE, next);
    }
    if text.starts_with(BACKTICK) {
        return quoted(source, at, BACKTICK, next);
    }
    let trimmed = text.trim_end();
    if let Some(first) = trimmed.strip_suffix('\\') {
        return Ok(continued(source, at, first, next));
    }
    let [first_mark, second_mark] = COMMENT_MARKS.map(|mark| mark as u8);
    let (value, comment) = match memchr::memchr2(first_mark, second_mark, trimmed.as_bytes()) {
        Some(mark) => {
            let comment = Span::new(at + mark, at + trimmed.len());
            (trimmed[..mark].trim_end(), Some(comment))
        }
        None => (trimmed, None),
    };
    let span = Span::new(at, at + value.len());
    let inside = ['\'', '"'].into_iter().find_map(|quote| {
        let inside = value.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inside.contains(quote)).then_some(Span::new(at + 1, at + 1 + inside.len()))
    });
    Ok(Read {
        text: Text::Source(inside.unwrap_or(span)),
        comment,
        ..Read::new(span, next)
    })
}

impl Read {
    fn new(span: Span, next: usize) -> Self {
        Self {
            text: Text::Source(span),
            span,
            comment: None,
            next,
        }
    }
}

/// Reads up to the last closing quotes of the first line that has some.
fn quoted(source: &str, at: usize, quote: &str, first_end: usize) -> Result<Read, Unreadable> {
    let start = at + quote.len();
    let (mut line, mut next) = (start, first_end);
    loop {
        let text = &source[line..next];
        let is_first = line == start;
        if let Some(close) = text.rfind(quote) {
            let end = line + close + quote.len();
            let rest = &source[end..next];
            let joins = !is_first && rest.trim().ends_with('\\');
            if !joins {
                return closed(source, Span::new(at, end), quote, next);
            }
        }
        if next == source.len() {
            return Err(Unreadable::Unclosed(at));
        }
        line = next;
        next = line_after(source, line);
    }
}

fn closed(source: &str, span: Span, quote: &str, next: usize) -> Result<Read, Unreadable> {
    let inside = Span::new(
        span.start as usize + quote.len(),
        span.end as usize - quote.len(),
    );
    let after = span.end as usize;
    let rest = source[after..next].trim_end();
    let behind = rest.trim_start();
    let at = after + (rest.len() - behind.len());
    if !behind.is_empty() && !behind.starts_with(COMMENT_MARKS) {
        return Err(Unreadable::BehindQuotes(at));
    }
    let comment = (!behind.is_empty()).then(|| Span::new(at, after + rest.len()));
    Ok(Read {
        text: Text::Source(inside),
        comment,
        ..Read::new(span, next)
    })
}

/// Joins the lines that follow a `\`.
fn continued(source: &str, at: usize, first: &str, mut next: usize) -> Read {
    let mut joined = first.to_owned();
    let mut end = at + first.len() + 1;
    while next < source.len() {
        let line = next;
        next = line_after(source, line);
        let text = source[line..next].trim();
        if text.is_empty() {
            break;
        }
        end = line + source[line..next].trim_end().len();
        match text.strip_suffix('\\') {
            Some(text) => joined.push_str(text),
            None => {
                joined.push_str(text);
                break;
            }
        }
    }
    Read {
        text: Text::Owned(joined.into_bytes().into_boxed_slice()),
        ..Read::new(Span::new(at, end), next)
    }
}

/// Returns where the next line starts.
pub(super) fn line_after(source: &str, from: usize) -> usize {
    memchr::memchr(b'\n', &source.as_bytes()[from..]).map_or(source.len(), |at| from + at + 1)
}

/// Returns the text of a value, in the quotes of `like` if they can hold it. `None` if no quotes can.
pub(crate) fn written(value: &str, like: &str) -> Option<String> {
    if let (None, true) = (quote_of(like), is_simple(value)) {
        return Some(value.to_owned());
    }
    quote_of(like)
        .into_iter()
        .chain(["", "\"", BACKTICK, TRIPLE, "'"])
        .find(|quote| reads_as(quote, value))
        .map(|quote| [quote, value, quote].concat())
}

/// Returns whether there is a way to write a value.
pub(crate) fn can_be_written(value: &str) -> bool {
    is_simple(value) || written(value, "").is_some()
}

/// Returns the quote that stands on both sides of a value.
pub(super) fn quote_of(text: &str) -> Option<&str> {
    let quote = match text.as_bytes().first()? {
        b'"' if text.starts_with(TRIPLE) && text.len() >= 2 * TRIPLE.len() => TRIPLE,
        b'"' => "\"",
        b'`' => BACKTICK,
        b'\'' => "'",
        _ => return None,
    };
    (text.len() >= 2 * quote.len() && text.ends_with(quote)).then_some(quote)
}

/// Whether a value is itself without quotes; those that need a second look are not.
fn is_simple(value: &str) -> bool {
    let bytes = value.as_bytes();
    value.trim() == value
        && memchr::memchr3(b'\n', b'\r', b'\\', bytes).is_none()
        && memchr::memchr2(b';', b'#', bytes).is_none()
        && !value.starts_with(['"', '\'', '`'])
}

fn reads_as(quote: &str, value: &str) -> bool {
    // What follows must not matter.
    let line = Zeroizing::new([quote, value, quote, "\nx=1\n"].concat());
    read(&line, 0, line_after(&line, 0)).is_ok_and(|read| {
        read.comment.is_none()
            && read.next == value.len() + 2 * quote.len() + 1
            && read.text.bytes(&line) == value.as_bytes()
    })
}
