//! What files look like besides their content: mode, owner, group, and the
//! rarer flags and security context.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use ocplay_protocol::{Diff, coerce};
use rustix::fs::IFlags;
use serde_json::{Map, Value};

use super::{Failure, Look, Mode, Return, mode};

/// The attributes as a playbook wants them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    pub(crate) mode: Option<Mode>,
    pub(crate) owner: Option<String>,
    pub(crate) group: Option<String>,
    /// Flags in the manner of `chattr`.
    pub(crate) flags: Option<String>,
    pub(crate) context: Context,
    /// By default what `ANSIBLE_UNSAFE_WRITES` says on the host.
    pub(crate) unsafe_writes: Option<bool>,
}

/// Parts of an SELinux context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) user: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) level: Option<String>,
}

/// The same with names looked up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled {
    pub(crate) mode: Option<Mode>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) flags: Option<String>,
    pub(crate) context: Context,
    pub(crate) unsafe_writes: bool,
    /// Names that do not exist yet; only in check mode, where an earlier task
    /// may have been about to create them.
    pub(crate) unknown: Vec<String>,
}

impl Attributes {
    /// Looks names up.
    pub(crate) fn settle(&self, look: &Look) -> Result<Settled, Failure> {
        let mut settled = Settled {
            mode: self.mode.clone(),
            flags: self.flags.clone(),
            context: self.context.clone(),
            unsafe_writes: self.unsafe_writes.unwrap_or_else(|| {
                look.variable("ANSIBLE_UNSAFE_WRITES")
                    .is_some_and(|value| coerce::boolean(&value.into()) == Ok(true))
            }),
            ..Settled::default()
        };
        if let Some(owner) = self.owner.as_deref().filter(|name| !name.is_empty()) {
            settled.uid = match owner.parse() {
                Ok(uid) => Some(uid),
                Err(_) => look.user(owner).map(|user| user.uid),
            };
            if settled.uid.is_none() {
                missing(look, &mut settled, "user", owner)?;
            }
        }
        if let Some(group) = self.group.as_deref().filter(|name| !name.is_empty()) {
            settled.gid = match group.parse() {
                Ok(gid) => Some(gid),
                Err(_) => look.group(group).map(|group| group.gid),
            };
            if settled.gid.is_none() {
                missing(look, &mut settled, "group", group)?;
            }
        }
        Ok(settled)
    }
}

fn missing(look: &Look, settled: &mut Settled, kind: &str, name: &str) -> Result<(), Failure> {
    if look.is_check() {
        settled.unknown.push(format!("{kind} {name}"));
        return Ok(());
    }
    let tool = if kind == "user" { "chown" } else { "chgrp" };
    Err(Failure::new(format!(
        "{tool} failed: failed to look up {kind} {name}; create it first with the {kind} module"
    )))
}

impl Settled {
    /// Nothing is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.mode.is_none()
            && self.uid.is_none()
            && self.gid.is_none()
            && self.flags.is_none()
            && self.context == Context::default()
            && self.unknown.is_empty()
    }

    /// The bits wanted for something that has these.
    pub(crate) fn bits(&self, current: u32, directory: bool, umask: u32) -> u32 {
        match &self.mode {
            Some(mode) => mode.bits(current, directory, umask),
            None => current & 0o7777,
        }
    }

    /// What is not as wanted at `path`; `None` if all is.
    pub(crate) fn difference(
        &self,
        look: &Look,
        path: &Path,
        metadata: &Metadata,
    ) -> Option<Difference> {
        let current = metadata.permissions().mode() & 0o7777;
        let wanted = self.bits(current, metadata.is_dir(), look.umask());
        let differs = |wanted: Option<u32>, is: u32| wanted.filter(|w| *w != is).map(|w| (is, w));
        let difference = Difference {
            // A link has no mode of its own.
            mode: (!metadata.is_symlink() && wanted != current).then_some((current, wanted)),
            owner: differs(self.uid, metadata.uid()),
            group: differs(self.gid, metadata.gid()),
            flags: self
                .flags
                .as_deref()
                .and_then(|wanted| flags_differ(path, metadata, wanted)),
            context: self.context.differs(path),
            unknown: self.unknown.clone(),
        };
        (difference != Difference::default()).then_some(difference)
    }
}

/// Attributes before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) mode: Option<(u32, u32)>,
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) group: Option<(u32, u32)>,
    pub(crate) flags: Option<(String, String)>,
    pub(crate) context: Option<(String, String)>,
    unknown: Vec<String>,
}

impl Difference {
    /// The difference as properties before and after.
    pub(crate) fn data(&self, before: &mut Map<String, Value>, after: &mut Map<String, Value>) {
        let mut put = |name: &str, old: Value, new: Value| {
            before.insert(name.to_owned(), old);
            after.insert(name.to_owned(), new);
        };
        if let Some((old, new)) = self.mode {
            put("mode", mode::full(old).into(), mode::full(new).into());
        }
        if let Some((old, new)) = self.owner {
            put("owner", old.into(), new.into());
        }
        if let Some((old, new)) = self.group {
            put("group", old.into(), new.into());
        }
        if let Some((old, new)) = &self.flags {
            put("attributes", old.as_str().into(), new.as_str().into());
        }
        if let Some((old, new)) = &self.context {
            put("secontext", old.as_str().into(), new.as_str().into());
        }
        for name in &self.unknown {
            put(
                "owned by",
                Value::Null,
                format!("{name} (not there yet)").into(),
            );
        }
    }

    /// The difference as people read it.
    pub(crate) fn diff(&self, path: &Path) -> Diff {
        let mut before = Map::new();
        before.insert("path".to_owned(), path.to_string_lossy().into());
        let mut after = before.clone();
        self.data(&mut before, &mut after);
        Diff::data(&before.into(), &after.into())
    }
}

/// Letters of `lsattr`, in its order.
const FLAGS: &[(char, IFlags)] = &[
    ('s', IFlags::SECURE_REMOVAL),
    ('u', IFlags::UNRM),
    ('S', IFlags::SYNC),
    ('D', IFlags::DIRSYNC),
    ('i', IFlags::IMMUTABLE),
    ('a', IFlags::APPEND),
    ('d', IFlags::NODUMP),
    ('A', IFlags::NOATIME),
    ('c', IFlags::COMPRESSED),
    ('C', IFlags::NOCOW),
    ('j', IFlags::JOURNALING),
    ('T', IFlags::TOPDIR),
    ('t', IFlags::NOTAIL),
];

const EXTENTS: u32 = 0x0008_0000;

/// The letters that `lsattr` would show; empty where the file system has none.
pub(crate) fn flags_of(path: &Path, metadata: &Metadata) -> String {
    if !metadata.is_file() && !metadata.is_dir() {
        return String::new();
    }
    let Ok(file) = std::fs::File::open(path) else {
        return String::new();
    };
    let Ok(flags) = rustix::fs::ioctl_getflags(&file) else {
        return String::new();
    };
    let mut letters: String = FLAGS
        .iter()
        .filter(|(_, flag)| flags.contains(*flag))
        .map(|(letter, _)| *letter)
        .collect();
    if flags.bits() & EXTENTS != 0 {
        letters.push('e');
    }
    letters
}

fn flags_differ(path: &Path, metadata: &Metadata, wanted: &str) -> Option<(String, String)> {
    let current = flags_of(path, metadata);
    let (operator, letters) = match wanted.chars().next()? {
        '+' => ('+', &wanted[1..]),
        '-' => ('-', &wanted[1..]),
        '=' => ('=', &wanted[1..]),
        _ => ('=', wanted),
    };
    let same = match operator {
        '+' => letters.chars().all(|letter| current.contains(letter)),
        '-' => !letters.chars().any(|letter| current.contains(letter)),
        _ => {
            let sorted = |text: &str| {
                // Extents cannot be switched off.
                let mut all: Vec<char> = text.chars().filter(|letter| *letter != 'e').collect();
                all.sort_unstable();
                all
            };
            sorted(&current) == sorted(letters)
        }
    };
    (!same).then(|| (current, format!("{operator}{letters}")))
}

/// The SELinux context of a file, if the kernel has SELinux.
pub(crate) fn context_of(path: &Path) -> Option<String> {
    if !Path::new("/sys/fs/selinux/enforce").exists() {
        return None;
    }
    let mut buffer = [0u8; 512];
    let length = rustix::fs::lgetxattr(path, "security.selinux", &mut buffer[..]).ok()?;
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    Some(text.trim_end_matches('\0').to_owned())
}

impl Context {
    fn differs(&self, path: &Path) -> Option<(String, String)> {
        if *self == Self::default() {
            return None;
        }
        let current = context_of(path)?;
        let mut parts: Vec<String> = current.splitn(4, ':').map(str::to_owned).collect();
        parts.resize(4, String::new());
        for (part, wanted) in
            parts
                .iter_mut()
                .zip([&self.user, &self.role, &self.kind, &self.level])
        {
            match wanted.as_deref() {
                None | Some("_default") => {}
                Some(wanted) => wanted.clone_into(part),
            }
        }
        let wanted = parts.join(":").trim_end_matches(':').to_owned();
        (wanted != current).then_some((current, wanted))
    }
}

/// Word for what a file is, as the `file` module's states.
pub(crate) fn state_of(metadata: &Metadata) -> &'static str {
    if metadata.is_symlink() {
        "link"
    } else if metadata.is_dir() {
        "directory"
    } else if metadata.is_file() && metadata.nlink() > 1 {
        "hard"
    } else {
        "file"
    }
}

/// The values that file modules return about the file they left.
pub(crate) fn describe(look: &Look, path: &Path, result: Return) -> Return {
    let Ok(Some(metadata)) = look.lstat(path) else {
        return result.with("state", "absent");
    };
    let (uid, gid) = (metadata.uid(), metadata.gid());
    let result = result
        .with("uid", uid)
        .with("gid", gid)
        .with(
            "owner",
            look.user_of(uid)
                .map_or_else(|| uid.to_string(), |u| u.name),
        )
        .with(
            "group",
            look.group_of(gid)
                .map_or_else(|| gid.to_string(), |g| g.name),
        )
        .with("mode", mode::full(metadata.permissions().mode()))
        .with("state", state_of(&metadata))
        .with("size", metadata.size());
    result.maybe("secontext", context_of(path))
}

/// Declares an argument struct with the arguments that all file modules have,
/// and a method `attributes()` that gathers them.
macro_rules! file_arguments {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident { $($body:tt)* }
    ) => {
        ocplay_protocol::arguments! {
            $(#[doc = $doc])*
            $vis struct $name {
                $($body)*
                /// Permissions: octal in quotes such as '0644', or symbolic such as 'u=rw,g=r'.
                mode: Option<$crate::host::Mode>,
                /// Name or number of the user that shall own the file.
                owner: Option<String>,
                /// Name or number of the group that shall own the file.
                group: Option<String>,
                /// Flags of the file system, in the manner of chattr.
                attributes: Option<String> ["attr"],
                /// User part of the SELinux context.
                seuser: Option<String>,
                /// Role part of the SELinux context.
                serole: Option<String>,
                /// Type part of the SELinux context.
                setype: Option<String>,
                /// Level part of the SELinux context.
                selevel: Option<String>,
                /// Write in place where the file cannot be replaced, as with a single file mounted into a container.
                unsafe_writes: Option<bool>,
            }
        }

        impl $name {
            $vis fn attributes(&self) -> $crate::host::Attributes {
                $crate::host::Attributes {
                    mode: self.mode.clone(),
                    owner: self.owner.clone(),
                    group: self.group.clone(),
                    flags: self.attributes.clone(),
                    context: $crate::host::attributes::Context {
                        user: self.seuser.clone(),
                        role: self.serole.clone(),
                        kind: self.setype.clone(),
                        level: self.selevel.clone(),
                    },
                    unsafe_writes: self.unsafe_writes,
                }
            }
        }
    };
}
pub(crate) use file_arguments;
