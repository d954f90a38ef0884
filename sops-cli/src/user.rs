//! Becoming another user, for `--user`.
//!
//! The standard library has no stable way to set supplementary groups for a child. So the thread that will start it
//! becomes the other user itself, on Linux, where users belong to threads: what it starts from then on inherits that.

use std::{fs, io, path::Path, process::Command};

use crate::error::{Code, Failure};

/// A user of this system.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    name: String,
    home: String,
    id: u32,
    group: u32,
    groups: Vec<u32>,
}

impl User {
    /// Looks a user up: in `/etc/passwd` and `/etc/group`, else by asking the system's directory services.
    pub(crate) fn find(name: &str) -> Result<Self, Failure> {
        let local = fs::read_to_string("/etc/passwd").unwrap_or_default();
        if let Some(mut user) = Self::in_table(name, &local) {
            let table = fs::read_to_string("/etc/group").unwrap_or_default();
            user.groups = groups_in_table(&user, &table);
            return Ok(user);
        }
        let unknown = || {
            Failure::new(Code::Generic, format!("unknown user {name}"))
                .hint("--user takes a name, as in /etc/passwd")
        };
        // A name that starts with a dash would be a flag.
        if name.is_empty() || name.starts_with('-') {
            return Err(unknown());
        }
        let entry = output("getent", &["passwd", name]).unwrap_or_default();
        let mut user = Self::in_table(name, &entry).ok_or_else(unknown)?;
        let groups = output("id", &["-G", name]).unwrap_or_default();
        user.groups = groups
            .split_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect();
        if user.groups.is_empty() {
            user.groups.push(user.group);
        }
        Ok(user)
    }

    fn in_table(name: &str, table: &str) -> Option<Self> {
        table.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next() != Some(name) {
                return None;
            }
            let id = fields.nth(1)?.parse().ok()?;
            let group = fields.next()?.parse().ok()?;
            Some(Self {
                name: name.to_owned(),
                home: fields.nth(1)?.to_owned(),
                id,
                group,
                groups: Vec::new(),
            })
        })
    }

    /// What programs look up about the user they run as.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 3] {
        [
            ("HOME", &self.home),
            ("USER", &self.name),
            ("LOGNAME", &self.name),
        ]
    }

    /// Makes this thread, and all that it makes and starts from now on, the user's.
    #[cfg(target_os = "linux")]
    pub(crate) fn take_over_thread(&self) -> Result<(), Failure> {
        use rustix::{
            process::{Gid, Uid},
            thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
        };

        let groups: Vec<Gid> = self.groups.iter().map(|&id| Gid::from_raw(id)).collect();
        let (group, user) = (Gid::from_raw(self.group), Uid::from_raw(self.id));
        // The user last: after that the others are no longer allowed.
        set_thread_groups(&groups)
            .and_then(|()| set_thread_res_gid(group, group, group))
            .and_then(|()| set_thread_res_uid(user, user, user))
            .map_err(|error| {
                let message = format!("cannot become the user {}: {error}", self.name);
                Failure::new(Code::Generic, message)
                    .hint("only root can run programs as another user")
            })
    }

    /// Elsewhere, users belong to processes: see [`User::apply_to`] and [`User::give`].
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn take_over_thread(&self) -> Result<(), Failure> {
        match cfg!(unix) {
            true => Ok(()),
            false => {
                let message = format!("cannot become the user {}: not on this system", self.name);
                Err(Failure::new(Code::Generic, message))
            }
        }
    }

    /// Tells a program whose it is.
    pub(crate) fn apply_to(&self, command: &mut Command) {
        command.envs(self.variables());
        #[cfg(all(unix, not(target_os = "linux")))]
        {
            use std::os::unix::process::CommandExt;

            // Without supplementary groups.
            command.gid(self.group).uid(self.id);
        }
    }

    /// Gives the user what was made for the program.
    #[cfg(unix)]
    pub(crate) fn give(&self, path: &Path) -> io::Result<()> {
        if cfg!(target_os = "linux") {
            // It was made by the user's thread.
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.id), Some(self.group))
    }

    #[cfg(not(unix))]
    pub(crate) fn give(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// The name of the user who runs this program.
#[cfg(all(unix, feature = "audit"))]
pub(crate) fn own_name() -> Result<String, Failure> {
    let id = rustix::process::getuid().as_raw().to_string();
    let local = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = |table: &str| {
        let mut names = table.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1) == Some(&id)).then(|| name.to_owned())
        });
        names.next()
    };
    entry(&local)
        .or_else(|| entry(&output("getent", &["passwd", &id])?))
        .ok_or_else(|| Failure::new(Code::Generic, format!("the user {id} has no name")))
}

#[cfg(all(not(unix), feature = "audit"))]
pub(crate) fn own_name() -> Result<String, Failure> {
    std::env::var("USERNAME")
        .map_err(|_| Failure::new(Code::Generic, "the user has no name: USERNAME is not set"))
}

/// The groups that list the user, and the user's own.
fn groups_in_table(user: &User, table: &str) -> Vec<u32> {
    let mut groups = vec![user.group];
    for line in table.lines() {
        let mut fields = line.split(':');
        let Some(id) = fields.nth(2).and_then(|id| id.parse().ok()) else {
            continue;
        };
        let mut members = fields.next().unwrap_or_default().split(',');
        if members.any(|member| member.trim() == user.name) && !groups.contains(&id) {
            groups.push(id);
        }
    }
    groups
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbroken:x:one:1::/:/bin/sh\napp:x:1000:100:,,,:/home/app:/bin/sh\nshort:x:1\n";

    #[test]
    fn users_are_found_by_their_whole_name() {
        let user = User::in_table("app", PASSWD).unwrap();
        assert_eq!(
            (user.id, user.group, user.home.as_str()),
            (1000, 100, "/home/app")
        );
        assert_eq!(user.variables()[1], ("USER", "app"));
        for name in ["ap", "appl", "", "broken", "short", "app:x"] {
            assert_eq!(User::in_table(name, PASSWD), None, "{name}");
        }
    }

    #[test]
    fn groups_are_those_that_list_the_user() {
        let user = User::in_table("app", PASSWD).unwrap();
        let table = "users:x:100:app\nwheel:x:10:root,app\nother:x:11:apple\nbad:x:y:app\nlast:x:12:x, app\n";
        assert_eq!(groups_in_table(&user, table), [100, 10, 12]);
    }

    #[test]
    fn unknown_users_are_an_error() {
        for name in ["", "--help", "no such user", "nosuchuser-x"] {
            let failure = User::find(name).unwrap_err();
            assert_eq!(failure.code, Code::Generic, "{name}");
        }
    }
}
