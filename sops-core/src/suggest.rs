//! "Did you mean …?"

/// Returns the candidate that `word` is most likely a slip of, if any is close enough.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    // A third of the letters may differ, but never all of a short word.
    let limit = (word.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate.to_lowercase().chars().collect();
            (distance(&word, &letters), candidate)
        })
        .filter(|&(distance, candidate)| distance <= limit && distance < candidate.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// The number of letters to insert, remove, replace or swap with a neighbour to make one word of the other.
fn distance(one: &[char], other: &[char]) -> usize {
    // Words this different in length are never close, and what a file calls a key may be long.
    if one.len().abs_diff(other.len()) > 4 {
        return usize::MAX;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, &letter) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &candidate) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != candidate);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped =
                row > 0 && column > 0 && letter == other[column - 1] && one[row - 1] == candidate;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["path_regex", "age", "pgp", "kms", "encrypted_regex"];

    #[test]
    fn slips_are_recognised() {
        for (word, expected) in [
            ("path_regexp", "path_regex"),
            ("pathregex", "path_regex"),
            ("path-regex", "path_regex"),
            ("PATH_REGEX", "path_regex"),
            ("apth_regex", "path_regex"),
            ("Age", "age"),
            ("ages", "age"),
            ("encrypt_regex", "encrypted_regex"),
        ] {
            assert_eq!(closest(word, KEYS), Some(expected), "{word}");
        }
    }

    #[test]
    fn other_words_are_not() {
        for word in [
            "",
            "x",
            "keys",
            "owner",
            "path",
            "unencrypted_comments",
            "typo_regex",
        ] {
            assert_eq!(closest(word, KEYS), None, "{word}");
        }
        assert_eq!(closest(&"a".repeat(100_000), KEYS), None);
    }
}
