//! `debconf`: answers to the questions of Debian packages.

use std::collections::BTreeMap;

use ocplay_protocol::{Diff, coerce};
use serde_json::{Map, Value, json};

use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// Type of a question.
    pub(super) enum Kind {
        Boolean = "boolean",
        Error = "error",
        MultiSelect = "multiselect",
        Note = "note",
        Password = "password",
        Seen = "seen",
        Select = "select",
        Text = "text",
        Title = "title",
        String = "string",
    }
}

ocplay_protocol::arguments! {
    /// Answers a question that a Debian package asks when it is installed.
    pub(super) struct Args {
        /// The package.
        name: String ["pkg"],
        /// The question.
        question: Option<String> ["selection", "setting"],
        /// Type of the question.
        vtype: Option<Kind>,
        /// The answer; a list for multiselect.
        value: Option<Value> ["answer"],
        /// Do not mark the question as seen.
        unseen: bool = false,
    }
}

pub(super) struct Debconf;

pub(super) struct Plan {
    package: String,
    question: String,
    kind: Kind,
    value: String,
    unseen: bool,
    before: Map<String, Value>,
    after: Map<String, Value>,
    result: Return,
}

impl Module for Debconf {
    const NAME: &'static str = "debconf";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let given = [
            args.question.is_some(),
            args.vtype.is_some(),
            args.value.is_some(),
        ];
        let (Some(question), Some(kind), Some(value)) = (&args.question, args.vtype, &args.value)
        else {
            if given.contains(&true) {
                return Err(
                    "parameters are required together: question, vtype, value (when supplying a \
                     question you must supply a valid vtype and value)"
                        .into(),
                );
            }
            let current = selections(look, &args.name)?;
            return Ok(Verdict::Same(
                Return::new()
                    .with("msg", "")
                    .with("current", json!(current)),
            ));
        };
        let current = selections(look, &args.name)?;
        let known = current.get(question);
        let (same, shown, written) = compare(args, look, question, kind, value, known)?;
        if same {
            return Ok(Verdict::Same(
                Return::new()
                    .with("msg", "")
                    .with("current", json!(current)),
            ));
        }
        let one = |value: Value| Map::from_iter([(question.clone(), value)]);
        let secret = kind == Kind::Password;
        let hide = |value: Value| match secret {
            true => Value::from("********"),
            false => value,
        };
        let before = one(known.map_or_else(|| json!(""), |text| hide(json!(text))));
        let after = one(hide(shown));
        let result = Return::new()
            .with("msg", "")
            .with("current", after.clone())
            .with("previous", before.clone());
        let result = if look.wants_diff() {
            result.with("diff", json!({ "before": before, "after": after }))
        } else {
            result
        };
        let foreseen = result.clone();
        let plan = Plan {
            package: args.name.clone(),
            question: question.clone(),
            kind,
            value: written,
            unseen: args.unseen,
            before,
            after,
            result,
        };
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let before = plan.before.clone().into();
        vec![Diff::data(&before, &plan.after.clone().into())]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let mut argv = vec!["debconf-set-selections"];
        if plan.unseen {
            argv.push("-u");
        }
        // By its standard input: an argument can be read by everybody.
        let line = format!(
            "{} {} {} {}",
            plan.package,
            plan.question,
            plan.kind.word(),
            plan.value
        );
        let output = touch.run(&Command::new(argv).stdin(line))?;
        if !output.ok() {
            return Err(output.failure(output.complaint()));
        }
        Ok(plan.result.with("msg", output.out()))
    }
}

/// All answers of a package.
fn selections(look: &Look, package: &str) -> Result<BTreeMap<String, String>, Failure> {
    let output = look.query(["debconf-show", package])?;
    if !output.ok() {
        return Err(output.failure(output.complaint()));
    }
    let clean = |text: &str| text.trim_matches(['*', ' ', '\t']).to_owned();
    Ok(output
        .out()
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (clean(name), value.trim().to_owned()))
        .collect())
}

/// Whether the answer is there, how it is shown, how it is written.
fn compare(
    args: &Args,
    look: &Look,
    question: &str,
    kind: Kind,
    value: &Value,
    known: Option<&String>,
) -> Result<(bool, Value, String), Failure> {
    let plain = |value: &Value| {
        coerce::text(value).map_err(|why| {
            Failure::new(format!(
                "Invalid value provided for '{}': {why}",
                kind.word()
            ))
        })
    };
    match (kind, value) {
        (Kind::Boolean, value) => {
            let text = plain(value)?.to_lowercase();
            let same = known.is_some_and(|known| known.to_lowercase() == text);
            Ok((same, json!(text), text))
        }
        (Kind::MultiSelect, Value::Array(items)) => {
            let mut wanted = Vec::new();
            for item in items {
                match item {
                    Value::String(text) => wanted.push(text.clone()),
                    other => {
                        return Err(Failure::new(format!(
                            "Invalid value provided for 'multiselect': {} is no text",
                            coerce::describe(other)
                        )));
                    }
                }
            }
            wanted.sort();
            let same = known.is_some_and(|known| {
                let mut is: Vec<&str> = known.split(',').map(str::trim).collect();
                is.sort_unstable();
                is == wanted
            });
            Ok((same, json!(wanted), wanted.join(", ")))
        }
        (Kind::Password, value) => {
            let text = plain(value)?;
            let same = known.is_some() && password(look, &args.name, question)? == text;
            Ok((same, json!(text), text))
        }
        (_, value) => {
            let text = plain(value)?;
            Ok((known == Some(&text), json!(text), text))
        }
    }
}

/// debconf-show hides passwords. debconf itself does not: it answers `0 value`,
/// or `10` where there is no such question.
fn password(look: &Look, package: &str, question: &str) -> Result<String, Failure> {
    let command = Command::new(["debconf-communicate", package])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(format!("GET {question}\n"));
    let output = look.ask(&command)?;
    let text = output.out();
    let (code, value) = text
        .trim_end_matches('\n')
        .split_once(' ')
        .unwrap_or_default();
    match code {
        "0" => Ok(value.to_owned()),
        "10" => Ok(String::new()),
        _ => Err(Failure::new(format!(
            "Failed to get the value '{question}' from '{package}': {}",
            output.complaint()
        ))),
    }
}
