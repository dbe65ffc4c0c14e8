//! `iptables`: rules of the kernel's packet filter.

use ocplay_protocol::{arguments, choices};

use super::acts::{Acts, acting, command, state};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

choices! {
    /// Where a new rule goes.
    pub(super) enum Action { Append = "append", Insert = "insert" }
}
choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
choices! {
    /// Which addresses.
    pub(super) enum Version { V4 = "ipv4", V6 = "ipv6", Both = "both" }
}
choices! {
    /// Which table.
    pub(super) enum Table {
        Filter = "filter",
        Nat = "nat",
        Mangle = "mangle",
        Raw = "raw",
        Security = "security",
    }
}
choices! {
    /// Whether a packet must, must not or may begin a connection.
    pub(super) enum Syn { Ignore = "ignore", Match = "match", Negate = "negate" }
}
choices! {
    /// What happens to packets that no rule takes.
    pub(super) enum Policy {
        Accept = "ACCEPT",
        Drop = "DROP",
        Queue = "QUEUE",
        Return = "RETURN",
    }
}
choices! {
    /// Which address a set is asked about.
    pub(super) enum SetFlags {
        Src = "src",
        Dst = "dst",
        SrcDst = "src,dst",
        DstSrc = "dst,src",
        DstDst = "dst,dst",
        SrcSrc = "src,src",
    }
}
choices! {
    /// A level of the log.
    pub(super) enum Level {
        L0 = "0", L1 = "1", L2 = "2", L3 = "3", L4 = "4", L5 = "5", L6 = "6", L7 = "7",
        Emerg = "emerg",
        Alert = "alert",
        Crit = "crit",
        Error = "error",
        Warning = "warning",
        Notice = "notice",
        Info = "info",
        Debug = "debug",
    }
}

arguments! {
    /// Flags of a TCP packet.
    pub(super) struct TcpFlags {
        /// Flags that are looked at.
        flags: Option<Vec<String>>,
        /// Those of them that must be set.
        flags_set: Option<Vec<String>>,
    }
}

arguments! {
    /// Adds and removes rules, chains and policies of iptables. They are gone after the next boot
    /// unless something else saves them.
    pub(super) struct Args {
        /// Table.
        table: Table = Table::Filter,
        /// Whether the rule shall be there.
        state: State = State::Present,
        /// Put a new rule at the end or at the beginning.
        action: Action = Action::Append,
        /// Number that an inserted rule gets.
        rule_num: Option<String>,
        /// IPv4, IPv6 or both.
        ip_version: Version = Version::V4,
        /// Chain.
        chain: Option<String>,
        /// Create the chain if it is missing; with state absent and nothing else, remove it.
        chain_management: bool = false,
        /// Protocol, such as tcp. A ! before it, as before most values, means all others.
        protocol: Option<String>,
        /// Where packets come from.
        source: Option<String>,
        /// Where they go to.
        destination: Option<String>,
        /// Flags of TCP.
        tcp_flags: Option<TcpFlags>,
        /// Extension modules to match with.
        match_ as "match": Vec<String> = Vec::new(),
        /// Target.
        jump: Option<String>,
        /// Where copies of packets go (target TEE).
        gateway: Option<String>,
        /// Text before lines in the log (target LOG).
        log_prefix: Option<String>,
        /// Level of lines in the log (target LOG).
        log_level: Option<Level>,
        /// Chain to go on in.
        goto: Option<String>,
        /// Interface that packets come in by.
        in_interface: Option<String>,
        /// Interface that packets leave by.
        out_interface: Option<String>,
        /// Only second and further fragments.
        fragment: Option<String>,
        /// Values of the counters to begin with.
        set_counters: Option<String>,
        /// Port or range of ports that packets come from.
        source_port: Option<String>,
        /// Port or range of ports that they go to.
        destination_port: Option<String>,
        /// Several such ports.
        destination_ports: Vec<String> = Vec::new(),
        /// Ports to redirect to.
        to_ports: Option<String>,
        /// Address to redirect to (target DNAT).
        to_destination: Option<String>,
        /// Address to pretend to come from (target SNAT).
        to_source: Option<String>,
        /// Packets that begin a connection.
        syn: Syn = Syn::Ignore,
        /// DSCP mark to set.
        set_dscp_mark: Option<String>,
        /// DSCP class to set.
        set_dscp_mark_class: Option<String>,
        /// Comment of the rule.
        comment: Option<String>,
        /// States of a connection, such as NEW.
        ctstate: Vec<String> = Vec::new(),
        /// Range of addresses that packets come from.
        src_range: Option<String>,
        /// Range of addresses that they go to.
        dst_range: Option<String>,
        /// A set of addresses, made by ipset.
        match_set: Option<String>,
        /// Which address of a packet shall be in the set.
        match_set_flags: Option<SetFlags>,
        /// How many matches there may be in a time.
        limit: Option<String>,
        /// How many more at once.
        limit_burst: Option<String>,
        /// User whose packets they are.
        uid_owner: Option<String>,
        /// Group whose packets they are.
        gid_owner: Option<String>,
        /// What to answer (target REJECT).
        reject_with: Option<String>,
        /// Kind of ICMP packet.
        icmp_type: Option<String>,
        /// Remove all rules of the chain, or of the table.
        flush: bool = false,
        /// Policy of the chain.
        policy: Option<Policy>,
        /// Seconds to wait for another iptables.
        wait: Option<String>,
        /// Accepted; addresses are never looked up.
        numeric: bool = false,
    }
}

pub(super) struct Iptables;

/// Words of a rule.
#[derive(Default)]
struct Rule(Vec<String>);

impl Rule {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|word| (*word).to_owned()));
    }

    /// A flag with its value; a ! before the value goes before the flag.
    fn value(&mut self, flag: &str, value: Option<&str>) {
        match value.map(|value| (value.strip_prefix('!'), value)) {
            Some((Some(value), _)) => self.words(&["!", flag, value.trim_start()]),
            Some((None, value)) => self.words(&[flag, value]),
            None => {}
        }
    }

    fn list(&mut self, flag: &str, values: &[String]) {
        if !values.is_empty() {
            self.words(&[flag, &values.join(",")]);
        }
    }
}

fn rule(args: &Args, v6: bool) -> Vec<String> {
    let mut rule = Rule::default();
    let has = |name: &str| args.match_.iter().any(|word| word == name);
    let jump = args.jump.as_deref();
    rule.value("-p", args.protocol.as_deref());
    rule.value("-s", args.source.as_deref());
    rule.value("-d", args.destination.as_deref());
    for word in &args.match_ {
        rule.value("-m", Some(word));
    }
    if let Some(TcpFlags {
        flags: Some(flags),
        flags_set: Some(set),
    }) = &args.tcp_flags
    {
        rule.words(&["--tcp-flags", &flags.join(","), &set.join(",")]);
    }
    rule.value("-j", jump);
    if jump.is_some_and(|jump| jump.eq_ignore_ascii_case("tee")) {
        rule.value("--gateway", args.gateway.as_deref());
    }
    rule.value("--log-prefix", args.log_prefix.as_deref());
    rule.value("--log-level", args.log_level.map(Level::word));
    rule.value("--to-destination", args.to_destination.as_deref());
    if !args.destination_ports.is_empty() {
        if !has("multiport") {
            rule.words(&["-m", "multiport"]);
        }
        rule.list("--dports", &args.destination_ports);
    }
    rule.value("--to-source", args.to_source.as_deref());
    rule.value("-g", args.goto.as_deref());
    rule.value("-i", args.in_interface.as_deref());
    rule.value("-o", args.out_interface.as_deref());
    rule.value("-f", args.fragment.as_deref());
    rule.value("-c", args.set_counters.as_deref());
    rule.value("--source-port", args.source_port.as_deref());
    rule.value("--destination-port", args.destination_port.as_deref());
    rule.value("--to-ports", args.to_ports.as_deref());
    let dscp = jump.is_some_and(|jump| jump.eq_ignore_ascii_case("dscp"));
    if (args.set_dscp_mark.is_some() || args.set_dscp_mark_class.is_some()) && !dscp {
        rule.words(&["-j", "DSCP"]);
    }
    rule.value("--set-dscp", args.set_dscp_mark.as_deref());
    rule.value("--set-dscp-class", args.set_dscp_mark_class.as_deref());
    match args.syn {
        Syn::Ignore => {}
        Syn::Match => rule.words(&["--syn"]),
        Syn::Negate => rule.words(&["!", "--syn"]),
    }
    if !args.ctstate.is_empty() {
        if has("state") && !has("conntrack") {
            rule.list("--state", &args.ctstate);
        } else {
            if !has("conntrack") {
                rule.words(&["-m", "conntrack"]);
            }
            rule.list("--ctstate", &args.ctstate);
        }
    }
    if args.src_range.is_some() || args.dst_range.is_some() {
        if !has("iprange") {
            rule.words(&["-m", "iprange"]);
        }
        rule.value("--src-range", args.src_range.as_deref());
        rule.value("--dst-range", args.dst_range.as_deref());
    }
    if let Some(set) = &args.match_set {
        if !has("set") {
            rule.words(&["-m", "set"]);
        }
        rule.value("--match-set", Some(set));
        if let Some(flags) = args.match_set_flags {
            rule.words(&[flags.word()]);
        }
    }
    if args.limit.is_some() || args.limit_burst.is_some() {
        if !has("limit") {
            rule.words(&["-m", "limit"]);
        }
        rule.value("--limit", args.limit.as_deref());
        rule.value("--limit-burst", args.limit_burst.as_deref());
    }
    if (args.uid_owner.is_some() || args.gid_owner.is_some()) && !has("owner") {
        rule.words(&["-m", "owner"]);
    }
    rule.value("--uid-owner", args.uid_owner.as_deref());
    rule.value("--gid-owner", args.gid_owner.as_deref());
    if jump.is_none() && args.reject_with.is_some() {
        rule.words(&["-j", "REJECT"]);
    }
    rule.value("--reject-with", args.reject_with.as_deref());
    let icmp = if v6 { "--icmpv6-type" } else { "--icmp-type" };
    rule.value(icmp, args.icmp_type.as_deref());
    if let Some(comment) = &args.comment {
        if !has("comment") {
            rule.words(&["-m", "comment"]);
        }
        rule.words(&["--comment", comment]);
    }
    rule.0
}

fn consistent(args: &Args) -> Result<&str, Failure> {
    let wrong = |text: &str| Err(Failure::new(text));
    if args.flush && args.policy.is_some() {
        return wrong("parameters are mutually exclusive: flush|policy");
    }
    if args.set_dscp_mark.is_some() && args.set_dscp_mark_class.is_some() {
        return wrong("parameters are mutually exclusive: set_dscp_mark|set_dscp_mark_class");
    }
    if args.match_set.is_some() != args.match_set_flags.is_some() {
        return wrong("match_set and match_set_flags must be used together");
    }
    let jump = args.jump.as_deref().unwrap_or_default();
    if jump.eq_ignore_ascii_case("tee") && args.gateway.is_none() {
        return wrong("jump is tee but all of the following are missing: gateway");
    }
    let logs = args.log_prefix.is_some() || args.log_level.is_some();
    if logs && !jump.is_empty() && jump != "LOG" {
        return wrong("Logging options can only be used with the LOG jump target.");
    }
    match &args.chain {
        Some(chain) if chain.starts_with('-') || chain.is_empty() => {
            Err(Failure::new(format!("'{chain}' is no name of a chain")))
        }
        Some(chain) => Ok(chain),
        None if args.flush => Ok(""),
        None => wrong("Either chain or flush parameter must be specified."),
    }
}

impl Module for Iptables {
    const NAME: &'static str = "iptables";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let mut args = args.clone();
        if args.jump.is_none() && (args.log_prefix.is_some() || args.log_level.is_some()) {
            args.jump = Some("LOG".to_owned());
        }
        let chain = consistent(&args)?.to_owned();
        let programs: &[(&str, bool)] = match args.ip_version {
            Version::V4 => &[("iptables", false)],
            Version::V6 => &[("ip6tables", true)],
            Version::Both => &[("iptables", false), ("ip6tables", true)],
        };
        let words = rule(&args, programs[0].1);
        let mut acts = Acts::new(
            Return::new()
                .with("ip_version", args.ip_version.word())
                .with("table", args.table.word())
                .with("chain", args.chain.as_deref())
                .with("flush", args.flush)
                .with("rule", crate::host::words::join(&words))
                .with("state", args.state.word())
                .with("chain_management", args.chain_management),
        );
        for (program, v6) in programs {
            super::acts::need(look, program, "iptables")?;
            one(&args, look, program, *v6, &chain, &mut acts)?;
        }
        Ok(acts.verdict())
    }
}

fn one(
    args: &Args,
    look: &Look,
    program: &str,
    v6: bool,
    chain: &str,
    acts: &mut Acts,
) -> Result<(), Failure> {
    let line = |action: &[&str], rule: &[String]| -> Vec<String> {
        let mut words: Vec<String> = [program, "-t", args.table.word()]
            .map(str::to_owned)
            .to_vec();
        words.extend(
            action
                .iter()
                .filter(|word| !word.is_empty())
                .map(|w| (*w).to_owned()),
        );
        if let Some(wait) = &args.wait {
            words.extend(["-w".to_owned(), wait.clone()]);
        }
        words.extend(rule.iter().cloned());
        words
    };
    if args.flush {
        let listing = look.query(line(&["-S", chain], &[]))?;
        let rules: String = listing
            .out()
            .lines()
            .filter(|line| line.starts_with("-A "))
            .map(|line| format!("{line}\n"))
            .collect();
        acts.run(command(line(&["-F", chain], &[])), "flush the rules");
        acts.diff(state(program, &rules, ""));
        return Ok(());
    }
    let listing = look.query(line(&["-S", chain], &[]))?;
    let exists = listing.ok();
    if let Some(policy) = args.policy {
        if !exists {
            let message = format!("cannot read the chain {chain}: {}", listing.complaint());
            return Err(listing.failure(message));
        }
        let text = listing.out();
        let is = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("-P {chain} ")))
            .map(|rest| rest.split(' ').next().unwrap_or_default().to_owned());
        let Some(is) = is else {
            return Err(Failure::new(format!(
                "Can't detect current policy: {chain} is no chain of the kernel's own"
            )));
        };
        if is != policy.word() {
            acts.run(
                command(line(&["-P", chain, policy.word()], &[])),
                format!("set the policy of {chain}"),
            );
            acts.diff(state(&format!("{program} {chain}"), &is, policy.word()));
        }
        return Ok(());
    }
    let rule = rule(args, v6);
    let shown = crate::host::words::join(&rule);
    let header = format!("{program} {} {chain}", args.table.word());
    if args.chain_management && rule.is_empty() {
        match (args.state, exists) {
            (State::Present, false) => {
                acts.run(
                    command(line(&["-N", chain], &[])),
                    format!("create {chain}"),
                );
                acts.diff(state(&header, "", "present"));
            }
            (State::Absent, true) => {
                acts.run(
                    command(line(&["-X", chain], &[])),
                    format!("remove {chain}"),
                );
                acts.diff(state(&header, "present", ""));
            }
            _ => {}
        }
        return Ok(());
    }
    let there = exists && look.query(line(&["-C", chain], &rule))?.ok();
    match (args.state, there) {
        (State::Present, false) => {
            if !exists && args.chain_management {
                acts.run(
                    command(line(&["-N", chain], &[])),
                    format!("create {chain}"),
                );
            }
            let number = args.rule_num.as_deref().unwrap_or_default();
            let action: &[&str] = match args.action {
                Action::Append => &["-A", chain],
                Action::Insert => &["-I", chain, number],
            };
            acts.run(
                command(line(action, &rule)),
                format!("add the rule {shown}"),
            );
            acts.diff(state(&header, "", &shown));
        }
        (State::Absent, true) => {
            acts.run(
                command(line(&["-D", chain], &rule)),
                format!("remove the rule {shown}"),
            );
            acts.diff(state(&header, &shown, ""));
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ocplay_protocol::Arguments;
    use serde_json::json;

    use super::*;

    fn words(args: serde_json::Value) -> String {
        let args = <Args as Arguments>::read(args.as_object().unwrap().clone()).unwrap();
        crate::host::words::join(&rule(&args, false))
    }

    #[test]
    fn rules_in_words() {
        assert_eq!(
            words(
                json!({"chain": "INPUT", "protocol": "tcp", "destination_port": "22",
                         "ctstate": "NEW,ESTABLISHED", "jump": "ACCEPT", "comment": "a b"})
            ),
            "-p tcp -j ACCEPT --destination-port 22 -m conntrack --ctstate NEW,ESTABLISHED -m \
             comment --comment 'a b'"
        );
        assert_eq!(
            words(
                json!({"chain": "INPUT", "source": "!10.0.0.0/8", "reject_with": "tcp-reset",
                         "syn": "negate", "tcp_flags": {"flags": ["ALL"], "flags_set": ["ACK", "SYN"]}})
            ),
            "'!' -s 10.0.0.0/8 --tcp-flags ALL ACK,SYN '!' --syn -j REJECT --reject-with tcp-reset"
        );
    }
}
