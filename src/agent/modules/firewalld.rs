//! `firewalld`: zones of firewalld and what they let through.

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State {
        Absent = "absent",
        Disabled = "disabled",
        Enabled = "enabled",
        Present = "present",
    }
}
ocplay_protocol::choices! {
    /// What happens to packets that no rule takes.
    pub(super) enum Target {
        Default = "default",
        Accept = "ACCEPT",
        Drop = "DROP",
        Reject = "%%REJECT%%",
    }
}
ocplay_protocol::choices! {
    /// Protocols with ports.
    pub(super) enum Transport { Udp = "udp", Tcp = "tcp" }
}

ocplay_protocol::arguments! {
    /// Packets for one port that go to another.
    pub(super) struct Forward {
        /// Port that they come to.
        port: String,
        /// Their protocol.
        proto: Transport,
        /// Port that they go to.
        toport: String,
        /// Address that they go to.
        toaddr: Option<String>,
    }
}

ocplay_protocol::arguments! {
    /// Manages zones of firewalld: services, ports, rules, sources, interfaces. Uses firewall-cmd, and firewall-offline-cmd
    /// where firewalld does not run.
    pub(super) struct Args {
        /// Wanted state: enabled or disabled for what is in a zone, present or absent for zones and targets.
        state: State,
        /// Zone; by default the one that firewalld takes.
        zone: Option<String>,
        /// Service, by firewalld's name.
        service: Option<String>,
        /// Protocol, such as ospf.
        protocol: Option<String>,
        /// Port or range, with its protocol: 80/tcp.
        port: Option<String>,
        /// One forwarded port, as a list of one.
        port_forward: Option<Vec<Forward>>,
        /// Rule in firewalld's rich language.
        rich_rule: Option<String>,
        /// Network or set whose packets the zone is for.
        source: Option<String>,
        /// Interface whose packets the zone is for.
        interface: Option<String>,
        /// Kind of ICMP that is blocked.
        icmp_block: Option<String>,
        /// Kinds of ICMP that are named are the ones let through.
        icmp_block_inversion: Option<bool>,
        /// Packets leave with the host's own address.
        masquerade: Option<bool>,
        /// Packets go between the interfaces of the zone.
        forward: Option<bool>,
        /// What happens to packets that no rule takes; permanent only.
        target: Option<Target>,
        /// Change what holds after a restart.
        permanent: bool = false,
        /// Change what holds now; so it is without permanent.
        immediate: bool = false,
        /// Seconds after which what holds now is undone.
        timeout: i64 = 0,
        /// Go on where firewalld does not run.
        offline: bool = false,
    }
}

pub(super) struct Firewalld;

/// What is looked at and changed.
struct Subject {
    /// Behind `--query-`, `--add-` and `--remove-`.
    word: &'static str,
    value: Option<String>,
    /// In messages.
    shown: String,
    on: bool,
}

impl Args {
    fn subjects(&self) -> Result<Vec<Subject>, Failure> {
        let on = matches!(self.state, State::Enabled | State::Present);
        let mut all = Vec::new();
        let texts = [
            ("service", &self.service),
            ("protocol", &self.protocol),
            ("port", &self.port),
            ("rich-rule", &self.rich_rule),
            ("source", &self.source),
            ("interface", &self.interface),
            ("icmp-block", &self.icmp_block),
        ];
        for (word, value) in texts {
            if let Some(value) = value {
                all.push(Subject {
                    word,
                    value: Some(value.clone()),
                    shown: format!(
                        "{} {value}",
                        if word == "rich-rule" {
                            "rich_rule"
                        } else {
                            word
                        }
                    ),
                    on,
                });
            }
        }
        for (word, flag) in [
            ("icmp-block-inversion", self.icmp_block_inversion),
            ("masquerade", self.masquerade),
            ("forward", self.forward),
        ] {
            if let Some(flag) = flag {
                all.push(Subject {
                    word,
                    value: None,
                    shown: word.replace('-', "_"),
                    on: flag == on,
                });
            }
        }
        if let Some(forwards) = &self.port_forward {
            let [forward] = forwards.as_slice() else {
                return Err(
                    "port_forward: only one port forward is supported at a time; use a loop".into(),
                );
            };
            let value = format!(
                "port={}:proto={}:toport={}:toaddr={}",
                forward.port,
                forward.proto.word(),
                forward.toport,
                forward.toaddr.as_deref().unwrap_or_default()
            );
            all.push(Subject {
                word: "forward-port",
                shown: format!("port_forward {value}"),
                value: Some(value),
                on,
            });
        }
        if all.len() > 1 || (self.target.is_some() && !all.is_empty()) {
            return Err(
                "can only operate on port, service, rich_rule, masquerade, icmp_block, icmp_block_inversion, interface, \
                 source or target at once; use a task for each"
                    .into(),
            );
        }
        if let Some(port) = &self.port
            && !port.contains('/')
        {
            return Err("improper port format (missing protocol?); write 80/tcp".into());
        }
        Ok(all)
    }
}

/// One of the two configurations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Now,
    Permanent,
    /// The permanent one, while firewalld does not run.
    Offline,
}

impl Side {
    fn words(self, zone: Option<&str>) -> Vec<String> {
        let mut all = match self {
            Self::Now => vec!["firewall-cmd".to_owned()],
            Self::Permanent => vec!["firewall-cmd".to_owned(), "--permanent".to_owned()],
            Self::Offline => vec!["firewall-offline-cmd".to_owned()],
        };
        if let Some(zone) = zone {
            all.push(format!("--zone={zone}"));
        }
        all
    }

    fn ask(self, look: &Look, zone: Option<&str>, option: String) -> Result<String, Failure> {
        let mut words = self.words(zone);
        words.push(option);
        let output = look.query(&words)?;
        if output.ok() {
            return Ok(output.out().trim().to_owned());
        }
        let message = format!("cannot ask firewalld: {}", output.complaint());
        Err(output.failure(message))
    }

    fn has(self, look: &Look, zone: &str, subject: &Subject) -> Result<bool, Failure> {
        let mut words = self.words(Some(zone));
        words.push(option("query", subject));
        let output = look.query(&words)?;
        match output.code {
            0 => Ok(true),
            // Without words it is the answer no.
            1 if matches!(output.out().trim(), "no" | "") && output.err().trim().is_empty() => {
                Ok(false)
            }
            _ => {
                let message = format!(
                    "cannot ask firewalld about {}: {}",
                    subject.shown,
                    output.complaint()
                );
                Err(output.failure(message))
            }
        }
    }
}

fn operation(sides: &[Side]) -> &'static str {
    match sides {
        [Side::Now] => "Non-permanent operation",
        [_] => "Permanent operation",
        _ => "Permanent and Non-Permanent(immediate) operation",
    }
}

fn option(verb: &str, subject: &Subject) -> String {
    match &subject.value {
        Some(value) => format!("--{verb}-{}={value}", subject.word),
        None => format!("--{verb}-{}", subject.word),
    }
}

/// Which configurations the task is about.
fn sides(args: &Args, look: &Look) -> Result<Vec<Side>, Failure> {
    need(look, "firewall-cmd", "firewalld")?;
    let runs = look.query(["firewall-cmd", "--state"])?.ok();
    let immediate = args.immediate || !args.permanent;
    if runs {
        let both = [(args.permanent, Side::Permanent), (immediate, Side::Now)];
        return Ok(both
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, side)| side)
            .collect());
    }
    if !args.offline {
        return Err("firewalld does not run; start it (service: name=firewalld state=started), or set offline and permanent".into());
    }
    if immediate {
        return Err(
            "firewall is not currently running, unable to perform immediate actions without a running firewall daemon"
                .into(),
        );
    }
    need(look, "firewall-offline-cmd", "firewalld")?;
    Ok(vec![Side::Offline])
}

impl Module for Firewalld {
    const NAME: &'static str = "firewalld";
    const COLLECTION: &'static str = "ansible.posix";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let subjects = args.subjects()?;
        let zoned = subjects.is_empty();
        let of_zones = matches!(args.state, State::Present | State::Absent);
        if !zoned && of_zones {
            return Err("absent and present state can only be used in zone level operations; write enabled or disabled".into());
        }
        if zoned && args.zone.is_none() && args.target.is_none() {
            return Err("one of the following is required: zone, service, port, rich_rule, masquerade, icmp_block, interface, source, target".into());
        }
        if args.timeout != 0 && args.permanent && !args.immediate {
            return Err("timeout is for what holds now only; set immediate".into());
        }
        let sides = sides(args, look)?;
        let mut todo = Todo {
            acts: Acts::new(Return::new()),
            messages: vec![operation(&sides).to_owned()],
        };
        if zoned {
            if sides.contains(&Side::Now) || !args.permanent {
                return Err("Zone operations must be permanent. Make sure you didn't set the 'permanent' flag to 'false' or the 'immediate' flag to 'true'.".into());
            }
            match (args.target, args.zone.as_deref()) {
                (Some(target), zone) => todo.target(args, look, sides[0], zone, target)?,
                (None, Some(zone)) if of_zones => todo.zone(args, look, sides[0], zone)?,
                _ => return Err("a zone is present or absent, not enabled or disabled".into()),
            }
        }
        for subject in &subjects {
            let zone = match &args.zone {
                Some(zone) => zone.clone(),
                None => {
                    let side = if sides.contains(&Side::Offline) {
                        Side::Offline
                    } else {
                        Side::Now
                    };
                    side.ask(look, None, "--get-default-zone".to_owned())?
                }
            };
            for side in &sides {
                todo.subject(args, look, *side, &zone, subject)?;
            }
        }
        let Todo { mut acts, messages } = todo;
        acts.result(|result| result.with("msg", messages.join(", ")));
        Ok(acts.verdict())
    }
}

struct Todo {
    acts: Acts,
    messages: Vec<String>,
}

impl Todo {
    fn run(&mut self, words: Vec<String>, what: &str, before: &str, after: &str, message: String) {
        self.acts.run(command(words), format!("change {what}"));
        self.acts.diff(state_diff(what, before, after));
        if !self.messages.contains(&message) {
            self.messages.push(message);
        }
    }

    fn zone(&mut self, args: &Args, look: &Look, side: Side, zone: &str) -> Result<(), Failure> {
        let zones = side.ask(look, None, "--get-zones".to_owned())?;
        let there = zones.split_whitespace().any(|known| known == zone);
        let wanted = args.state == State::Present;
        if there != wanted {
            let mut words = side.words(None);
            let verb = if wanted { "new" } else { "delete" };
            words.push(format!("--{verb}-zone={zone}"));
            let state = |on: bool| if on { "present" } else { "absent" };
            let done = if wanted { "Added" } else { "Removed" };
            let message = format!(
                "{done} zone {zone}, Changed zone {zone} to {}",
                state(wanted)
            );
            self.run(
                words,
                &format!("zone {zone}"),
                state(there),
                state(wanted),
                message,
            );
        }
        Ok(())
    }

    fn target(
        &mut self,
        args: &Args,
        look: &Look,
        side: Side,
        zone: Option<&str>,
        target: Target,
    ) -> Result<(), Failure> {
        let zone = match zone {
            Some(zone) => zone.to_owned(),
            None => {
                let side = if side == Side::Offline {
                    side
                } else {
                    Side::Now
                };
                side.ask(look, None, "--get-default-zone".to_owned())?
            }
        };
        let is = side.ask(look, Some(&zone), "--get-target".to_owned())?;
        let wanted = match args.state {
            State::Present | State::Enabled => target,
            // Without it there is the default, but only where it was this one.
            _ if plain(&is) == plain(target.word()) => Target::Default,
            _ => return Ok(()),
        };
        if plain(&is) != plain(wanted.word()) {
            let mut words = side.words(Some(&zone));
            words.push(format!("--set-target={}", wanted.word()));
            let what = format!("zone {zone} target");
            let verb = if wanted == Target::Default {
                "Reset"
            } else {
                "Set"
            };
            let message = format!("{verb} {what} to {}", wanted.word());
            self.run(words, &what, &is, wanted.word(), message);
        }
        Ok(())
    }

    fn subject(
        &mut self,
        args: &Args,
        look: &Look,
        side: Side,
        zone: &str,
        subject: &Subject,
    ) -> Result<(), Failure> {
        let there = side.has(look, zone, subject)?;
        if there == subject.on {
            return Ok(());
        }
        // An interface or a source is in one zone at a time.
        let verb = match (subject.on, subject.word) {
            (true, "interface" | "source") => "change",
            (true, _) => "add",
            (false, _) => "remove",
        };
        let mut words = side.words(Some(zone));
        words.push(match &subject.value {
            // Without the addition it is an option of old there.
            Some(name)
                if side == Side::Offline && verb == "remove" && subject.word == "service" =>
            {
                format!("--remove-service-from-zone={name}")
            }
            _ => option(verb, subject),
        });
        let lasting = matches!(
            subject.word,
            "interface" | "source" | "icmp-block-inversion" | "forward"
        );
        if args.timeout > 0 && side == Side::Now && subject.on && !lasting {
            words.push(format!("--timeout={}", args.timeout));
        }
        let state = |on: bool| if on { "enabled" } else { "disabled" };
        let named = subject.value.as_deref().unwrap_or(&subject.shown);
        let message = match (subject.word, subject.on) {
            ("interface", true) => format!("Changed {named} to zone {zone}"),
            ("masquerade" | "source" | "forward" | "icmp-block-inversion", true) => {
                format!("Added {named} to zone {zone}")
            }
            ("masquerade" | "source" | "forward" | "icmp-block-inversion" | "interface", false) => {
                format!("Removed {named} from zone {zone}")
            }
            (_, on) => format!("Changed {} to {}", subject.shown, state(on)),
        };
        let what = format!("{} in zone {zone}", subject.shown);
        self.run(words, &what, state(there), state(subject.on), message);
        Ok(())
    }
}

/// Older versions show the reject target without its signs.
fn plain(target: &str) -> &str {
    target.trim_matches('%')
}
