//! What a file has besides its content: owner, group, mode, and extended attributes.

#[cfg(unix)]
use std::fs;
use std::{fs::File, io};

/// Gives `file` the owner, group, mode and attributes of the file it will replace.
#[cfg(unix)]
pub(super) fn keep(file: &File, like: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    let own = file.metadata()?;
    let of_like = like.metadata()?;
    let mut mode = of_like.mode() & 0o777;
    // Only root can give files away. Who may write to another's file becomes its owner by replacing it, as with git.
    if own.uid() != of_like.uid() {
        let _ = fchown(file, Some(of_like.uid()), None);
    }
    if own.gid() != of_like.gid() && fchown(file, None, Some(of_like.gid())).is_err() {
        // What one group may read is not for another.
        mode &= 0o707;
    }
    #[cfg(target_os = "linux")]
    if !keep_attributes(file, like) {
        // With an access control list, the mode of the group is that of whoever the list names.
        mode &= 0o707;
    }
    // Asked again: a list of access control changes the mode, too.
    if file.metadata()?.mode() & 0o777 == mode {
        return Ok(());
    }
    match file.set_permissions(fs::Permissions::from_mode(mode)) {
        // Some file systems of other systems have one mode for all files.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

/// Gives `file` the extended attributes of another, as far as that is allowed. False if it lacks the access control list.
#[cfg(target_os = "linux")]
fn keep_attributes(file: &File, like: &File) -> bool {
    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};

    const ACCESS_CONTROL: &[u8] = b"system.posix_acl_access";
    /// The most that the system has for the names, and for a value.
    const MOST: usize = 64 << 10;
    let mut names = vec![0; MOST];
    let Ok(length) = flistxattr(like, names.as_mut_slice()) else {
        return true;
    };
    let names = names[..length].split(|&byte| byte == 0);
    let mut is_complete = true;
    // The one that the folder gives to new files.
    let _ = fremovexattr(file, ACCESS_CONTROL);
    for name in names.filter(|name| !name.is_empty()) {
        let mut value = vec![0; MOST];
        let kept = fgetxattr(like, name, value.as_mut_slice())
            .and_then(|length| fsetxattr(file, name, &value[..length], XattrFlags::empty()));
        is_complete &= kept.is_ok() || name != ACCESS_CONTROL;
    }
    is_complete
}

#[cfg(not(unix))]
pub(super) fn keep(file: &File, like: &File) -> io::Result<()> {
    file.set_permissions(like.metadata()?.permissions())
}
