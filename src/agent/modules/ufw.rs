//! `ufw`: the uncomplicated firewall.

use std::path::Path;

use serde_json::json;

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// State of the firewall.
    pub(super) enum State {
        Disabled = "disabled",
        Enabled = "enabled",
        Reloaded = "reloaded",
        Reset = "reset",
    }
}
ocplay_protocol::choices! {
    /// What happens to packets that no rule takes.
    pub(super) enum Policy { Allow = "allow", Deny = "deny", Reject = "reject" }
}
ocplay_protocol::choices! {
    /// Which way packets go.
    pub(super) enum Direction {
        In = "in",
        Incoming = "incoming",
        Out = "out",
        Outgoing = "outgoing",
        Routed = "routed",
    }
}
ocplay_protocol::choices! {
    /// How much is logged.
    pub(super) enum Logging {
        On = "on",
        Off = "off",
        Low = "low",
        Medium = "medium",
        High = "high",
        Full = "full",
    }
}
ocplay_protocol::choices! {
    /// What a number counts from.
    pub(super) enum Relative {
        FirstV4 = "first-ipv4",
        FirstV6 = "first-ipv6",
        LastV4 = "last-ipv4",
        LastV6 = "last-ipv6",
        Zero = "zero",
    }
}
ocplay_protocol::choices! {
    /// What a rule does.
    pub(super) enum RuleKind { Allow = "allow", Deny = "deny", Limit = "limit", Reject = "reject" }
}
ocplay_protocol::choices! {
    /// Protocols.
    pub(super) enum Protocol {
        Any = "any",
        Tcp = "tcp",
        Udp = "udp",
        Ipv6 = "ipv6",
        Esp = "esp",
        Ah = "ah",
        Gre = "gre",
        Igmp = "igmp",
        Vrrp = "vrrp",
    }
}

ocplay_protocol::arguments! {
    /// Switches the uncomplicated firewall and manages its rules and policies.
    pub(super) struct Args {
        /// State of the firewall.
        state: Option<State>,
        /// Policy for packets that no rule takes.
        default: Option<Policy> ["policy"],
        /// Which way packets go.
        direction: Option<Direction>,
        /// How much is logged.
        logging: Option<Logging>,
        /// Number that a new rule gets.
        insert: Option<i64>,
        /// What that number counts from.
        insert_relative_to: Relative = Relative::Zero,
        /// What the rule does.
        rule: Option<RuleKind>,
        /// Log new connections.
        log: bool = false,
        /// Address that packets come from.
        from_ip: String ["from", "src"] = "any".to_owned(),
        /// Port that they come from.
        from_port: Option<String>,
        /// Address that they go to.
        to_ip: String ["dest", "to"] = "any".to_owned(),
        /// Port that they go to.
        to_port: Option<String> ["port"],
        /// Protocol.
        proto: Option<Protocol> ["protocol"],
        /// Profile of an application.
        name: Option<String> ["app"],
        /// Remove the rule.
        delete: bool = false,
        /// Interface, for the direction.
        interface: Option<String> ["if"],
        /// Interface that packets come in by.
        interface_in: Option<String> ["if_in"],
        /// Interface that they leave by.
        interface_out: Option<String> ["if_out"],
        /// The rule is for packets that pass through.
        route: bool = false,
        /// Comment of the rule.
        comment: Option<String>,
    }
}

pub(super) struct Ufw;

const RULES: [&str; 2] = ["/etc/ufw/user.rules", "/etc/ufw/user6.rules"];

/// The rules, as ufw writes them down for itself.
fn tuples(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| line.starts_with("### tuple ###"))
        .map(str::to_owned)
        .collect()
}

fn setting(look: &Look, file: &str, name: &str) -> Result<String, Failure> {
    let text = look.read_text(Path::new(file))?.unwrap_or_default();
    let start = format!("{name}=");
    Ok(text
        .lines()
        .find_map(|line| line.strip_prefix(&start))
        .unwrap_or_default()
        .trim_matches('"')
        .to_owned())
}

fn consistent(args: &Args) -> Result<(), Failure> {
    let wrong = |text: &str| Err(Failure::new(text));
    if args.name.is_some() && args.proto.is_some() {
        return wrong("parameters are mutually exclusive: name|proto|logging");
    }
    let one_way = args.interface_in.is_some() != args.interface_out.is_some();
    if args.direction.is_some() && args.interface_in.is_some() && args.interface_out.is_some() {
        return wrong("interface_in and interface_out make no sense with direction");
    }
    if args.interface.is_some() && (args.interface_in.is_some() || args.interface_out.is_some()) {
        return wrong("parameters are mutually exclusive: interface|interface_in|interface_out");
    }
    if args.interface_in.is_some() && args.interface_out.is_some() && !args.route {
        return wrong("Only route rules can combine interface_in and interface_out");
    }
    if args.interface.is_some() && args.direction.is_none() {
        return wrong("interface needs direction");
    }
    if one_way && args.direction == Some(Direction::Routed) {
        return wrong("direction routed makes no sense with an interface");
    }
    let some = args.state.is_some()
        || args.default.is_some()
        || args.logging.is_some()
        || args.rule.is_some();
    if !some {
        return wrong("one of the following is required: state, default, rule, logging");
    }
    Ok(())
}

/// The words of a rule, without `ufw` before them.
fn rule(args: &Args, kind: RuleKind, insert: Option<i64>) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
    if args.route {
        add(&["route"]);
    }
    if args.delete {
        add(&["delete"]);
    } else if let Some(number) = insert {
        add(&["insert", &number.to_string()]);
    }
    add(&[kind.word()]);
    match (args.direction, &args.interface) {
        (Some(direction), interface) => {
            let word = match direction {
                Direction::In | Direction::Incoming => "in",
                Direction::Out | Direction::Outgoing => "out",
                Direction::Routed => "",
            };
            if !word.is_empty() {
                add(&[word]);
            }
            if let Some(interface) = interface {
                add(&["on", interface]);
            }
        }
        (None, _) => {
            for (word, interface) in [("in", &args.interface_in), ("out", &args.interface_out)] {
                if let Some(interface) = interface {
                    add(&[word, "on", interface]);
                }
            }
        }
    }
    if args.log {
        add(&["log"]);
    }
    add(&["from", &args.from_ip]);
    if let Some(port) = &args.from_port {
        add(&["port", port]);
    }
    add(&["to", &args.to_ip]);
    if let Some(port) = &args.to_port {
        add(&["port", port]);
    }
    if let Some(protocol) = args.proto {
        add(&["proto", protocol.word()]);
    }
    if let Some(name) = &args.name {
        add(&["app", name]);
    }
    if let Some(comment) = args.comment.as_ref().filter(|_| !args.delete) {
        add(&["comment", comment]);
    }
    words
}

/// The number that the new rule gets, counted as the task says.
fn number(args: &Args, look: &Look) -> Result<Option<i64>, Failure> {
    let Some(insert) = args.insert.filter(|_| !args.delete) else {
        return Ok(None);
    };
    if args.insert_relative_to == Relative::Zero {
        return Ok(Some(insert));
    }
    let mut counts = [0i64; 2];
    for (count, file) in counts.iter_mut().zip(RULES) {
        let text = look.read_text(Path::new(file))?.unwrap_or_default();
        *count = i64::try_from(tuples(&text).len()).unwrap_or(0);
    }
    let [v4, v6] = counts;
    let base = match args.insert_relative_to {
        Relative::FirstV4 => 1,
        Relative::LastV4 => v4.max(1),
        Relative::FirstV6 => v4 + 1,
        Relative::LastV6 => v4 + v6.max(1),
        Relative::Zero => 0,
    };
    let number = insert + base;
    Ok((number <= v4 + v6).then_some(number))
}

impl Module for Ufw {
    const NAME: &'static str = "ufw";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        consistent(args)?;
        need(look, "ufw", "ufw")?;
        let enabled = setting(look, "/etc/ufw/ufw.conf", "ENABLED")? == "yes";
        let mut acts = Acts::new(Return::new());
        let mut lines: Vec<String> = Vec::new();
        let mut run = |acts: &mut Acts, words: &[&str], what: &str| {
            let mut all = vec!["ufw"];
            // Only what asks questions takes it.
            if words
                .iter()
                .any(|word| matches!(*word, "enable" | "reset" | "delete"))
            {
                all.push("--force");
            }
            all.extend(words);
            lines.push(crate::host::words::join(&all));
            acts.run(command(&all), what);
        };
        if let Some(level) = args.logging {
            let is = setting(look, "/etc/ufw/ufw.conf", "LOGLEVEL")?;
            let wanted = if level == Logging::On {
                "low"
            } else {
                level.word()
            };
            if is != wanted && !(level == Logging::On && is != "off" && !is.is_empty()) {
                run(
                    &mut acts,
                    &["logging", level.word()],
                    "set how much is logged",
                );
                acts.diff(state_diff("logging", &is, wanted));
            }
        }
        if let Some(policy) = args.default {
            let (word, name) = match args.direction {
                Some(Direction::Out | Direction::Outgoing) => ("outgoing", "OUTPUT"),
                Some(Direction::Routed) => ("routed", "FORWARD"),
                _ => ("incoming", "INPUT"),
            };
            let is = setting(look, "/etc/default/ufw", &format!("DEFAULT_{name}_POLICY"))?;
            let wanted = match policy {
                Policy::Allow => "ACCEPT",
                Policy::Deny => "DROP",
                Policy::Reject => "REJECT",
            };
            if is != wanted {
                run(
                    &mut acts,
                    &["default", policy.word(), word],
                    "set the policy",
                );
                acts.diff(state_diff(&format!("policy {word}"), &is, wanted));
            }
        }
        if let Some(kind) = args.rule {
            let words = rule(args, kind, number(args, look)?);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            // A rehearsal prints the files of rules as they would be.
            let mut rehearsal = vec!["ufw", "--dry-run"];
            rehearsal.extend(&words);
            let foreseen = look.query(rehearsal)?;
            if !foreseen.ok() {
                let message = foreseen.complaint();
                return Err(foreseen.failure(message));
            }
            let mut before = Vec::new();
            for file in RULES {
                before.extend(tuples(
                    &look.read_text(Path::new(file))?.unwrap_or_default(),
                ));
            }
            let after = tuples(&foreseen.out());
            let version = |tuple: &str| tuple.contains("::/0") || tuple.contains("::");
            // It prints only the files that the rule is for.
            let (shows4, shows6) = (
                after.iter().any(|tuple| !version(tuple)) || foreseen.out().contains("*filter"),
                after.iter().any(|tuple| version(tuple)) || foreseen.out().contains("ufw6-"),
            );
            before.retain(|tuple| if version(tuple) { shows6 } else { shows4 });
            let skips = foreseen.out().lines().all(|line| {
                line.starts_with("Skipping")
                    || line.starts_with("Could not delete")
                    || line.trim().is_empty()
            });
            if !skips && sorted(&before) != sorted(&after) {
                run(&mut acts, &words, "change the rules");
                acts.diff(state_diff("rules", &before.join("\n"), &after.join("\n")));
            }
        }
        match args.state {
            Some(State::Enabled) if !enabled => {
                run(&mut acts, &["enable"], "enable the firewall");
                acts.diff(state_diff("ufw", "disabled", "enabled"));
            }
            Some(State::Disabled) if enabled => {
                run(&mut acts, &["disable"], "disable the firewall");
                acts.diff(state_diff("ufw", "enabled", "disabled"));
            }
            Some(State::Reloaded) => run(&mut acts, &["reload"], "reload the firewall"),
            Some(State::Reset) => run(&mut acts, &["reset"], "reset the firewall"),
            _ => {}
        }
        acts.result(|result| result.with("commands", json!(lines)));
        Ok(acts.verdict())
    }
}

fn sorted(list: &[String]) -> Vec<&String> {
    let mut list: Vec<&String> = list.iter().collect();
    list.sort();
    list
}
