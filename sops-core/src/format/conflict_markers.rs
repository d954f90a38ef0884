//! What git leaves in a file that it could not merge.

use super::{SyntaxError, SyntaxErrorKind};

/// Returns where the first merge-conflict marker stands.
///
/// A marker stands at the start of a line. A line of seven `=` alone is none: people underline headings so.
pub(crate) fn find(source: &str) -> Option<usize> {
    let mut line = 0;
    loop {
        if is_marker(&source[line..]) {
            return Some(line);
        }
        line += source[line..].find('\n')? + 1;
    }
}

fn is_marker(line: &str) -> bool {
    ["<<<<<<<", ">>>>>>>", "|||||||"].iter().any(|marker| {
        line.strip_prefix(marker)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\n', '\r']))
    })
}

/// Returns the error that says so, with the marker's place.
pub(crate) fn error(source: &str, at: usize) -> SyntaxError {
    SyntaxError::at(
        source,
        at,
        SyntaxErrorKind::ConflictMarkers,
        "a merge-conflict marker stands here",
    )
    .with_hint("resolve the conflict first, for example by taking one side")
}

/// Returns `error`, or the reason behind it when the text has conflict markers.
pub(crate) fn explain(source: &str, error: SyntaxError) -> SyntaxError {
    match find(source) {
        Some(at) => self::error(source, at),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn finds_markers_at_the_start_of_a_line() {
        for (source, at) in [
            ("<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n", 0),
            ("a: 1\n<<<<<<< HEAD\n", 5),
            ("a: 1\r\n>>>>>>> other", 6),
            ("a: 1\n|||||||\n", 5),
            ("< <\n<<<<<<<\n", 4),
        ] {
            assert_eq!(find(source), Some(at), "{source:?}");
        }
    }

    #[test]
    fn other_text_is_no_marker() {
        for source in [
            "",
            "a: <<<<<<< HEAD\n",
            "<<<<<<<<\n",
            "<<<<<< HEAD\n",
            "Heading\n=======\n",
            "<<: *base\n",
            ">>>>>>>>>>>\n",
            "<<<<<<<HEAD\n",
        ] {
            assert_eq!(find(source), None, "{source:?}");
        }
    }
}
