//! The counts of `{n}`, `{n,}` and `{n,m}`.

/// The counts of a repetition; an inner `None` is a number too large to matter.
pub(super) struct Count {
    pub(super) min: Option<u32>,
    pub(super) max: Option<Option<u32>>,
}

impl Count {
    /// Reads `{n}`, `{n,}` or `{n,m}` and returns it with its length.
    pub(super) fn read(text: &str) -> Option<(Self, usize)> {
        let (inside, _) = text.strip_prefix('{')?.split_once('}')?;
        let number = |digits: &str| {
            let canonical = !digits.is_empty()
                && digits.bytes().all(|digit| digit.is_ascii_digit())
                && (digits == "0" || !digits.starts_with('0'));
            canonical.then(|| digits.parse().ok())
        };
        let count = match inside.split_once(',') {
            None => {
                let count = number(inside)?;
                Self {
                    min: count,
                    max: Some(count),
                }
            }
            Some((min, "")) => Self {
                min: number(min)?,
                max: None,
            },
            Some((min, max)) => Self {
                min: number(min)?,
                max: Some(number(max)?),
            },
        };
        Some((count, inside.len() + 2))
    }
}
