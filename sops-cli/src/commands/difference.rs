//! How the keys of a file change, and how that is shown.

use sops_core::metadata::{MasterKey, brief};

use crate::json::Object;

/// What changes about who can decrypt a file.
pub(crate) struct Difference {
    groups: Vec<GroupDifference>,
    /// How many groups are needed, before and after; 0 if nobody says so.
    thresholds: (usize, usize),
}

/// What changes in one key group.
struct GroupDifference {
    common: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
}

impl Difference {
    /// Compares key groups and thresholds: what they are, and what they will be.
    pub(crate) fn between(
        before: (&[Vec<MasterKey>], usize),
        after: (&[Vec<MasterKey>], usize),
    ) -> Self {
        let count = before.0.len().max(after.0.len());
        Self {
            groups: (0..count)
                .map(|at| GroupDifference::between(&names(before.0, at), names(after.0, at)))
                .collect(),
            thresholds: (before.1, after.1),
        }
    }

    /// Whether nothing changes.
    pub(crate) fn is_none(&self) -> bool {
        let is_same = |group: &GroupDifference| group.added.is_empty() && group.removed.is_empty();
        self.groups.iter().all(is_same) && self.thresholds.0 == self.thresholds.1
    }

    /// The changes as the reference prints them.
    pub(crate) fn show(&self, in_colours: bool) -> String {
        let paint = Paint(in_colours);
        let mut text = String::new();
        let (before, after) = self.thresholds;
        if before > 0 && before == after {
            text += &format!("shamir_threshold: {after}\n");
        } else {
            if after > 0 {
                text += &paint.added(&format!("shamir_threshold: {after}"));
            }
            if before > 0 {
                text += &paint.removed(&format!("shamir_threshold: {before}"));
            }
        }
        for (at, group) in self.groups.iter().enumerate() {
            text += &paint.heading(&format!("Group {}", at + 1));
            for key in &group.common {
                text += &format!("    {}\n", brief(key));
            }
            for key in &group.added {
                text += &paint.added(&brief(key));
            }
            for key in &group.removed {
                text += &paint.removed(&brief(key));
            }
        }
        text
    }

    /// Adds the changes to a report.
    pub(crate) fn report(&self, report: Object) -> Object {
        let threshold = |number: usize| (number > 0).then_some(number);
        let thresholds = Object::new()
            .number_or_null("before", threshold(self.thresholds.0))
            .number_or_null("after", threshold(self.thresholds.1));
        let groups = self.groups.iter().map(|group| {
            Object::new()
                .texts("kept", &group.common)
                .texts("added", &group.added)
                .texts("removed", &group.removed)
                .finish()
        });
        report
            .object("shamir_threshold", thresholds)
            .list("groups", groups)
    }

    /// The keys that are in no group any more, each once.
    pub(crate) fn gone(&self) -> Vec<&str> {
        let stays = |key: &String| {
            let has =
                |group: &GroupDifference| group.common.contains(key) || group.added.contains(key);
            self.groups.iter().any(has)
        };
        let mut gone: Vec<&str> = Vec::new();
        for key in self.groups.iter().flat_map(|group| &group.removed) {
            if !stays(key) && !gone.contains(&key.as_str()) {
                gone.push(key);
            }
        }
        gone
    }
}

impl GroupDifference {
    fn between(before: &[String], after: Vec<String>) -> Self {
        let is_removed = |key: &&String| !after.contains(key);
        let removed = before.iter().filter(is_removed).cloned().collect();
        let (common, added) = after.into_iter().partition(|key| before.contains(key));
        Self {
            common,
            added,
            removed,
        }
    }
}

/// The keys of a group; none, if there is no such group.
fn names(groups: &[Vec<MasterKey>], at: usize) -> Vec<String> {
    let group = groups.get(at).map(Vec::as_slice).unwrap_or_default();
    group.iter().map(MasterKey::to_string).collect()
}

/// Whether lines are in colours.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn heading(self, text: &str) -> String {
        self.line("4", text)
    }

    fn added(self, text: &str) -> String {
        self.line("32", &format!("+++ {text}"))
    }

    fn removed(self, text: &str) -> String {
        self.line("31", &format!("--- {text}"))
    }

    fn line(self, style: &str, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{style}m{text}\x1b[0m\n"),
            false => format!("{text}\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(
        before: &[&[&str]],
        after: &[&[&str]],
        old_threshold: usize,
        threshold: usize,
    ) -> Difference {
        let key = |recipient: &&str| MasterKey::Age {
            recipient: (*recipient).to_owned(),
        };
        let groups = |groups: &[&[&str]]| -> Vec<Vec<MasterKey>> {
            groups
                .iter()
                .map(|group| group.iter().map(key).collect())
                .collect()
        };
        Difference::between(
            (&groups(before), old_threshold),
            (&groups(after), threshold),
        )
    }

    #[test]
    fn shows_what_comes_and_goes() {
        for (difference, expected) in [
            (
                difference(&[&["a", "b"]], &[&["c", "a"]], 0, 0),
                "Group 1\n    a\n+++ c\n--- b\n",
            ),
            (
                difference(&[&["a"], &["b"]], &[&["a"]], 2, 1),
                "+++ shamir_threshold: 1\n--- shamir_threshold: 2\nGroup 1\n    a\nGroup 2\n--- b\n",
            ),
            (
                difference(&[&["a"]], &[&["a"], &["b"]], 0, 0),
                "Group 1\n    a\nGroup 2\n+++ b\n",
            ),
            (
                difference(&[&["a"], &["b"]], &[&["b"], &["a"]], 2, 2),
                "shamir_threshold: 2\nGroup 1\n+++ b\n--- a\nGroup 2\n+++ a\n--- b\n",
            ),
        ] {
            assert_eq!(difference.show(false), expected);
            assert!(!difference.is_none(), "{expected}");
        }
    }

    #[test]
    fn colours_are_those_of_the_reference() {
        let shown = difference(&[&["a"]], &[&["b"]], 0, 0).show(true);
        assert_eq!(
            shown,
            "\x1b[4mGroup 1\x1b[0m\n\x1b[32m+++ b\x1b[0m\n\x1b[31m--- a\x1b[0m\n"
        );
    }

    #[test]
    fn another_order_is_no_difference() {
        let groups = [&["a", "b"][..]];
        let swapped = [&["b", "a"][..]];
        assert!(difference(&groups, &swapped, 0, 0).is_none());
        assert!(!difference(&groups, &swapped, 0, 1).is_none());
    }

    #[test]
    fn who_moves_to_another_group_is_not_gone() {
        let moved = difference(&[&["a", "b"], &["c", "b"]], &[&["c"], &["a"]], 0, 0);
        assert_eq!(moved.gone(), ["b"]);
    }
}
