//! A project folder with a home of its own, and the command run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Host;

/// A folder with playbooks and the like.
pub(crate) struct Project {
    folder: TempDir,
}

/// How a command ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Project {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir_all(folder.path().join("home/.ssh")).unwrap();
        Self { folder }
    }

    /// A project whose inventory has one host, logged in to as a user.
    pub(crate) fn with_host(host: &Host, user: &str) -> Self {
        let project = Self::new();
        project.write("hosts.ini", &format!("{}\n", host.line("h1", user)));
        project.write("home/.ssh/known_hosts", &host.known_hosts_line());
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The command, in a clean environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocplay"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", self.folder.path().join("home"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn ocplay(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Writes `site.yml` and runs it against `hosts.ini`.
    pub(crate) fn play(&self, playbook: &str, more: &[&str]) -> Ran {
        self.write("site.yml", playbook);
        let mut args = vec!["run", "site.yml", "-i", "hosts.ini"];
        args.extend(more);
        self.ocplay(&args)
    }
}

impl Ran {
    /// Everything that was said.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    #[track_caller]
    pub(crate) fn code(self, wanted: i32) -> Self {
        assert_eq!(self.code, wanted, "{}", self.all());
        self
    }

    /// Everything that was said holds each of these texts.
    #[track_caller]
    pub(crate) fn says(self, wanted: &[&str]) -> Self {
        let all = self.all();
        for text in wanted {
            assert!(all.contains(text), "no {text:?} in:\n{all}");
        }
        assert!(!all.contains("panicked"), "{all}");
        self
    }

    /// The recap's line for a host, blanks collapsed.
    pub(crate) fn recap(&self, host: &str) -> String {
        let lines = self.out.lines().rev();
        let line = lines
            .filter(|line| line.starts_with(host))
            .find(|line| line.contains(" : ok="));
        line.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .unwrap_or_default()
    }
}
