//! `acl`: further permissions of a file.

use std::path::PathBuf;

use super::acts::{Acts, acting, command, need, state};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present", Query = "query" }
}
ocplay_protocol::choices! {
    /// Whom an entry is about.
    pub(super) enum Kind { Group = "group", Mask = "mask", Other = "other", User = "user" }
}
ocplay_protocol::choices! {
    /// When the mask is worked out anew.
    pub(super) enum Recalculate { Default = "default", Mask = "mask", NoMask = "no_mask" }
}

ocplay_protocol::arguments! {
    /// Sets, removes and shows entries of access control lists.
    pub(super) struct Args {
        /// The file or directory.
        path: PathBuf ["name"],
        /// Whether the entry shall be there; query only shows the list.
        state: State = State::Query,
        /// Follow symbolic links.
        follow: bool = true,
        /// The entry is for files that will be made in the directory.
        default: bool = false,
        /// User or group.
        entity: String = String::new(),
        /// Whom the entry is about.
        etype: Option<Kind>,
        /// Permissions, such as rX.
        permissions: Option<String>,
        /// All three of old: kind:name:permissions.
        entry: Option<String>,
        /// Everything below, too.
        recursive: bool ["recurse"] = false,
        /// Lists of NFSv4.
        use_nfsv4_acls: bool = false,
        /// When the mask is worked out anew.
        recalculate_mask: Recalculate = Recalculate::Default,
    }
}

pub(super) struct Acl;

struct Entry {
    default: bool,
    kind: Kind,
    entity: String,
    permissions: Option<String>,
}

fn read_entry(args: &Args, text: &str) -> Result<Entry, Failure> {
    let mut parts: Vec<&str> = text.split(':').collect();
    let default = parts[0].to_ascii_lowercase().starts_with('d');
    if default {
        parts.remove(0);
    }
    if !(2..=3).contains(&parts.len()) {
        return Err(
            "'entry' MUST have 3 sections divided by ':' when 'state=present' (2 when \
                    'state=absent')"
                .into(),
        );
    }
    let kind = match parts[0].to_ascii_lowercase().chars().next() {
        Some('u') => Kind::User,
        Some('g') => Kind::Group,
        Some('m') => Kind::Mask,
        Some('o') => Kind::Other,
        _ => {
            return Err(Failure::new(format!(
                "'{text}' does not say whom it is about"
            )));
        }
    };
    Ok(Entry {
        default: default || args.default,
        kind,
        entity: parts[1].to_owned(),
        permissions: parts.get(2).map(|text| (*text).to_owned()),
    })
}

fn consistent(args: &Args) -> Result<Option<Entry>, Failure> {
    let wrong = |text: &str| Err(Failure::new(text));
    if args.state == State::Query && args.recursive {
        return wrong("'recursive' MUST NOT be set when 'state=query'.");
    }
    if let Some(text) = &args.entry {
        if args.etype.is_some() || !args.entity.is_empty() || args.permissions.is_some() {
            return wrong(
                "'entry' MUST NOT be set when 'entity', 'etype' or 'permissions' are set.",
            );
        }
        let entry = read_entry(args, text)?;
        if args.state == State::Present && entry.permissions.is_none() {
            return wrong("'entry' MUST have 3 sections divided by ':' when 'state=present'.");
        }
        return Ok(Some(entry));
    }
    if args.state == State::Query {
        return Ok(None);
    }
    let Some(kind) = args.etype else {
        return wrong("'etype' MUST be set when 'state' is present or absent (or 'entry').");
    };
    if args.state == State::Present && args.permissions.is_none() {
        return wrong("'permissions' MUST be set when 'state' is 'present'.");
    }
    Ok(Some(Entry {
        default: args.default,
        kind,
        entity: args.entity.clone(),
        permissions: args.permissions.clone(),
    }))
}

fn list(args: &Args, look: &Look, default: bool) -> Result<Vec<String>, Failure> {
    let mut words = if args.use_nfsv4_acls {
        vec!["nfs4_getfacl"]
    } else {
        vec!["getfacl", "--absolute-names", "--omit-header", "--numeric"]
    };
    words.retain(|word| *word != "--numeric");
    if default && !args.use_nfsv4_acls {
        words.push("-d");
    }
    if !args.follow && !args.use_nfsv4_acls {
        words.push("--physical");
    }
    let path = args.path.to_string_lossy();
    words.push(&path);
    let output = look.query(words)?;
    if !output.ok() {
        return Err(output.failure(output.complaint()));
    }
    Ok(output
        .out()
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

fn set_line(args: &Args, entry: &Entry) -> Vec<String> {
    let mut words = Vec::new();
    let path = args.path.to_string_lossy().into_owned();
    if args.use_nfsv4_acls {
        let flag = if entry.kind == Kind::Group { "g" } else { "" };
        let bits = entry.permissions.as_deref().unwrap_or_default();
        let text = format!("A:{flag}:{}:{bits}tcy", entry.entity);
        let verb = if args.state == State::Present {
            "-a"
        } else {
            "-x"
        };
        return ["nfs4_setfacl", verb, &text, &path]
            .map(str::to_owned)
            .to_vec();
    }
    words.push("setfacl".to_owned());
    if entry.default {
        words.push("-d".to_owned());
    }
    let mut text = format!("{}:{}", entry.kind.word(), entry.entity);
    if args.state == State::Present {
        text.push(':');
        text.push_str(entry.permissions.as_deref().unwrap_or_default());
        words.push("-m".to_owned());
    } else {
        words.push("-x".to_owned());
    }
    words.push(text);
    if args.recursive {
        words.push("--recursive".to_owned());
    }
    match args.recalculate_mask {
        Recalculate::Default => {}
        Recalculate::Mask => words.push("--mask".to_owned()),
        Recalculate::NoMask => words.push("--no-mask".to_owned()),
    }
    if !args.follow {
        words.push("--physical".to_owned());
    }
    words.push(path);
    words
}

impl Module for Acl {
    const NAME: &'static str = "acl";
    const COLLECTION: &'static str = "ansible.posix";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let entry = consistent(args)?;
        let tool = if args.use_nfsv4_acls {
            "nfs4_getfacl"
        } else {
            "getfacl"
        };
        need(
            look,
            tool,
            if args.use_nfsv4_acls {
                "nfs4-acl-tools"
            } else {
                "acl"
            },
        )?;
        if look.lstat(&args.path)?.is_none() {
            return Err(Failure::new(format!(
                "Path not found or not accessible: {}",
                args.path.display()
            )));
        }
        let default = entry.as_ref().map_or(args.default, |entry| entry.default);
        let before = list(args, look, default)?;
        let Some(entry) = entry.filter(|_| args.state != State::Query) else {
            let result = Return::new().with("acl", before).with("msg", "current acl");
            return Ok(Acts::new(result).verdict());
        };
        let words = set_line(args, &entry);
        let shown = words[words.len() - 2].clone();
        let mut acts = Acts::new(Return::new().with("acl", before.clone()).with(
            "msg",
            if args.state == State::Present {
                format!("{} is present", words.join(" "))
            } else {
                format!("{} is absent", words.join(" "))
            },
        ));
        // A rehearsal prints the lists as they would be; one that would stay
        // as it is ends in stars.
        let mut rehearsal = words.clone();
        rehearsal.insert(1, "--test".to_owned());
        let foreseen = look.query(rehearsal)?;
        if !foreseen.ok() {
            return Err(foreseen.failure(foreseen.complaint()));
        }
        let changes = if args.use_nfsv4_acls {
            let is = before.contains(&words[2]);
            is != (args.state == State::Present)
        } else {
            foreseen
                .out()
                .lines()
                .any(|line| !line.trim().is_empty() && !line.trim_end().ends_with("*,*"))
        };
        if !changes {
            return Ok(acts.verdict());
        }
        acts.diff(state(
            &args.path.display().to_string(),
            &before.join("\n"),
            &shown,
        ));
        acts.run(command(&words), "set the access control list");
        let args = args.clone();
        acts.after(move |touch, _, result| Ok(result.with("acl", list(&args, touch, default)?)));
        Ok(acts.verdict())
    }
}
