//! `service`: services under whatever service manager the host has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ocplay_protocol::Diff;

use super::systemd::{self, Scope, State, Wish};
use super::{Module, Verdict};
use crate::facts::service_manager;
use crate::host::{Command, Failure, Look, Return, Touch, glob};

ocplay_protocol::arguments! {
    /// Controls services: systemd where it runs, else OpenRC or init scripts.
    pub(super) struct Args {
        /// The service.
        name: String,
        /// Wanted state.
        state: Option<State>,
        /// Start the service at boot.
        enabled: Option<bool>,
        /// Seconds between stop and start of a restart (init scripts only).
        sleep: Option<i64>,
        /// Text that the process list shows while it runs (init scripts without a status only).
        pattern: Option<String>,
        /// Runlevel (OpenRC only).
        runlevel: String = "default".to_owned(),
        /// Further words for the init script.
        arguments: String ["args"] = String::new(),
        /// Have systemd read its unit files first (systemd only).
        daemon_reload: bool ["daemon-reload"] = false,
        /// Have systemd execute itself anew first (systemd only).
        daemon_reexec: bool ["daemon-reexec"] = false,
        /// Forbid every start of the unit (systemd only).
        masked: Option<bool>,
        /// Do not wait until the unit has reached its state (systemd only).
        no_block: bool = false,
        /// Replace conflicting links (systemd only).
        force: Option<bool>,
        /// System, user, or all users' service manager (systemd only).
        scope: Scope = Scope::System,
        /// Service manager to use: auto, systemd, openrc, sysvinit.
        use_ as "use": String = "auto".to_owned(),
    }
}

pub(super) struct Service;

pub(super) enum Plan {
    Systemd(systemd::Plan),
    Script(Script),
}

/// A service started by a script.
#[derive(Clone)]
pub(super) struct Script {
    name: String,
    manager: Manager,
    /// Verbs for the script, in order.
    verbs: Vec<&'static str>,
    enable: Option<bool>,
    runlevel: String,
    arguments: Vec<String>,
    pause: Option<Duration>,
    result: Return,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manager {
    OpenRc,
    Init,
}

impl Module for Service {
    const NAME: &'static str = "service";
    const ALIASES: &'static [&'static str] = &["sysvinit"];
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let asks = args.state.is_some()
            || args.enabled.is_some()
            || args.masked.is_some()
            || args.daemon_reload
            || args.daemon_reexec;
        if !asks {
            return Err("give state or enabled; there is nothing to do otherwise".into());
        }
        let manager = match args.use_.as_str() {
            "auto" | "" => service_manager(),
            other => other.to_owned(),
        };
        let manager = match manager.as_str() {
            "systemd" => return with_systemd(args, look),
            "openrc" => Manager::OpenRc,
            _ if script_of(&args.name).is_some() => Manager::Init,
            // An image or a chroot with systemd's tools but no systemd.
            _ if look.which("systemctl").is_some() => return with_systemd(args, look),
            _ => Manager::Init,
        };
        with_script(args, look, manager)
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        match plan {
            Plan::Systemd(plan) => systemd::describe(plan),
            Plan::Script(script) => {
                let mut text = String::new();
                if let Some(enable) = script.enable {
                    let word = if enable { "enable" } else { "disable" };
                    text.push_str(&format!("{word} {} at boot\n", script.name));
                }
                for verb in &script.verbs {
                    text.push_str(&format!("{verb} {}\n", script.name));
                }
                vec![Diff::prepared(text)]
            }
        }
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        match plan {
            Plan::Systemd(plan) => systemd::apply(plan, touch),
            Plan::Script(script) => script.run(touch),
        }
    }
}

fn with_systemd(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
    let wish = Wish {
        name: Some(args.name.clone()),
        state: args.state,
        enabled: args.enabled,
        masked: args.masked,
        reload: args.daemon_reload,
        reexec: args.daemon_reexec,
        force: args.force == Some(true),
        scope: args.scope,
        no_block: args.no_block,
    };
    Ok(match systemd::check(wish, look)? {
        Verdict::Same(result) => Verdict::Same(result),
        Verdict::Change(plan, result) => Verdict::Change(Plan::Systemd(plan), result),
        Verdict::MustRun(plan) => Verdict::MustRun(Plan::Systemd(plan)),
        Verdict::Always(plan) => Verdict::Always(Plan::Systemd(plan)),
        Verdict::Skip(result) => Verdict::Skip(result),
    })
}

fn script_of(name: &str) -> Option<PathBuf> {
    ["/etc/init.d", "/etc/rc.d/init.d"]
        .into_iter()
        .map(|directory| Path::new(directory).join(name))
        .find(|script| script.is_file())
}

fn with_script(args: &Args, look: &Look, manager: Manager) -> Result<Verdict<Plan>, Failure> {
    let mut result = Return::new()
        .with("name", args.name.as_str())
        .maybe("state", args.state.map(State::word))
        .maybe("enabled", args.enabled);
    let there = script_of(&args.name).is_some();
    if !there {
        let text = format!(
            "there is no service {} on this host (no /etc/init.d/{}); install the package that \
             brings it, or check the name",
            args.name, args.name
        );
        if !look.is_check() {
            return Err(text.into());
        }
        result = result.warn(format!("{text} (an earlier task may install it)"));
    }
    let running = there && is_running(args, look, manager)?;
    let verbs = match args.state {
        Some(State::Started) if !running => vec!["start"],
        Some(State::Stopped) if running => vec!["stop"],
        Some(State::Restarted) if args.sleep.is_some() => vec!["stop", "start"],
        Some(State::Restarted) => vec!["restart"],
        Some(State::Reloaded) if running => vec!["reload"],
        Some(State::Reloaded) => vec!["start"],
        Some(State::Started | State::Stopped) | None => vec![],
    };
    let enabled = there && is_enabled(args, look, manager);
    let enable = args.enabled.filter(|wanted| *wanted != enabled);
    if verbs.is_empty() && enable.is_none() {
        return Ok(Verdict::Same(result));
    }
    let script = Script {
        name: args.name.clone(),
        manager,
        verbs,
        enable,
        runlevel: args.runlevel.clone(),
        arguments: crate::host::words::split(&args.arguments)?,
        pause: args
            .sleep
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs),
        result: result.clone(),
    };
    Ok(Verdict::Change(Plan::Script(script), result))
}

fn is_running(args: &Args, look: &Look, manager: Manager) -> Result<bool, Failure> {
    if let Some(pattern) = &args.pattern {
        let commands = glob::expand("/proc/[0-9]*/cmdline");
        return Ok(commands
            .iter()
            .filter_map(|path| std::fs::read(path).ok())
            .any(|line| {
                String::from_utf8_lossy(&line)
                    .replace('\0', " ")
                    .contains(pattern.as_str())
            }));
    }
    let output = match manager {
        Manager::OpenRc => look.query(["rc-service", &args.name, "status"])?,
        Manager::Init => {
            let script = script_of(&args.name).unwrap_or_default();
            look.query([script.as_os_str(), "status".as_ref()])?
        }
    };
    let text = output.out().to_lowercase();
    Ok(output.ok() && !text.contains("not running") && !text.contains("is stopped"))
}

fn is_enabled(args: &Args, look: &Look, manager: Manager) -> bool {
    match manager {
        Manager::OpenRc => Path::new("/etc/runlevels")
            .join(&args.runlevel)
            .join(&args.name)
            .symlink_metadata()
            .is_ok(),
        Manager::Init => {
            if look.which("chkconfig").is_some() && look.which("update-rc.d").is_none() {
                return look.try_query(&["chkconfig", &args.name]).is_some();
            }
            !glob::expand(&format!("/etc/rc[2345].d/S[0-9][0-9]{}", args.name)).is_empty()
        }
    }
}

impl Script {
    fn run(self, touch: &mut Touch) -> Result<Return, Failure> {
        let name = self.name.as_str();
        if let Some(enable) = self.enable {
            let command = match self.manager {
                Manager::OpenRc => {
                    let verb = if enable { "add" } else { "del" };
                    Command::new(["rc-update", verb, name, &self.runlevel])
                }
                Manager::Init if touch.which("update-rc.d").is_some() => {
                    if enable {
                        touch.must(
                            &Command::new(["update-rc.d", name, "defaults"]),
                            "enable the service",
                        )?;
                    }
                    let verb = if enable { "enable" } else { "disable" };
                    Command::new(["update-rc.d", name, verb])
                }
                Manager::Init => {
                    let verb = if enable { "on" } else { "off" };
                    Command::new(["chkconfig", name, verb])
                }
            };
            touch.must(&command, &format!("change whether {name} starts at boot"))?;
        }
        for (index, verb) in self.verbs.iter().enumerate() {
            if let (true, Some(pause)) = (index > 0, self.pause) {
                touch.sleep(pause)?;
            }
            let mut argv: Vec<String> = match self.manager {
                Manager::OpenRc => vec!["rc-service".to_owned(), name.to_owned()],
                Manager::Init => vec![
                    script_of(name)
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned(),
                ],
            };
            argv.push((*verb).to_owned());
            argv.extend(self.arguments.iter().cloned());
            touch.must(&Command::new(argv), &format!("{verb} {name}"))?;
        }
        Ok(self.result)
    }
}
