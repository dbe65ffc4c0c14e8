//! Calls of the git program.

use std::path::PathBuf;

use ocplay_protocol::coerce;
use serde_json::Value;

use super::Args;
use super::remote::{Target, Wanted};
use crate::host::{Command, Failure, Look, Output, Touch, words};

/// The program, in its directory and with its environment.
#[derive(Clone)]
pub(super) struct Git {
    program: String,
    dest: PathBuf,
    environment: Vec<(String, String)>,
    umask: Option<String>,
}

/// A umask as octal text, or as the number that YAML makes of one.
fn umask(value: &Value) -> Result<String, Failure> {
    let bits = match value {
        Value::Number(number) => number.as_u64(),
        other => coerce::text(other)
            .ok()
            .and_then(|text| u64::from_str_radix(text.trim(), 8).ok()),
    };
    match bits {
        Some(bits) if bits <= 0o777 => Ok(format!("{bits:04o}")),
        _ => Err("umask must be an octal integer".into()),
    }
}

/// How git shall call ssh; `None` leaves it to the host.
fn ssh(args: &Args, look: &Look) -> Option<String> {
    let mut line = "ssh -o BatchMode=yes".to_owned();
    if args.accept_hostkey {
        line.push_str(" -o StrictHostKeyChecking=no");
    } else if args.accept_newhostkey {
        line.push_str(" -o StrictHostKeyChecking=accept-new");
    }
    if let Some(key) = &args.key_file {
        line.push_str(" -i ");
        line.push_str(&words::quote(&key.to_string_lossy()));
        line.push_str(" -o IdentitiesOnly=yes");
    }
    if let Some(options) = &args.ssh_opts {
        line.push(' ');
        line.push_str(options);
    }
    if look.is_check() && (args.accept_hostkey || args.accept_newhostkey) {
        // The keys that are known still count, but no new one is noted: ssh
        // never writes into the files for everybody.
        let known = look.expand("~/.ssh/known_hosts");
        let files = format!("GlobalKnownHostsFile={known} /etc/ssh/ssh_known_hosts");
        line.push_str(" -o UserKnownHostsFile=/dev/null -o ");
        line.push_str(&words::quote(&files));
    }
    let own = ["GIT_SSH_COMMAND", "GIT_SSH"]
        .iter()
        .any(|name| look.variable(name).is_some());
    let asked = args.accept_hostkey
        || args.accept_newhostkey
        || args.key_file.is_some()
        || args.ssh_opts.is_some();
    (asked || !own).then_some(line)
}

impl Git {
    pub(super) fn new(args: &Args, look: &Look) -> Result<Self, Failure> {
        let program = match &args.executable {
            Some(path) => path.to_string_lossy().into_owned(),
            None => {
                super::super::acts::need(look, "git", "git")?;
                "git".to_owned()
            }
        };
        let mut environment = vec![
            ("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned()),
            // Questions leave no trace, not even a fresher index.
            ("GIT_OPTIONAL_LOCKS".to_owned(), "0".to_owned()),
        ];
        if let Some(line) = ssh(args, look) {
            environment.push(("GIT_SSH_COMMAND".to_owned(), line));
        }
        Ok(Self {
            program,
            dest: args.dest.clone(),
            environment,
            umask: args.umask.as_ref().map(umask).transpose()?,
        })
    }

    fn anywhere(&self, arguments: &[&str]) -> Command {
        let mut argv: Vec<String> = Vec::new();
        if let Some(umask) = &self.umask {
            let script = format!("umask {umask}; exec \"$@\"");
            argv.extend(["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()]);
        }
        argv.push(self.program.clone());
        argv.extend(arguments.iter().map(|word| (*word).to_owned()));
        let mut command = Command::new(argv);
        command.environment.clone_from(&self.environment);
        command
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.anywhere(arguments);
        command.directory = Some(self.dest.clone());
        command
    }

    pub(super) fn ask(&self, look: &Look, arguments: &[&str]) -> Result<Output, Failure> {
        look.ask(&self.command(arguments))
    }

    /// The first line of an answer, `None` if git says no.
    fn line(&self, look: &Look, arguments: &[&str]) -> Result<Option<String>, Failure> {
        let output = self.ask(look, arguments)?;
        let line = output.out().lines().next().map(str::to_owned);
        Ok(line.filter(|_| output.ok()))
    }

    pub(super) fn ask_anywhere(&self, look: &Look, words: &[&str]) -> Result<Output, Failure> {
        look.ask(&self.anywhere(words))
    }

    pub(super) fn must(
        &self,
        touch: &mut Touch,
        arguments: &[&str],
        what: &str,
    ) -> Result<Output, Failure> {
        touch.must(&self.command(arguments), what)
    }

    pub(super) fn must_anywhere(
        &self,
        touch: &mut Touch,
        arguments: &[&str],
        what: &str,
    ) -> Result<Output, Failure> {
        touch.must(&self.anywhere(arguments), what)
    }

    /// The commit that is checked out; `None` in an empty repository.
    pub(super) fn head(&self, look: &Look) -> Result<Option<String>, Failure> {
        let output = self.ask(look, &["rev-parse", "--verify", "-q", "HEAD"])?;
        if output.ok() {
            return Ok(Some(output.out().trim().to_owned()));
        }
        if output.stderr.trim_ascii().is_empty() {
            return Ok(None);
        }
        let message = format!("cannot read the repository: {}", output.complaint());
        Err(output.failure(message))
    }

    pub(super) fn branch(&self, look: &Look) -> Result<Option<String>, Failure> {
        self.line(look, &["symbolic-ref", "-q", "--short", "HEAD"])
    }

    pub(super) fn url(&self, look: &Look, remote: &str) -> Result<Option<String>, Failure> {
        self.line(look, &["config", "--get", &format!("remote.{remote}.url")])
    }

    /// Files under version control were changed.
    pub(super) fn is_modified(&self, look: &Look) -> Result<bool, Failure> {
        let words = ["status", "--porcelain", "-z", "--untracked-files=no"];
        let output = self.ask(look, &words)?;
        if output.ok() {
            return Ok(!output.stdout.is_empty());
        }
        let message = format!("cannot look for local changes: {}", output.complaint());
        Err(output.failure(message))
    }

    /// A submodule is missing or at another commit than the one recorded.
    pub(super) fn submodules_differ(&self, look: &Look) -> Result<bool, Failure> {
        if look.stat(&self.dest.join(".gitmodules"))?.is_none() {
            return Ok(false);
        }
        let output = self.ask(look, &["submodule", "status", "--recursive"])?;
        let text = output.out();
        // The first character of a line is the state; a blank is as recorded.
        Ok(output.ok() && text.lines().any(|line| line.starts_with(['-', '+', 'U'])))
    }

    pub(super) fn has(&self, look: &Look, commit: &str) -> Result<bool, Failure> {
        let object = format!("{commit}^{{commit}}");
        Ok(self.ask(look, &["cat-file", "-e", &object])?.ok())
    }

    pub(super) fn verify_head(&self, touch: &mut Touch, args: &Args) -> Result<(), Failure> {
        self.verify_object(touch, args, "verify-commit", "HEAD")
    }

    pub(super) fn verify(
        &self,
        touch: &mut Touch,
        args: &Args,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        if let Target::Tag(tag) = &wanted.target {
            let kind = self.line(touch, &["cat-file", "-t", &format!("refs/tags/{tag}")])?;
            if kind.as_deref() == Some("tag") {
                return self.verify_object(touch, args, "verify-tag", tag);
            }
        }
        self.verify_object(touch, args, "verify-commit", &wanted.commit)
    }

    fn verify_object(
        &self,
        touch: &mut Touch,
        args: &Args,
        verb: &str,
        object: &str,
    ) -> Result<(), Failure> {
        let output = touch.run(&self.command(&[verb, "--raw", object]))?;
        if !output.ok() {
            let message = format!(
                "Failed to verify GPG signature of commit/tag \"{}\"",
                args.version
            );
            return Err(output.failure(message));
        }
        let text = output.err();
        let signer = text.lines().find_map(|line| {
            let rest = line.strip_prefix("[GNUPG:] VALIDSIG ")?;
            rest.split_whitespace().last()
        });
        if args.gpg_allowlist.is_empty()
            || signer.is_some_and(|signer| args.gpg_allowlist.iter().any(|key| key == signer))
        {
            return Ok(());
        }
        let message = format!(
            "The gpg_allowlist does not include the public key \"{}\" for this commit",
            signer.unwrap_or("unknown")
        );
        Err(output.failure(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_umask() {
        assert_eq!(umask(&json!("0022")).unwrap(), "0022");
        assert_eq!(umask(&json!(18)).unwrap(), "0022");
        assert!(umask(&json!("9")).is_err());
    }
}
