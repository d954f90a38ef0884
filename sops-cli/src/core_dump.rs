//! What the system writes down when a program crashes: the memory, with all secrets in it. Not of this one.

/// Keeps the memory of this program from being written to a core file, and from being read by other programs of the user.
/// Programs that are started have what they had: it ends for them when they begin.
#[cfg(target_os = "linux")]
pub(crate) fn prevent() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};

    // It does not fail with this value; and if it did, work would still have to be done.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Keeps the memory of this program from being written to a core file. Programs that are started get the limit, too, but may
/// raise it.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn prevent() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = Rlimit {
        current: Some(0),
        maximum: getrlimit(Resource::Core).maximum,
    };
    let _ = setrlimit(Resource::Core, limit);
}

#[cfg(not(unix))]
pub(crate) fn prevent() {}
