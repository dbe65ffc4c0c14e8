//! Changing the machine. Only a module's apply is handed this.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place that changes files"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ocplay_protocol::FromAgent;
use rustix::fs::{AtFlags, CWD, Gid, Mode as Bits, Uid};
use sha1::{Digest, Sha1};

use super::clock::Moment;
use super::process::{self, pieces};
use super::staged::{self, Staged};
use super::{Command, Explain, Failure, Look, Output, Settled, hex, words};

/// A read-write view of the host; reads like a [`Look`].
pub(crate) struct Touch {
    look: Look,
}

impl Deref for Touch {
    type Target = Look;
    fn deref(&self) -> &Look {
        &self.look
    }
}

/// How a file of an archive shall look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unpacked {
    pub(crate) mode: u32,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) modified: Option<SystemTime>,
}

impl Touch {
    pub(crate) fn new(look: Look) -> Self {
        Self { look }
    }

    /// Runs a program that may change things.
    pub(crate) fn run(&mut self, command: &Command) -> Result<Output, Failure> {
        Ok(process::run(&self.look.context, command)?)
    }

    /// Runs a program and fails unless it succeeds. `what` reads on from
    /// "cannot".
    pub(crate) fn must(&mut self, command: &Command, what: &str) -> Result<Output, Failure> {
        let output = self.run(command)?;
        if output.ok() {
            return Ok(output);
        }
        let message = format!("cannot {what}: {}", output.complaint());
        Err(output.failure(message).with("cmd", command.line()))
    }

    /// An empty file in `directory`, to be written and then placed.
    pub(crate) fn stage(&mut self, directory: &Path) -> Result<Staged, Failure> {
        staged::stage(directory)
    }

    /// An empty file beside the destination. Where its directory takes no new
    /// files but the destination may be written into, it is elsewhere.
    pub(crate) fn stage_for(
        &mut self,
        destination: &Path,
        wanted: &Settled,
    ) -> Result<Staged, Failure> {
        let beside = self.stage(parent(destination));
        if beside.is_err() && wanted.unsafe_writes && self.stat(destination)?.is_some() {
            return self.stage(&std::env::temp_dir());
        }
        beside
    }

    /// Writes the body of a blob, asking the controller for it if it did not
    /// come along.
    pub(crate) fn fill(&mut self, staged: &mut Staged, index: usize) -> Result<(), Failure> {
        let context = &self.look.context;
        let Some(blob) = context.blobs.get(index) else {
            return Err("the controller announced no such file; this is a bug of ocplay".into());
        };
        if let Some(data) = &blob.inline {
            return staged.write(data);
        }
        let number = u32::try_from(index).map_err(|_| Failure::new("too many files"))?;
        let mut hasher = Sha1::new();
        context.receive(number, &mut |piece| {
            hasher.update(piece);
            staged.write(piece)
        })?;
        let sum = hex(&hasher.finalize());
        if sum != blob.sha1 {
            return Err(Failure::new(format!(
                "the file changed on the controller while it was sent (announced {}, came {sum}); \
                 run again",
                blob.sha1
            )));
        }
        Ok(())
    }

    /// Copies a file of the host into a staged file.
    pub(crate) fn fill_from(&mut self, staged: &mut Staged, source: &Path) -> Result<(), Failure> {
        let mut file = File::open(source).explain(format_args!("read {}", source.display()))?;
        pieces(&mut file, &mut |piece| staged.write(piece)).map(drop)
    }

    /// Copies everything from a reader into a staged file; gives its size.
    pub(crate) fn pour(
        &mut self,
        staged: &mut Staged,
        source: &mut impl io::Read,
    ) -> Result<u64, Failure> {
        let context = &self.look.context;
        pieces(source, &mut |piece| {
            context.go_on()?;
            staged.write(piece)
        })
    }

    /// Runs the user's check over a staged file.
    pub(crate) fn validate(&mut self, staged: &Staged, template: &str) -> Result<(), Failure> {
        if !template.contains("%s") {
            return Err(Failure::new(format!(
                "validate must contain %s: {template} (%s stands for the new file)"
            )));
        }
        let path = words::quote(&staged.path().to_string_lossy());
        let argv = words::split(&template.replace("%s", &path))?;
        let output = self.run(&Command::new(argv))?;
        if output.ok() {
            return Ok(());
        }
        let message = format!(
            "failed to validate: rc:{} error:{}; nothing was replaced",
            output.code,
            output.complaint()
        );
        Err(output.failure(message).with("exit_status", output.code))
    }

    /// Puts a staged file in its place at once: either the old or the new
    /// content is there at any time. Attributes that are not wanted otherwise
    /// are those of the file that was there.
    pub(crate) fn place(
        &mut self,
        staged: Staged,
        destination: &Path,
        wanted: &Settled,
    ) -> Result<(), Failure> {
        let what = || format!("write {}", destination.display());
        let old = self
            .lstat(destination)?
            .filter(|metadata| metadata.is_file());
        let base = match &old {
            Some(old) => old.permissions().mode() & 0o7777,
            None => 0o666 & !self.umask(),
        };
        let bits = wanted.bits(base, false, self.umask());
        let file = staged.file();
        let own = file.metadata().explain(what())?;
        let uid = wanted.uid.or(old.as_ref().map(MetadataExt::uid));
        let gid = wanted.gid.or(old.as_ref().map(MetadataExt::gid));
        if uid.is_some_and(|uid| uid != own.uid()) || gid.is_some_and(|gid| gid != own.gid()) {
            let changed = rustix::fs::fchown(file, uid.map(Uid::from_raw), gid.map(Gid::from_raw));
            if wanted.uid.is_some() || wanted.gid.is_some() {
                changed.explain(format_args!("set the owner of {}", destination.display()))?;
            }
        }
        rustix::fs::fchmod(file, Bits::from_raw_mode(bits)).explain(what())?;
        if old.is_some() {
            keep_context(destination, staged.path());
            // The list says more than the bits, which are a part of it.
            keep_attribute(destination, staged.path(), "system.posix_acl_access");
            if wanted.mode.is_some() {
                rustix::fs::fchmod(file, Bits::from_raw_mode(bits)).explain(what())?;
            }
        }
        match staged.persist(destination) {
            Ok(_) => {}
            Err(failed) if wanted.unsafe_writes => {
                let mut source = File::open(failed.file.path()).explain(what())?;
                let mut target = OpenOptions::new()
                    .write(true)
                    .truncate(true)
                    .create(true)
                    .open(destination)
                    .explain(what())?;
                io::copy(&mut source, &mut target).explain(what())?;
            }
            Err(failed) if failed.error.raw_os_error() == Some(libc::EBUSY) => {
                return Err(Failure::new(format!(
                    "cannot replace {}: it is a mount of its own (as /etc/hosts in a container \
                     is); set unsafe_writes: true to write into it",
                    destination.display()
                )));
            }
            Err(failed) => return Err(failed.error).explain(what()),
        }
        self.settle(destination, wanted).map(drop)
    }

    /// Writes a whole file; see [`Touch::place`].
    pub(crate) fn write(
        &mut self,
        destination: &Path,
        data: &[u8],
        wanted: &Settled,
    ) -> Result<(), Failure> {
        let mut staged = self.stage_for(destination, wanted)?;
        staged.write(data)?;
        self.place(staged, destination, wanted)
    }

    /// Copies the file aside and gives the copy's name.
    pub(crate) fn backup(&mut self, path: &Path) -> Result<PathBuf, Failure> {
        let now = Moment::local(SystemTime::now());
        let mut name = path.as_os_str().to_owned();
        name.push(format!(
            ".{}.{}@{}~",
            std::process::id(),
            now.date(),
            now.time()
        ));
        let copy = PathBuf::from(name);
        let what = format!("keep a copy of {}", path.display());
        let metadata = path.metadata().explain(&what)?;
        let mut staged = self.stage(parent(path))?;
        self.fill_from(&mut staged, path)?;
        let wanted = Settled {
            mode: Some(super::Mode::Bits(metadata.permissions().mode() & 0o7777)),
            ..Settled::default()
        };
        // Best effort, as for any copy by another user.
        rustix::fs::fchown(
            staged.file(),
            Some(Uid::from_raw(metadata.uid())),
            Some(Gid::from_raw(metadata.gid())),
        )
        .ok();
        self.place(staged, &copy, &wanted)?;
        Ok(copy)
    }

    /// Makes what is at the path look as wanted; true if it had to change.
    pub(crate) fn settle(&mut self, path: &Path, wanted: &Settled) -> Result<bool, Failure> {
        if wanted.is_empty() {
            return Ok(false);
        }
        let Some(metadata) = self.lstat(path)? else {
            return Ok(false);
        };
        let Some(difference) = wanted.difference(&self.look, path, &metadata) else {
            return Ok(false);
        };
        if difference.owner.is_some() || difference.group.is_some() {
            rustix::fs::chownat(
                CWD,
                path,
                difference.owner.map(|(_, uid)| Uid::from_raw(uid)),
                difference.group.map(|(_, gid)| Gid::from_raw(gid)),
                AtFlags::SYMLINK_NOFOLLOW,
            )
            .explain(format_args!("set the owner of {}", path.display()))
            .map_err(|failure| Failure {
                message: format!("chown failed: {}", failure.message),
                ..failure
            })?;
        }
        let owned = difference.owner.is_some() || difference.group.is_some();
        if !metadata.is_symlink() && (owned || difference.mode.is_some()) {
            // Also when only the owner changed: chown clears the set-id bits.
            let bits = wanted.bits(
                metadata.permissions().mode(),
                metadata.is_dir(),
                self.umask(),
            );
            rustix::fs::chmod(path, Bits::from_raw_mode(bits))
                .explain(format_args!("set the mode of {}", path.display()))?;
        }
        if let Some((_, flags)) = &difference.flags {
            let command = Command::new(["chattr".as_ref(), flags.as_ref(), path.as_os_str()]);
            self.must(&command, &format!("set attributes of {}", path.display()))?;
        }
        if let Some((_, context)) = &difference.context {
            let command = Command::new([
                "chcon".as_ref(),
                "-h".as_ref(),
                context.as_ref(),
                path.as_os_str(),
            ]);
            self.must(&command, &format!("set the context of {}", path.display()))?;
        }
        Ok(true)
    }

    /// Creates one directory; its parent must be there.
    pub(crate) fn make_directory(&mut self, path: &Path) -> Result<(), Failure> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other.explain(format_args!("create {}", path.display())),
        }
    }

    /// Creates the missing directories down to `path`, each with the wanted
    /// attributes, and gives them.
    pub(crate) fn make_directories(
        &mut self,
        path: &Path,
        wanted: &Settled,
    ) -> Result<Vec<PathBuf>, Failure> {
        let missing = missing_directories(&self.look, path)?;
        for directory in &missing {
            self.make_directory(directory)?;
            self.settle(directory, wanted)?;
        }
        Ok(missing)
    }

    /// Removes whatever is at the path, directories with their contents.
    pub(crate) fn remove(&mut self, path: &Path) -> Result<(), Failure> {
        let removed = match self.lstat(path)? {
            None => return Ok(()),
            Some(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
            Some(_) => std::fs::remove_file(path),
        };
        removed.explain(format_args!("remove {}", path.display()))
    }

    /// Removes a directory, but only if nothing is in it.
    pub(crate) fn remove_empty(&mut self, path: &Path) -> Result<(), Failure> {
        match std::fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.explain(format_args!("remove {}", path.display())),
        }
    }

    /// A fresh file or directory that stays.
    pub(crate) fn temporary(
        &mut self,
        directory: &Path,
        prefix: &str,
        suffix: &str,
        is_directory: bool,
    ) -> Result<PathBuf, Failure> {
        let what = format!("create a temporary file in {}", directory.display());
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).suffix(suffix);
        if is_directory {
            builder.permissions(std::fs::Permissions::from_mode(0o700));
            return Ok(builder.tempdir_in(directory).explain(what)?.keep());
        }
        let file = builder.tempfile_in(directory).explain(&what)?;
        let (_, path) = file.keep().map_err(|failed| failed.error).explain(&what)?;
        Ok(path)
    }

    /// Puts a symbolic link in place at once.
    pub(crate) fn link(&mut self, target: &Path, path: &Path) -> Result<(), Failure> {
        let temporary = self.spare_name(path);
        rustix::fs::symlink(target, &temporary)
            .explain(format_args!("create the link {}", path.display()))?;
        self.swap_in(&temporary, path)
    }

    /// Puts a hard link in place at once.
    pub(crate) fn hard_link(&mut self, target: &Path, path: &Path) -> Result<(), Failure> {
        let temporary = self.spare_name(path);
        // A link to a symbolic link is a link to what that points to.
        rustix::fs::linkat(CWD, target, CWD, &temporary, AtFlags::SYMLINK_FOLLOW).explain(
            format_args!("link {} to {}", path.display(), target.display()),
        )?;
        self.swap_in(&temporary, path)
    }

    fn spare_name(&self, path: &Path) -> PathBuf {
        let name = format!(".ocplay-{}-{}", std::process::id(), self.look.context.task);
        parent(path).join(name)
    }

    fn swap_in(&mut self, temporary: &Path, path: &Path) -> Result<(), Failure> {
        let renamed = std::fs::rename(temporary, path);
        if renamed.is_err() || temporary.symlink_metadata().is_ok() {
            // rename does nothing when both are the same file already.
            drop(std::fs::remove_file(temporary));
        }
        renamed.explain(format_args!("put {} in its place", path.display()))
    }

    /// Creates the file if it is not there.
    pub(crate) fn create(&mut self, path: &Path) -> Result<(), Failure> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map(drop)
            .explain(format_args!("create {}", path.display()))
    }

    /// A file of an archive: written beside its place and put there at once,
    /// but not forced to the disk one by one.
    pub(crate) fn unpack(
        &mut self,
        path: &Path,
        content: &mut dyn io::Read,
        looks: &Unpacked,
    ) -> Result<(), Failure> {
        let what = || format!("write {}", path.display());
        let mut content = content;
        let mut staged = self.stage(parent(path))?;
        self.pour(&mut staged, &mut content)?;
        let file = staged.file();
        if looks.uid.is_some() || looks.gid.is_some() {
            rustix::fs::fchown(
                file,
                looks.uid.map(Uid::from_raw),
                looks.gid.map(Gid::from_raw),
            )
            .explain(what())?;
        }
        rustix::fs::fchmod(file, Bits::from_raw_mode(looks.mode)).explain(what())?;
        if let Some(modified) = looks.modified {
            file.set_modified(modified).explain(what())?;
        }
        staged
            .persist(path)
            .map(drop)
            .map_err(|failed| failed.error)
            .explain(what())
    }

    /// Sets both times to the present.
    pub(crate) fn set_now(&mut self, path: &Path, follow: bool) -> Result<(), Failure> {
        let now = rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        let times = rustix::fs::Timestamps {
            last_access: now,
            last_modification: now,
        };
        let flags = if follow {
            AtFlags::empty()
        } else {
            AtFlags::SYMLINK_NOFOLLOW
        };
        rustix::fs::utimensat(CWD, path, &times, flags)
            .explain(format_args!("set the times of {}", path.display()))
    }

    /// Sets access and modification time; `None` leaves one as it is.
    pub(crate) fn set_times(
        &mut self,
        path: &Path,
        access: Option<SystemTime>,
        modification: Option<SystemTime>,
        follow: bool,
    ) -> Result<(), Failure> {
        let stamp = |time: Option<SystemTime>| match time
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        {
            Some(since) => rustix::fs::Timespec {
                tv_sec: since.as_secs() as i64,
                tv_nsec: i64::from(since.subsec_nanos()) as _,
            },
            None => rustix::fs::Timespec {
                tv_sec: 0,
                tv_nsec: rustix::fs::UTIME_OMIT,
            },
        };
        let times = rustix::fs::Timestamps {
            last_access: stamp(access),
            last_modification: stamp(modification),
        };
        let flags = if follow {
            AtFlags::empty()
        } else {
            AtFlags::SYMLINK_NOFOLLOW
        };
        rustix::fs::utimensat(CWD, path, &times, flags)
            .explain(format_args!("set the times of {}", path.display()))
    }

    /// Writes into a file of the kernel (/proc, /sys), which cannot be replaced.
    pub(crate) fn poke(&mut self, path: &Path, text: &str) -> Result<(), Failure> {
        OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .explain(format_args!("write {text:?} to {}", path.display()))
    }

    /// Sends a file to the controller.
    pub(crate) fn send_file(&mut self, path: &Path) -> Result<(), Failure> {
        let context = &self.look.context;
        let mut file = File::open(path).explain(format_args!("read {}", path.display()))?;
        let part = |data: &[u8], last| FromAgent::File {
            task: context.task,
            data: data.to_vec(),
            last,
        };
        pieces(&mut file, &mut |piece| {
            context.go_on()?;
            context.channel.send(&part(piece, false));
            Ok(())
        })?;
        context.channel.send(&part(&[], true));
        Ok(())
    }
}

/// The new file keeps the security context of the one that it replaces.
fn keep_context(old: &Path, new: &Path) {
    keep_attribute(old, new, "security.selinux");
}

fn keep_attribute(old: &Path, new: &Path, name: &str) {
    let mut buffer = [0u8; 4096];
    if let Ok(length) = rustix::fs::lgetxattr(old, name, &mut buffer[..]) {
        let none = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(new, name, &buffer[..length], none).ok();
    }
}

/// The directory that holds the path.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => Path::new("/"),
    }
}

/// What a path is behind all its symbolic links, also if nothing is there.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    let mut at = path.to_owned();
    for _ in 0..40 {
        if let Ok(real) = std::fs::canonicalize(&at) {
            return real;
        }
        match std::fs::read_link(&at) {
            Ok(target) => at = parent(&at).join(target),
            Err(_) => break,
        }
    }
    match (std::fs::canonicalize(parent(&at)), at.file_name()) {
        (Ok(real), Some(name)) => real.join(name),
        _ => at,
    }
}

/// Directories that must be created for `path` to exist, outermost first.
pub(crate) fn missing_directories(look: &Look, path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut missing = Vec::new();
    let mut at = path;
    loop {
        match look.stat(at)? {
            Some(metadata) if metadata.is_dir() => break,
            Some(_) => {
                return Err(Failure::new(format!(
                    "cannot create {}: {} is there and no directory",
                    path.display(),
                    at.display()
                )));
            }
            None => missing.push(at.to_owned()),
        }
        match at.parent() {
            Some(up) if !up.as_os_str().is_empty() => at = up,
            _ => break,
        }
    }
    missing.reverse();
    Ok(missing)
}
