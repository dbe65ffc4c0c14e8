//! A scenario's life: each step of a sequence, done.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ocplay_language::diagnostic::Diagnostic;

use super::driver::Kind;
use super::existing;
use super::idempotence::{Restless, restless};
use super::inventory::{self, Roads};
use super::lab_hosts;
use super::memory::Memory;
use super::place::{Place, unwritable};
use super::playbook::{Ended, Runner, Voice};
use super::sequence::{Action, Step};
use super::settings::{Settings, flags};
use crate::lab;

/// How a step ended.
#[derive(Debug)]
pub(crate) enum How {
    Done(String),
    /// There was nothing to do, and why.
    Skipped(String),
    /// A playbook failed; it has said why.
    Failed(String),
    /// The second run was not the last that changed something.
    Restless(Vec<Restless>),
    Broken(Box<Diagnostic>),
    Interrupted,
}

impl How {
    pub(crate) fn is_good(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Skipped(_))
    }
}

/// A step that is over.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) action: Action,
    pub(crate) how: How,
    pub(crate) took: Duration,
}

/// What a command says about the steps.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wishes {
    /// Hosts stay, also when all is over.
    pub(crate) keep_hosts: bool,
    /// Prepare again what is prepared.
    pub(crate) force: bool,
}

/// What is told while a scenario lives.
pub(crate) trait Witness {
    fn begins(&self, place: &Place, action: Action);
    fn ended(&self, place: &Place, past: &Past);
}

/// A scenario and all that its steps need.
#[derive(Debug)]
pub(crate) struct Life<'a> {
    pub(crate) place: &'a Place,
    pub(crate) settings: &'a Settings,
    pub(crate) config: Option<&'a Path>,
    pub(crate) role_paths: &'a [PathBuf],
    pub(crate) words: &'a [String],
    /// Where the steps' output goes; nothing for this terminal.
    pub(crate) log: Option<PathBuf>,
    /// `$XDG_STATE_HOME/ocplay`.
    pub(crate) state: &'a Path,
    pub(crate) wishes: Wishes,
    /// Somebody pressed Ctrl-C.
    pub(crate) stop: &'a AtomicBool,
}

impl Life<'_> {
    /// Goes through the sequence of an action; a step that fails is the last, but for those that clean up.
    pub(crate) fn go(&self, action: Action, witness: &dyn Witness) -> Vec<Past> {
        // A look at the content touches no host, whoever is at work on them.
        let turn = (action != Action::Syntax).then(|| self.turn()).transpose();
        let _turn = match turn {
            Ok(turn) => turn,
            Err(problem) => {
                let over = Past {
                    action,
                    how: How::Broken(Box::new(problem)),
                    took: Duration::ZERO,
                };
                witness.ended(self.place, &over);
                return vec![over];
            }
        };
        let mut memory = Memory::of(self.place);
        let mut steps = self.settings.sequences.of(action);
        let ends = matches!(action, Action::Test | Action::Check);
        let cleans = |step: &Step| matches!(step.action, Action::Cleanup | Action::Destroy);
        if ends && self.wishes.keep_hosts {
            steps.retain(|step| !cleans(step));
        }
        let destroys = ends && steps.iter().any(|step| step.action == Action::Destroy);
        let mut past: Vec<Past> = Vec::new();
        let mut failed = false;
        for step in &steps {
            failed = !self.step(step, &mut memory, &mut past, witness);
            if failed {
                break;
            }
        }
        if failed && destroys {
            for action in [Action::Cleanup, Action::Destroy] {
                self.step(&Step::plain(action), &mut memory, &mut past, witness);
            }
        }
        past
    }

    /// One command at a time works on a scenario.
    fn turn(&self) -> Result<std::fs::File, Diagnostic> {
        let file = self.place.file();
        let opened = std::fs::File::open(&file).map_err(|error| {
            Diagnostic::error(
                "missing-file",
                format!("{} cannot be read: {error}", file.display()),
            )
        })?;
        opened.try_lock().map_err(|_busy| {
            Diagnostic::error(
                "scenario",
                format!("another command is at work on '{}'", self.place.name),
            )
            .help("wait for it to end")
        })?;
        Ok(opened)
    }

    fn step(
        &self,
        step: &Step,
        memory: &mut Memory,
        past: &mut Vec<Past>,
        witness: &dyn Witness,
    ) -> bool {
        witness.begins(self.place, step.action);
        let start = Instant::now();
        let cleans = matches!(step.action, Action::Cleanup | Action::Destroy);
        let how = if self.stop.load(Ordering::Relaxed) && !cleans {
            How::Interrupted
        } else {
            self.act(step, memory)
                .unwrap_or_else(|problem| How::Broken(Box::new(problem)))
        };
        let over = Past {
            action: step.action,
            how,
            took: start.elapsed(),
        };
        witness.ended(self.place, &over);
        let good = over.how.is_good();
        past.push(over);
        good
    }

    fn act(&self, step: &Step, memory: &mut Memory) -> Result<How, Diagnostic> {
        match step.action {
            Action::Dependency => self.dependency(),
            Action::Create => self.create(memory),
            Action::Prepare => self.prepare(memory),
            Action::Converge => {
                self.ready(memory)?;
                let how = self.needed("converge", &[])?;
                memory.converged |= how.is_good();
                memory.keep(self.place)?;
                Ok(how)
            }
            Action::Idempotence => self.idempotence(memory),
            Action::SideEffect => self.optional(memory, "side_effect", &step.playbooks),
            Action::Verify if self.settings.verifier.disabled => {
                Ok(How::Skipped("the verifier is off".to_owned()))
            }
            Action::Verify => self.optional(memory, "verify", &step.playbooks),
            Action::Cleanup if !self.has_hosts(memory) => Ok(How::Skipped("no hosts".to_owned())),
            Action::Cleanup => self.optional(memory, "cleanup", &[]),
            Action::Destroy => self.destroy(memory),
            Action::Syntax => {
                self.write_inventory(&Roads::new())?;
                self.needed("converge", &["--syntax-check"])
            }
            Action::Check => {
                self.ready(memory)?;
                self.needed("converge", &["--check"])
            }
            Action::Test => Ok(How::Skipped("a sequence of its own".to_owned())),
        }
    }

    fn runner(&self) -> Runner<'_> {
        Runner {
            place: self.place,
            settings: self.settings,
            config: self.config,
            role_paths: self.role_paths,
            words: self.words,
            voice: self.voice(),
        }
    }

    fn voice(&self) -> Voice {
        self.log.clone().map_or(Voice::Here, Voice::File)
    }

    /// A writer for what the lab says.
    fn out(&self) -> Result<Box<dyn std::io::Write>, Diagnostic> {
        Ok(match &self.log {
            None => Box::new(std::io::stdout()),
            Some(path) => Box::new(
                std::fs::File::options()
                    .append(true)
                    .create(true)
                    .open(path)
                    .map_err(|error| unwritable(path, &error))?,
            ),
        })
    }

    fn is_existing(&self) -> bool {
        self.settings.driver.kind == Kind::Existing
    }

    /// Whether the scenario's own playbooks make and remove the hosts.
    fn is_managed(&self) -> bool {
        let wanted = self.settings.driver.managed;
        self.is_existing() && wanted.unwrap_or_else(|| self.runner().file("create").is_some())
    }

    fn has_hosts(&self, memory: &Memory) -> bool {
        memory.created || (self.is_existing() && !self.is_managed())
    }

    /// The ways to the hosts that are there.
    fn roads(&self, memory: &Memory) -> Result<Roads, Diagnostic> {
        if self.is_existing() {
            existing::roads(self.place, self.settings, self.is_managed())
        } else if memory.created {
            Ok(lab_hosts::roads(&lab_hosts::of(self.place, self.settings)?))
        } else {
            Ok(Roads::new())
        }
    }

    fn write_inventory(&self, none: &Roads) -> Result<(), Diagnostic> {
        let memory = Memory::of(self.place);
        let roads = if self.has_hosts(&memory) {
            self.roads(&memory)?
        } else {
            let names = self.settings.platforms.iter();
            let mut roads: Roads = names
                .map(|platform| (platform.name.clone(), serde_json::Map::new()))
                .collect();
            roads.extend(none.iter().cloned());
            roads
        };
        inventory::write(self.place, self.settings, &roads)
    }

    /// Hosts are there and the inventory is of today.
    fn ready(&self, memory: &Memory) -> Result<(), Diagnostic> {
        let standing = self.is_existing()
            || (memory.created && lab::is_up(&lab_hosts::of(self.place, self.settings)?));
        if !self.has_hosts(memory) || !standing {
            return Err(Diagnostic::error(
                "scenario",
                format!("the hosts of '{}' are not there", self.place.name),
            )
            .help(format!("ocplay test converge {}", self.place.name)));
        }
        self.write_inventory(&Roads::new())
    }

    fn create(&self, memory: &mut Memory) -> Result<How, Diagnostic> {
        let count = |roads: &Roads| match roads.len() {
            1 => "1 host".to_owned(),
            count => format!("{count} hosts"),
        };
        if !self.is_existing() {
            let there = memory.created && lab::is_up(&lab_hosts::of(self.place, self.settings)?);
            let none = self.settings.platforms.is_empty();
            if none && self.settings.driver.inventory.is_none() {
                return Err(
                    Diagnostic::error("scenario", "the scenario names no platform").help(format!(
                        "add to {}: platforms: [{{name: instance}}]",
                        self.place.file().display()
                    )),
                );
            }
            // Hosts that are there stay; those that a changed file adds are made.
            let roads = lab_hosts::create(self.place, self.settings, &mut *self.out()?)?;
            if !there {
                *memory = Memory::default();
            }
            memory.created = true;
            self.settings
                .driver
                .kind
                .word()
                .clone_into(&mut memory.driver);
            memory.keep(self.place)?;
            inventory::write(self.place, self.settings, &roads)?;
            return Ok(if there {
                How::Skipped("they are there".to_owned())
            } else {
                How::Done(count(&roads))
            });
        }
        if !self.is_managed() {
            let roads = self.roads(memory)?;
            inventory::write(self.place, self.settings, &roads)?;
            return Ok(How::Skipped("hosts that exist".to_owned()));
        }
        if memory.created {
            return Ok(How::Skipped("they are there".to_owned()));
        }
        self.write_inventory(&Roads::new())?;
        let how = self.needed("create", &[])?;
        if how.is_good() {
            memory.created = true;
            "default".clone_into(&mut memory.driver);
            memory.keep(self.place)?;
            inventory::write(self.place, self.settings, &self.roads(memory)?)?;
        }
        Ok(how)
    }

    fn prepare(&self, memory: &mut Memory) -> Result<How, Diagnostic> {
        let Some(file) = self.runner().file("prepare") else {
            return Ok(How::Skipped("no prepare.yml".to_owned()));
        };
        self.ready(memory)?;
        if memory.prepared && !self.wishes.force {
            return Ok(How::Skipped(
                "they are prepared; again with --force".to_owned(),
            ));
        }
        let how = self.played(&file, &[])?;
        if how.is_good() {
            memory.prepared = true;
            if !self.is_existing() && self.wishes.keep_hosts {
                let lab = lab_hosts::of(self.place, self.settings)?;
                lab::keep(&lab, lab_hosts::PREPARED, &mut *self.out()?)
                    .map_err(|problem| *problem)?;
                memory.snapshot = true;
            }
            memory.keep(self.place)?;
        }
        Ok(how)
    }

    /// Brings hosts back to how they were after `prepare`.
    pub(crate) fn restore(&self) -> Result<(), Diagnostic> {
        let _turn = self.turn()?;
        let mut memory = Memory::of(self.place);
        self.ready(&memory)?;
        if self.is_existing() {
            return Err(Diagnostic::error(
                "scenario",
                "hosts that ocplay did not make cannot be brought back to an earlier state",
            )
            .help(format!(
                "ocplay test destroy {0}; ocplay test converge {0}",
                self.place.name
            )));
        }
        let lab = lab_hosts::of(self.place, self.settings)?;
        let name = memory.snapshot.then_some(lab_hosts::PREPARED);
        lab::restore(&lab, name, &mut *self.out()?).map_err(|problem| *problem)?;
        memory.prepared &= memory.snapshot;
        memory.converged = false;
        memory.keep(self.place)
    }

    fn idempotence(&self, memory: &Memory) -> Result<How, Diagnostic> {
        self.ready(memory)?;
        if !memory.converged {
            return Err(Diagnostic::error(
                "scenario",
                format!("'{}' was not converged yet", self.place.name),
            )
            .help(format!("ocplay test converge {}", self.place.name)));
        }
        let runner = self.runner();
        let file = self.must_have("converge")?;
        let ended = runner.run_again(&file)?;
        if !ended.status.success() {
            return Ok(failed(&ended));
        }
        let found = restless(self.state, ended.pid)?;
        Ok(if found.is_empty() {
            How::Done("nothing changed".to_owned())
        } else {
            How::Restless(found)
        })
    }

    fn destroy(&self, memory: &mut Memory) -> Result<How, Diagnostic> {
        let how = if self.is_existing() {
            if self.is_managed() && memory.created && self.runner().file("destroy").is_some() {
                self.ready(memory)?;
                self.needed("destroy", &[])?
            } else {
                How::Skipped("no hosts of ours".to_owned())
            }
        } else {
            let made = self.place.ephemeral.join("lab.yml").exists()
                || (self.settings.driver.inventory.is_some() && self.place.ephemeral.exists());
            if made {
                let lab = lab_hosts::of(self.place, self.settings)?;
                lab::end(&lab).map_err(|problem| *problem)?;
                How::Done(String::new())
            } else {
                How::Skipped("no hosts".to_owned())
            }
        };
        if how.is_good() {
            *memory = Memory::default();
            self.place.remove()?;
        }
        Ok(how)
    }

    fn dependency(&self) -> Result<How, Diagnostic> {
        let dependency = &self.settings.dependency;
        if dependency.disabled {
            return Ok(How::Skipped("it is off".to_owned()));
        }
        let mut commands: Vec<Vec<String>> = Vec::new();
        if let Some(command) = &dependency.command {
            commands.push(["sh", "-c", command].map(str::to_owned).to_vec());
        } else {
            for (kind, option, usual) in [
                ("role", "role-file", "requirements.yml"),
                ("collection", "requirements-file", "collections.yml"),
            ] {
                let given = dependency
                    .options
                    .get(option)
                    .and_then(|file| file.as_str());
                let file = [&self.place.folder, &self.place.project]
                    .map(|folder| folder.join(given.unwrap_or(usual)))
                    .into_iter()
                    .find(|file| file.is_file());
                if let Some(file) = file {
                    let into = self.place.ephemeral.join(format!("{kind}s"));
                    let mut options = dependency.options.clone();
                    options.remove("role-file");
                    options.remove("requirements-file");
                    let words = ["ansible-galaxy", kind, "install", "-r"].map(str::to_owned);
                    let mut command = words.to_vec();
                    command.extend([
                        file.to_string_lossy().into_owned(),
                        "-p".to_owned(),
                        into.to_string_lossy().into_owned(),
                    ]);
                    command.extend(flags(&options));
                    commands.push(command);
                }
            }
        }
        if commands.is_empty() {
            return Ok(How::Skipped("no requirements.yml".to_owned()));
        }
        self.place.make()?;
        for words in &commands {
            let mut command = Command::new(&words[0]);
            command
                .args(&words[1..])
                .current_dir(&self.place.project)
                .stdin(Stdio::null());
            self.runner().environment(&mut command)?;
            command.envs(dependency.env.iter().map(|(name, value)| (name, value)));
            self.voice().give(&mut command)?;
            let status = command.status().map_err(|error| {
                Diagnostic::error("dependency", format!("{} cannot be started: {error}", words[0]))
                    .help("ocplay fetches no roles itself: install ansible-core for ansible-galaxy, or put the roles into roles/ and write dependency: {enabled: false}")
            })?;
            if !status.success() {
                return Ok(How::Failed(format!("{} failed ({status})", words[0])));
            }
        }
        Ok(How::Done(String::new()))
    }

    fn must_have(&self, name: &str) -> Result<PathBuf, Diagnostic> {
        self.runner().file(name).ok_or_else(|| {
            Diagnostic::error(
                "missing-file",
                format!("scenario '{}' has no {name}.yml", self.place.name),
            )
            .help(format!(
                "write {}",
                self.place.folder.join(format!("{name}.yml")).display()
            ))
        })
    }

    /// A playbook without which a step makes no sense.
    fn needed(&self, name: &str, more: &[&str]) -> Result<How, Diagnostic> {
        self.played(&self.must_have(name)?, more)
    }

    /// Playbooks that a scenario may have.
    fn optional(&self, memory: &Memory, name: &str, given: &[String]) -> Result<How, Diagnostic> {
        let mut files: Vec<PathBuf> = given
            .iter()
            .map(|file| self.place.folder.join(file))
            .collect();
        if files.is_empty() {
            match self.runner().file(name) {
                Some(file) => files.push(file),
                None => return Ok(How::Skipped(format!("no {name}.yml"))),
            }
        }
        self.ready(memory)?;
        for file in files {
            let how = self.played(&file, &[])?;
            if !how.is_good() {
                return Ok(how);
            }
        }
        Ok(How::Done(String::new()))
    }

    fn played(&self, file: &Path, more: &[&str]) -> Result<How, Diagnostic> {
        let ended = self.runner().run(file, more)?;
        Ok(if ended.status.success() {
            How::Done(String::new())
        } else {
            failed(&ended)
        })
    }
}

fn failed(ended: &Ended) -> How {
    if ended.interrupted() {
        return How::Interrupted;
    }
    How::Failed(match ended.status.code() {
        Some(1) => "a mistake in the content".to_owned(),
        Some(2) => "a task failed".to_owned(),
        Some(4) => "a host could not be reached".to_owned(),
        _ => format!("the run ended by {}", ended.status),
    })
}
