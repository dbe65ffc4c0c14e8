//! Reading the machine. Nothing here changes it.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ocplay_protocol::Blob;
use sha1::{Digest, Sha1};

use super::accounts::{self, Group, User};
use super::channel::{Context, cancelled};
use super::process::{self, Spawn};
use super::words;
use super::{Command, Explain, Failure, Output};

/// A read-only view of the host and of the task.
#[derive(Clone)]
pub(crate) struct Look {
    pub(super) context: Arc<Context>,
}

impl Look {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Only the changes are wanted, not the change.
    pub(crate) fn is_check(&self) -> bool {
        self.context.check
    }

    /// Fails when the task was cancelled meanwhile.
    pub(crate) fn go_on(&self) -> Result<(), Failure> {
        self.context.go_on()
    }

    pub(super) fn leash(&self) -> &super::channel::Leash {
        &self.context.leash
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn wants_diff(&self) -> bool {
        self.context.diff
    }

    /// Files that came with the task.
    pub(crate) fn blobs(&self) -> &[Blob] {
        &self.context.blobs
    }

    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.context.environment
    }

    /// A variable as a started program would see it.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.context
            .environment
            .iter()
            .rfind(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .or_else(|| std::env::var(name).ok())
    }

    /// Metadata of what is at the path itself, `None` if nothing is.
    pub(crate) fn lstat(&self, path: &Path) -> Result<Option<Metadata>, Failure> {
        there(path.symlink_metadata(), path)
    }

    /// Metadata behind symbolic links, `None` if nothing is there.
    pub(crate) fn stat(&self, path: &Path) -> Result<Option<Metadata>, Failure> {
        there(path.metadata(), path)
    }

    /// The whole file, `None` if there is none.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        match std::fs::read(path) {
            Ok(data) => Ok(Some(data)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).explain(format_args!("read {}", path.display())),
        }
    }

    /// Like [`Look::read`], but a directory counts as there and empty.
    pub(crate) fn read_or_there(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        match self.stat(path)? {
            Some(metadata) if metadata.is_file() => self.read(path),
            found => Ok(found.map(|_| Vec::new())),
        }
    }

    /// The file as text with whatever is no UTF-8 replaced.
    pub(crate) fn read_text(&self, path: &Path) -> Result<Option<String>, Failure> {
        Ok(self
            .read(path)?
            .map(|data| String::from_utf8_lossy(&data).into_owned()))
    }

    /// SHA-1 of a file in hex.
    pub(crate) fn sha1(&self, path: &Path) -> Result<String, Failure> {
        let mut file =
            std::fs::File::open(path).explain(format_args!("read {}", path.display()))?;
        digest::<Sha1>(&mut file)
    }

    /// The file of a program, searched in PATH and the sbin directories.
    pub(crate) fn which(&self, program: &str) -> Option<PathBuf> {
        process::find_program(program, &self.variable("PATH").unwrap_or_default())
    }

    /// Runs a program that only reports. Never pass one that changes things.
    pub(crate) fn query<S: Into<OsString>>(
        &self,
        argv: impl IntoIterator<Item = S>,
    ) -> Result<Output, Failure> {
        Ok(process::run(&self.context, &Command::new(argv))?)
    }

    /// Like [`Look::query`], for a command with settings.
    pub(crate) fn ask(&self, command: &Command) -> Result<Output, Failure> {
        Ok(process::run(&self.context, command)?)
    }

    /// Output of a reporting program that is too much to keep.
    pub(crate) fn stream(
        &self,
        command: &Command,
        read: &mut dyn FnMut(&mut dyn Read) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        process::stream(&self.context, command, read)
    }

    /// Output of a reporting program, `None` if it is missing or fails.
    pub(crate) fn try_query(&self, argv: &[&str]) -> Option<String> {
        match process::run(&self.context, &Command::new(argv.iter().copied())) {
            Ok(output) if output.ok() => Some(output.out()),
            Ok(_) | Err(Spawn::NotFound(_) | Spawn::Failed(_)) => None,
        }
    }

    /// All local users.
    pub(crate) fn users(&self) -> Arc<[User]> {
        accounts::USERS.all()
    }

    /// All local groups.
    pub(crate) fn groups(&self) -> Arc<[Group]> {
        accounts::GROUPS.all()
    }

    pub(crate) fn user(&self, name: &str) -> Option<User> {
        self.users()
            .iter()
            .find(|user| user.name == name)
            .cloned()
            .or_else(|| {
                let line = self.try_query(&["getent", "passwd", name])?;
                accounts::parse_user(line.trim_end()).filter(|user| user.name == name)
            })
    }

    pub(crate) fn user_of(&self, uid: u32) -> Option<User> {
        self.users()
            .iter()
            .find(|user| user.uid == uid)
            .cloned()
            .or_else(|| {
                let line = self.try_query(&["getent", "passwd", &uid.to_string()])?;
                accounts::parse_user(line.trim_end())
            })
    }

    pub(crate) fn group(&self, name: &str) -> Option<Group> {
        self.groups()
            .iter()
            .find(|group| group.name == name)
            .cloned()
            .or_else(|| {
                let line = self.try_query(&["getent", "group", name])?;
                accounts::parse_group(line.trim_end()).filter(|group| group.name == name)
            })
    }

    pub(crate) fn group_of(&self, gid: u32) -> Option<Group> {
        self.groups()
            .iter()
            .find(|group| group.gid == gid)
            .cloned()
            .or_else(|| {
                let line = self.try_query(&["getent", "group", &gid.to_string()])?;
                accounts::parse_group(line.trim_end())
            })
    }

    /// Home of a user, or of the user that the agent runs as.
    pub(crate) fn home(&self, user: &str) -> Option<String> {
        if user.is_empty() {
            return self
                .variable("HOME")
                .filter(|home| !home.is_empty())
                .or_else(|| {
                    let uid = rustix::process::geteuid().as_raw();
                    self.user_of(uid).map(|user| user.home)
                });
        }
        self.user(user).map(|user| user.home)
    }

    /// `~` and `$NAME` replaced.
    pub(crate) fn expand(&self, text: &str) -> String {
        let text = words::expand_home(text, &|user| self.home(user));
        words::expand_variables(&text, &|name| self.variable(name))
    }

    /// Sleeps unless the task is cancelled.
    pub(crate) fn sleep(&self, time: Duration) -> Result<(), Failure> {
        if self.context.leash.sleep(time) {
            Ok(())
        } else {
            Err(cancelled())
        }
    }

    /// Bits that new files do not get.
    pub(crate) fn umask(&self) -> u32 {
        *UMASK
    }
}

/// What the agent was started with; it never changes it.
static UMASK: LazyLock<u32> = LazyLock::new(|| {
    std::fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .and_then(|bits| u32::from_str_radix(bits.trim(), 8).ok())
        .unwrap_or(0o022)
});

fn there(found: io::Result<Metadata>, path: &Path) -> Result<Option<Metadata>, Failure> {
    match found {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) || error.raw_os_error() == Some(libc::ELOOP) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).explain(format_args!("look at {}", path.display())),
    }
}

/// Hash of everything in a reader, in hex.
pub(crate) fn digest<D: Digest>(reader: &mut impl Read) -> Result<String, Failure> {
    let mut hasher = D::new();
    process::pieces(reader, &mut |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hex(&hasher.finalize()))
}

pub(crate) fn sha1_of(data: &[u8]) -> String {
    hex(&Sha1::digest(data))
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}
