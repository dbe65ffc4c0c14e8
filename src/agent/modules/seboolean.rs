//! `seboolean`: switches of SELinux's policy.

use std::path::{Path, PathBuf};

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::arguments! {
    /// Sets switches (booleans) of SELinux's policy.
    pub(super) struct Args {
        /// The switch.
        name: String,
        /// On or off.
        state: bool,
        /// Keep it so over the next boot.
        persistent: bool = false,
        /// Also where SELinux is switched off.
        ignore_selinux_state: bool = false,
    }
}

pub(super) struct Seboolean;

/// What is written down for the next boot, by semanage's own file.
fn kept(look: &Look, name: &str) -> Result<Option<bool>, Failure> {
    let config = look
        .read_text(Path::new("/etc/selinux/config"))?
        .unwrap_or_default();
    let policy = config
        .lines()
        .find_map(|line| line.strip_prefix("SELINUXTYPE="))
        .unwrap_or("targeted");
    let file = PathBuf::from("/var/lib/selinux")
        .join(policy.trim())
        .join("active/booleans.local");
    let text = look.read_text(&file)?.unwrap_or_default();
    Ok(text
        .lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim() == "1"))
}

impl Module for Seboolean {
    const NAME: &'static str = "seboolean";
    const COLLECTION: &'static str = "ansible.posix";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let folder = Path::new("/sys/fs/selinux/booleans");
        let running = folder.is_dir();
        if !running && !args.ignore_selinux_state {
            return Err("SELinux is disabled on this host.".into());
        }
        let file = folder.join(&args.name);
        let is = look.read_text(&file)?.map(|text| text.starts_with('1'));
        if running && is.is_none() {
            return Err(Failure::new(format!(
                "SELinux boolean {} does not exist.",
                args.name
            )));
        }
        let word = |on: bool| if on { "on" } else { "off" };
        let result = Return::new()
            .with("name", args.name.as_str())
            .with("persistent", args.persistent)
            .with("state", args.state);
        let mut acts = Acts::new(result);
        let differs = is.is_some_and(|is| is != args.state)
            || (args.persistent && kept(look, &args.name)? != Some(args.state));
        if differs {
            need(look, "setsebool", "policycoreutils")?;
            let mut words = vec!["setsebool"];
            if args.persistent || !running {
                words.push("-P");
            }
            words.extend([args.name.as_str(), word(args.state)]);
            acts.diff(state_diff(
                &args.name,
                is.map_or("", word),
                word(args.state),
            ));
            acts.run(command(words), format!("set {}", args.name));
        }
        Ok(acts.verdict())
    }
}
