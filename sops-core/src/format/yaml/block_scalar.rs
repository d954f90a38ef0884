//! Literal (`|`) and folded (`>`) scalars.

use std::ops::Range;

use super::{
    place::{
        LINE_BREAKS, indentation_step, line_break_at, line_break_of, line_end, parent_indentation,
    },
    quote::is_printable,
};
use crate::tree::{NodeId, NodeKind, Span, Style, Tree};

/// How many nodes are looked at for the indentation step of the file; enough for the `sops` block at its end.
const STEP_SEARCH: usize = 200;

/// The header of a block scalar and where its content stands.
pub(super) struct BlockScalar<'s> {
    source: &'s str,
    style: Style,
    /// The `|` or `>` with its indicators, without a comment behind it.
    pub(super) header: Range<usize>,
    indentation_indicator: Option<usize>,
    /// The end of the header's line, before its line break.
    pub(super) header_line_end: usize,
    /// From the start of the first content line to the end of the last one that is not blank.
    pub(super) content: Range<usize>,
}

impl<'s> BlockScalar<'s> {
    /// Reads the block scalar `id`.
    pub(super) fn read(source: &'s str, tree: &Tree, id: NodeId) -> Self {
        let span = tree[id].span.range();
        let indicators = source[span.start + 1..]
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-'))
            .count();
        let header = span.start..span.start + 1 + indicators;
        let digit = source[header.clone()].bytes().find(u8::is_ascii_digit);
        let header_line_end = line_end(source, header.end);
        let content_start = header_line_end + line_break_at(source, header_line_end).len();
        let content = source[content_start..span.end.max(content_start)]
            .trim_end_matches([' ', '\t', '\n', '\r']);
        Self {
            source,
            style: match source[header.clone()].starts_with('|') {
                true => Style::Literal,
                false => Style::Folded,
            },
            indentation_indicator: digit.map(|digit| usize::from(digit - b'0')),
            content: content_start..content_start + content.len(),
            header,
            header_line_end,
        }
    }

    /// Returns where that ends which a ciphertext replaces, if the scalar ends at `end`.
    ///
    /// Empty lines behind the content stay, whether they are part of the value or not: they decide where a comment behind
    /// them belongs. If there is no content, the first of them stays by being written again.
    pub(super) fn replaced_end(&self, end: usize) -> usize {
        let content_end = self.content_end();
        let is_empty_behind = self.source[content_end..end.max(content_end)]
            .bytes()
            .all(|byte| matches!(byte, b'\n' | b'\r'));
        match is_empty_behind {
            _ if self.keeps_before_blanks() => self.source.len(),
            true => content_end,
            false => end,
        }
    }

    /// The end of the last line that is not blank.
    fn content_end(&self) -> usize {
        match self.content.is_empty() {
            true => self.content.end,
            false => line_end(self.source, self.content.end),
        }
    }

    /// Whether line breaks are kept, and the text ends with blanks that are on no line of the content. Their line is none
    /// of the value, but would be if something was appended to the text.
    pub(super) fn keeps_before_blanks(&self) -> bool {
        let behind = &self.source[self.content_end()..];
        self.source[self.header.clone()].contains('+')
            && behind.ends_with([' ', '\t'])
            && behind
                .trim_start_matches([' ', '\t', '\n', '\r'])
                .is_empty()
    }

    /// Returns the column of the content.
    pub(super) fn indentation(&self, tree: &Tree, id: NodeId) -> usize {
        if let Some(indicator) = self.indentation_indicator {
            return parent_indentation(self.source, tree, id) + indicator;
        }
        let content = &self.source[self.content.clone()];
        let first = content.split(LINE_BREAKS).find_map(|line| {
            let blanks = line.len() - line.trim_start_matches(' ').len();
            (blanks < line.len()).then_some(blanks)
        });
        first.unwrap_or_else(|| default_indentation(self.source, tree, id))
    }

    /// Returns the header of the same kind over a text that ends without a line break.
    pub(super) fn stripping_header(&self) -> String {
        header(self.style, self.indentation_indicator, "-")
    }

    /// Returns the header of the same kind over a text that ends with one line break.
    pub(super) fn clipping_header(&self) -> String {
        header(self.style, self.indentation_indicator, "")
    }

    /// Returns the text as such a scalar; `None` if it cannot be one.
    pub(super) fn rendered(&self, tree: &Tree, id: NodeId, text: &str) -> Option<Rendered> {
        let mut indentation = self.indentation(tree, id);
        let mut indicator = self.indentation_indicator;
        if indicator.is_none() && needs_indicator(text) {
            let parent = parent_indentation(self.source, tree, id);
            if !(1..=9).contains(&indentation.saturating_sub(parent)) {
                indentation = parent + 2;
            }
            indicator = Some(indentation - parent);
        }
        Rendered::new(
            self.source,
            self.style,
            indicator,
            indentation,
            text,
            self.content.end,
        )
    }
}

/// Returns the part of a scalar with its properties that a ciphertext replaces, and that has to be remembered when its
/// spelling is: the whole, but for empty lines behind a block scalar.
pub(crate) fn replaced(source: &str, tree: &Tree, id: NodeId) -> Span {
    let node = &tree[id];
    let whole = Span {
        start: node.outer_start,
        end: node.span.end,
    };
    let NodeKind::Scalar(scalar) = &node.kind else {
        return whole;
    };
    if !matches!(scalar.style, Style::Literal | Style::Folded) {
        return whole;
    }
    let block = BlockScalar::read(source, tree, id);
    let end = block.replaced_end(whole.end as usize);
    let end = match block.content.is_empty() && end == block.content.end {
        true => block.header_line_end,
        false => end,
    };
    Span::new(whole.start as usize, end)
}

/// Returns a text as a literal scalar for a place that holds a scalar on one line, which ends at `line_end`; `None` if
/// it cannot, or should not, be one.
pub(super) fn literal(
    source: &str,
    tree: &Tree,
    id: NodeId,
    text: &str,
    line_end: usize,
) -> Option<Rendered> {
    // Blanks at the ends of lines are easily lost, and not seen.
    if text.contains(" \n") || text.contains("\t\n") || text.ends_with([' ', '\t']) {
        return None;
    }
    let indentation = default_indentation(source, tree, id);
    let indicator = match needs_indicator(text) {
        true => Some(indentation - parent_indentation(source, tree, id)),
        false => None,
    };
    let rendered = Rendered::new(
        source,
        Style::Literal,
        indicator,
        indentation,
        text,
        line_end,
    )?;
    // A comment on the next line must not become content.
    let next = source[rendered.end..].trim_start_matches(['\n', '\r']);
    let blanks = next.len() - next.trim_start_matches(' ').len();
    let is_comment = next[blanks..].starts_with('#');
    (!is_comment || blanks < indentation).then_some(rendered)
}

/// A block scalar as text.
pub(super) struct Rendered {
    pub(super) header: String,
    /// The content lines, without the line break before the first. The line break behind the last is that of the
    /// source, or included where the source has none.
    pub(super) content: String,
    /// Where the content that is replaced ends.
    pub(super) end: usize,
}

impl Rendered {
    fn new(
        source: &str,
        style: Style,
        indicator: Option<usize>,
        indentation: usize,
        text: &str,
        content_end: usize,
    ) -> Option<Self> {
        // Lines end at other line breaks, too, and the next one would have to be indented.
        let fits = |character| {
            character == '\n' || is_printable(character) && !LINE_BREAKS.contains(&character)
        };
        if text.is_empty() || !text.chars().all(fits) {
            return None;
        }
        let line_break = line_break_of(source);
        let body = text.trim_end_matches('\n');
        let final_breaks = text.len() - body.len();
        let keeps = final_breaks > 1 || body.is_empty();
        let end = match keeps {
            true => blank_lines_end(source, content_end),
            false => content_end,
        };
        let chomping = match final_breaks {
            0 => "-",
            1 if !keeps => "",
            _ => "+",
        };
        let lines = text.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let mut content =
            String::with_capacity(text.len() + lines * (indentation + 2 * line_break.len()));
        push_lines(&mut content, style, body, indentation, line_break);
        // Behind a body the first of the final line breaks ends its last line; alone, each is an empty line.
        for _ in 1..final_breaks {
            content.push_str(line_break);
        }
        if final_breaks > 0 && !ends_with_line_break(source, end) {
            content.push_str(line_break);
        }
        Some(Self {
            header: header(style, indicator, chomping),
            content,
            end,
        })
    }
}

fn header(style: Style, indicator: Option<usize>, chomping: &str) -> String {
    let start = if style == Style::Folded { '>' } else { '|' };
    match indicator {
        Some(indicator) => format!("{start}{indicator}{chomping}"),
        None => format!("{start}{chomping}"),
    }
}

/// Whether the indentation cannot be told from the first line that is not empty, because that starts with a blank.
fn needs_indicator(text: &str) -> bool {
    text.trim_start_matches('\n').starts_with([' ', '\t'])
}

fn default_indentation(source: &str, tree: &Tree, id: NodeId) -> usize {
    parent_indentation(source, tree, id) + indentation_step(source, tree, STEP_SEARCH)
}

/// Writes the lines so that they read back as `body`. In a folded scalar one line break between two lines is read as a
/// blank and further ones as they are, but not next to a line that starts with a blank.
fn push_lines(out: &mut String, style: Style, body: &str, indentation: usize, line_break: &str) {
    let mut before: Option<&str> = None;
    for line in body.split('\n') {
        if !line.is_empty() {
            let folds = style == Style::Folded
                && !line.starts_with([' ', '\t'])
                && before.is_some_and(|before| !before.starts_with([' ', '\t']));
            if folds {
                out.push_str(line_break);
            }
            out.extend(std::iter::repeat_n(' ', indentation));
            out.push_str(line);
            before = Some(line);
        }
        out.push_str(line_break);
    }
    // The split gives one line more than there are line breaks.
    out.truncate(out.len() - line_break.len());
}

/// Returns the end of the last blank line behind the line that ends at `end`, before its line break.
fn blank_lines_end(source: &str, end: usize) -> usize {
    let mut end = line_end(source, end);
    loop {
        let next = end + line_break_at(source, end).len();
        let next_end = line_end(source, next);
        let is_blank = source[next..next_end]
            .bytes()
            .all(|byte| matches!(byte, b' ' | b'\t'));
        if next == end || next == source.len() || !is_blank {
            return end;
        }
        end = next_end;
    }
}

/// Whether a line break follows at `end`, and stays there: that before a `sops` block at the end of a file without a
/// final line break goes with the block.
fn ends_with_line_break(source: &str, end: usize) -> bool {
    let rest = &source[end..];
    if rest.is_empty() {
        return false;
    }
    if source.ends_with(['\n', '\r']) {
        return true;
    }
    let block = rest.trim_start_matches(['\n', '\r']);
    let mut lines = block.split(['\n', '\r']);
    let key = lines.next().unwrap_or_default();
    let content = key.trim_start_matches(' ');
    let column = key.len() - content.len();
    let is_block = ["sops:", "\"sops\":", "'sops':"]
        .iter()
        .any(|key| content.starts_with(key));
    let is_last = lines
        .all(|line| line.is_empty() || line.len() - line.trim_start_matches(' ').len() > column);
    !(is_block && is_last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(style: Style, body: &str) -> String {
        let mut out = String::new();
        push_lines(&mut out, style, body, 2, "\n");
        out
    }

    #[test]
    fn literal_lines_are_indented_and_empty_ones_left_empty() {
        assert_eq!(lines(Style::Literal, "a\n\n b\nc"), "  a\n\n   b\n  c");
        assert_eq!(lines(Style::Literal, "\n\na"), "\n\n  a");
        assert_eq!(lines(Style::Literal, ""), "");
    }

    #[test]
    fn folded_lines_get_the_break_that_folding_takes() {
        for (body, expected) in [
            ("a b", "  a b"),
            ("a\nb", "  a\n\n  b"),
            ("a\n\nb", "  a\n\n\n  b"),
            ("a\n b\nc", "  a\n   b\n  c"),
            ("a\n b\n c", "  a\n   b\n   c"),
            ("\na\nb", "\n  a\n\n  b"),
            ("a\n\n\tb", "  a\n\n  \tb"),
        ] {
            assert_eq!(lines(Style::Folded, body), expected, "{body:?}");
        }
    }

    #[test]
    fn blank_lines_behind_are_counted_to_the_last() {
        for (source, expected) in [
            ("a", 1),
            ("a\n", 1),
            ("a\nb", 1),
            ("a\n\nb", 2),
            ("a\n \n\t\nb", 5),
            ("a\n\n\n", 3),
            ("a\n  ", 4),
            ("a\r\n\r\nb", 3),
        ] {
            assert_eq!(blank_lines_end(source, 1), expected, "{source:?}");
        }
    }
}
