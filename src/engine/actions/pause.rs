//! `pause`: waits, or asks.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ocplay_protocol::arguments;
use tokio::sync::oneshot;

use super::Call;
use crate::event::{Event, PromptAnswer};
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
    let started = Instant::now();
    let seconds = match (args.minutes, args.seconds) {
        (None, None) => None,
        (minutes, seconds) => Some(minutes.unwrap_or(0.0) * 60.0 + seconds.unwrap_or(0.0)),
    };
    let mut input = String::new();
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs_f64(seconds.clamp(0.0, 1e7))).await,
        None => {
            let (sender, receiver) = oneshot::channel();
            call.shared.events.event(Event::Prompt {
                text: args
                    .prompt
                    .unwrap_or_else(|| "Press enter to continue, Ctrl+C to interrupt".to_owned()),
                secret: !args.echo,
                answer: PromptAnswer(Arc::new(Mutex::new(Some(sender)))),
            });
            if let Ok(answer) = receiver.await {
                input = answer.reveal().to_owned();
            }
        }
    }
    let elapsed = started.elapsed().as_secs_f64().round();
    ActionOutcome::ok()
        .with("user_input", input)
        .with("echo", args.echo)
        .with("delta", elapsed as i64)
        .with("stdout", format!("Paused for {elapsed} seconds"))
}
