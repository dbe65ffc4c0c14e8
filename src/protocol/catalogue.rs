//! Descriptions of modules and their arguments, derived from the argument
//! structs themselves (see [`crate::arguments!`]).

use serde::Serialize;
use serde_json::{Map, Value};

use crate::coerce;

/// Where a module does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Place {
    /// On the host, by the agent.
    Host,
    /// On the controller; the host is not contacted unless needed.
    Controller,
}

/// All that the controller knows about a module.
#[derive(Debug, Clone, Serialize)]
pub struct ModuleInfo {
    pub name: &'static str,
    /// Prefix of the collection that the module belongs to, such as
    /// `ansible.builtin` or `community.docker`.
    pub collection: &'static str,
    pub doc: String,
    pub place: Place,
    pub args: Vec<ArgInfo>,
    /// The module takes a line of free text, kept under `_raw_params`.
    pub free_form: bool,
    /// Keys beyond `args` are accepted (`set_fact`, `add_host`).
    pub open: bool,
}

/// One argument of a module.
#[derive(Debug, Clone, Serialize)]
pub struct ArgInfo {
    pub name: &'static str,
    pub aliases: Vec<&'static str>,
    pub kind: ArgKind,
    pub required: bool,
    pub default: Option<Value>,
    pub doc: String,
}

/// What a value of an argument may be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ArgKind {
    Text,
    Path,
    Boolean,
    Integer,
    Float,
    Choice(Vec<&'static str>),
    List(Box<Self>),
    Mapping,
    /// A mapping with known keys.
    Options(#[serde(skip)] OptionList),
    Any,
}

/// Keys of a nested mapping. A function, so that types may nest freely.
#[derive(Debug, Clone, Copy)]
pub struct OptionList(pub fn() -> Vec<ArgInfo>);

impl PartialEq for OptionList {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

/// A mistake in the arguments of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgProblem {
    Unknown { name: String, known: Vec<String> },
    Missing { name: String },
    Wrong { name: String, reason: String },
    Conflict { reason: String },
}

impl std::fmt::Display for ArgProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { name, .. } => write!(f, "unknown argument '{name}'"),
            Self::Missing { name } => write!(f, "missing required argument '{name}'"),
            Self::Wrong { name, reason } => write!(f, "argument '{name}': {reason}"),
            Self::Conflict { reason } => f.write_str(reason),
        }
    }
}

impl ModuleInfo {
    /// The argument of this name or alias.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<&ArgInfo> {
        find(&self.args, name)
    }
}

/// The argument of this name or alias.
#[must_use]
pub fn find<'a>(args: &'a [ArgInfo], name: &str) -> Option<&'a ArgInfo> {
    args.iter()
        .find(|arg| arg.name == name || arg.aliases.contains(&name))
}

/// Every name and alias, for suggestions.
#[must_use]
pub fn names(args: &[ArgInfo]) -> Vec<String> {
    args.iter()
        .flat_map(|arg| std::iter::once(arg.name).chain(arg.aliases.iter().copied()))
        .map(str::to_owned)
        .collect()
}

/// Renames aliases to the names they stand for and reports unknown keys.
///
/// # Errors
/// One [`ArgProblem`] per unknown key, or for a name given twice.
pub fn canonical(
    args: &[ArgInfo],
    given: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<ArgProblem>> {
    let mut out = Map::new();
    let mut problems = Vec::new();
    for (key, value) in given {
        match find(args, &key) {
            None => problems.push(ArgProblem::Unknown {
                name: key,
                known: names(args),
            }),
            Some(arg) => {
                if out.insert(arg.name.to_owned(), value).is_some() {
                    problems.push(ArgProblem::Conflict {
                        reason: format!("'{key}' is the same argument as '{}'", arg.name),
                    });
                }
            }
        }
    }
    if problems.is_empty() {
        Ok(out)
    } else {
        Err(problems)
    }
}

impl ArgKind {
    /// Whether a ready value is acceptable, with the reason if not.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn accepts(&self, value: &Value) -> Result<(), String> {
        match self {
            Self::Text | Self::Path => coerce::text(value).map(drop),
            Self::Boolean => coerce::boolean(value).map(drop),
            Self::Integer => coerce::integer(value).map(drop),
            Self::Float => coerce::float(value).map(drop),
            Self::Choice(choices) => choice(choices, value).map(drop),
            Self::List(kind) => coerce::list(value)?
                .iter()
                .try_for_each(|item| kind.accepts(item)),
            Self::Mapping => coerce::mapping(value).map(drop),
            Self::Options(OptionList(infos)) => {
                let infos = infos();
                let map = canonical(&infos, coerce::mapping(value)?)
                    .map_err(|problems| join(&problems))?;
                for arg in &infos {
                    match map.get(arg.name) {
                        None | Some(Value::Null) if arg.required => {
                            return Err(format!("missing '{}'", arg.name));
                        }
                        None | Some(Value::Null) => {}
                        Some(value) => arg
                            .kind
                            .accepts(value)
                            .map_err(|reason| format!("'{}': {reason}", arg.name))?,
                    }
                }
                Ok(())
            }
            Self::Any => Ok(()),
        }
    }

    /// Ansible's word for the type.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Text | Self::Choice(_) => "str",
            Self::Path => "path",
            Self::Boolean => "bool",
            Self::Integer => "int",
            Self::Float => "float",
            Self::List(_) => "list",
            Self::Mapping | Self::Options(_) => "dict",
            Self::Any => "raw",
        }
    }
}

/// Finds the choice that a value names. A boolean names `yes`/`no` or
/// `true`/`false` choices, since YAML reads those words as booleans.
///
/// # Errors
/// The reason, with all choices.
pub fn choice(choices: &[&'static str], value: &Value) -> Result<&'static str, String> {
    choice_index(choices, value).map(|index| choices[index])
}

/// Like [`choice`], with the place in the list.
///
/// # Errors
/// The reason, with all choices.
pub fn choice_index(choices: &[&'static str], value: &Value) -> Result<usize, String> {
    let words: Vec<String> = match value {
        Value::Bool(true) => ["yes", "true", "on"].map(str::to_owned).to_vec(),
        Value::Bool(false) => ["no", "false", "off"].map(str::to_owned).to_vec(),
        other => vec![coerce::text(other)?],
    };
    choices
        .iter()
        .position(|choice| words.iter().any(|word| word == *choice))
        .ok_or_else(|| {
            format!(
                "{} is not one of {}",
                coerce::describe(value),
                choices.join(", ")
            )
        })
}

/// All problems in one line.
#[must_use]
pub fn join(problems: &[ArgProblem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What is wrong with a task's ready arguments, in the words that content
/// looks for; the first mistake only. `name` is the module as messages show it.
#[must_use]
pub fn explain(
    name: &str,
    args: &[ArgInfo],
    open: bool,
    given: &Map<String, Value>,
) -> Option<String> {
    if !open {
        let unknown: Vec<&str> = given
            .keys()
            .filter(|key| find(args, key).is_none())
            .map(String::as_str)
            .collect();
        if !unknown.is_empty() {
            let mut known: Vec<String> = args
                .iter()
                .filter(|arg| !arg.name.starts_with('_'))
                .map(|arg| match &arg.aliases[..] {
                    [] => arg.name.to_owned(),
                    aliases => format!("{} ({})", arg.name, aliases.join(", ")),
                })
                .collect();
            known.sort();
            return Some(format!(
                "Unsupported parameters for ({name}) module: {}. Supported parameters include: {}.",
                unknown.join(", "),
                known.join(", ")
            ));
        }
    }
    let value_of = |arg: &ArgInfo| {
        let mut names = std::iter::once(arg.name).chain(arg.aliases.iter().copied());
        names
            .find_map(|name| given.get(name))
            .filter(|value| !value.is_null())
    };
    let missing: Vec<&str> = args
        .iter()
        .filter(|arg| arg.required && value_of(arg).is_none())
        .map(|arg| arg.name)
        .collect();
    if !missing.is_empty() {
        return Some(format!(
            "missing required arguments: {}",
            missing.join(", ")
        ));
    }
    args.iter().find_map(|arg| {
        let value = value_of(arg)?;
        let reason = arg.kind.accepts(value).err()?;
        let kind = coerce::kind(value);
        Some(match &arg.kind {
            ArgKind::Choice(choices) => {
                let got = coerce::text(value).unwrap_or_else(|_| value.to_string());
                format!(
                    "value of {} must be one of: {}, got: {got}",
                    arg.name,
                    choices.join(", ")
                )
            }
            ArgKind::Boolean => format!(
                "argument '{}' is of type {kind} and we were unable to convert to bool: The value '{}' is not a valid boolean. {reason}",
                arg.name,
                coerce::text(value).unwrap_or_else(|_| value.to_string())
            ),
            ArgKind::Float => format!(
                "argument '{}' is of type {kind} and we were unable to convert to int or float: {reason}",
                arg.name
            ),
            other => format!(
                "argument '{}' is of type {kind} and we were unable to convert to {}: {reason}",
                arg.name,
                other.word()
            ),
        })
    })
}
