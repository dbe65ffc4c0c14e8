//! `selinux`: mode and policy of SELinux, now and from the next boot on.

use std::path::{Path, PathBuf};

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::steps::{Body, Placement, edit};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Settled};

ocplay_protocol::choices! {
    /// Modes.
    pub(super) enum State {
        Disabled = "disabled",
        Enforcing = "enforcing",
        Permissive = "permissive",
    }
}

ocplay_protocol::arguments! {
    /// Sets the mode and the policy of SELinux.
    pub(super) struct Args {
        /// Mode.
        state: State,
        /// Policy; needed unless the mode is disabled.
        policy: Option<String>,
        /// Tell the kernel at boot, too, where disabling needs that.
        update_kernel_param: bool = false,
        /// File of settings.
        configfile: PathBuf ["conf", "file"] = PathBuf::from("/etc/selinux/config"),
    }
}

pub(super) struct Selinux;

/// The file with a setting, in its place or at the end.
fn with(text: &str, name: &str, value: &str) -> String {
    let start = format!("{name}=");
    let mut out = String::new();
    let mut found = false;
    for line in text.split_inclusive('\n') {
        if line.starts_with(&start) {
            found = true;
            out.push_str(&format!("{name}={value}\n"));
        } else {
            out.push_str(line);
        }
    }
    if !found {
        out.push_str(&format!("{name}={value}\n"));
    }
    out
}

impl Module for Selinux {
    const NAME: &'static str = "selinux";
    const COLLECTION: &'static str = "ansible.posix";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.policy.is_none() && args.state != State::Disabled {
            return Err("Policy is required if state is not 'disabled'".into());
        }
        let text = look.read_text(&args.configfile)?.ok_or_else(|| {
            Failure::new(format!(
                "Unable to find file {}; is SELinux installed?",
                args.configfile.display()
            ))
        })?;
        let said = |name: &str| {
            let start = format!("{name}=");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap_or_default().trim().to_owned()
        };
        let policy = args.policy.clone().unwrap_or_else(|| said("SELINUXTYPE"));
        let mode = look.read_text(Path::new("/sys/fs/selinux/enforce"))?;
        let now = match mode.as_deref().map(str::trim) {
            Some("1") => State::Enforcing,
            Some(_) => State::Permissive,
            None => State::Disabled,
        };
        let reboot = now != args.state && (now == State::Disabled || args.state == State::Disabled);
        let mut result = Return::new()
            .with("configfile", args.configfile.to_string_lossy())
            .with("policy", policy.as_str())
            .with("state", args.state.word())
            .with("reboot_required", reboot)
            .with("msg", "");
        if reboot {
            result = result.warn(format!(
                "SELinux state change will take effect next reboot: now it is {}",
                now.word()
            ));
        }
        let mut acts = Acts::new(result);
        if let (State::Enforcing | State::Permissive, true) =
            (args.state, now != State::Disabled && now != args.state)
        {
            need(look, "setenforce", "libselinux-utils")?;
            let flag = if args.state == State::Enforcing {
                "1"
            } else {
                "0"
            };
            acts.diff(state_diff("mode", now.word(), args.state.word()));
            acts.run(command(["setenforce", flag]), "switch the mode");
        }
        if reboot && args.state == State::Disabled && now == State::Enforcing {
            // Until then, at least nothing is refused any more.
            acts.run(command(["setenforce", "0"]), "switch to permissive");
        }
        if args.update_kernel_param {
            need(look, "grubby", "grubby")?;
            let info = look.query(["grubby", "--info=DEFAULT"])?.out();
            let off = info.contains("selinux=0");
            let wanted = args.state == State::Disabled;
            if off != wanted {
                let verb = if wanted { "--args" } else { "--remove-args" };
                acts.run(
                    command(["grubby", "--update-kernel=ALL", verb, "selinux=0"]),
                    "tell the kernel",
                );
            }
        }
        let mut after = with(&text, "SELINUX", args.state.word());
        if !policy.is_empty() {
            after = with(&after, "SELINUXTYPE", &policy);
        }
        if after != text {
            let placement = Placement {
                body: Body::Bytes(Vec::new()),
                path: args.configfile.clone(),
                wanted: Settled::default(),
                backup: false,
                validate: None,
            };
            acts.work(edit(
                look,
                Some(text.as_bytes()),
                after.into_bytes(),
                placement,
            )?);
        }
        Ok(acts.verdict())
    }
}
