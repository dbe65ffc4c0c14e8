//! `wait_for_connection`: until the host answers.

use std::time::{Duration, Instant};

use ocplay_protocol::arguments;

use super::Call;
use crate::outcome::ActionOutcome;

arguments! {
    /// Waits until the host can be worked on.
    pub struct Args {
        /// Seconds for one attempt.
        connect_timeout: i64 = 5,
        /// Seconds to wait before the first attempt.
        delay: i64 = 0,
        /// Seconds between attempts.
        sleep: i64 = 1,
        /// Seconds for all attempts together.
        timeout: i64 = 600,
    }
}

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let args: Args = match call.read() {
        Ok(args) => args,
        Err(outcome) => return *outcome,
    };
    let seconds = |seconds: i64| Duration::from_secs(seconds.max(0).unsigned_abs());
    let started = Instant::now();
    tokio::time::sleep(seconds(args.delay)).await;
    let deadline = started + seconds(args.timeout);
    let (mut target, becoming) = match call.target() {
        Ok(target) => target,
        Err(outcome) => return *outcome,
    };
    target.timeout = seconds(args.connect_timeout.max(1));
    let worker = call.worker();
    loop {
        let pool = &call.shared.pool;
        let link = pool.link(&worker, &target, becoming.as_ref());
        let reason = match call.fork.lend(link).await {
            Ok(_) => {
                let elapsed = started.elapsed().as_secs();
                return ActionOutcome::ok()
                    .with("elapsed", i64::try_from(elapsed).unwrap_or(i64::MAX));
            }
            Err(error) => error.to_string(),
        };
        call.shared.pool.reset(&worker).await;
        if Instant::now() + seconds(args.sleep) >= deadline {
            return ActionOutcome::failure(format!(
                "no connection within {} s: {reason}",
                args.timeout
            ));
        }
        tokio::time::sleep(seconds(args.sleep)).await;
    }
}
