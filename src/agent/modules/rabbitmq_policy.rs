//! `rabbitmq_policy`: policies of RabbitMQ.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::acts::{Acts, acting};
use super::rabbitmq::Node;
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
ocplay_protocol::choices! {
    /// What a policy is for.
    pub(super) enum ApplyTo {
        All = "all",
        Exchanges = "exchanges",
        Queues = "queues",
        ClassicQueues = "classic_queues",
        QuorumQueues = "quorum_queues",
        Streams = "streams",
    }
}
ocplay_protocol::choices! {
    /// How the management interface is spoken to.
    pub(super) enum Protocol { Http = "http", Https = "https" }
}

ocplay_protocol::arguments! {
    /// Sets and removes policies of RabbitMQ, on one of its own hosts.
    pub(super) struct Args {
        /// Name of the policy.
        name: String,
        /// The virtual host.
        vhost: String = "/".to_owned(),
        /// What it is for.
        apply_to: ApplyTo = ApplyTo::All,
        /// Names that it is for, as an expression.
        pattern: Option<String>,
        /// What it says.
        tags: Option<Map<String, Value>>,
        /// Its priority.
        priority: String = "0".to_owned(),
        /// Name of the Erlang node.
        node: String = "rabbit".to_owned(),
        /// Whether it shall be there.
        state: State = State::Present,
        /// Management interface. Not supported: run the task on a host of RabbitMQ.
        login_host: Option<String>,
        /// User of the management interface.
        login_user: Option<String>,
        /// Password of that user.
        login_password: Option<String>,
        /// Port of the management interface.
        login_port: String = "15672".to_owned(),
        /// How it is spoken to.
        login_protocol: Protocol = Protocol::Http,
        /// Authority of its certificate.
        ca_cert: Option<PathBuf>,
        /// Certificate of this host.
        client_cert: Option<PathBuf>,
        /// Key of that certificate.
        client_key: Option<PathBuf>,
    }
}

pub(super) struct RabbitmqPolicy;

/// Numbers that came as text are meant as numbers.
fn definition(tags: &Map<String, Value>) -> Value {
    tags.iter()
        .map(|(key, value)| {
            let value = match value {
                Value::String(text) => text
                    .parse::<i64>()
                    .map_or_else(|_| value.clone(), Value::from),
                other => other.clone(),
            };
            (key.clone(), value)
        })
        .collect()
}

impl Module for RabbitmqPolicy {
    const NAME: &'static str = "rabbitmq_policy";
    const COLLECTION: &'static str = "community.rabbitmq";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.login_host.is_some() {
            return Err("login_host is not supported; run the task on a host of RabbitMQ".into());
        }
        let node = Node::new(look, &args.node)?;
        let list = node.list(look, &["list_policies", "-p", &args.vhost])?;
        let is = list
            .iter()
            .find(|policy| policy["name"] == args.name.as_str());
        let part = |policy: &Value| {
            let definition = match &policy["definition"] {
                Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
                other => other.clone(),
            };
            json!({
                "pattern": policy["pattern"], "apply-to": policy["apply-to"],
                "priority": super::rabbitmq::text(&policy["priority"]), "definition": definition,
            })
        };
        let is = is.map(part);
        let result = Return::new()
            .with("name", args.name.as_str())
            .with("state", args.state.word());
        let mut acts = Acts::new(result);
        if args.state == State::Absent {
            if let Some(is) = is {
                acts.diff(ocplay_protocol::Diff::data(&is, &Value::Null));
                acts.run(
                    node.command(&["clear_policy", "-p", &args.vhost, &args.name]),
                    format!("remove the policy {}", args.name),
                );
            }
            return Ok(acts.verdict());
        }
        let (Some(pattern), Some(tags)) = (&args.pattern, &args.tags) else {
            return Err(
                "state is present but all of the following are missing: pattern, tags".into(),
            );
        };
        let wanted = json!({
            "pattern": pattern, "apply-to": args.apply_to.word(), "priority": args.priority,
            "definition": definition(tags),
        });
        if is.as_ref() != Some(&wanted) {
            acts.diff(ocplay_protocol::Diff::data(
                &is.unwrap_or_default(),
                &wanted,
            ));
            let definition = wanted["definition"].to_string();
            let words = [
                "set_policy",
                "-p",
                &args.vhost,
                "--priority",
                &args.priority,
                "--apply-to",
                args.apply_to.word(),
                &args.name,
                pattern,
                &definition,
            ];
            acts.run(
                node.command(&words),
                format!("set the policy {}", args.name),
            );
        }
        Ok(acts.verdict())
    }
}
