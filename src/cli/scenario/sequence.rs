//! The steps of a scenario's life, and which of them a command goes through.

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::yaml::Node;

use super::reader::Reader;

/// One thing that can be done to a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Dependency,
    Create,
    Prepare,
    Converge,
    Idempotence,
    SideEffect,
    Verify,
    Cleanup,
    Destroy,
    Syntax,
    Check,
    Test,
}

impl Action {
    const ALL: [Self; 12] = [
        Self::Dependency,
        Self::Create,
        Self::Prepare,
        Self::Converge,
        Self::Idempotence,
        Self::SideEffect,
        Self::Verify,
        Self::Cleanup,
        Self::Destroy,
        Self::Syntax,
        Self::Check,
        Self::Test,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Dependency => "dependency",
            Self::Create => "create",
            Self::Prepare => "prepare",
            Self::Converge => "converge",
            Self::Idempotence => "idempotence",
            Self::SideEffect => "side_effect",
            Self::Verify => "verify",
            Self::Cleanup => "cleanup",
            Self::Destroy => "destroy",
            Self::Syntax => "syntax",
            Self::Check => "check",
            Self::Test => "test",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// What a command goes through where the scenario does not say.
    fn usual(self) -> &'static [Self] {
        use Action::{
            Check, Cleanup, Converge, Create, Dependency, Destroy, Idempotence, Prepare,
            SideEffect, Syntax, Test, Verify,
        };
        match self {
            Check => &[
                Dependency, Cleanup, Destroy, Create, Prepare, Converge, Check, Cleanup, Destroy,
            ],
            Cleanup => &[Cleanup],
            Converge => &[Dependency, Create, Prepare, Converge],
            Create => &[Dependency, Create, Prepare],
            Dependency => &[Dependency],
            Destroy => &[Dependency, Cleanup, Destroy],
            Idempotence => &[Idempotence],
            Prepare => &[Prepare],
            SideEffect => &[SideEffect],
            Syntax => &[Syntax],
            Test => &[
                Dependency,
                Cleanup,
                Destroy,
                Syntax,
                Create,
                Prepare,
                Converge,
                Idempotence,
                SideEffect,
                Verify,
                Cleanup,
                Destroy,
            ],
            Verify => &[Verify],
        }
    }
}

/// A step of a sequence: the action and, behind its word, playbooks of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) playbooks: Vec<String>,
}

impl Step {
    pub(crate) fn plain(action: Action) -> Self {
        Self {
            action,
            playbooks: Vec::new(),
        }
    }
}

/// The sequences that a scenario says itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sequences(Vec<(Action, Vec<Step>)>);

impl Sequences {
    pub(crate) fn of(&self, action: Action) -> Vec<Step> {
        match self.0.iter().find(|(own, _)| *own == action) {
            Some((_, steps)) => steps.clone(),
            None => action
                .usual()
                .iter()
                .map(|step| Step::plain(*step))
                .collect(),
        }
    }

    /// The action whose sequence a key sets: `test_sequence` is Test's.
    pub(super) fn action_of_key(key: &str) -> Option<Action> {
        key.strip_suffix("_sequence").and_then(Action::of)
    }

    pub(super) fn read(&mut self, action: Action, node: &Node, reader: &mut Reader) {
        let what = format!("{}_sequence", action.word());
        let mut steps = Vec::new();
        for (index, text) in reader.words(node, &what).iter().enumerate() {
            let mut words = text.split_whitespace();
            let word = words.next().unwrap_or_default();
            let playbooks: Vec<String> = words.map(str::to_owned).collect();
            let takes = |action| matches!(action, Action::SideEffect | Action::Verify);
            let span = node
                .as_list()
                .and_then(|items| items.get(index))
                .map_or(&node.span, |item| &item.span);
            match Action::of(word).filter(|found| *found != Action::Test) {
                Some(found) if playbooks.is_empty() || takes(found) => steps.push(Step {
                    action: found,
                    playbooks,
                }),
                Some(found) => reader.problems.push(
                    Diagnostic::error("sequence", format!("'{}' takes no playbook", found.word()))
                        .at(span)
                        .help("'side_effect FILE' and 'verify FILE' do"),
                ),
                None if word == "lint" => reader.warnings.push(
                    Diagnostic::warning(
                        "no-effect",
                        "'lint' has no effect here: run ansible-lint beside it",
                    )
                    .at(span),
                ),
                None => reader.problems.push(
                    Diagnostic::error("sequence", format!("there is no step '{word}'"))
                        .at(span)
                        .suggest(word, Action::ALL.map(Action::word)),
                ),
            }
        }
        self.0.retain(|(own, _)| *own != action);
        self.0.push((action, steps));
    }
}
