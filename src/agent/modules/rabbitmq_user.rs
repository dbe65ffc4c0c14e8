//! `rabbitmq_user`: users of RabbitMQ and what they may do.

use ocplay_protocol::arguments;
use serde_json::Value;

use super::acts::{Acts, acting, state as state_diff};
use super::rabbitmq::Node;
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
ocplay_protocol::choices! {
    /// When the password is set.
    pub(super) enum Update { OnCreate = "on_create", Always = "always" }
}
ocplay_protocol::choices! {
    /// How the management interface is spoken to.
    pub(super) enum Protocol { Http = "http", Https = "https" }
}

arguments! {
    /// What a user may do in a virtual host.
    pub(super) struct Permission {
        /// The virtual host.
        vhost: String = "/".to_owned(),
        /// Names that it may configure, as an expression.
        configure_priv: String = "^$".to_owned(),
        /// Names that it may write to.
        write_priv: String = "^$".to_owned(),
        /// Names that it may read from.
        read_priv: String = "^$".to_owned(),
    }
}
arguments! {
    /// What a user may do with the topics of an exchange.
    pub(super) struct TopicPermission {
        /// The virtual host.
        vhost: String = "/".to_owned(),
        /// The exchange.
        exchange: String = "amq.topic".to_owned(),
        /// Topics that it may write to.
        write_priv: String = "^$".to_owned(),
        /// Topics that it may read from.
        read_priv: String = "^$".to_owned(),
    }
}
arguments! {
    /// Creates, changes and removes users of RabbitMQ, on one of its own hosts.
    pub(super) struct Args {
        /// Name of the user.
        user: String ["username", "name"],
        /// Password; it never shows in the process list.
        password: Option<String>,
        /// Tags, separated by commas.
        tags: Option<String>,
        /// What the user may do in several virtual hosts; others are taken away.
        permissions: Vec<Permission> = Vec::new(),
        /// The virtual host that the next three are for.
        vhost: String = "/".to_owned(),
        /// Name of the Erlang node.
        node: String = "rabbit".to_owned(),
        /// Names that it may configure, as an expression.
        configure_priv: String = "^$".to_owned(),
        /// Names that it may write to.
        write_priv: String = "^$".to_owned(),
        /// Names that it may read from.
        read_priv: String = "^$".to_owned(),
        /// What the user may do with topics.
        topic_permissions: Vec<TopicPermission> = Vec::new(),
        /// Remove the user first and make it anew.
        force: bool = false,
        /// Whether the user shall be there.
        state: State = State::Present,
        /// Set the password of a new user only, or always.
        update_password: Update = Update::OnCreate,
        /// How the management interface is spoken to.
        login_protocol: Protocol = Protocol::Http,
        /// Management interface. Not supported: run the task on a host of RabbitMQ.
        login_host: Option<String>,
        /// Its port.
        login_port: String = "15672".to_owned(),
        /// User of the management interface.
        login_user: Option<String>,
        /// Password of that user.
        login_password: Option<String>,
    }
}

pub(super) struct RabbitmqUser;

/// Virtual host, and what may be configured, written, read.
type Rights = Vec<(String, [String; 3])>;

fn rights(args: &Args) -> Rights {
    if args.permissions.is_empty() {
        let three = [&args.configure_priv, &args.write_priv, &args.read_priv];
        return vec![(args.vhost.clone(), three.map(String::clone))];
    }
    args.permissions
        .iter()
        .map(|one| {
            let three = [&one.configure_priv, &one.write_priv, &one.read_priv];
            (one.vhost.clone(), three.map(String::clone))
        })
        .collect()
}

fn tags(text: Option<&str>) -> Vec<String> {
    let mut tags: Vec<String> = text
        .unwrap_or_default()
        .split(',')
        .map(|tag| tag.trim().to_owned())
        .filter(|tag| !tag.is_empty())
        .collect();
    tags.sort();
    tags
}

fn word(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

struct Work<'a> {
    args: &'a Args,
    node: Node,
    acts: Acts,
}

impl Work<'_> {
    fn add(&mut self, words: &[&str], what: &str) {
        self.acts.run(
            self.node.command(words),
            format!("{what} of {}", self.args.user),
        );
    }

    fn password(&mut self, verb: &str) {
        // Read from standard input, where nobody sees it.
        let password = self.args.password.clone().unwrap_or_default();
        let command = self
            .node
            .command(&[verb, &self.args.user])
            .stdin(format!("{password}\n"));
        self.acts
            .run(command, format!("set the password of {}", self.args.user));
    }

    fn permissions(&mut self, is: &[Value]) {
        let wanted = rights(self.args);
        for (vhost, three) in &wanted {
            let old = is.iter().find(|one| one["vhost"] == vhost.as_str());
            let old = old.map(|one| ["configure", "write", "read"].map(|key| word(one, key)));
            if old.as_ref() != Some(three) {
                let show = |three: &[String; 3]| three.join(" ");
                self.acts.diff(state_diff(
                    &format!("permissions in {vhost}"),
                    &old.as_ref().map(show).unwrap_or_default(),
                    &show(three),
                ));
                let user = self.args.user.clone();
                let [configure, write, read] = three;
                self.add(
                    &[
                        "set_permissions",
                        "-p",
                        vhost,
                        &user,
                        configure,
                        write,
                        read,
                    ],
                    "set the permissions",
                );
            }
        }
        // A list is the whole of it.
        if self.args.permissions.is_empty() {
            return;
        }
        for one in is {
            let vhost = word(one, "vhost");
            if wanted.iter().all(|(name, _)| *name != vhost) {
                self.acts
                    .diff(state_diff(&format!("permissions in {vhost}"), "some", ""));
                let user = self.args.user.clone();
                self.add(
                    &["clear_permissions", "-p", &vhost, &user],
                    "clear the permissions",
                );
            }
        }
    }

    fn topics(&mut self, is: &[Value]) {
        for one in &self.args.topic_permissions {
            let old = is.iter().find(|old| {
                old["vhost"] == one.vhost.as_str() && old["exchange"] == one.exchange.as_str()
            });
            let same = old.is_some_and(|old| {
                old["write"] == one.write_priv.as_str() && old["read"] == one.read_priv.as_str()
            });
            if !same {
                self.acts.diff(state_diff(
                    &format!("topics of {} in {}", one.exchange, one.vhost),
                    "",
                    &format!("{} {}", one.write_priv, one.read_priv),
                ));
                let words = [
                    "set_topic_permissions",
                    "-p",
                    &one.vhost,
                    &self.args.user,
                    &one.exchange,
                    &one.write_priv,
                    &one.read_priv,
                ];
                self.acts.run(
                    self.node.command(&words),
                    format!("set the topic permissions of {}", self.args.user),
                );
            }
        }
        if self.args.topic_permissions.is_empty() {
            return;
        }
        for old in is {
            let (vhost, exchange) = (word(old, "vhost"), word(old, "exchange"));
            let kept = self
                .args
                .topic_permissions
                .iter()
                .any(|one| one.vhost == vhost && one.exchange == exchange);
            if !kept {
                self.acts.diff(state_diff(
                    &format!("topics of {exchange} in {vhost}"),
                    "some",
                    "",
                ));
                let user = self.args.user.clone();
                self.add(
                    &["clear_topic_permissions", "-p", &vhost, &user, &exchange],
                    "clear the topic permissions",
                );
            }
        }
    }
}

impl Module for RabbitmqUser {
    const NAME: &'static str = "rabbitmq_user";
    const COLLECTION: &'static str = "community.rabbitmq";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.login_host.is_some() {
            return Err("login_host is not supported; run the task on a host of RabbitMQ".into());
        }
        let node = Node::new(look, &args.node)?;
        let users = node.list(look, &["list_users"])?;
        let is = users.iter().find(|user| user["user"] == args.user.as_str());
        let mut work = Work {
            args,
            node: node.clone(),
            acts: Acts::new(
                Return::new()
                    .with("user", args.user.as_str())
                    .with("state", args.state.word()),
            ),
        };
        if args.state == State::Absent {
            if is.is_some() {
                work.acts.diff(state_diff("user", &args.user, ""));
                work.add(&["delete_user", &args.user], "remove the account");
            }
            return Ok(work.acts.verdict());
        }
        let anew = is.is_some() && args.force;
        if anew {
            work.add(&["delete_user", &args.user], "remove the account");
        }
        let there = is.is_some() && !anew;
        let (mut rights, mut topics) = (Vec::new(), Vec::new());
        if there {
            rights = node.list(look, &["list_user_permissions", &args.user])?;
            topics = node.list(look, &["list_user_topic_permissions", &args.user])?;
            if let (Update::Always, Some(password)) = (args.update_password, &args.password) {
                let probe = node
                    .command(&["authenticate_user", &args.user])
                    .stdin(format!("{password}\n"));
                if !look.ask(&probe)?.ok() {
                    work.acts
                        .diff(state_diff("password", "********", "another"));
                    work.password("change_password");
                }
            }
        } else {
            work.acts.diff(state_diff("user", "", &args.user));
            work.password("add_user");
            if args.password.is_none() {
                work.add(&["clear_password", &args.user], "clear the password");
            }
        }
        let mut known: Vec<String> = is
            .filter(|_| there)
            .and_then(|user| user["tags"].as_array())
            .into_iter()
            .flatten()
            .map(super::rabbitmq::text)
            .collect();
        known.sort();
        let wanted = tags(args.tags.as_deref());
        if args.tags.is_some() && known != wanted {
            work.acts
                .diff(state_diff("tags", &known.join(","), &wanted.join(",")));
            let mut words = vec!["set_user_tags", &args.user];
            words.extend(wanted.iter().map(String::as_str));
            work.add(&words, "set the tags");
        }
        work.permissions(&rights);
        work.topics(&topics);
        Ok(work.acts.verdict())
    }
}
