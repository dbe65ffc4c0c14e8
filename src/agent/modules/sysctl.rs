//! `sysctl`: kernel parameters, in a file and in the running kernel.

use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;

use super::steps::{Body, Placement, Work, edit};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Settled, Touch};

ocplay_protocol::choices! {
    /// Whether the parameter shall be in the file.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// Sets a kernel parameter in a file that is read at boot, and at once.
    pub(super) struct Args {
        /// The parameter, such as net.ipv4.ip_forward.
        name: String ["key"],
        /// Its value.
        value: Option<String> ["val"],
        /// Whether the parameter shall be in the file.
        state: State = State::Present,
        /// The file.
        sysctl_file: PathBuf = PathBuf::from("/etc/sysctl.conf"),
        /// Set the value in the running kernel too when the file changes.
        reload: bool = true,
        /// Compare and set the value in the running kernel.
        sysctl_set: bool = false,
        /// Do not fail for a parameter that this kernel does not have.
        ignoreerrors: bool = false,
    }
}

pub(super) struct Sysctl;

pub(super) struct Plan {
    work: Work,
    live: Option<Live>,
    ignore: bool,
    name: String,
}

/// A value to write into the kernel.
struct Live {
    path: PathBuf,
    before: Option<String>,
    value: String,
}

/// The parameter's file: dots separate, unless the first separator is a slash.
fn path_of(name: &str) -> PathBuf {
    let slash_first = match (name.find('/'), name.find('.')) {
        (Some(slash), Some(dot)) => slash < dot,
        (Some(_), None) => true,
        _ => false,
    };
    let path: String = if slash_first {
        name.to_owned()
    } else {
        name.chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect()
    };
    Path::new("/proc/sys").join(path.trim_start_matches('/'))
}

/// Values are compared with their blanks made alike.
fn plain(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The file's text with the parameter set, or without it.
fn edited(text: &str, name: &str, value: Option<&str>) -> String {
    let same_name = |other: &str| path_of(other.trim().trim_start_matches('-')) == path_of(name);
    let mut out = String::with_capacity(text.len() + 40);
    let mut written = value.is_none();
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        let is_it = !content.starts_with(['#', ';'])
            && content
                .split_once('=')
                .is_some_and(|(other, _)| same_name(other));
        if !is_it {
            out.push_str(line);
            continue;
        }
        let Some(value) = value else { continue };
        if written {
            continue;
        }
        written = true;
        let old = content.split_once('=').map(|(_, old)| plain(old));
        if old.as_deref() == Some(&plain(value)) {
            out.push_str(line);
        } else {
            out.push_str(&format!("{name}={value}\n"));
        }
    }
    if !written && let Some(value) = value {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&format!("{name}={value}\n"));
    }
    out
}

impl Module for Sysctl {
    const NAME: &'static str = "sysctl";
    const COLLECTION: &'static str = "ansible.posix";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        if args.name.trim().is_empty() {
            return Err("name is empty; it must be a kernel parameter".into());
        }
        let value = match args.state {
            State::Present => Some(
                args.value
                    .as_deref()
                    .map(|value| match value {
                        // A YAML boolean.
                        "True" => "1".to_owned(),
                        "False" => "0".to_owned(),
                        other => plain(other),
                    })
                    .ok_or("value is required with state: present")?,
            ),
            State::Absent => None,
        };
        let before = look.read_text(&args.sysctl_file)?;
        let after = edited(
            before.as_deref().unwrap_or_default(),
            &args.name,
            value.as_deref(),
        );
        let placement = Placement {
            body: Body::Bytes(Vec::new()),
            path: args.sysctl_file.clone(),
            wanted: Settled::default(),
            backup: false,
            validate: None,
        };
        let work = match &before {
            None if value.is_none() => Work::default(),
            before => edit(
                look,
                before.as_deref().map(str::as_bytes),
                after.into_bytes(),
                placement,
            )?,
        };
        let mut result = Return::new()
            .with("name", args.name.as_str())
            .maybe("value", value.clone());
        let mut live = None;
        if let Some(value) = &value
            && (args.sysctl_set || (args.reload && !work.is_empty()))
        {
            let path = path_of(&args.name);
            let current = look.read_text(&path).ok().flatten();
            if current.is_none() && !path.exists() {
                let text = format!(
                    "this kernel has no parameter {} ({} does not exist); a module may have to be \
                     loaded first, or set ignoreerrors: true",
                    args.name,
                    path.display()
                );
                if !args.ignoreerrors && !look.is_check() {
                    return Err(text.into());
                }
                result = result.warn(text);
            } else if current.as_deref().map(plain).as_deref() != Some(value) {
                live = Some(Live {
                    path,
                    before: current,
                    value: value.clone(),
                });
            }
        }
        if work.is_empty() && live.is_none() {
            return Ok(Verdict::Same(result));
        }
        let plan = Plan {
            work,
            live,
            ignore: args.ignoreerrors,
            name: args.name.clone(),
        };
        Ok(Verdict::Change(plan, result))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let mut diffs = plan.work.diffs.clone();
        if let Some(live) = &plan.live {
            diffs.push(Diff::text(
                &live.path.display().to_string(),
                live.before.clone().unwrap_or_default(),
                format!("{}\n", live.value),
            ));
        }
        diffs
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let mut result = Return::new().with("name", plan.name.as_str());
        plan.work.run(touch)?;
        if let Some(live) = plan.live {
            result = result.with("value", live.value.as_str());
            match touch.poke(&live.path, &live.value) {
                Ok(()) => {}
                Err(failure) if plan.ignore => result = result.warn(failure.message),
                Err(failure) => {
                    return Err(Failure {
                        message: format!(
                            "{}; the kernel does not take this value here (in a container many \
                             parameters are read-only; set ignoreerrors: true if that is fine)",
                            failure.message
                        ),
                        changed: true,
                        ..failure
                    });
                }
            }
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths() {
        assert_eq!(
            path_of("net.ipv4.ip_forward"),
            Path::new("/proc/sys/net/ipv4/ip_forward")
        );
        assert_eq!(
            path_of("net.ipv4.conf.eth0/1.rp_filter"),
            Path::new("/proc/sys/net/ipv4/conf/eth0.1/rp_filter")
        );
        assert_eq!(
            path_of("net/ipv4/conf/eth0.1/rp_filter"),
            path_of("net.ipv4.conf.eth0/1.rp_filter")
        );
    }

    #[test]
    fn file_edits() {
        let text = "# c\na.b = 1\nx=2";
        assert_eq!(edited(text, "a.b", Some("1")), text);
        assert_eq!(edited(text, "a.b", Some("2")), "# c\na.b=2\nx=2");
        assert_eq!(edited(text, "n", Some("3")), "# c\na.b = 1\nx=2\nn=3\n");
        assert_eq!(edited(text, "x", None), "# c\na.b = 1\n");
        assert_eq!(edited("a=1\na=2\n", "a", Some("1")), "a=1\n");
        assert_eq!(edited("", "a", None), "");
    }
}
