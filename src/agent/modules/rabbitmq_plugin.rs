//! `rabbitmq_plugin`: plug-ins of RabbitMQ.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Enabled = "enabled", Disabled = "disabled" }
}
ocplay_protocol::choices! {
    /// Whether the server runs meanwhile.
    pub(super) enum Broker { Online = "online", Offline = "offline" }
}

ocplay_protocol::arguments! {
    /// Enables and disables plug-ins of RabbitMQ.
    pub(super) struct Args {
        /// Names of the plug-ins, separated by commas.
        names: Vec<String> ["name"],
        /// Let other plug-ins be; otherwise those that are not named are disabled.
        new_only: bool = false,
        /// Wanted state.
        state: State = State::Enabled,
        /// Tell the running server, or only write it down.
        broker_state: Broker = Broker::Online,
        /// Where RabbitMQ is installed.
        prefix: Option<PathBuf>,
    }
}

pub(super) struct RabbitmqPlugin;

/// What is enabled by name, not only because another needs it.
fn enabled(look: &Look, program: &str) -> Result<Vec<String>, Failure> {
    let words = [
        program,
        "list",
        "--quiet",
        // By its short name: the long one is not the same in all releases.
        "-E",
        "--formatter",
        "json",
    ];
    let output = look.query(words)?;
    if !output.ok() {
        let message = format!("rabbitmq-plugins failed: {}", output.complaint());
        return Err(output.failure(message));
    }
    let text = output.out();
    let start = text.find('{').unwrap_or(0);
    let answer: Value = serde_json::from_str(text[start..].trim())
        .map_err(|error| Failure::new(format!("rabbitmq-plugins gave no JSON: {error}")))?;
    let plugins = answer["plugins"].as_array().into_iter().flatten();
    Ok(plugins
        .filter_map(|plugin| Some(plugin["name"].as_str()?.to_owned()))
        .collect())
}

impl Module for RabbitmqPlugin {
    const NAME: &'static str = "rabbitmq_plugin";
    const COLLECTION: &'static str = "community.rabbitmq";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let program = match &args.prefix {
            Some(prefix) => {
                let found = ["sbin", "bin"]
                    .iter()
                    .map(|folder| Path::new(prefix).join(folder).join("rabbitmq-plugins"))
                    .find(|path| path.is_file());
                found
                    .ok_or_else(|| {
                        Failure::new(format!(
                            "there is no rabbitmq-plugins below {}",
                            prefix.display()
                        ))
                    })?
                    .to_string_lossy()
                    .into_owned()
            }
            None => {
                need(look, "rabbitmq-plugins", "rabbitmq-server")?;
                "rabbitmq-plugins".to_owned()
            }
        };
        let is = enabled(look, &program)?;
        let (mut on, mut off): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        match args.state {
            State::Enabled => {
                on = args
                    .names
                    .iter()
                    .filter(|name| !is.contains(name))
                    .cloned()
                    .collect();
                if !args.new_only {
                    off = is
                        .iter()
                        .filter(|name| !args.names.contains(name))
                        .cloned()
                        .collect();
                }
            }
            State::Disabled => {
                off = args
                    .names
                    .iter()
                    .filter(|name| is.contains(name))
                    .cloned()
                    .collect();
            }
        }
        let mut acts = Acts::new(
            Return::new()
                .with("enabled", on.clone())
                .with("disabled", off.clone()),
        );
        let mut change = |verb: &str, names: &[String]| {
            if names.is_empty() {
                return;
            }
            let broker = format!("--{}", args.broker_state.word());
            let mut words = vec![program.as_str(), verb, &broker];
            words.extend(names.iter().map(String::as_str));
            acts.run(command(words), format!("{verb} plug-ins"));
        };
        change("disable", &off);
        change("enable", &on);
        if !acts.is_empty() {
            acts.diff(state_diff("plug-ins", &off.join("\n"), &on.join("\n")));
        }
        Ok(acts.verdict())
    }
}
