//! `setup` and `gather_facts`.

use ocplay_language::value::Value;
use ocplay_protocol::arguments;

use super::{Call, host};
use crate::outcome::ActionOutcome;

arguments! {
    /// Gathers facts; plays do it by themselves unless told otherwise.
    pub struct Args {
        /// Which facts: `all`, `min`, `network`, `hardware`, `virtual`, or with
        /// `!` not these.
        gather_subset: Vec<String> = vec!["all".to_owned()],
        /// Gather from several hosts at once; no effect, it always is so.
        parallel: Option<bool>,
    }
}

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let mut args = call.args.clone();
    args.remove("parallel");
    host::execute(
        call,
        "setup",
        Value::from(args).to_json(),
        Vec::new(),
        Vec::new(),
    )
    .await
}
