//! The paths of many leaves, for threads that share them.

use std::ops::Range;

/// How many bytes of paths are gathered. Below a key of a megabyte, a file of a megabyte could have gigabytes of them.
const LONGEST: usize = 256 << 20;

/// Paths, one after the other; equal neighbours share one.
#[derive(Default)]
pub(super) struct Paths(Vec<u8>);

impl Paths {
    /// Appends the path of a leaf, unless the leaf before it, whose path is `last`, has the same. Returns where it is; `None` if
    /// there are too many.
    pub(super) fn push(&mut self, path: &[u8], last: Option<Range<u32>>) -> Option<Range<u32>> {
        if let Some(last) = last
            && *self.get(&last) == *path
        {
            return Some(last);
        }
        let (start, end) = (self.0.len(), self.0.len() + path.len());
        if end > LONGEST {
            return None;
        }
        self.0.extend_from_slice(path);
        Some(u32::try_from(start).ok()?..u32::try_from(end).ok()?)
    }

    /// Returns the path that [`Paths::push`] put there.
    pub(super) fn get(&self, place: &Range<u32>) -> &[u8] {
        &self.0[place.start as usize..place.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_and_there_is_an_end() {
        let mut paths = Paths::default();
        let first = paths.push(b"a:", None).unwrap();
        let same = paths.push(b"a:", Some(first.clone())).unwrap();
        let other = paths.push(b"b:", Some(same.clone())).unwrap();
        assert_eq!((&first, paths.get(&other)), (&same, &b"b:"[..]));
        let half = vec![b'x'; LONGEST / 2];
        let long = paths.push(&half, None).unwrap();
        assert!(paths.push(&half, None).is_none());
        assert_eq!(paths.push(&half, Some(long.clone())), Some(long));
        assert!(paths.push(b"c:", None).is_some());
    }
}
