//! `pause`: waits, or asks.

use std::time::Duration;

use jiff::Zoned;
use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::value::Value;
use ocplay_protocol::arguments;

use super::Call;
use crate::event::{Answer, Question, ask};
use crate::outcome::ActionOutcome;

arguments! {
    /// Waits for a time, or for somebody to answer.
    pub struct Args {
        /// Minutes to wait.
        minutes: Option<f64>,
        /// Seconds to wait.
        seconds: Option<f64>,
        /// Question to ask; the answer is `user_input`.
        prompt: Option<String>,
        /// Show what is typed.
        echo: bool = true,
    }
}

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let args: Args = match call.read() {
        Ok(args) => args,
        Err(outcome) => return *outcome,
    };
    let (seconds, unit) = match (args.minutes, args.seconds) {
        (Some(_), Some(_)) => {
            return ActionOutcome::failure("parameters are mutually exclusive: minutes|seconds");
        }
        (Some(minutes), None) => (Some(minutes * 60.0), "minutes"),
        (None, seconds) => (seconds, "seconds"),
    };
    let started = Zoned::now();
    let title = &call.step.info.title;
    let hidden = if args.echo { "" } else { " (output is hidden)" };
    let text = match (seconds, &args.prompt) {
        (Some(seconds), prompt) => {
            let seconds = seconds.max(1.0);
            let question = prompt.as_ref().map_or_else(String::new, |prompt| {
                format!("[{title}]\n{prompt}{hidden}:")
            });
            format!(
                "Pausing for {seconds} seconds{hidden}\n(ctrl+C then 'C' = continue early, ctrl+C then 'A' = abort)\r\n{question}"
            )
        }
        (None, Some(prompt)) => format!("[{title}]\n{prompt}{hidden}:"),
        (None, None) => {
            format!("[{title}]\nPress enter to continue, Ctrl+C to interrupt{hidden}:")
        }
    };
    let question = Question {
        text,
        secret: !args.echo,
        timeout: seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e7))),
        pause: true,
        piped: false,
    };
    let input = match ask(&call.shared.events, question).await {
        Answer::Text(text) => text.reveal().to_owned(),
        Answer::Aborted => return ActionOutcome::failure("user requested abort!"),
        Answer::NobodyThere => {
            call.warn_once(
                Diagnostic::warning(
                    "pause",
                    "Not waiting for response to prompt as stdin is not interactive",
                ),
                None,
            );
            String::new()
        }
    };
    let stopped = Zoned::now();
    let elapsed = (stopped.timestamp().as_millisecond() - started.timestamp().as_millisecond())
        as f64
        / 1000.0;
    let shown = if unit == "minutes" {
        elapsed / 60.0
    } else {
        elapsed
    };
    let shown = ocplay_language::python::text(&Value::Float((shown * 100.0).round() / 100.0));
    let time = |zoned: &Zoned| zoned.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
    ActionOutcome::ok()
        .with("user_input", input)
        .with("echo", args.echo)
        .with("start", time(&started))
        .with("stop", time(&stopped))
        .with("delta", elapsed as i64)
        .with("rc", 0)
        .with("stderr", "")
        .with("stdout", format!("Paused for {shown} {unit}"))
}
