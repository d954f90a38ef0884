//! The lines of the metadata: `sops_mac=…`.

use super::{METADATA_PREFIX, escaped};
use crate::{
    format::edit::Edit,
    metadata::{Raw, flat},
    tree::{NodeId, NodeKind, Span, Tree, ValueRef},
};

/// Returns the edit that adds the metadata at the end of the text.
///
/// A text whose last line is not ended leaves the last line of the metadata not ended: that tells it apart when they
/// are removed.
pub(super) fn insert(source: &str, metadata: &Raw) -> Vec<Edit> {
    let mut text = text(metadata);
    if !source.is_empty() && !source.ends_with('\n') {
        text.insert(0, '\n');
        text.truncate(text.len() - 1);
    }
    vec![Edit::new(Span::new(source.len(), source.len()), text)]
}

/// Returns the edits that put other metadata in the place of the first lines of those that are there.
pub(super) fn replace(source: &str, metadata: &Raw) -> Vec<Edit> {
    let mut text = Some(text(metadata));
    let mut edits: Vec<Edit> = runs(source)
        .into_iter()
        .map(|run| Edit::new(run, text.take().unwrap_or_default()))
        .collect();
    // The last line stays without its end.
    if !source.ends_with('\n')
        && let [edit] = &mut edits[..]
        && edit.span.end as usize == source.len()
    {
        edit.text = edit.text[..edit.text.len() - 1].into();
    }
    edits
}

/// Returns the edits that cut the metadata out.
pub(super) fn remove(source: &str) -> Vec<Edit> {
    let cut = |mut run: Span| {
        // The line before was not ended, before the metadata came.
        if run.end as usize == source.len() && !source.ends_with('\n') && run.start > 0 {
            run.start -= 1;
        }
        Edit::new(run, "")
    };
    runs(source).into_iter().map(cut).collect()
}

/// Reads the metadata from the map of their lines.
pub(super) fn read(source: &str, tree: &Tree, block: NodeId) -> Raw {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs: Vec<(String, String)> = tree
        .entries(block)
        .filter_map(|(key, value)| {
            let NodeKind::Key { text: key, .. } = &tree[key].kind else {
                return None;
            };
            let NodeKind::Scalar(scalar) = &tree[value].kind else {
                return None;
            };
            match scalar.value.view(source) {
                ValueRef::Str(value) => Some((text(key.bytes(source)), text(value))),
                _ => None,
            }
        })
        .collect();
    flat::unflatten(pairs)
}

/// The runs of lines that are metadata, each with the line feed at its end.
fn runs(source: &str) -> Vec<Span> {
    let mut runs: Vec<Span> = Vec::new();
    let bytes = source.as_bytes();
    for start in memchr::memmem::find_iter(bytes, METADATA_PREFIX) {
        if start > 0 && bytes[start - 1] != b'\n' {
            continue;
        }
        let end = memchr::memchr(b'\n', &bytes[start..]);
        let line = Span::new(start, end.map_or(source.len(), |end| start + end + 1));
        match runs.last_mut() {
            Some(run) if run.end == line.start => run.end = line.end,
            _ => runs.push(line),
        }
    }
    runs
}

fn text(metadata: &Raw) -> String {
    flat::flatten(metadata)
        .into_iter()
        .map(|(key, value)| format!("{METADATA_PREFIX}{key}={}\n", escaped(&value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::edit::splice;

    fn metadata(mac: &str) -> Raw {
        Raw::Map(vec![
            ("mac".to_owned(), Raw::Text(mac.to_owned())),
            ("version".to_owned(), Raw::Text("3.13.2".to_owned())),
        ])
    }

    #[test]
    fn what_is_inserted_is_removed_to_the_byte() {
        for source in [
            "", "\n", "A=1", "A=1\n", "A=1\n\n", "A=1\r\n", "A=1\r", "#", "#\n", "\n\nA=",
        ] {
            let inserted = splice(source, &mut insert(source, &metadata("m")));
            assert_eq!(
                splice(&inserted, &mut remove(&inserted)),
                source,
                "{source:?}"
            );
            let replaced = splice(&inserted, &mut replace(&inserted, &metadata("a\nb")));
            assert!(replaced.contains("sops_mac=a\\nb\n"));
            assert_eq!(
                splice(&replaced, &mut remove(&replaced)),
                source,
                "{source:?}"
            );
            let back = splice(&replaced, &mut replace(&replaced, &metadata("m")));
            assert_eq!(back, inserted);
        }
    }

    #[test]
    fn lines_that_others_moved_are_gathered() {
        let source = "sops_mac=x\nA=1\nsops_version=3\nB=2";
        assert_eq!(
            splice(source, &mut replace(source, &metadata("m"))),
            "sops_mac=m\nsops_version=3.13.2\nA=1\nB=2"
        );
        assert_eq!(splice(source, &mut remove(source)), "A=1\nB=2");
    }
}
