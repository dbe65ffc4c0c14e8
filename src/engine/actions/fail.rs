//! `fail`: fails with a message.

use ocplay_protocol::arguments;

use super::Call;
use crate::outcome::ActionOutcome;

arguments! {
    /// Fails with a message, usually under a condition.
    pub struct Args {
        /// The message.
        msg: String = "Failed as requested from task".to_owned(),
    }
}

pub(super) fn run(call: &Call<'_>) -> ActionOutcome {
    match call.read::<Args>() {
        Ok(args) => ActionOutcome::failure(args.msg),
        Err(outcome) => *outcome,
    }
}
