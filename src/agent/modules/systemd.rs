//! `systemd`: units of the service manager, asked in its machine-readable form.

use std::path::Path;

use ocplay_protocol::Diff;
use serde_json::{Map, Value};

use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// Wanted state of a unit.
    pub(super) enum State {
        Started = "started",
        Stopped = "stopped",
        /// Stopped and started, always.
        Restarted = "restarted",
        /// Told to read its configuration again, or started.
        Reloaded = "reloaded",
    }
}

ocplay_protocol::choices! {
    /// Which service manager to talk to.
    pub(super) enum Scope { System = "system", User = "user", Global = "global" }
}

ocplay_protocol::arguments! {
    /// Controls units of systemd.
    pub(super) struct Args {
        /// The unit; `.service` may be left out.
        name: Option<String> ["service", "unit"],
        /// Wanted state.
        state: Option<State>,
        /// Start the unit at boot.
        enabled: Option<bool>,
        /// Forbid every start of the unit.
        masked: Option<bool>,
        /// Have systemd read its unit files first.
        daemon_reload: bool ["daemon-reload"] = false,
        /// Have systemd execute itself anew first.
        daemon_reexec: bool ["daemon-reexec"] = false,
        /// Replace conflicting links.
        force: Option<bool>,
        /// System, user, or all users' service manager.
        scope: Scope = Scope::System,
        /// Do not wait until the unit has reached its state.
        no_block: bool = false,
    }
}

pub(super) struct Systemd;

/// What is wanted of one unit; also built by the service module.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) name: Option<String>,
    pub(super) state: Option<State>,
    pub(super) enabled: Option<bool>,
    pub(super) masked: Option<bool>,
    pub(super) reload: bool,
    pub(super) reexec: bool,
    pub(super) force: bool,
    pub(super) scope: Scope,
    pub(super) no_block: bool,
}

pub(super) struct Plan {
    wish: Wish,
    steps: Vec<Step>,
    /// The unit does not exist yet (check mode only).
    foreseen: bool,
}

/// One call of systemctl on the unit, and how it looks.
struct Step {
    verb: &'static str,
    before: String,
    after: String,
}

impl Module for Systemd {
    const NAME: &'static str = "systemd";
    const ALIASES: &'static [&'static str] = &["systemd_service"];
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        check(
            Wish {
                name: args.name.clone(),
                state: args.state,
                enabled: args.enabled,
                masked: args.masked,
                reload: args.daemon_reload,
                reexec: args.daemon_reexec,
                force: args.force.unwrap_or(false),
                scope: args.scope,
                no_block: args.no_block,
            },
            look,
        )
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        describe(plan)
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        apply(plan, touch)
    }
}

/// Properties of a unit.
type Properties = Map<String, Value>;

impl Wish {
    fn command(&self, words: &[&str]) -> Command {
        let mut argv = vec!["systemctl"];
        match self.scope {
            Scope::System => {}
            Scope::User => argv.push("--user"),
            Scope::Global => argv.push("--global"),
        }
        argv.extend(words);
        let command = Command::new(argv);
        if self.scope == Scope::User && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            let uid = rustix::process::geteuid().as_raw();
            return command.env("XDG_RUNTIME_DIR", format!("/run/user/{uid}"));
        }
        command
    }

    fn unit(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn properties(&self, look: &Look) -> Result<Properties, Failure> {
        let output = look.ask(&self.command(&["show", "--no-pager", "--", self.unit()]))?;
        if !output.ok() {
            let hint = if Path::new("/run/systemd/system").exists() {
                ""
            } else {
                "; systemd does not run on this host, so units can be enabled but not started"
            };
            let message = format!(
                "systemd does not tell the state of {}: {}{hint}",
                self.unit(),
                output.complaint()
            );
            return Err(output.failure(message));
        }
        let mut all = Properties::new();
        let mut last: Option<String> = None;
        for line in output.out().lines() {
            match line.split_once('=') {
                Some((name, value)) if is_property(name) => {
                    all.insert(name.to_owned(), Value::from(value));
                    last = Some(name.to_owned());
                }
                // A value of several lines.
                _ => {
                    if let Some(Value::String(text)) = last.as_ref().and_then(|n| all.get_mut(n)) {
                        text.push('\n');
                        text.push_str(line);
                    }
                }
            }
        }
        Ok(all)
    }

    /// Whether the unit starts at boot; `None` if it cannot be said or set.
    fn is_enabled(&self, look: &Look, state: &str) -> Option<bool> {
        match state {
            "enabled" | "alias" => Some(true),
            "disabled" | "enabled-runtime" | "linked" | "linked-runtime" | "indirect" => {
                Some(false)
            }
            "static" | "transient" => None,
            "masked" | "masked-runtime" => Some(false),
            // Made from an init script, or systemd is not running.
            _ => look
                .ask(&self.command(&["is-enabled", "--", self.unit()]))
                .ok()
                .map(|output| output.ok()),
        }
    }
}

fn is_property(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn text<'a>(properties: &'a Properties, name: &str) -> &'a str {
    properties.get(name).and_then(Value::as_str).unwrap_or("")
}

pub(super) fn check(wish: Wish, look: &Look) -> Result<Verdict<Plan>, Failure> {
    if wish.name.is_none()
        && (wish.state.is_some() || wish.enabled.is_some() || wish.masked.is_some())
    {
        return Err("name is required: the unit that state, enabled or masked is for".into());
    }
    if look.which("systemctl").is_none() {
        let text = "systemctl is not on this host, so there is no systemd to talk to";
        if look.is_check() {
            return Ok(Verdict::Skip(Return::new().with("msg", text).warn(text)));
        }
        return Err(text.into());
    }
    let manager = wish.reload || wish.reexec;
    if wish.name.is_none() {
        let plan = Plan {
            wish,
            steps: Vec::new(),
            foreseen: false,
        };
        return Ok(if manager {
            Verdict::Change(plan, Return::new().changed(false))
        } else {
            Verdict::Same(Return::new())
        });
    }
    let decided = if Path::new("/run/systemd/system").exists() || look.is_check() {
        decide(&wish, look)?
    } else {
        decide_offline(&wish, look)?
    };
    let Decided {
        steps,
        properties,
        missing,
    } = decided;
    let result = result_of(&wish, &properties);
    if let Some(missing) = missing {
        if manager && !look.is_check() {
            // The unit file may be new; apply looks again after the reload.
            let plan = Plan {
                wish,
                steps,
                foreseen: true,
            };
            return Ok(Verdict::Change(plan, result));
        }
        if !look.is_check() {
            return Err(Failure::new(missing));
        }
        let result = result.warn(format!("{missing} (an earlier task may install it)"));
        return Ok(if steps.is_empty() {
            Verdict::Same(result)
        } else {
            let plan = Plan {
                wish,
                steps,
                foreseen: true,
            };
            Verdict::Change(plan, result)
        });
    }
    if steps.is_empty() && !manager {
        return Ok(Verdict::Same(result));
    }
    let changed = !steps.is_empty();
    let plan = Plan {
        wish,
        steps,
        foreseen: false,
    };
    Ok(Verdict::Change(plan, result.changed(changed)))
}

struct Decided {
    steps: Vec<Step>,
    properties: Properties,
    /// Why the unit cannot be handled.
    missing: Option<String>,
}

fn decide(wish: &Wish, look: &Look) -> Result<Decided, Failure> {
    let properties = match wish.properties(look) {
        Ok(properties) => properties,
        Err(_) if look.is_check() => Properties::new(),
        Err(failure) => return Err(failure),
    };
    let load = text(&properties, "LoadState");
    let missing = match load {
        "not-found" | "" => Some(format!(
            "there is no unit {} on this host; install the package that brings it, or check the \
             name (systemctl list-unit-files)",
            wish.unit()
        )),
        "error" | "bad-setting" => Some(format!(
            "the unit file of {} cannot be read by systemd ({load}): {}",
            wish.unit(),
            text(&properties, "LoadError")
        )),
        _ => None,
    };
    let mut steps = Vec::new();
    let mut add = |verb, before: &str, after: &str| {
        steps.push(Step {
            verb,
            before: before.to_owned(),
            after: after.to_owned(),
        });
    };
    let masked = load == "masked";
    match wish.masked {
        Some(true) if !masked => add("mask", "masked: no", "masked: yes"),
        Some(false) if masked => add("unmask", "masked: yes", "masked: no"),
        _ => {}
    }
    if let Some(wanted) = wish.enabled {
        let state = text(&properties, "UnitFileState");
        let is = if missing.is_some() {
            Some(false)
        } else {
            wish.is_enabled(look, state)
        };
        // A unit without an install section is started by others; there is
        // nothing to switch on or off.
        if is.is_some_and(|is| is != wanted) {
            let verb = if wanted { "enable" } else { "disable" };
            let word = if wanted {
                "enabled: yes"
            } else {
                "enabled: no"
            };
            let state = if state.is_empty() { "no" } else { state };
            add(verb, &format!("enabled: {state}"), word);
        }
    }
    if let Some(wanted) = wish.state {
        let active = text(&properties, "ActiveState");
        let running = matches!(active, "active" | "activating" | "reloading" | "refreshing");
        let verb = match wanted {
            State::Started if !running => Some("start"),
            State::Stopped if running || active == "deactivating" => Some("stop"),
            State::Restarted => Some("restart"),
            State::Reloaded if running => Some("reload"),
            State::Reloaded => Some("start"),
            State::Started | State::Stopped => None,
        };
        if let Some(verb) = verb {
            let active = if active.is_empty() {
                "inactive"
            } else {
                active
            };
            add(
                verb,
                &format!("state: {active}"),
                &format!("state: {}", wanted.word()),
            );
        }
    }
    Ok(Decided {
        steps,
        properties,
        missing,
    })
}

/// Without a running systemd (a chroot, an image), only files can be changed.
fn decide_offline(wish: &Wish, look: &Look) -> Result<Decided, Failure> {
    if matches!(
        wish.state,
        Some(State::Started | State::Restarted | State::Reloaded)
    ) {
        return Err(Failure::new(format!(
            "systemd does not run on this host, so {} cannot be {}; set only enabled here",
            wish.unit(),
            wish.state.map_or("", State::word)
        )));
    }
    let mut steps = Vec::new();
    if let Some(wanted) = wish.enabled {
        let output = look.ask(&wish.command(&["is-enabled", "--", wish.unit()]))?;
        if output.ok() != wanted && output.out().trim() != "static" {
            steps.push(Step {
                verb: if wanted { "enable" } else { "disable" },
                before: format!("enabled: {}", output.out().trim()),
                after: format!("enabled: {}", if wanted { "yes" } else { "no" }),
            });
        }
    }
    Ok(Decided {
        steps,
        properties: Properties::new(),
        missing: None,
    })
}

fn result_of(wish: &Wish, properties: &Properties) -> Return {
    Return::new()
        .maybe("name", wish.name.clone())
        .maybe("state", wish.state.map(final_word))
        .maybe("enabled", wish.enabled)
        .with("status", Value::Object(properties.clone()))
}

/// The state that a unit is in after all.
fn final_word(state: State) -> &'static str {
    match state {
        State::Stopped => "stopped",
        State::Started | State::Restarted | State::Reloaded => "started",
    }
}

pub(super) fn describe(plan: &Plan) -> Vec<Diff> {
    let side = |pick: fn(&Step) -> &str| {
        plan.steps
            .iter()
            .map(|step| format!("{}\n", pick(step)))
            .collect::<String>()
    };
    if plan.steps.is_empty() {
        return Vec::new();
    }
    vec![Diff::text(
        plan.wish.unit(),
        side(|step| &step.before),
        side(|step| &step.after),
    )]
}

pub(super) fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
    let Plan {
        wish,
        mut steps,
        foreseen,
    } = plan;
    if wish.reexec {
        touch.must(&wish.command(&["daemon-reexec"]), "re-execute systemd")?;
    }
    if wish.reload && wish.scope != Scope::Global {
        touch.must(&wish.command(&["daemon-reload"]), "reload systemd")?;
    }
    if wish.name.is_none() {
        return Ok(Return::new().changed(wish.reexec && !wish.reload));
    }
    if wish.reload || foreseen {
        let decided = decide(&wish, touch)?;
        if let Some(missing) = decided.missing {
            return Err(Failure::new(missing));
        }
        steps = decided.steps;
    }
    let changed = !steps.is_empty();
    for (index, step) in steps.iter().enumerate() {
        run(&wish, step, touch).map_err(|failure| Failure {
            changed: index > 0,
            ..failure
        })?;
    }
    let properties = wish.properties(touch).unwrap_or_default();
    Ok(result_of(&wish, &properties).changed(changed))
}

fn run(wish: &Wish, step: &Step, touch: &mut Touch) -> Result<(), Failure> {
    let mut words = vec![step.verb];
    if wish.force && matches!(step.verb, "enable" | "mask") {
        words.push("--force");
    }
    if wish.no_block && wish.state.is_some() && !step.verb.ends_with("able") {
        words.push("--no-block");
    }
    words.extend(["--", wish.unit()]);
    let command = wish.command(&words);
    let output = touch.run(&command)?;
    if output.ok() {
        return Ok(());
    }
    let mut message = format!(
        "cannot {} {}: {}",
        step.verb,
        wish.unit(),
        output.complaint()
    );
    let mut failure = output.failure("");
    if output.err().contains("masked") {
        message.push_str("; it is masked, set masked: false to allow it");
    } else if matches!(step.verb, "start" | "restart" | "reload") {
        let scope = if wish.scope == Scope::User {
            "--user-unit"
        } else {
            "--unit"
        };
        let journal = touch
            .try_query(&[
                "journalctl",
                "--no-pager",
                "-q",
                "-o",
                "cat",
                "-n",
                "15",
                scope,
                wish.unit(),
            ])
            .unwrap_or_default();
        if !journal.trim().is_empty() {
            message.push_str("\nlast lines of its journal:\n");
            message.push_str(journal.trim_end());
            failure = failure.with("journal", journal);
        }
    }
    failure.message = message;
    Err(failure)
}
