//! How an account differs from what is wanted, as arguments of the tools.

use super::{Account, Args};
use crate::host::{Command, Failure, Look};

/// Arguments that useradd and usermod share, and how they change the account.
pub(super) struct Changes {
    pub(super) argv: Vec<String>,
    pub(super) before: String,
    pub(super) after: String,
}

impl Changes {
    pub(super) fn add(&mut self, option: &str, value: &str) {
        self.argv.push(option.to_owned());
        self.argv.push(value.to_owned());
    }

    pub(super) fn show(&mut self, name: &str, before: &str, after: &str) {
        self.before.push_str(&format!("{name}: {before}\n"));
        self.after.push_str(&format!("{name}: {after}\n"));
    }
}

/// Number of a group given by name or number; in check mode it may be missing.
fn group_id(look: &Look, name: &str) -> Result<Option<u32>, Failure> {
    let found = match name.parse() {
        Ok(gid) => look.group_of(gid).or_else(|| look.group(name)),
        Err(_) => look.group(name),
    };
    match found {
        Some(group) => Ok(Some(group.gid)),
        None if look.is_check() => Ok(None),
        None => Err(Failure::new(format!(
            "the group '{name}' does not exist; create it first with the group module"
        ))),
    }
}

pub(super) fn primary_group(
    args: &Args,
    look: &Look,
    account: Option<&Account>,
    changes: &mut Changes,
) -> Result<(), Failure> {
    if let Some(group) = &args.group {
        let gid = group_id(look, group)?;
        if account.is_none_or(|account| Some(account.gid) != gid) {
            changes.add("-g", group);
            let before = account.map_or(String::new(), |account| account.gid.to_string());
            changes.show("group", &before, group);
        }
    } else if account.is_none() && look.group(&args.name).is_some() {
        // useradd refuses to make the group that is there already.
        changes.add("-g", &args.name);
    }
    Ok(())
}

pub(super) fn further_groups(
    args: &Args,
    look: &Look,
    account: Option<&Account>,
    changes: &mut Changes,
) -> Result<(), Failure> {
    let Some(groups) = &args.groups else {
        return Ok(());
    };
    let mut wanted = Vec::new();
    for group in groups.iter().filter(|group| !group.is_empty()) {
        group_id(look, group)?;
        let name = group
            .parse()
            .ok()
            .and_then(|gid| look.group_of(gid))
            .map_or_else(|| group.clone(), |group| group.name);
        wanted.push(name);
    }
    wanted.sort();
    wanted.dedup();
    let primary = account.map(|account| account.gid);
    let mut current: Vec<String> = look
        .groups()
        .iter()
        .filter(|group| group.members.contains(&args.name))
        .map(|group| group.name.clone())
        .collect();
    current.sort();
    let primary_name = primary
        .and_then(|gid| look.group_of(gid))
        .map(|group| group.name);
    let lacking: Vec<String> = wanted
        .iter()
        .filter(|name| !current.contains(name) && primary_name.as_ref() != Some(*name))
        .cloned()
        .collect();
    let surplus = !args.append && current.iter().any(|name| !wanted.contains(name));
    if lacking.is_empty() && !surplus {
        return Ok(());
    }
    changes.show("groups", &current.join(","), &{
        let mut after = wanted.clone();
        if args.append {
            after.extend(current.iter().cloned());
            after.sort();
            after.dedup();
        }
        after.join(",")
    });
    if args.append && account.is_some() {
        changes.argv.push("-a".to_owned());
        changes.add("-G", &lacking.join(","));
    } else {
        changes.add("-G", &wanted.join(","));
    }
    Ok(())
}

pub(super) fn ageing(args: &Args, shadow: &[String], changes: &mut Changes) -> Option<Command> {
    let mut argv = vec!["chage".to_owned()];
    for (option, name, index, wanted) in [
        ("-m", "password_expire_min", 3, args.password_expire_min),
        ("-M", "password_expire_max", 4, args.password_expire_max),
        ("-W", "password_expire_warn", 5, args.password_expire_warn),
        (
            "-I",
            "password_expire_account_disable",
            6,
            args.password_expire_account_disable,
        ),
    ] {
        let Some(wanted) = wanted else { continue };
        let is = shadow.get(index).map(String::as_str).unwrap_or_default();
        if is != wanted.to_string() {
            argv.push(option.to_owned());
            argv.push(wanted.to_string());
            changes.show(name, is, &wanted.to_string());
        }
    }
    if argv.len() == 1 {
        return None;
    }
    argv.push(args.name.clone());
    Some(Command::new(argv))
}
