//! Which parts of a sequence are those of an earlier one: what a comparison of two versions of a text shows as unchanged.

use std::{collections::HashMap, hash::Hash};

/// How many parts may differ for a comparison of everything. It takes time and room of the square of it.
const MOST_DIFFERENCES: usize = 1000;

/// Returns for each part of `new` the index of the part of `old` that it is. Parts that are equal but not matched in order (they
/// moved, or too much else changed) are matched if there is one of them on each side.
pub(super) fn align<T: Eq + Hash>(old: &[T], new: &[T]) -> Vec<Option<usize>> {
    let pairs = old.iter().zip(new);
    let prefix = pairs.take_while(|(one, other)| one == other).count();
    let (old_rest, new_rest) = (&old[prefix..], &new[prefix..]);
    let pairs = old_rest.iter().rev().zip(new_rest.iter().rev());
    let suffix = pairs.take_while(|(one, other)| one == other).count();

    let mut aligned = vec![None; new.len()];
    for (at, matched) in aligned.iter_mut().enumerate().take(prefix) {
        *matched = Some(at);
    }
    for from_end in 1..=suffix {
        aligned[new.len() - from_end] = Some(old.len() - from_end);
    }
    let old_middle = &old_rest[..old_rest.len() - suffix];
    let new_middle = &new_rest[..new_rest.len() - suffix];
    for (at, from) in in_order(old_middle, new_middle) {
        aligned[prefix + at] = Some(prefix + from);
    }
    match_moved(old, new, &mut aligned);
    aligned
}

/// Returns pairs of indices (in `new`, in `old`) of a longest common subsequence, by the greedy algorithm of Myers; none if more
/// than [`MOST_DIFFERENCES`] parts differ.
fn in_order<T: Eq>(old: &[T], new: &[T]) -> Vec<(usize, usize)> {
    let most = (old.len() + new.len()).min(MOST_DIFFERENCES);
    let middle = most + 1;
    let mut furthest = vec![0_usize; 2 * most + 3];
    let mut history = Vec::new();
    for differences in 0..=most {
        history.push(furthest[middle - differences..=middle + differences].to_vec());
        for diagonal in (middle - differences..=middle + differences).step_by(2) {
            let reached = |diagonal: usize| furthest[diagonal];
            let mut x = match is_insertion(reached, middle, diagonal, differences) {
                true => furthest[diagonal + 1],
                false => furthest[diagonal - 1] + 1,
            };
            // Beyond an edge there is nothing to follow.
            let Some(mut y) = (x + middle).checked_sub(diagonal) else {
                continue;
            };
            while x < old.len() && y < new.len() && old[x] == new[y] {
                x += 1;
                y += 1;
            }
            furthest[diagonal] = x;
            if x >= old.len() && y >= new.len() {
                return followed(&history, middle, diagonal, (x, y));
            }
        }
    }
    Vec::new()
}

/// Whether the path that reaches furthest on a diagonal comes from the one above it, by a part of `new` alone. `furthest` tells
/// how far the paths with one difference less reach.
fn is_insertion(
    furthest: impl Fn(usize) -> usize,
    middle: usize,
    diagonal: usize,
    differences: usize,
) -> bool {
    diagonal == middle - differences
        || (diagonal != middle + differences && furthest(diagonal - 1) < furthest(diagonal + 1))
}

/// Follows the path that ended on a diagonal back to its start.
fn followed(
    history: &[Vec<usize>],
    middle: usize,
    mut diagonal: usize,
    end: (usize, usize),
) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let (mut x, mut y) = end;
    for (differences, slice) in history.iter().enumerate().rev() {
        let at = |diagonal: usize| -> usize {
            let index = (diagonal + differences).checked_sub(middle);
            index
                .and_then(|index| slice.get(index))
                .copied()
                .unwrap_or(0)
        };
        let (start_x, from) = match differences {
            0 => (0, diagonal),
            _ => match is_insertion(at, middle, diagonal, differences) {
                true => (at(diagonal + 1), diagonal + 1),
                false => (at(diagonal - 1) + 1, diagonal - 1),
            },
        };
        while x > start_x && y > 0 {
            x -= 1;
            y -= 1;
            pairs.push((y, x));
        }
        if differences > 0 {
            // The difference itself.
            match from > diagonal {
                true => y = y.saturating_sub(1),
                false => x = x.saturating_sub(1),
            }
        }
        diagonal = from;
    }
    pairs
}

fn match_moved<T: Eq + Hash>(old: &[T], new: &[T], aligned: &mut [Option<usize>]) {
    let mut is_matched = vec![false; old.len()];
    for &at in aligned.iter().flatten() {
        is_matched[at] = true;
    }
    let mut missing: HashMap<&T, (Option<usize>, Option<usize>)> = HashMap::new();
    for (at, part) in new
        .iter()
        .enumerate()
        .filter(|(at, _)| aligned[*at].is_none())
    {
        let entry = missing.entry(part).or_insert((Some(at), None));
        // More than one: which of them it was cannot be said.
        if entry.0 != Some(at) {
            entry.0 = None;
        }
    }
    if missing.is_empty() {
        return;
    }
    let mut counts: HashMap<&T, usize> = HashMap::new();
    for (at, part) in old.iter().enumerate().filter(|(at, _)| !is_matched[*at]) {
        if let Some(entry) = missing.get_mut(part) {
            entry.1 = Some(at);
            *counts.entry(part).or_default() += 1;
        }
    }
    for (part, (to, from)) in missing {
        if let (Some(to), Some(from), Some(1)) = (to, from, counts.get(part)) {
            aligned[to] = Some(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The old sequence, the new one, and what is matched, by place: a digit or `-` for nothing.
    fn aligned(old: &str, new: &str) -> String {
        align(old.as_bytes(), new.as_bytes())
            .into_iter()
            .map(|at| at.map_or('-', |at| char::from_digit(at as u32, 36).unwrap()))
            .collect()
    }

    #[test]
    fn unchanged_parts_are_matched_in_order() {
        for (old, new, expected) in [
            ("", "", ""),
            ("", "ab", "--"),
            ("ab", "", ""),
            ("abc", "abc", "012"),
            ("aaa", "aaa", "012"),
            // Names in letters, one password in x: one changed, one removed, one added, and at both ends.
            ("axbxcx", "aybxcx", "0-2345"),
            ("axbxcx", "bxcx", "2345"),
            ("axbxcx", "axcx", "0145"),
            ("axbxcx", "axbx", "0123"),
            ("axbxcx", "axdxbxcx", "01--2345"),
            ("axbxcx", "dxaxbxcx", "--012345"),
            ("axbxcx", "axbxcxdx", "012345--"),
            // Moved: what is there once is found, the rest is not guessed at.
            ("axby", "byax", "23-1"),
            ("abcx", "xabc", "3012"),
            ("xyz", "zyx", "2-0"),
        ] {
            let found = aligned(old, new);
            if new == "byax" || new == "zyx" {
                // Several answers are right.
                assert!(found.matches('-').count() <= 1, "{old} {new} {found}");
                continue;
            }
            assert_eq!(found, expected, "{old} {new}");
        }
    }

    #[test]
    fn too_many_differences_leave_the_parts_that_are_there_once() {
        let old: Vec<u32> = (0..3000).map(|at| at % 1500).collect();
        let new: Vec<u32> = (0..3000).map(|at| 5000 + at).chain([7, 1499]).collect();
        let aligned = align(&old, &new);
        assert_eq!(aligned[3001], Some(2999), "the common end");
        assert!(aligned[..3001].iter().all(Option::is_none));
    }

    proptest! {
        #[test]
        fn matched_parts_are_equal_and_matched_once(old in "[abc]{0,12}", new in "[abc]{0,12}") {
            let aligned = align(old.as_bytes(), new.as_bytes());
            let mut seen = vec![false; old.len()];
            for (at, from) in aligned.iter().enumerate() {
                let Some(from) = *from else { continue };
                prop_assert_eq!(old.as_bytes()[from], new.as_bytes()[at]);
                prop_assert!(!seen[from]);
                seen[from] = true;
            }
        }

        /// As many as a table of all pairs finds.
        #[test]
        fn as_many_are_matched_in_order_as_can_be(old in "[abc]{0,12}", new in "[abc]{0,12}") {
            let (old, new) = (old.as_bytes(), new.as_bytes());
            let mut table = vec![vec![0; new.len() + 1]; old.len() + 1];
            for x in 0..old.len() {
                for y in 0..new.len() {
                    table[x + 1][y + 1] = match old[x] == new[y] {
                        true => table[x][y] + 1,
                        false => table[x][y + 1].max(table[x + 1][y]),
                    };
                }
            }
            let pairs = in_order(old, new);
            prop_assert!(pairs.iter().all(|&(y, x)| old[x] == new[y]), "{:?}", pairs);
            prop_assert!(pairs.windows(2).all(|two| two[0].0 > two[1].0 && two[0].1 > two[1].1));
            prop_assert_eq!(pairs.len(), table[old.len()][new.len()]);
        }
    }
}
