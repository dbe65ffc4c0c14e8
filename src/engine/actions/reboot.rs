//! `reboot`: the host starts anew, and is waited for.

use std::time::{Duration, Instant};

use ocplay_protocol::arguments;
use serde_json::json;

use super::{Call, host};
use crate::connection::Kind;
use crate::outcome::ActionOutcome;

arguments! {
    /// Reboots the host and waits until it can be worked on again.
    pub struct Args {
        /// Seconds before the reboot; less than a minute is none.
        pre_reboot_delay: i64 ["pre_reboot_delay_sec"] = 0,
        /// Seconds after it before the host is tried.
        post_reboot_delay: i64 ["post_reboot_delay_sec"] = 0,
        /// Seconds for the host to come back.
        reboot_timeout: i64 ["reboot_timeout_sec"] = 600,
        /// Seconds for one attempt to connect.
        connect_timeout: Option<i64> ["connect_timeout_sec"],
        /// Command that must succeed once the host is back.
        test_command: String = "whoami".to_owned(),
        /// What users are told.
        msg: String = "Reboot initiated by Ansible".to_owned(),
        /// Where the shutdown program is looked for.
        search_paths: Vec<String> = ["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin"]
            .map(str::to_owned).to_vec(),
        /// Command whose output differs from one boot to the next.
        boot_time_command: String = "cat /proc/sys/kernel/random/boot_id".to_owned(),
        /// Command that reboots.
        reboot_command: Option<String>,
    }
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(number.max(0).unsigned_abs())
}

fn text(outcome: &ActionOutcome, name: &str) -> String {
    let value = outcome.result.get(name);
    value
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

async fn shell(call: &Call<'_>, line: &str) -> ActionOutcome {
    let args = json!({ "_raw_params": line });
    host::execute(call, "shell", args, Vec::new(), Vec::new()).await
}

/// The shell line that finds shutdown and calls it.
fn command(args: &Args) -> String {
    let quote = |word: &str| format!("'{}'", word.replace('\'', "'\"'\"'"));
    if let Some(line) = &args.reboot_command {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if first.contains('/') {
            return line.clone();
        }
        return found(first, rest, &args.search_paths);
    }
    let minutes = args.pre_reboot_delay.max(0) / 60;
    let rest = format!("-r {minutes} {}", quote(&args.msg));
    found("shutdown", &rest, &args.search_paths)
}

fn found(program: &str, rest: &str, paths: &[String]) -> String {
    let candidates: Vec<String> = paths
        .iter()
        .map(|folder| format!("'{}/{program}'", folder.replace('\'', "")))
        .collect();
    format!(
        "for p in {}; do if [ -x \"$p\" ]; then exec \"$p\" {rest}; fi; done; echo 'there is no \
         {program} in the search_paths' >&2; exit 127",
        candidates.join(" ")
    )
}

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let args: Args = match call.read() {
        Ok(args) => args,
        Err(outcome) => return *outcome,
    };
    let (target, _) = match call.target() {
        Ok(found) => found,
        Err(outcome) => return *outcome,
    };
    if target.kind == Kind::Local {
        return ActionOutcome::failure(
            "Running reboot with local connection would reboot the control node.",
        )
        .with("rebooted", false)
        .with("elapsed", 0);
    }
    let done = |rebooted: bool, started: Instant| {
        let elapsed = i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX);
        ActionOutcome::ok()
            .with("rebooted", rebooted)
            .with("elapsed", elapsed)
    };
    if call.settings.check {
        let mut outcome = done(true, Instant::now());
        outcome.changed = true;
        return outcome;
    }
    let before = shell(call, &args.boot_time_command).await;
    if before.failed || before.unreachable {
        return before;
    }
    let before = text(&before, "stdout");
    let started = Instant::now();
    // The connection may break while it answers; then it works.
    let asked = shell(call, &command(&args)).await;
    if asked.failed && !asked.unreachable {
        let said = text(&asked, "stderr");
        let mut failure = ActionOutcome::failure(format!("Reboot command failed. {said}"))
            .with("rebooted", false)
            .with("elapsed", 0);
        if let Some(rc) = asked.result.get("rc") {
            failure = failure.with("rc", rc.clone());
        }
        return failure;
    }
    tokio::time::sleep(seconds(args.pre_reboot_delay.max(0) / 60 * 60)).await;
    tokio::time::sleep(seconds(args.post_reboot_delay)).await;
    let deadline = Instant::now() + seconds(args.reboot_timeout);
    let mut what = "last boot time check";
    let mut pause = Duration::from_millis(500);
    while Instant::now() < deadline {
        if let Some(is) = attempt(call, &args, &args.boot_time_command).await
            && is != before
        {
            what = "post-reboot test command";
            if attempt(call, &args, &args.test_command).await.is_some() {
                let mut outcome = done(true, started);
                outcome.changed = true;
                return outcome;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
    let mut outcome = ActionOutcome::failure(format!(
        "Timed out waiting for {what} (timeout={})",
        args.reboot_timeout
    ))
    .with("rebooted", what != "last boot time check");
    outcome.changed = true;
    outcome
}

/// Connects afresh and runs a command; `None` if either did not work.
async fn attempt(call: &Call<'_>, args: &Args, line: &str) -> Option<String> {
    let worker = call.worker();
    call.shared.pool.reset(&worker).await;
    let (mut target, becoming) = call.target().ok()?;
    if let Some(limit) = args.connect_timeout {
        target.timeout = seconds(limit.max(1));
    }
    let limit = target.timeout + Duration::from_secs(10);
    let connected = call.shared.pool.link(&worker, &target, becoming.as_ref());
    tokio::time::timeout(limit, connected).await.ok()?.ok()?;
    // A host that is going down may take the command and never answer.
    let outcome = tokio::time::timeout(limit, shell(call, line)).await.ok()?;
    (!outcome.failed && !outcome.unreachable).then(|| text(&outcome, "stdout"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocplay_protocol::Arguments;

    #[test]
    fn the_command_line() {
        let read = |args: serde_json::Value| {
            <Args as Arguments>::read(args.as_object().cloned().unwrap()).unwrap()
        };
        let line = command(&read(json!({"msg": "it's", "pre_reboot_delay": 90})));
        assert!(line.contains("-r 1 'it'\"'\"'s'"), "{line}");
        let line = command(&read(json!({"reboot_command": "/x/reboot now"})));
        assert_eq!(line, "/x/reboot now");
        let line = command(&read(
            json!({"reboot_command": "reboot -f", "search_paths": ["/a"]}),
        ));
        assert!(
            line.contains("for p in '/a/reboot'") && line.contains("\"$p\" -f"),
            "{line}"
        );
    }
}
