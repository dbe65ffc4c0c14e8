//! Runs the playbooks of a scenario: each is a run of its own, with a record of its own.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use ocplay_language::diagnostic::Diagnostic;

use super::inventory;
use super::place::{Place, unwritable};
use super::reader::plain;
use super::settings::{Settings, flags};

/// Tags of tasks that a test leaves out.
const UNTESTED: &str = "molecule-notest,notest";
/// Tags of tasks that change something each time and may.
const RESTLESS: &str = "molecule-idempotence-notest";

/// Where what is run speaks to.
#[derive(Debug, Clone)]
pub(super) enum Voice {
    /// This terminal.
    Here,
    /// A file: other scenarios run at the same time.
    File(PathBuf),
}

impl Voice {
    /// Both ends of a program that speaks.
    pub(super) fn give(&self, command: &mut Command) -> Result<(), Diagnostic> {
        if let Self::File(path) = self {
            let out = File::options()
                .append(true)
                .create(true)
                .open(path)
                .map_err(|error| unwritable(path, &error))?;
            let err = out.try_clone().map_err(|error| unwritable(path, &error))?;
            command.stdin(Stdio::null()).stdout(out).stderr(err);
        }
        Ok(())
    }
}

/// How a run of a playbook ended, and whose record it is.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) pid: u32,
}

impl Ended {
    /// Somebody pressed Ctrl-C.
    pub(super) fn interrupted(&self) -> bool {
        self.status.code() == Some(i32::from(crate::exit_code::INTERRUPTED))
    }
}

/// Everything that runs of one scenario have in common.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    pub(super) place: &'a Place,
    pub(super) settings: &'a Settings,
    /// The settings that the project itself uses.
    pub(super) config: Option<&'a Path>,
    pub(super) role_paths: &'a [PathBuf],
    /// Words for every run, behind `--`.
    pub(super) words: &'a [String],
    pub(super) voice: Voice,
}

impl Runner<'_> {
    /// The file of a playbook, where there is one.
    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        let given = &self.settings.provisioner.playbooks;
        let own = format!("{}.{name}", self.settings.driver.kind.word());
        let file = given.get(&own).or_else(|| given.get(name));
        if let Some(file) = file {
            return Some(self.place.folder.join(file));
        }
        let usual = self.place.folder.join(format!("{name}.yml"));
        let older = self.place.folder.join("playbook.yml");
        if usual.is_file() {
            Some(usual)
        } else if name == "converge" && older.is_file() {
            Some(older)
        } else {
            None
        }
    }

    /// Runs a playbook to its end.
    pub(super) fn run(&self, playbook: &Path, more: &[&str]) -> Result<Ended, Diagnostic> {
        self.spawn(self.command(playbook, more)?)
    }

    fn spawn(&self, mut command: Command) -> Result<Ended, Diagnostic> {
        self.voice.give(&mut command)?;
        let mut child = command.spawn().map_err(|error| {
            Diagnostic::error("run", format!("a run cannot be started: {error}"))
        })?;
        let pid = child.id();
        let status = child
            .wait()
            .map_err(|error| Diagnostic::error("run", format!("a run is lost: {error}")))?;
        Ok(Ended { status, pid })
    }

    fn command(&self, playbook: &Path, more: &[&str]) -> Result<Command, Diagnostic> {
        let provisioner = &self.settings.provisioner;
        // This very program, also where its file was replaced since.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("ocplay").arg("run").arg(playbook);
        for source in inventory::sources(self.place, self.settings) {
            command.args(["--inventory", &source]);
        }
        let mut options = provisioner.options.clone();
        let is_converge = self.file("converge").is_some_and(|file| file == playbook);
        if !is_converge {
            options.remove("become");
            options.remove("b");
        }
        command
            .args(["--skip-tags", UNTESTED])
            .args(flags(&options))
            .args(&provisioner.args)
            .args(more)
            .args(self.words)
            .current_dir(&self.place.folder);
        self.environment(&mut command)?;
        Ok(command)
    }

    /// What the scenario's programs find in their environment.
    pub(super) fn environment(&self, command: &mut Command) -> Result<(), Diagnostic> {
        let driver = self.settings.driver.kind.word();
        command.envs(self.place.environment(driver));
        // For a playbook that must see another one fail.
        if let Ok(own) = std::env::current_exe() {
            command.env("OCPLAY", own);
        }
        let roles = [
            self.place.ephemeral.join("roles"),
            self.place.project.join("roles"),
            self.place
                .project
                .parent()
                .unwrap_or(Path::new("/"))
                .to_owned(),
        ];
        let roles = roles.iter().chain(self.role_paths);
        if let Ok(paths) = std::env::join_paths(roles) {
            command.env("ANSIBLE_ROLES_PATH", paths);
        }
        if let Some(config) = self.config_file()? {
            command.env("ANSIBLE_CONFIG", config);
        }
        command.envs(
            self.settings
                .provisioner
                .env
                .iter()
                .map(|(name, value)| (name, value)),
        );
        Ok(())
    }

    /// The scenario's own settings, or the project's.
    fn config_file(&self) -> Result<Option<PathBuf>, Diagnostic> {
        let sections = &self.settings.provisioner.config;
        if sections.is_empty() {
            return Ok(self.config.map(Path::to_owned));
        }
        let mut text = String::from("# Written by `ocplay test`.\n");
        for (section, values) in sections {
            text.push_str(&format!("[{section}]\n"));
            for (name, value) in values.as_object().into_iter().flatten() {
                text.push_str(&format!("{name} = {}\n", plain(value)));
            }
        }
        let path = self.place.ephemeral.join("ansible.cfg");
        self.place.make()?;
        std::fs::write(&path, text).map_err(|error| unwritable(&path, &error))?;
        Ok(Some(path))
    }

    /// A second run of converge, whose record shows what changed again.
    pub(super) fn run_again(&self, playbook: &Path) -> Result<Ended, Diagnostic> {
        let mut command = self.command(playbook, &["--skip-tags", RESTLESS])?;
        // Not as an option: the scenario may have given it.
        command.env("ANSIBLE_DIFF_ALWAYS", "true");
        self.spawn(command)
    }
}
