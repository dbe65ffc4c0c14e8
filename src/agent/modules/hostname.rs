//! `hostname`: the name of the machine, now and after a boot.

use std::path::PathBuf;

use ocplay_protocol::Diff;
use serde_json::json;

use super::{Module, Verdict};
use crate::host::{Explain, Failure, Look, Return, Settled, Touch};

ocplay_protocol::arguments! {
    /// Sets the host's name.
    pub(super) struct Args {
        /// The name.
        name: String,
        /// Accepted for old playbooks; the file and the kernel are set the same way everywhere.
        use_ as "use": Option<String>,
    }
}

pub(super) struct Hostname;

pub(super) struct Plan {
    name: String,
    file: Option<PathBuf>,
    live: bool,
    before: String,
}

fn current() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

fn result(name: &str) -> Return {
    let (short, domain) = name.split_once('.').unwrap_or((name, ""));
    Return::new().with("name", name).with(
        "ansible_facts",
        json!({
            "ansible_hostname": short,
            "ansible_nodename": name,
            "ansible_fqdn": name,
            "ansible_domain": domain,
        }),
    )
}

impl Module for Hostname {
    const NAME: &'static str = "hostname";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let name = args.name.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with('-') {
            return Err(Failure::new(format!(
                "'{name}' is no host name: up to 64 letters, digits, '-' and '.'"
            )));
        }
        // SUSE keeps it under another name.
        let file = ["/etc/HOSTNAME", "/etc/hostname"]
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .unwrap_or_else(|| PathBuf::from("/etc/hostname"));
        let written = look.read_text(&file)?.unwrap_or_default();
        let file = (written.trim() != name).then_some(file);
        let before = current();
        let live = before != name;
        if file.is_none() && !live {
            return Ok(Verdict::Same(result(name)));
        }
        let plan = Plan {
            name: name.to_owned(),
            file,
            live,
            before,
        };
        Ok(Verdict::Change(plan, result(name)))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        vec![Diff::text(
            "hostname",
            format!("hostname: {}\n", plan.before),
            format!("hostname: {}\n", plan.name),
        )]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        if let Some(file) = &plan.file {
            // In a container the file is a mount and can only be written into.
            let wanted = Settled {
                unsafe_writes: true,
                ..Settled::default()
            };
            touch.write(file, format!("{}\n", plan.name).as_bytes(), &wanted)?;
        }
        if plan.live {
            rustix::system::sethostname(plan.name.as_bytes()).explain("set the host's name")?;
        }
        Ok(result(&plan.name))
    }
}
