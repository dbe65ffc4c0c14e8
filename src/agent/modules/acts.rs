//! What most modules end in: a list of things to do, found by a check and
//! done by an apply, with how they look and what they return.

use ocplay_protocol::Diff;

use super::Verdict;
use super::steps::Step;
use crate::host::{Command, Failure, Output, Return, Touch};

/// One thing to do.
enum Act {
    /// A program that must succeed; the text reads on from "cannot".
    Run(Command, String),
    Step(Step),
}

type After = Box<dyn FnOnce(&mut Touch, &[Output], Return) -> Result<Return, Failure>>;
type Do = Box<dyn FnOnce(&mut Touch) -> Result<Return, Failure>>;

/// Things to do, in order.
#[derive(Default)]
pub(super) struct Acts {
    acts: Vec<Act>,
    /// In place of the list, for what needs a hand of its own.
    body: Option<Do>,
    diffs: Vec<Diff>,
    result: Return,
    after: Option<After>,
}

impl Acts {
    /// Nothing to do yet; the values are returned in any case.
    pub(super) fn new(result: Return) -> Self {
        Self {
            result,
            ..Self::default()
        }
    }

    /// Adds a program. `what` reads on from "cannot".
    pub(super) fn run(&mut self, command: Command, what: impl Into<String>) {
        self.acts.push(Act::Run(command, what.into()));
    }

    pub(super) fn step(&mut self, step: Step) {
        self.acts.push(Act::Step(step));
    }

    /// All steps of a change of files.
    pub(super) fn work(&mut self, work: super::steps::Work) {
        self.acts.extend(work.steps.into_iter().map(Act::Step));
        self.diffs.extend(work.diffs);
    }

    /// How a change looks.
    pub(super) fn diff(&mut self, diff: Diff) {
        self.diffs.push(diff);
    }

    /// Changes what is returned.
    pub(super) fn result(&mut self, change: impl FnOnce(Return) -> Return) {
        self.result = change(std::mem::take(&mut self.result));
    }

    /// Something that is no list of programs and steps; done after them.
    pub(super) fn body(
        &mut self,
        body: impl FnOnce(&mut Touch) -> Result<Return, Failure> + 'static,
    ) {
        self.body = Some(Box::new(body));
    }

    /// Looks at the outcome and completes what is returned.
    pub(super) fn after(
        &mut self,
        after: impl FnOnce(&mut Touch, &[Output], Return) -> Result<Return, Failure> + 'static,
    ) {
        self.after = Some(Box::new(after));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.acts.is_empty() && self.body.is_none()
    }

    /// Nothing to do is "same".
    pub(super) fn verdict(self) -> Verdict<Self> {
        if self.is_empty() {
            return Verdict::Same(self.result);
        }
        let foreseen = self.result.clone();
        Verdict::Change(self, foreseen)
    }

    pub(super) fn diffs(&self) -> Vec<Diff> {
        self.diffs.clone()
    }

    pub(super) fn apply(self, touch: &mut Touch) -> Result<Return, Failure> {
        let (mut outputs, mut backups) = (Vec::new(), Vec::new());
        let mut begun = false;
        for act in self.acts {
            let done = match act {
                Act::Run(command, what) => touch.must(&command, &what).map(|output| {
                    outputs.push(output);
                }),
                Act::Step(step) => step.run(touch, &mut backups),
            };
            done.map_err(|failure| Failure {
                changed: failure.changed || begun,
                ..failure
            })?;
            begun = true;
        }
        let mut result = self.result;
        if let Some(backup) = backups.first() {
            result = result.with("backup_file", backup.to_string_lossy());
        }
        if let Some(body) = self.body {
            let more = body(touch)?;
            result.changed = more.changed.or(result.changed);
            result.values.extend(more.values);
        }
        match self.after {
            Some(after) => after(touch, &outputs, result),
            None => Ok(result),
        }
    }
}

/// The parts of a module whose plan is a list of things to do.
macro_rules! acting {
    () => {
        type Plan = $crate::modules::acts::Acts;

        fn describe(plan: &Self::Plan) -> Vec<ocplay_protocol::Diff> {
            plan.diffs()
        }

        fn apply(
            plan: Self::Plan,
            touch: &mut $crate::host::Touch,
        ) -> Result<$crate::host::Return, $crate::host::Failure> {
            plan.apply(touch)
        }
    };
}
pub(super) use acting;

/// A command line of owned and borrowed words.
pub(super) fn command<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Command {
    Command::new(words.into_iter().map(|word| word.as_ref().to_owned()))
}

/// A state before and after, as people read it.
pub(super) fn state(header: &str, before: &str, after: &str) -> Diff {
    let line = |text: &str| match text {
        "" => String::new(),
        text if text.ends_with('\n') => text.to_owned(),
        text => format!("{text}\n"),
    };
    Diff::text(header, line(before), line(after))
}

/// Fails unless the program is there, and says what to install.
pub(super) fn need(look: &crate::host::Look, program: &str, package: &str) -> Result<(), Failure> {
    match look.which(program) {
        Some(_) => Ok(()),
        None => Err(Failure::new(format!(
            "the program '{program}' is not on this host; install the package {package} first"
        ))),
    }
}
