//! Command lines of the docker client: built, shown, run.

use std::time::Duration;

use super::Engine;
use crate::host::{Command, Failure, Look, Output, Touch, words};

/// One command line. What must not be seen in the process list is in the
/// client's own environment, and the line names it only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    words: Vec<String>,
    secrets: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    stdin: Option<String>,
    live: bool,
    timeout: Option<Duration>,
}

impl Line {
    pub(crate) fn new<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        Self {
            words: words.into_iter().map(Into::into).collect(),
            secrets: Vec::new(),
            environment: Vec::new(),
            stdin: None,
            live: false,
            timeout: None,
        }
    }

    #[must_use]
    pub(crate) fn with<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub(crate) fn secrets(mut self, secrets: Vec<(String, String)>) -> Self {
        self.secrets = secrets;
        self
    }

    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What it reads.
    #[must_use]
    pub(crate) fn stdin(mut self, text: String) -> Self {
        self.stdin = Some(text);
        self
    }

    /// Its output goes to the controller while it comes.
    #[must_use]
    pub(crate) fn live(mut self) -> Self {
        self.live = true;
        self
    }

    #[must_use]
    pub(crate) fn timeout(mut self, limit: Option<Duration>) -> Self {
        self.timeout = limit;
        self
    }

    /// As it can be typed, with masks for secrets.
    pub(crate) fn show(&self, engine: Option<&Engine>) -> String {
        let mut line = String::new();
        for (name, value) in &self.environment {
            line.push_str(&format!("{name}={} ", words::quote(value)));
        }
        for (name, _) in &self.secrets {
            line.push_str(&format!("{name}=******** "));
        }
        line.push_str(&words::join(&self.argv(engine)));
        line
    }

    fn argv(&self, engine: Option<&Engine>) -> Vec<String> {
        let mut argv = vec!["docker".to_owned()];
        if let Some(engine) = engine
            && !engine.is_default()
        {
            argv.push("--host".to_owned());
            argv.push(format!("unix://{}", engine.socket().display()));
        }
        argv.extend(self.words.iter().cloned());
        argv
    }

    /// Runs it, whatever comes out.
    pub(crate) fn run(&self, engine: &Engine, touch: &mut Touch) -> Result<Output, Failure> {
        client(touch)?;
        let mut command = Command::new(self.argv(Some(engine)));
        // Nobody's context shall lead the client to another engine than ours.
        command = command.env(
            "DOCKER_HOST",
            format!("unix://{}", engine.socket().display()),
        );
        if let Some(version) = engine.api_version() {
            command = command.env("DOCKER_API_VERSION", version);
        }
        command
            .environment
            .extend(self.environment.iter().chain(&self.secrets).cloned());
        command.stdin = self.stdin.clone().map(String::into_bytes);
        command.live = self.live;
        command.timeout = self.timeout;
        touch.run(&command)
    }

    /// Runs it; it must succeed. `what` reads on from "cannot".
    pub(crate) fn must(
        &self,
        engine: &Engine,
        touch: &mut Touch,
        what: &str,
    ) -> Result<Output, Failure> {
        let output = self.run(engine, touch)?;
        if output.ok() {
            return Ok(output);
        }
        let message = format!("cannot {what}: {}", complaint(&output));
        Err(output.failure(message).with("cmd", self.show(Some(engine))))
    }
}

fn client(look: &Look) -> Result<(), Failure> {
    match look.which("docker") {
        Some(_) => Ok(()),
        None => Err(
            "the engine is there but the program docker is not: apt-get install docker.io \
             (docker-cli on releases where it is a package of its own)"
                .into(),
        ),
    }
}

/// What the client said, without its standing phrases.
pub(crate) fn complaint(output: &Output) -> String {
    let text = output.complaint();
    let text: Vec<&str> = text
        .lines()
        .filter(|line| {
            !line.is_empty() && !line.starts_with("See 'docker") && !line.starts_with("Run 'docker")
        })
        .map(|line| {
            line.strip_prefix("docker: ")
                .unwrap_or(line)
                .trim_start_matches("Error response from daemon: ")
        })
        .collect();
    text.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_named_but_not_shown() {
        let line = Line::new(["run", "--env", "DB_PASSWORD", "a b"])
            .secrets(vec![("DB_PASSWORD".to_owned(), "hunter2".to_owned())]);
        assert_eq!(
            line.show(None),
            "DB_PASSWORD=******** docker run --env DB_PASSWORD 'a b'"
        );
    }
}
