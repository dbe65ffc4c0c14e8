//! Users and groups from /etc/passwd and /etc/group.
//!
//! The C library's look-ups load plug-ins, which a static program cannot; for
//! names that the files do not have, [`super::Look`] asks `getent`.

use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

/// A line of /etc/passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) comment: String,
    pub(crate) home: String,
    pub(crate) shell: String,
}

/// A line of /etc/group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) gid: u32,
    pub(crate) members: Vec<String>,
}

/// A file of accounts, read again when it is another one.
pub(crate) struct Table<T> {
    path: &'static str,
    parse: fn(&str) -> Vec<T>,
    known: Mutex<Option<(Stamp, Arc<[T]>)>>,
}

/// By what a file is known: device, inode, size, seconds and nanoseconds of
/// its last change.
type Stamp = (u64, u64, u64, i64, i64);

pub(crate) static USERS: Table<User> = Table::new("/etc/passwd", parse_users);
pub(crate) static GROUPS: Table<Group> = Table::new("/etc/group", parse_groups);

impl<T> Table<T> {
    const fn new(path: &'static str, parse: fn(&str) -> Vec<T>) -> Self {
        Self {
            path,
            parse,
            known: Mutex::new(None),
        }
    }

    /// All lines that can be understood.
    pub(crate) fn all(&self) -> Arc<[T]> {
        let stamp = std::fs::metadata(self.path).map_or((0, 0, 0, 0, 0), |about| {
            let changed = (about.ctime(), about.ctime_nsec());
            (about.dev(), about.ino(), about.size(), changed.0, changed.1)
        });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, lines)) = &*known
            && *of == stamp
        {
            return Arc::clone(lines);
        }
        let data = std::fs::read(self.path).unwrap_or_default();
        let lines: Arc<[T]> = (self.parse)(&String::from_utf8_lossy(&data)).into();
        *known = Some((stamp, Arc::clone(&lines)));
        lines
    }
}

pub(crate) fn parse_users(text: &str) -> Vec<User> {
    text.lines().filter_map(parse_user).collect()
}

pub(crate) fn parse_groups(text: &str) -> Vec<Group> {
    text.lines().filter_map(parse_group).collect()
}

pub(crate) fn parse_user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let _password = fields.next()?;
    Some(User {
        name,
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
        comment: fields.next().unwrap_or_default().to_owned(),
        home: fields.next().unwrap_or_default().to_owned(),
        shell: fields.next().unwrap_or_default().to_owned(),
    })
}

pub(crate) fn parse_group(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let _password = fields.next()?;
    Some(Group {
        name,
        gid: fields.next()?.parse().ok()?,
        members: fields
            .next()
            .unwrap_or_default()
            .split(',')
            .filter(|member| !member.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let users = parse_users("root:x:0:0:root:/root:/bin/sh\nbad\n+nis::::::\na:x:5:6:::\n");
        assert_eq!(users.len(), 2);
        assert_eq!(users[0].home, "/root");
        let groups = parse_groups("adm:x:4:syslog,ubuntu\nempty:x:5:\n");
        assert_eq!(groups[0].members, ["syslog", "ubuntu"]);
        assert!(groups[1].members.is_empty());
    }
}
