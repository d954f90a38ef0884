//! The pages of `docs/`, as `sops help TOPIC` shows them.

/// A page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

macro_rules! topics {
    ($($name:literal),+ $(,)?) => {
        &[$(Topic { name: $name, text: include_str!(concat!("../../docs/", $name, ".md")) }),+]
    };
}

const TOPICS: &[Topic] = topics![
    "topics",
    "getting-started",
    "commands",
    "configuration",
    "keys",
    "format",
    "environment",
    "exit-codes",
    "compatibility",
    "migration",
    "pre-commit",
    "git",
    "ci",
    "editors",
    "audit",
    "library",
    "performance",
];

impl Topic {
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        TOPICS.iter().find(|topic| topic.name == name)
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        TOPICS.iter().map(|topic| topic.name)
    }
}
