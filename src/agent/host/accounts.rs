//! Users and groups from /etc/passwd and /etc/group.
//!
//! The C library's look-ups load plug-ins, which a static program cannot; for
//! names that the files do not have, [`super::Look`] asks `getent`.

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
