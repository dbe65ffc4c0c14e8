//! `ocplay pull`, also as `ansible-pull`: fetches a repository and runs a
//! playbook of it on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use ocplay_language::diagnostic::Diagnostic;

use super::{Outcome, run};
use crate::args::{CommonArgs, ModeArgs, RunArgs};
use crate::config::{Config, Surroundings};
use crate::exit_code;
use crate::render::{diagnostic, print};

/// Fetch a repository and run a playbook of it on this machine.
#[derive(Debug, Parser)]
#[command(name = "ansible-pull", max_term_width = 100)]
pub(crate) struct PullArgs {
    /// Playbooks; without one: HOST.yml or local.yml.
    #[arg(value_name = "PLAYBOOK")]
    pub(crate) playbooks: Vec<PathBuf>,
    /// The repository.
    #[arg(short = 'U', long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Folder that the repository is put into.
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) directory: Option<PathBuf>,
    /// Branch, tag or commit.
    #[arg(short = 'C', long, value_name = "REVISION")]
    pub(crate) checkout: Option<String>,
    /// Kind of repository: git.
    #[arg(short, long, default_value = "git", value_name = "KIND")]
    pub(crate) module_name: String,
    /// Run even where the repository cannot be fetched.
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Throw away local changes in the folder.
    #[arg(long)]
    pub(crate) clean: bool,
    /// Run only where the repository has changed.
    #[arg(short, long)]
    pub(crate) only_if_changed: bool,
    /// Take the folder away afterwards.
    #[arg(long)]
    pub(crate) purge: bool,
    /// Fetch the whole history.
    #[arg(long)]
    pub(crate) full: bool,
    /// Verify the signature of the commit.
    #[arg(long)]
    pub(crate) verify_commit: bool,
    /// Fetch submodules as well, at the commit that they track.
    #[arg(long)]
    pub(crate) track_subs: bool,
    /// Take the host key of a new server.
    #[arg(long)]
    pub(crate) accept_host_key: bool,
    /// Wait a random time of at most so many seconds first.
    #[arg(short, long, value_name = "SECONDS")]
    pub(crate) sleep: Option<u64>,
    /// Find out what would change, change nothing.
    #[arg(long)]
    pub(crate) check: bool,
    /// Show what changes in files and the like.
    #[arg(long)]
    pub(crate) diff: bool,
    /// Run only tasks with one of these tags.
    #[arg(short, long, value_name = "TAGS")]
    pub(crate) tags: Vec<String>,
    /// Leave out tasks with one of these tags.
    #[arg(long, value_name = "TAGS")]
    pub(crate) skip_tags: Vec<String>,
    /// List the hosts.
    #[arg(long)]
    pub(crate) list_hosts: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

fn wrong(message: impl Into<String>) -> Vec<Diagnostic> {
    vec![Diagnostic::error("pull", message)]
}

pub(crate) fn run(args: &PullArgs, config: &Config) -> Outcome {
    let Some(url) = args.url.as_deref().filter(|url| !url.is_empty()) else {
        diagnostic::print_all(&wrong("URL for repository not specified, use -h for help"));
        return Ok(ExitCode::from(exit_code::OPTIONS));
    };
    if args.module_name != "git" {
        return Err(vec![
            Diagnostic::error(
                "pull",
                format!("Unsupported SCM module {}", args.module_name),
            )
            .help("git is the one that is known"),
        ]);
    }
    if let Some(limit) = args.sleep.filter(|limit| *limit > 0) {
        let seconds = random(limit);
        print(&format!("Sleeping for {seconds} seconds...\n"));
        std::thread::sleep(Duration::from_secs(seconds));
    }
    let name = host_name();
    let folder = match &args.directory {
        Some(folder) => std::path::absolute(folder).unwrap_or_else(|_| folder.clone()),
        None => config.ansible_home().join("pull").join(&name),
    };
    print(&format!(
        "Starting ocplay pull of {url} into {}\n",
        folder.display()
    ));
    let repository = Repository {
        args,
        url,
        folder: &folder,
    };
    let changed = match repository.fetch() {
        Ok(changed) => changed,
        Err(problem) if args.force => {
            diagnostic::print_all(&[Diagnostic::warning(
                "pull",
                format!(
                    "Unable to update repository. Continuing with (forced) run of playbook. {problem}"
                ),
            )]);
            true
        }
        Err(problem) => return Err(wrong(problem)),
    };
    if args.only_if_changed && !changed {
        print("Repository has not changed, quitting.\n");
        return Ok(ExitCode::SUCCESS);
    }
    let playbooks = playbooks(args, &folder, &name)?;
    std::env::set_current_dir(&folder)
        .map_err(|error| wrong(format!("{}: {error}", folder.display())))?;
    // The repository may bring settings of its own, its inventory among them.
    let (own, warnings) = Config::load(Surroundings::here())?;
    diagnostic::print_all(&warnings);
    let outcome = run::run(&run_args(args, playbooks, &name), &own);
    if args.purge {
        // The folder that this run stands in goes away.
        drop(std::env::set_current_dir("/"));
        if let Err(error) = std::fs::remove_dir_all(&folder) {
            diagnostic::print_all(&[Diagnostic::warning(
                "pull",
                format!("{} could not be taken away: {error}", folder.display()),
            )]);
        }
    }
    outcome
}

/// Everything that the playbook run takes over.
fn run_args(args: &PullArgs, playbooks: Vec<PathBuf>, name: &str) -> RunArgs {
    let mut common = args.common.clone();
    let short = name.split('.').next().unwrap_or(name);
    common
        .limit
        .get_or_insert_with(|| format!("localhost,{name},{short},127.0.0.1"));
    common.connection.get_or_insert_with(|| "local".to_owned());
    RunArgs {
        playbooks,
        tags: args.tags.clone(),
        skip_tags: args.skip_tags.clone(),
        list_hosts: args.list_hosts,
        common,
        mode: ModeArgs {
            check: args.check,
            diff: args.diff,
            ..ModeArgs::default()
        },
        ..RunArgs::default()
    }
}

/// The playbooks that are asked for, or the one for this machine.
fn playbooks(args: &PullArgs, folder: &Path, name: &str) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    if args.playbooks.is_empty() {
        let short = name.split('.').next().unwrap_or(name);
        let known = [
            format!("{name}.yml"),
            format!("{short}.yml"),
            "local.yml".to_owned(),
        ];
        let found = known
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file());
        return match found {
            Some(path) => Ok(vec![path]),
            None => Err(wrong(format!(
                "Could not find a playbook to run; looked for {} in {}",
                known.join(", "),
                folder.display()
            ))),
        };
    }
    args.playbooks
        .iter()
        .map(|playbook| {
            let path = folder.join(playbook);
            if path.is_file() {
                Ok(path)
            } else {
                Err(wrong(format!(
                    "the playbook {} is not in the repository",
                    playbook.display()
                )))
            }
        })
        .collect()
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_else(|_| "localhost".to_owned())
}

fn random(limit: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) % (limit + 1)
}

struct Repository<'a> {
    args: &'a PullArgs,
    url: &'a str,
    folder: &'a Path,
}

impl Repository<'_> {
    /// Brings the folder to the wanted revision; says whether it changed.
    fn fetch(&self) -> Result<bool, String> {
        let before = if self.folder.join(".git").exists() {
            let before = self.git(&["rev-parse", "HEAD"]).ok();
            if !self.args.clean
                && !self
                    .git(&["status", "--porcelain", "--untracked-files=no"])?
                    .is_empty()
            {
                return Err(
                    "Local modifications exist in the destination: --clean throws them away"
                        .to_owned(),
                );
            }
            self.git(&["remote", "set-url", "origin", self.url])?;
            self.git(&["fetch", "--tags", "--force", "origin"])?;
            before
        } else {
            let parent = self.folder.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(parent)
                .map_err(|error| format!("{}: {error}", parent.display()))?;
            let target = self.folder.to_string_lossy();
            let mut words = vec!["clone", self.url, &target];
            // A single revision may be anywhere in the history.
            if !self.args.full && self.args.checkout.is_none() {
                words.splice(1..1, ["--depth", "1"]);
            }
            self.run_git(parent, &words)?;
            None
        };
        let wanted = match &self.args.checkout {
            Some(revision) => {
                let branch = format!("origin/{revision}");
                match self.git(&["rev-parse", "--verify", "--quiet", &branch]) {
                    Ok(_) => branch,
                    Err(_) => revision.clone(),
                }
            }
            None => "origin/HEAD".to_owned(),
        };
        if self.args.verify_commit {
            self.git(&["verify-commit", &wanted])?;
        }
        let force = if self.args.clean {
            "--force"
        } else {
            "--quiet"
        };
        self.git(&["checkout", force, "--detach", &wanted])?;
        if self.folder.join(".gitmodules").exists() {
            let mut words = vec!["submodule", "update", "--init", "--recursive"];
            if self.args.track_subs {
                words.push("--remote");
            }
            self.git(&words)?;
        }
        let after = self.git(&["rev-parse", "HEAD"])?;
        print(&format!("{} is at {after}\n", self.folder.display()));
        Ok(before.as_ref() != Some(&after))
    }

    fn git(&self, words: &[&str]) -> Result<String, String> {
        self.run_git(self.folder, words)
    }

    fn run_git(&self, folder: &Path, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new("git");
        command
            .args(words)
            .current_dir(folder)
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::null());
        let mut ssh = String::from("ssh");
        if let Some(key) = &self.args.common.private_key {
            ssh.push_str(&format!(" -i '{}'", key.display()));
        }
        if self.args.accept_host_key {
            ssh.push_str(" -o StrictHostKeyChecking=accept-new");
        }
        if ssh != "ssh" {
            command.env("GIT_SSH_COMMAND", ssh);
        }
        let output = command
            .output()
            .map_err(|error| format!("git did not start: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("git {} failed: {}", words.join(" "), said.trim()))
    }
}
