//! Points in time with an offset from UTC, as Go's `time.Time` holds them for YAML and RFC 3339.

/// A point in time and the offset it was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(crate) seconds: i64,
    /// Nanoseconds within the second.
    pub(crate) nanoseconds: u32,
    /// Minutes east of UTC.
    pub(crate) offset_minutes: i16,
}
