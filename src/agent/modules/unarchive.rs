//! `unarchive`: what is in an archive lies in a directory.

mod options;

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ocplay_protocol::Diff;

use super::{Module, Verdict, http};
use crate::archive::{Entry, Kind, Tar, Visit, Zip};
use crate::host::attributes::{describe, file_arguments};
use crate::host::{Explain, Failure, Look, Return, Settled, Staged, Touch, Unpacked, glob, parent};
use options::Options;

file_arguments! {
    /// Unpacks an archive: tar (plain or packed by gzip, bzip2, xz or zstd) or zip. The host needs
    /// a program only for bzip2, xz and zstd.
    pub(super) struct Args {
        /// The archive: a file of the controller, with remote_src one of the host or a URL.
        src: String,
        /// The directory, which must be there.
        dest: PathBuf,
        /// The opposite of remote_src, of old.
        copy: bool = true,
        /// The archive is on the host already.
        remote_src: bool = false,
        /// File that, if it exists, shows that nothing is to be done.
        creates: Option<PathBuf>,
        /// Decrypt a vaulted archive; done by the controller.
        decrypt: bool = true,
        /// Only these entries, and what is below them.
        include: Vec<String> = Vec::new(),
        /// Not these entries.
        exclude: Vec<String> = Vec::new(),
        /// Options of tar or unzip. Those about stripping names, owners, modes and times are known.
        extra_opts: Vec<String> = Vec::new(),
        /// Accepted for old playbooks.
        io_buffer_size: i64 = 65536,
        /// Let files be that are newer than those in the archive.
        keep_newer: bool = false,
        /// Return the names of all entries.
        list_files: bool = false,
        /// Check the certificate of an https:// URL.
        validate_certs: bool = true,
    }
}

pub(super) struct Unarchive;

pub(super) struct Plan {
    args: Args,
    options: Options,
    wanted: Settled,
}

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Zip,
}

impl Packing {
    fn of(path: &Path) -> Result<Option<Self>, Failure> {
        let mut head = Vec::new();
        File::open(path)
            .and_then(|file| file.take(512).read_to_end(&mut head))
            .explain(format_args!("read {}", path.display()))?;
        let known: [(&[u8], Self); 6] = [
            (b"\x1f\x8b", Self::Gzip),
            (b"BZh", Self::Bzip2),
            (b"\xfd7zXZ\0", Self::Xz),
            (b"\x28\xb5\x2f\xfd", Self::Zstd),
            (b"PK\x03\x04", Self::Zip),
            (b"PK\x05\x06", Self::Zip),
        ];
        let found = known.iter().find(|(start, _)| head.starts_with(start));
        Ok(match found {
            Some((_, packing)) => Some(*packing),
            // The checksum of the first header tells.
            None => (head.len() == 512).then_some(Self::Plain),
        })
    }

    /// Ansible's name for what unpacks it.
    fn handler(self) -> &'static str {
        match self {
            Self::Plain => "TarArchive",
            Self::Gzip => "TgzArchive",
            Self::Bzip2 => "TarBzipArchive",
            Self::Xz => "TarXzArchive",
            Self::Zstd => "TarZstdArchive",
            Self::Zip => "ZipArchive",
        }
    }
}

fn no_handler(path: &Path, reason: &str) -> Failure {
    Failure::new(format!(
        "Failed to find handler for \"{}\". Make sure the required command to extract the file is \
         installed. As far as could be read: {reason}",
        path.display()
    ))
}

/// Goes through an archive's entries.
fn walk(look: &Look, path: &Path, packing: Packing, visit: Visit<'_>) -> Result<(), Failure> {
    let open = || File::open(path).explain(format_args!("read {}", path.display()));
    let wrong = |reason: String| no_handler(path, &reason);
    let program = match packing {
        Packing::Zip => return Zip::new(open()?).visit(visit).map_err(wrong),
        Packing::Plain => {
            return Tar(std::io::BufReader::new(open()?))
                .visit(visit)
                .map_err(wrong);
        }
        Packing::Gzip => {
            let file = std::io::BufReader::new(open()?);
            let plain = flate2::bufread::MultiGzDecoder::new(file);
            return Tar(plain).visit(visit).map_err(wrong);
        }
        Packing::Bzip2 => "bzip2",
        Packing::Xz => "xz",
        Packing::Zstd => "zstd",
    };
    super::acts::need(
        look,
        program,
        if program == "xz" { "xz-utils" } else { program },
    )?;
    let command = super::acts::command([program, "-dc", &path.to_string_lossy()]);
    look.stream(&command, &mut |pipe| {
        Tar(pipe).visit(&mut *visit).map_err(wrong)
    })
}

impl Module for Unarchive {
    const NAME: &'static str = "unarchive";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        if !args.include.is_empty() && !args.exclude.is_empty() {
            return Err("parameters are mutually exclusive: include|exclude".into());
        }
        if let Some(creates) = &args.creates
            && !glob::expand(&creates.to_string_lossy()).is_empty()
        {
            let text = format!("skipped, since {} exists", creates.display());
            return Ok(Verdict::Skip(Return::new().with("msg", text)));
        }
        if !look.stat(&args.dest)?.is_some_and(|found| found.is_dir()) {
            return Err(Failure::new(format!(
                "dest '{}' must be an existing dir",
                args.dest.display()
            )));
        }
        Ok(Verdict::Always(Plan {
            args: args.clone(),
            options: Options::read(&args.extra_opts)?,
            wanted: args.attributes().settle(look)?,
        }))
    }

    fn describe(_: &Plan) -> Vec<Diff> {
        Vec::new()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let args = &plan.args;
        let (archive, _staged) = fetch(args, touch)?;
        let packing = Packing::of(&archive)?
            .ok_or_else(|| no_handler(&archive, "it is too short for an archive"))?;
        let mut work = Unpacking {
            plan: &plan,
            look: (**touch).clone(),
            names: Vec::new(),
            differing: BTreeMap::new(),
            owners: BTreeMap::new(),
            groups: BTreeMap::new(),
            is_root: rustix::process::geteuid().is_root(),
            umask: touch.umask(),
            warnings: Vec::new(),
        };
        let look = work.look.clone();
        let mut trouble = None;
        walk(&look, &archive, packing, &mut |entry, content| {
            work.compare(entry, content).map_err(|failure| {
                let text = failure.message.clone();
                trouble.get_or_insert(failure);
                text
            })
        })
        .map_err(|failure| trouble.take().unwrap_or(failure))?;
        let mut result = Return::new()
            .with("dest", args.dest.to_string_lossy())
            .with("src", args.src.as_str())
            .with("handler", packing.handler());
        for warning in std::mem::take(&mut work.warnings) {
            result = result.warn(warning);
        }
        if args.list_files {
            result = result.with("files", work.names.clone());
        }
        let changed = !work.differing.is_empty();
        if changed && touch.wants_diff() {
            let lines: String = work
                .differing
                .iter()
                .map(|(name, why)| format!("{why} {name}\n"))
                .collect();
            result.diffs = vec![Diff::prepared(lines)];
        }
        if changed && !touch.is_check() {
            work.unpack(&archive, packing, touch)?;
        }
        Ok(describe(touch, &args.dest, result.changed(changed)))
    }
}

/// The archive as a file of this host.
fn fetch(args: &Args, touch: &mut Touch) -> Result<(PathBuf, Option<Staged>), Failure> {
    let folder = std::env::temp_dir();
    if args.copy && !args.remote_src {
        let mut staged = touch.stage(&folder)?;
        touch.fill(&mut staged, 0)?;
        return Ok((staged.path().to_owned(), Some(staged)));
    }
    if args.src.contains("://") {
        let call = http::Call {
            url: args.src.clone(),
            validate: args.validate_certs,
            timeout: Duration::from_secs(30),
            ..http::Call::default()
        }
        .discreet();
        let mut answer = call.send(touch)?;
        if answer.status != 200 {
            return Err(Failure::new(format!(
                "Failure downloading {}, it answered {} {}",
                call.url, answer.status, answer.reason
            ))
            .with("status_code", answer.status));
        }
        let mut staged = touch.stage(&folder)?;
        touch.pour(&mut staged, &mut answer.body)?;
        return Ok((staged.path().to_owned(), Some(staged)));
    }
    let path = PathBuf::from(touch.expand(&args.src));
    match touch.stat(&path)? {
        None => Err(Failure::new(format!(
            "Source '{}' does not exist",
            path.display()
        ))),
        Some(found) if found.is_file() && found.len() == 0 => Err(Failure::new(format!(
            "Invalid archive '{}', the file is 0 bytes",
            path.display()
        ))),
        Some(_) => Ok((path, None)),
    }
}

/// Who owns what is unpacked, by the names of the archive.
type Ids = BTreeMap<String, Option<u32>>;

struct Unpacking<'a> {
    plan: &'a Plan,
    look: Look,
    names: Vec<String>,
    /// Path below dest, and what differs.
    differing: BTreeMap<String, &'static str>,
    owners: Ids,
    groups: Ids,
    is_root: bool,
    umask: u32,
    warnings: Vec<String>,
}

impl Unpacking<'_> {
    /// Where an entry goes; `None` if it is left out.
    fn place(&mut self, entry: &Entry) -> Result<Option<PathBuf>, Failure> {
        let args = &self.plan.args;
        let plain = entry.name.trim_start_matches("./");
        let left_out = args
            .exclude
            .iter()
            .chain(&self.plan.options.exclude)
            .any(|pattern| options::matches(pattern, plain));
        let wanted = args.include.is_empty()
            || args
                .include
                .iter()
                .any(|pattern| options::matches(pattern, plain));
        if left_out || !wanted {
            return Ok(None);
        }
        if entry.kind == Kind::Directory && self.plan.options.junk_paths {
            return Ok(None);
        }
        let name = self.plan.options.rename(&entry.name)?;
        if Path::new(&name)
            .components()
            .any(|part| part == std::path::Component::ParentDir)
        {
            return Err(Failure::new(format!(
                "the archive has an entry that leads out of dest: {}",
                entry.name
            )));
        }
        Ok(crate::archive::below(&name, self.plan.options.strip).map(|path| args.dest.join(path)))
    }

    fn id(look: &Look, cache: &mut Ids, name: &str, number: u32, group: bool) -> u32 {
        if name.is_empty() {
            return number;
        }
        let found = cache.entry(name.to_owned()).or_insert_with(|| {
            if group {
                look.group(name).map(|group| group.gid)
            } else {
                look.user(name).map(|user| user.uid)
            }
        });
        found.unwrap_or(number)
    }

    /// How the entry shall look once it is unpacked.
    fn looks(&mut self, entry: &Entry) -> Unpacked {
        let plan = self.plan;
        let directory = entry.kind == Kind::Directory;
        let default = if directory { 0o777 } else { 0o666 };
        let keeps_bits = plan.options.same_permissions.unwrap_or(self.is_root);
        let base = match entry.mode {
            Some(bits) if keeps_bits || entry.owner.is_none() => bits,
            Some(bits) => bits & !self.umask & 0o777,
            None => default & !self.umask,
        };
        let mut looks = Unpacked {
            mode: plan.wanted.bits(base, directory, self.umask),
            uid: plan.wanted.uid,
            gid: plan.wanted.gid,
            modified: None,
        };
        if let Some(owner) = &entry.owner
            && plan.options.same_owner.unwrap_or(self.is_root)
        {
            let numeric = plan.options.numeric_owner;
            let name = |name: &str| {
                if numeric {
                    String::new()
                } else {
                    name.to_owned()
                }
            };
            let (user, group) = (name(&owner.user), name(&owner.group));
            if looks.uid.is_none() {
                looks.uid = Some(Self::id(
                    &self.look,
                    &mut self.owners,
                    &user,
                    owner.uid,
                    false,
                ));
            }
            if looks.gid.is_none() {
                looks.gid = Some(Self::id(
                    &self.look,
                    &mut self.groups,
                    &group,
                    owner.gid,
                    true,
                ));
            }
        }
        if !plan.options.touch {
            looks.modified = entry
                .modified
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        }
        looks
    }

    /// Notes what is not as in the archive.
    fn compare(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), Failure> {
        self.look.go_on()?;
        let Some(path) = self.place(entry)? else {
            return Ok(());
        };
        self.names.push(entry.name.clone());
        if entry.kind == Kind::Other {
            self.warnings.push(format!(
                "{} is a device or a pipe; it is left out",
                entry.name
            ));
            return Ok(());
        }
        if let Some(why) = self.difference(entry, &path, content)? {
            let name = path.strip_prefix(&self.plan.args.dest).unwrap_or(&path);
            self.differing
                .insert(name.to_string_lossy().into_owned(), why);
        }
        Ok(())
    }

    fn difference(
        &mut self,
        entry: &Entry,
        path: &Path,
        content: &mut dyn Read,
    ) -> Result<Option<&'static str>, Failure> {
        let looks = self.looks(entry);
        let Some(found) = self.look.lstat(path)? else {
            return Ok(Some("new"));
        };
        match &entry.kind {
            Kind::Link(target) => {
                let same = std::fs::read_link(path).is_ok_and(|is| is == Path::new(target));
                return Ok((!same).then_some("link"));
            }
            Kind::HardLink(target) => {
                let target = self.target(target)?;
                let same = self
                    .look
                    .lstat(&target)?
                    .is_some_and(|is| is.ino() == found.ino() && is.dev() == found.dev());
                return Ok((!same).then_some("link"));
            }
            Kind::Directory => {
                let there = self.look.stat(path)?;
                if !there.is_some_and(|there| there.is_dir()) {
                    return Ok(Some("kind"));
                }
                // A link to a directory stays one.
                if found.is_symlink() {
                    return Ok(None);
                }
            }
            Kind::File => {
                if !found.is_file() {
                    return Ok(Some("kind"));
                }
                if self.plan.args.keep_newer || self.plan.options.keep_newer {
                    let newer = looks
                        .modified
                        .zip(found.modified().ok())
                        .is_some_and(|(archived, is)| is > archived + Duration::from_secs(1));
                    if newer {
                        return Ok(None);
                    }
                }
                if self.plan.options.keep_old {
                    return Ok(None);
                }
                if found.len() != entry.size {
                    return Ok(Some("size"));
                }
                if looks
                    .modified
                    .is_some_and(|time| !same_second(&found, time))
                {
                    return Ok(Some("time"));
                }
                if !same_content(path, content)? {
                    return Ok(Some("content"));
                }
            }
            Kind::Other => return Ok(None),
        }
        if found.permissions().mode() & 0o7777 != looks.mode {
            return Ok(Some("mode"));
        }
        if looks.uid.is_some_and(|uid| uid != found.uid())
            || looks.gid.is_some_and(|gid| gid != found.gid())
        {
            return Ok(Some("owner"));
        }
        Ok(None)
    }

    fn target(&self, name: &str) -> Result<PathBuf, Failure> {
        let name = self.plan.options.rename(name)?;
        crate::archive::below(&name, self.plan.options.strip)
            .map(|path| self.plan.args.dest.join(path))
            .ok_or_else(|| {
                Failure::new(format!(
                    "the archive has a link to a file outside of dest: {name}"
                ))
            })
    }

    /// Brings what differs.
    fn unpack(
        &mut self,
        archive: &Path,
        packing: Packing,
        touch: &mut Touch,
    ) -> Result<(), Failure> {
        let look = self.look.clone();
        // Links come last: nothing is written through one of the archive's own.
        let mut links: Vec<(PathBuf, PathBuf, Unpacked)> = Vec::new();
        let mut directories: Vec<(PathBuf, Unpacked)> = Vec::new();
        let mut trouble = None;
        walk(&look, archive, packing, &mut |entry, content| {
            self.bring(entry, content, touch, &mut links, &mut directories)
                .map_err(|failure| {
                    let text = failure.message.clone();
                    trouble.get_or_insert(failure);
                    text
                })
        })
        .map_err(|failure| trouble.take().unwrap_or(failure))?;
        for (path, target, looks) in links {
            if touch.lstat(&path)?.is_some_and(|found| found.is_dir()) {
                return Err(Failure::new(format!(
                    "cannot make the link {}: a directory is there",
                    path.display()
                )));
            }
            touch.link(&target, &path)?;
            let wanted = Settled {
                uid: looks.uid,
                gid: looks.gid,
                ..Settled::default()
            };
            touch.settle(&path, &wanted)?;
        }
        // The inner ones first: what is put into a directory changes its time.
        for (path, looks) in directories.iter().rev() {
            let wanted = Settled {
                mode: Some(crate::host::Mode::Bits(looks.mode)),
                uid: looks.uid,
                gid: looks.gid,
                ..Settled::default()
            };
            touch.settle(path, &wanted)?;
            if let Some(time) = looks.modified {
                touch.set_times(path, None, Some(time), false)?;
            }
        }
        Ok(())
    }

    fn bring(
        &mut self,
        entry: &Entry,
        content: &mut dyn Read,
        touch: &mut Touch,
        links: &mut Vec<(PathBuf, PathBuf, Unpacked)>,
        directories: &mut Vec<(PathBuf, Unpacked)>,
    ) -> Result<(), Failure> {
        let Some(path) = self.place(entry)? else {
            return Ok(());
        };
        let name = path.strip_prefix(&self.plan.args.dest).unwrap_or(&path);
        if !self.differing.contains_key(&*name.to_string_lossy()) {
            return Ok(());
        }
        let looks = self.looks(entry);
        touch.make_directories(parent(&path), &Settled::default())?;
        match &entry.kind {
            Kind::Directory => {
                if touch.lstat(&path)?.is_some_and(|found| !found.is_dir()) {
                    touch.remove(&path)?;
                }
                touch.make_directory(&path)?;
                directories.push((path, looks));
            }
            Kind::File => {
                if touch.lstat(&path)?.is_some_and(|found| found.is_dir()) {
                    return Err(Failure::new(format!(
                        "cannot unpack {}: a directory is there",
                        path.display()
                    )));
                }
                touch.unpack(&path, content, &looks)?;
            }
            Kind::Link(target) => links.push((path, PathBuf::from(target), looks)),
            Kind::HardLink(target) => {
                let target = self.target(target)?;
                touch.hard_link(&target, &path)?;
            }
            Kind::Other => {}
        }
        Ok(())
    }
}

fn same_second(found: &Metadata, time: SystemTime) -> bool {
    let seconds = |time: SystemTime| {
        time.duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    };
    found
        .modified()
        .is_ok_and(|is| seconds(is) == seconds(time))
}

fn same_content(path: &Path, content: &mut dyn Read) -> Result<bool, Failure> {
    let what = || format!("read {}", path.display());
    let mut file = File::open(path).explain(what())?;
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let count = content.read(&mut left).explain("read the archive")?;
        if count == 0 {
            return Ok(file.read(&mut right[..1]).explain(what())? == 0);
        }
        if file.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] {
            return Ok(false);
        }
    }
}
