//! `expect`: runs a program on a terminal and answers its questions.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use ocplay_protocol::{Diff, coerce};
use serde_json::{Map, Value};

use super::pattern::Pattern;
use super::{Module, Verdict};
use crate::host::clock::{Moment, delta};
use crate::host::{Command, Failure, Look, Return, Touch, words};

ocplay_protocol::arguments! {
    /// Runs a program that asks questions, and answers them.
    pub(super) struct Args {
        /// The command line, split into words as a shell would split it.
        command: String,
        /// Directory to change into first.
        chdir: Option<PathBuf>,
        /// Path; the command is not run if it exists.
        creates: Option<PathBuf>,
        /// Path; the command is not run if it does not exist.
        removes: Option<PathBuf>,
        /// Expression for each question, and the answer, or a list of answers for one that is asked again.
        responses: Map<String, Value>,
        /// Seconds to wait for a question that has an answer; null for ever.
        timeout: Value = Value::from(30),
        /// Show the answers in the output.
        echo: bool = false,
    }
}

pub(super) struct Expect;

pub(super) struct Plan {
    line: String,
    words: Vec<String>,
    directory: Option<PathBuf>,
    questions: Vec<Question>,
    patience: Option<Duration>,
    echo: bool,
}

struct Question {
    text: String,
    pattern: Pattern,
    answers: Answers,
}

enum Answers {
    Always(String),
    /// One after the other.
    Each(std::vec::IntoIter<String>),
}

impl Module for Expect {
    const NAME: &'static str = "expect";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let patience = match &args.timeout {
            Value::Null => None,
            value => Some(coerce::integer(value).map_err(|_| {
                Failure::new(format!(
                    "argument 'timeout' is {} and we were unable to convert to int",
                    coerce::describe(value)
                ))
            })?),
        };
        let questions = args
            .responses
            .iter()
            .map(|(text, answer)| question(text, answer))
            .collect::<Result<Vec<_>, _>>()?;
        if args.command.trim().is_empty() {
            return Err(Failure::new("no command given").with("rc", 256));
        }
        let needless = |path: &PathBuf, is: &str| {
            Ok(Verdict::Same(
                Return::new()
                    .with("cmd", args.command.as_str())
                    .with("stdout", format!("skipped, since {} {is}", path.display()))
                    .with("rc", 0),
            ))
        };
        if let Some(path) = &args.creates
            && look.stat(path)?.is_some()
        {
            return needless(path, "exists");
        }
        if let Some(path) = &args.removes
            && look.stat(path)?.is_none()
        {
            return needless(path, "does not exist");
        }
        Ok(Verdict::MustRun(Plan {
            line: args.command.clone(),
            words: words::split(&args.command)?,
            directory: args.chdir.clone(),
            questions,
            patience: patience
                .map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
            echo: args.echo,
        }))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        vec![Diff::prepared(format!("run: {}\n", plan.line))]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let command = Command {
            argv: plan.words.into_iter().map(Into::into).collect(),
            directory: plan.directory,
            ..Command::default()
        };
        let mut questions = plan.questions;
        let start = SystemTime::now();
        let clock = Instant::now();
        let talk = touch.converse(&command, plan.echo, plan.patience, &mut |text| {
            answer(&mut questions, text)
        })?;
        let took = clock.elapsed();
        let output = String::from_utf8(talk.output)
            .map_err(|_| Failure::new("Refusing to deserialize an invalid UTF8 string value."))?;
        let result = Return::new()
            .with("cmd", plan.line)
            .with("stdout", output.trim_end_matches(['\r', '\n']))
            .with("rc", talk.code)
            .with("start", Moment::local(start).full())
            .with("end", Moment::local(start + took).full())
            .with("delta", delta(took));
        match talk.code {
            Some(0) => Ok(result),
            Some(_) => Err(Failure::new("non-zero return code").with_values(result.changed(true))),
            None => Err(Failure::new("command exceeded timeout").with_values(result.changed(true))),
        }
    }
}

fn question(text: &str, answer: &Value) -> Result<Question, Failure> {
    let line = |value: &Value| {
        coerce::text(value)
            .map(|text| format!("{}\n", text.trim_end_matches('\n')))
            .map_err(|why| Failure::new(format!("the answer to '{text}': {why}")))
    };
    Ok(Question {
        text: text.to_owned(),
        pattern: Pattern::with_flags("s", text)?,
        answers: match answer {
            Value::Array(all) => Answers::Each(
                all.iter()
                    .map(line)
                    .collect::<Result<Vec<_>, _>>()?
                    .into_iter(),
            ),
            one => Answers::Always(line(one)?),
        },
    })
}

/// The question that comes first in the text, and its answer.
fn answer(questions: &mut [Question], text: &str) -> Result<Option<(usize, Vec<u8>)>, Failure> {
    let mut first: Option<(usize, usize, usize)> = None;
    for (index, question) in questions.iter().enumerate() {
        if let Some(found) = question.pattern.captures(text)?
            && let Some(whole) = found.get(0)
            && first.is_none_or(|(start, ..)| whole.start() < start)
        {
            first = Some((whole.start(), whole.end(), index));
        }
    }
    let Some((_, end, index)) = first else {
        return Ok(None);
    };
    let question = &mut questions[index];
    let reply = match &mut question.answers {
        Answers::Always(text) => text.clone(),
        Answers::Each(all) => all.next().ok_or_else(|| {
            Failure::new(format!(
                "No remaining responses for '{}', output was '{}'",
                question.text,
                &text[..end]
            ))
        })?,
    };
    Ok(Some((end, reply.into_bytes())))
}
