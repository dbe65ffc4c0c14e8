//! `mount`: what is mounted, now and at each boot.

mod fstab;

use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;

use super::acts::{Acts, acting, command, state};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Settled, Touch};
use fstab::{Entry, Mounted};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State {
        Absent = "absent",
        AbsentFromFstab = "absent_from_fstab",
        Mounted = "mounted",
        Present = "present",
        Unmounted = "unmounted",
        Remounted = "remounted",
        Ephemeral = "ephemeral",
    }
}

ocplay_protocol::arguments! {
    /// Mounts file systems and keeps /etc/fstab.
    pub(super) struct Args {
        /// Where it is mounted.
        path: PathBuf ["name"],
        /// Device, remote file system or directory to mount.
        src: Option<String>,
        /// Kind of file system.
        fstype: Option<String>,
        /// Options.
        opts: Option<String>,
        /// Do not show the options.
        opts_no_log: bool = false,
        /// Whether dump saves it.
        dump: Option<String>,
        /// When it is checked at boot.
        passno: Option<String>,
        /// mounted: in fstab, and now. present: only in fstab. unmounted: not now. absent: neither,
        /// and the directory is removed. absent_from_fstab: not in fstab. remounted: mounted anew.
        /// ephemeral: now, but not in fstab.
        state: State,
        /// Another file instead of /etc/fstab.
        fstab: Option<PathBuf>,
        /// Mount it at boot; otherwise it gets the option noauto.
        boot: bool = true,
        /// Keep a copy of the old fstab.
        backup: bool = false,
    }
}

pub(super) struct Mount;

const FSTAB: &str = "/etc/fstab";

/// What is mounted on the path, the topmost last.
fn mounted_on(look: &Look, path: &Path) -> Result<Option<Mounted>, Failure> {
    let text = look
        .read_text(Path::new("/proc/self/mountinfo"))?
        .unwrap_or_default();
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    Ok(fstab::mounts(&text)
        .into_iter()
        .rfind(|mounted| Path::new(&mounted.target) == real))
}

impl Module for Mount {
    const NAME: &'static str = "mount";
    const COLLECTION: &'static str = "ansible.posix";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let needs = matches!(
            args.state,
            State::Present | State::Mounted | State::Ephemeral
        );
        if needs && (args.src.is_none() || args.fstype.is_none()) {
            let missing: Vec<&str> = [("src", &args.src), ("fstype", &args.fstype)]
                .iter()
                .filter(|(_, value)| value.is_none())
                .map(|(name, _)| *name)
                .collect();
            return Err(Failure::new(format!(
                "state is {} but all of the following are missing: {}",
                args.state.word(),
                missing.join(", ")
            )));
        }
        if args.state == State::Ephemeral && args.fstab.is_some() {
            return Err("fstab makes no sense with state: ephemeral".into());
        }
        let file = args.fstab.clone().unwrap_or_else(|| PathBuf::from(FSTAB));
        let name = args.path.to_string_lossy().into_owned();
        let name = match name.trim_end_matches('/') {
            "" => "/".to_owned(),
            name => name.to_owned(),
        };
        let mut opts = args.opts.clone().unwrap_or_else(|| "defaults".to_owned());
        if !args.boot && !opts.split(',').any(|word| word == "noauto") {
            opts.push_str(",noauto");
        }
        let entry = Entry {
            source: args.src.clone().unwrap_or_default(),
            target: name.clone(),
            kind: args.fstype.clone().unwrap_or_default(),
            options: opts.clone(),
            dump: args.dump.clone().unwrap_or_else(|| "0".to_owned()),
            pass: args.passno.clone().unwrap_or_else(|| "0".to_owned()),
        };
        let shown_opts = if args.opts_no_log { "********" } else { &opts };
        let mut acts = Acts::new(
            Return::new()
                .with("name", name.as_str())
                .maybe("src", args.src.as_deref())
                .maybe("fstype", args.fstype.as_deref())
                .with("opts", shown_opts)
                .with("dump", entry.dump.as_str())
                .with("passno", entry.pass.as_str())
                .with("fstab", file.to_string_lossy())
                .with("boot", if args.boot { "yes" } else { "no" }),
        );
        let before = look.read_text(&file)?;
        let text = before.clone().unwrap_or_default();
        let after = match args.state {
            State::Present | State::Mounted => fstab::with(&text, &entry),
            State::Absent | State::AbsentFromFstab => fstab::without(&text, &entry),
            State::Unmounted | State::Remounted | State::Ephemeral => text.clone(),
        };
        let table_changes = after != text;
        let mounted = mounted_on(look, &args.path)?;
        let job = Job {
            args: args.clone(),
            path: args.path.clone(),
            file,
            entry,
            text: before,
            after: table_changes.then_some(after.clone()),
            mount: Todo::Nothing,
            remove_directory: false,
        };
        let mut job = job;
        let (mut was, mut is) = (String::new(), String::new());
        match args.state {
            State::Present | State::AbsentFromFstab => {}
            State::Mounted => {
                job.mount = match (&mounted, table_changes) {
                    (None, _) => Todo::Mount,
                    (Some(_), true) => Todo::Remount,
                    (Some(_), false) => Todo::Nothing,
                };
            }
            State::Ephemeral => {
                job.mount = match &mounted {
                    None => Todo::Mount,
                    Some(mounted) if mounted.is_of(args.src.as_deref().unwrap_or_default()) => {
                        Todo::Remount
                    }
                    Some(_) => {
                        return Err(
                            "Ephemeral mount point is already mounted with a different source \
                             than the specified one; use state: unmounted first, or another path"
                                .into(),
                        );
                    }
                };
            }
            State::Remounted => {
                if mounted.is_none() && !look.is_check() {
                    return Err(Failure::new(format!(
                        "Error remounting {name}: nothing is mounted there"
                    )));
                }
                job.mount = Todo::Remount;
            }
            State::Absent | State::Unmounted => {
                if mounted.is_some() {
                    job.mount = Todo::Unmount;
                }
                job.remove_directory =
                    args.state == State::Absent && look.lstat(&args.path)?.is_some();
            }
        }
        if mounted.is_some() {
            was.push_str("mounted\n");
        }
        match job.mount {
            Todo::Mount | Todo::Remount => is.push_str("mounted\n"),
            Todo::Nothing => is.clone_from(&was),
            Todo::Unmount => {}
        }
        let idle = !table_changes && !job.remove_directory && matches!(job.mount, Todo::Nothing);
        if idle {
            return Ok(acts.verdict());
        }
        if table_changes && !args.opts_no_log {
            acts.diff(Diff::text(&job.file.display().to_string(), text, after));
        }
        if was != is {
            acts.diff(state(&name, &was, &is));
        }
        acts.body(move |touch| job.run(touch));
        Ok(acts.verdict())
    }
}

enum Todo {
    Nothing,
    Mount,
    Remount,
    Unmount,
}

struct Job {
    args: Args,
    path: PathBuf,
    file: PathBuf,
    entry: Entry,
    text: Option<String>,
    /// New content of fstab.
    after: Option<String>,
    mount: Todo,
    remove_directory: bool,
}

impl Job {
    fn run(self, touch: &mut Touch) -> Result<Return, Failure> {
        let mut result = Return::new();
        let target = self.path.to_string_lossy().into_owned();
        if matches!(self.mount, Todo::Unmount) {
            touch.must(&command(["umount", &target]), &format!("unmount {target}"))?;
        }
        let mut made = Vec::new();
        let wants_path = matches!(self.args.state, State::Mounted | State::Ephemeral);
        if wants_path && touch.stat(&self.path)?.is_none() {
            made = touch.make_directories(&self.path, &Settled::default())?;
        }
        if let Some(after) = &self.after {
            if self.args.backup && self.text.is_some() {
                let copy = touch.backup(&self.file)?;
                result = result.with("backup_file", copy.to_string_lossy());
            }
            touch.write(&self.file, after.as_bytes(), &Settled::default())?;
        }
        if let Err(failure) = self.mount(touch) {
            // A line that does not work could keep the host from booting.
            if let (Some(_), Some(text)) = (&self.after, &self.text) {
                touch.write(&self.file, text.as_bytes(), &Settled::default())?;
            }
            for directory in made.iter().rev() {
                touch.remove(directory)?;
            }
            return Err(Failure {
                message: format!("Error mounting {target}: {}", failure.message),
                changed: false,
                ..failure
            });
        }
        if self.remove_directory {
            touch.remove_empty(&self.path)?;
        }
        Ok(result)
    }

    fn mount(&self, touch: &mut Touch) -> Result<(), Failure> {
        let target = self.path.to_string_lossy().into_owned();
        let mount = || -> Command {
            let mut words = vec!["mount".to_owned()];
            if self.args.state == State::Ephemeral {
                words.extend(["-t".to_owned(), self.entry.kind.clone()]);
                words.extend(["-o".to_owned(), self.entry.options.clone()]);
                words.push(self.entry.source.clone());
            } else if self.file != Path::new(FSTAB) {
                words.extend(["-T".to_owned(), self.file.to_string_lossy().into_owned()]);
            }
            words.push(target.clone());
            command(words)
        };
        match self.mount {
            Todo::Nothing | Todo::Unmount => Ok(()),
            Todo::Mount => touch.must(&mount(), &format!("mount {target}")).map(drop),
            Todo::Remount => {
                let mut options = "remount".to_owned();
                let bind = |word: &str| word == "bind" || word == "rbind";
                if self.entry.options.split(',').any(bind) {
                    options.push_str(",bind");
                }
                if let Some(given) = &self.args.opts {
                    options.push(',');
                    options.push_str(given);
                }
                let mut words = vec!["mount".to_owned(), "-o".to_owned(), options];
                if self.file != Path::new(FSTAB) {
                    words.extend(["-T".to_owned(), self.file.to_string_lossy().into_owned()]);
                }
                words.push(target.clone());
                if touch.run(&command(words))?.ok() {
                    return Ok(());
                }
                // Some options only a fresh mount takes.
                touch.must(&command(["umount", &target]), &format!("unmount {target}"))?;
                touch.must(&mount(), &format!("mount {target}")).map(drop)
            }
        }
    }
}
