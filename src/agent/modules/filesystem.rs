//! `filesystem`: a device holds a file system.

use std::path::PathBuf;

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, words};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
ocplay_protocol::choices! {
    /// Kinds of file systems.
    pub(super) enum Kind {
        Bcachefs = "bcachefs",
        Btrfs = "btrfs",
        Ext2 = "ext2",
        Ext3 = "ext3",
        Ext4 = "ext4",
        Ext4dev = "ext4dev",
        F2fs = "f2fs",
        Lvm = "lvm",
        Ocfs2 = "ocfs2",
        Reiserfs = "reiserfs",
        Xfs = "xfs",
        Vfat = "vfat",
        Swap = "swap",
        Ufs = "ufs",
    }
}

ocplay_protocol::arguments! {
    /// Makes file systems on devices, grows them, or wipes them off.
    pub(super) struct Args {
        /// Device, or a file that stands for one.
        dev: PathBuf ["device"],
        /// Kind of file system.
        fstype: Option<Kind> ["type"],
        /// Whether the device shall hold it; absent wipes whatever it holds.
        state: State = State::Present,
        /// Make it also over another one that is there.
        force: bool = false,
        /// Grow it to the size of its device.
        resizefs: bool = false,
        /// Options for the program that makes it.
        opts: Option<String>,
        /// Its UUID.
        uuid: Option<String>,
    }
}

pub(super) struct Filesystem;

impl Kind {
    /// The program that makes it, with what keeps it from asking.
    fn maker(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::Bcachefs => ("bcachefs", &["format"], "bcachefs-tools"),
            Self::Btrfs => ("mkfs.btrfs", &["-f"], "btrfs-progs"),
            Self::Ext2 => ("mkfs.ext2", &["-F"], "e2fsprogs"),
            Self::Ext3 => ("mkfs.ext3", &["-F"], "e2fsprogs"),
            Self::Ext4 | Self::Ext4dev => ("mkfs.ext4", &["-F"], "e2fsprogs"),
            Self::F2fs => ("mkfs.f2fs", &["-f"], "f2fs-tools"),
            Self::Lvm => ("pvcreate", &["-f", "-y"], "lvm2"),
            Self::Ocfs2 => ("mkfs.ocfs2", &["-Fx"], "ocfs2-tools"),
            Self::Reiserfs => ("mkfs.reiserfs", &["-q"], "reiserfsprogs"),
            Self::Xfs => ("mkfs.xfs", &["-f"], "xfsprogs"),
            Self::Vfat => ("mkfs.vfat", &[], "dosfstools"),
            Self::Swap => ("mkswap", &["-f"], "util-linux"),
            Self::Ufs => ("newfs", &[], "ufs-utils"),
        }
    }

    /// Its name in what blkid says.
    fn label(self) -> &'static str {
        match self {
            Self::Lvm => "LVM2_member",
            Self::Ext4dev => "ext4",
            other => other.word(),
        }
    }

    fn uuid_option(self) -> Option<&'static str> {
        match self {
            Self::Btrfs | Self::Ext2 | Self::Ext3 | Self::Ext4 | Self::Ext4dev | Self::Swap => {
                Some("-U")
            }
            Self::Bcachefs | Self::Ocfs2 => Some("-U"),
            Self::Reiserfs => Some("-u"),
            Self::Vfat => Some("-i"),
            _ => None,
        }
    }
}

/// One property of what a device holds, read off the device itself.
fn property(look: &Look, device: &str, name: &str) -> Result<String, Failure> {
    let words = [
        "blkid",
        "-c",
        "/dev/null",
        "-o",
        "value",
        "-s",
        name,
        device,
    ];
    Ok(look.query(words)?.out().trim().to_owned())
}

/// Bytes of the file system and of its device, where both can be told.
fn sizes(look: &Look, kind: Kind, device: &str) -> Result<Option<(u64, u64)>, Failure> {
    let whole = look.query(["blockdev", "--getsize64", device])?;
    let whole: u64 = match whole.out().trim().parse() {
        Ok(size) => size,
        Err(_) => look.stat(device.as_ref())?.map_or(0, |found| found.len()),
    };
    let field = |text: &str, name: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line[name.len()..].trim().parse().ok()
    };
    Ok(match kind {
        Kind::Ext2 | Kind::Ext3 | Kind::Ext4 | Kind::Ext4dev => {
            let text = look.query(["dumpe2fs", "-h", device])?.out();
            field(&text, "Block count:")
                .zip(field(&text, "Block size:"))
                .map(|(count, size)| (count * size, whole / size * size))
        }
        _ => None,
    })
}

impl Module for Filesystem {
    const NAME: &'static str = "filesystem";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let device = args.dev.to_string_lossy().into_owned();
        need(look, "blkid", "util-linux")?;
        let mut acts = Acts::new(Return::new());
        if look.stat(&args.dev)?.is_none() {
            if args.state == State::Absent {
                return Ok(acts.verdict());
            }
            return Err(Failure::new(format!("Device {device} not found.")));
        }
        let is = property(look, &device, "TYPE")?;
        if args.state == State::Absent {
            if !is.is_empty() {
                need(look, "wipefs", "util-linux")?;
                acts.diff(state_diff(&device, &is, ""));
                acts.run(
                    command(["wipefs", "--all", &device]),
                    format!("wipe {device}"),
                );
            }
            return Ok(acts.verdict());
        }
        let Some(kind) = args.fstype else {
            return Err("state is present but all of the following are missing: fstype".into());
        };
        if args.uuid.is_some() && kind.uuid_option().is_none() && kind != Kind::Xfs {
            return Err(Failure::new(format!(
                "module does not support UUID option for this filesystem ({}) yet.",
                kind.word()
            )));
        }
        let same = is == kind.label();
        if same && !args.force {
            if !args.resizefs {
                return Ok(acts.verdict());
            }
            let grow: &[&str] = match kind {
                Kind::Ext2 | Kind::Ext3 | Kind::Ext4 | Kind::Ext4dev => &["resize2fs"],
                Kind::Lvm => &["pvresize"],
                _ => {
                    return Err(Failure::new(format!(
                        "resizefs is not supported for {}; it grows ext2, ext3, ext4 and lvm",
                        kind.word()
                    )));
                }
            };
            if sizes(look, kind, &device)?.is_some_and(|(is, whole)| is >= whole) {
                return Ok(acts.verdict());
            }
            let mut words = grow.to_vec();
            words.push(&device);
            acts.diff(state_diff(
                &device,
                "smaller than its device",
                "as large as its device",
            ));
            acts.run(command(words), format!("grow the file system of {device}"));
            return Ok(acts.verdict());
        }
        if !is.is_empty() && !args.force {
            return Err(Failure::new(format!(
                "'{device}' is already used as {is}, use force=true to overwrite"
            )));
        }
        let (program, options, package) = kind.maker();
        need(look, program, package)?;
        let mut line = vec![program.to_owned()];
        line.extend(options.iter().map(|word| (*word).to_owned()));
        if let (Some(uuid), Some(option)) = (&args.uuid, kind.uuid_option()) {
            line.extend([option.to_owned(), uuid.clone()]);
        }
        if let (Some(uuid), Kind::Xfs) = (&args.uuid, kind) {
            line.extend(["-m".to_owned(), format!("uuid={uuid}")]);
        }
        if let Some(opts) = &args.opts {
            line.extend(words::split(opts)?);
        }
        line.push(device.clone());
        acts.diff(state_diff(&device, &is, kind.word()));
        acts.run(command(line), format!("make the file system on {device}"));
        Ok(acts.verdict())
    }
}
