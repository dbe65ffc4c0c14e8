//! `rabbitmq_vhost`: virtual hosts of RabbitMQ.

use std::path::PathBuf;

use super::acts::{Acts, acting, state as state_diff};
use super::rabbitmq::Node;
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
ocplay_protocol::choices! {
    /// How the management interface is spoken to.
    pub(super) enum Protocol { Http = "http", Https = "https" }
}

ocplay_protocol::arguments! {
    /// Creates and removes virtual hosts of RabbitMQ, on one of its own hosts.
    pub(super) struct Args {
        /// Name of the virtual host.
        name: String ["vhost"],
        /// Name of the Erlang node.
        node: String = "rabbit".to_owned(),
        /// Trace what goes through it.
        tracing: bool ["trace"] = false,
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

pub(super) struct RabbitmqVhost;

impl Module for RabbitmqVhost {
    const NAME: &'static str = "rabbitmq_vhost";
    const COLLECTION: &'static str = "community.rabbitmq";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.login_host.is_some() {
            return Err("login_host is not supported; run the task on a host of RabbitMQ".into());
        }
        let node = Node::new(look, &args.node)?;
        let list = node.list(look, &["list_vhosts", "name", "tracing"])?;
        let is = list
            .iter()
            .find(|vhost| vhost["name"] == args.name.as_str());
        let tracing = is.is_some_and(|vhost| vhost["tracing"] == true);
        let name = &args.name;
        let result = Return::new()
            .with("name", name.as_str())
            .with("state", args.state.word());
        let mut acts = Acts::new(result);
        match (args.state, is.is_some()) {
            (State::Absent, true) => {
                acts.diff(state_diff("virtual host", name, ""));
                acts.run(
                    node.command(&["delete_vhost", name]),
                    format!("remove the virtual host {name}"),
                );
            }
            (State::Present, false) => {
                acts.diff(state_diff("virtual host", "", name));
                acts.run(
                    node.command(&["add_vhost", name]),
                    format!("add the virtual host {name}"),
                );
            }
            _ => {}
        }
        if args.state == State::Present && tracing != args.tracing {
            let verb = if args.tracing {
                "trace_on"
            } else {
                "trace_off"
            };
            acts.diff(state_diff(
                "tracing",
                if tracing { "on" } else { "off" },
                if args.tracing { "on" } else { "off" },
            ));
            acts.run(node.command(&[verb, "-p", name]), "switch the tracing");
        }
        Ok(acts.verdict())
    }
}
