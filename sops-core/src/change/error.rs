//! Why a value cannot be changed.

use crate::format::Format;

/// Why a value cannot be set or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The path is empty.
    #[error("the path names the whole document, not a value in it")]
    Root,
    /// The document is no mapping.
    #[error("the document is no mapping")]
    NoMapping,
    /// A number stands in the path where a mapping is.
    #[error("the path has an index where a mapping is")]
    IndexIntoMapping,
    /// A key stands in the path where a list is.
    #[error("the path has a key where a list is")]
    KeyIntoList,
    /// The value is not JSON.
    #[error("the value is not JSON")]
    NotJson,
    /// Aliases are in the way.
    #[error("the value is shared with other places by an alias")]
    Aliases,
    /// There is no way to write it there and leave everything else as it is.
    #[error("it cannot be written there without changing something else")]
    Unwritable,
    /// The format has no place for a map, a list or a value there.
    #[error("{}", match .0 {
        Format::Ini => "an INI file is sections of texts: [\"section\"][\"key\"]",
        _ => "a dotenv file holds no maps and lists",
    })]
    Nested(Format),
    /// Null, in a format that has texts only.
    #[error("files of the format {} hold no null", .0.name())]
    Null(Format),
    /// The format cannot hold such a key.
    #[error("files of the format {} cannot hold such a key", .0.name())]
    Key(Format),
    /// Values are not added to files of this format.
    #[error("values cannot be added to or removed from files of the format {}", .0.name())]
    Format(Format),
}

impl ChangeError {
    /// Returns what to do about it, if there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Root | Self::NoMapping | Self::Nested(_) | Self::Key(_) => None,
            Self::IndexIntoMapping => Some("write keys in quotes: [\"key\"]"),
            Self::KeyIntoList => Some("write the number of the item, counted from 0: [0]"),
            Self::NotJson => Some("quote a text, '\"text\"', or give it with --string"),
            Self::Null(_) => Some("`sops unset FILE PATH` removes the value"),
            Self::Aliases | Self::Unwritable | Self::Format(_) => {
                Some("`sops edit FILE` changes the text in an editor")
            }
        }
    }
}
