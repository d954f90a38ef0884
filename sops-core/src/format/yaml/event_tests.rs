//! Events, compared with those of another parser that shares no code or model with ours.

use granit_parser::{Event as Other, Options, Parser as OtherParser, ScalarStyle, StructureStyle};

use super::{event::EventKind, parser::Parser, token::ScanError};
use crate::tree::Style;

/// Returns the structure that our parser sees: one line an event, with where it starts, and the text of scalars.
pub(super) fn ours(source: &str) -> Result<Vec<String>, ScanError> {
    let mut parser = Parser::new(source, false);
    let mut lines = Vec::new();
    loop {
        let event = parser.next_event()?;
        let at = event.start;
        lines.push(match event.kind {
            EventKind::DocumentStart => "document".to_owned(),
            EventKind::DocumentEnd => "end of document".to_owned(),
            EventKind::MappingStart { flow, .. } => format!("mapping {flow}"),
            EventKind::MappingEnd => "end of mapping".to_owned(),
            EventKind::SequenceStart { flow, .. } => format!("sequence {flow}"),
            EventKind::SequenceEnd => "end of sequence".to_owned(),
            EventKind::Scalar { text, style, .. } => {
                let text = String::from_utf8_lossy(text.bytes(source)).into_owned();
                scalar(at, &text, matches!(style, Style::Literal | Style::Folded))
            }
            EventKind::Alias { .. } => format!("alias at {at}"),
            EventKind::AppendedKey => unreachable!("nothing was asked to be appended"),
            EventKind::StreamEnd => return Ok(lines),
        });
    }
}

pub(super) fn others(source: &str) -> Vec<String> {
    let mut options = Options::default();
    options.emit_comments = false;
    let mut lines = Vec::new();
    for event in OtherParser::new_from_str_with_options(source, options) {
        let (event, span) = event.expect("the other parser accepts it");
        let at = span.byte_range().expect("known for texts").start;
        lines.push(match event {
            Other::DocumentStart(..) => "document".to_owned(),
            Other::DocumentEnd => "end of document".to_owned(),
            Other::MappingStart(style, ..) => {
                format!("mapping {}", style == StructureStyle::Flow)
            }
            Other::MappingEnd => "end of mapping".to_owned(),
            Other::SequenceStart(style, ..) => {
                format!("sequence {}", style == StructureStyle::Flow)
            }
            Other::SequenceEnd => "end of sequence".to_owned(),
            Other::Scalar(text, style, ..) => {
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                scalar(at, &text, is_block)
            }
            Other::Alias(_) => format!("alias at {at}"),
            _ => continue,
        });
    }
    lines
}

/// Values that are not there are nowhere; block scalars start elsewhere for the other one, behind their header.
fn scalar(at: usize, text: &str, is_block: bool) -> String {
    match text {
        "" | "~" => "nothing".to_owned(),
        _ if is_block => format!("block scalar: {text:?}"),
        _ => format!("scalar at {at}: {text:?}"),
    }
}

fn check(name: &str, source: &str) {
    let ours = ours(source).expect("it is YAML");
    let others = others(source);
    let difference = ours.iter().zip(&others).find(|(ours, other)| ours != other);
    assert!(
        ours == others,
        "{name}: {difference:?}, {} and {} events\n{source}",
        ours.len(),
        others.len()
    );
}

#[test]
fn files_have_the_events_that_another_parser_sees() {
    for folder in ["lossless", "golden/inputs", "golden/ok"] {
        let folder = format!("{}/../testdata/{folder}", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).expect("readable") {
            let path = file.expect("readable").path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            // Other parsers do not look for the end of long keys.
            let is_known = !name.starts_with("long");
            if is_known && path.extension().is_some_and(|ending| ending == "yaml") {
                let mut source = std::fs::read_to_string(&path).expect("readable");
                // The other one adds it to block scalars.
                if !source.ends_with(['\n', '\r']) {
                    source.push('\n');
                }
                check(&path.display().to_string(), &source);
            }
        }
    }
}

#[test]
fn texts_with_comments_everywhere_have_the_events_that_another_parser_sees() {
    let file = format!(
        "{}/../testdata/golden/comment-paths.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(file).expect("readable");
    let cases: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for case in cases.as_array().expect("a list") {
        check("a text", case["input"].as_str().expect("a text"));
    }
}
