//! `timezone`: the system's time zone and how its hardware clock counts.

use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;
use serde_json::json;

use super::acts::{Acts, acting, command};
use super::steps::{Body, Placement, Step};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Settled};

ocplay_protocol::choices! {
    /// How the hardware clock counts.
    pub(super) enum Clock { Local = "local", Utc = "UTC" }
}

ocplay_protocol::arguments! {
    /// Sets the time zone of the system, and whether its hardware clock is in UTC.
    pub(super) struct Args {
        /// The zone, such as Europe/Berlin.
        name: Option<String>,
        /// Whether the hardware clock is in UTC or in local time.
        hwclock: Option<Clock> ["rtc"],
    }
}

pub(super) struct Timezone;

const ZONES: &str = "/usr/share/zoneinfo";
const LINK: &str = "/etc/localtime";
const NAME_FILE: &str = "/etc/timezone";
const ADJTIME: &str = "/etc/adjtime";

/// The zone that the system is in, as far as it is written down.
fn current(look: &Look) -> Result<String, Failure> {
    let target = std::fs::read_link(LINK).unwrap_or_default();
    let target = target.to_string_lossy();
    if let Some((_, name)) = target.split_once("/zoneinfo/") {
        return Ok(name.to_owned());
    }
    // A copy instead of a link: only the file beside it knows its name.
    let name = look.read_text(Path::new(NAME_FILE))?.unwrap_or_default();
    Ok(match name.trim() {
        "" if look.stat(Path::new(LINK))?.is_none() => "UTC".to_owned(),
        name => name.to_owned(),
    })
}

/// The third line of the clock's file; UTC where there is none.
fn clock(text: &str) -> Clock {
    match text.lines().nth(2).map(str::trim) {
        Some("LOCAL") => Clock::Local,
        _ => Clock::Utc,
    }
}

fn with_clock(text: &str, clock: Clock) -> String {
    let mut lines: Vec<&str> = text.lines().take(2).collect();
    for default in ["0.0 0 0.0", "0"].iter().skip(lines.len()) {
        lines.push(default);
    }
    lines.push(match clock {
        Clock::Local => "LOCAL",
        Clock::Utc => "UTC",
    });
    lines.join("\n") + "\n"
}

fn place(path: &str, content: String) -> Step {
    Step::Place(Placement {
        body: Body::Bytes(content.into_bytes()),
        path: PathBuf::from(path),
        wanted: Settled::default(),
        backup: false,
        validate: None,
    })
}

impl Module for Timezone {
    const NAME: &'static str = "timezone";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.name.is_none() && args.hwclock.is_none() {
            return Err("one of the following is required: name, hwclock".into());
        }
        // timedatectl asks a service that only runs under systemd.
        let managed =
            Path::new("/run/systemd/system").exists() && look.which("timedatectl").is_some();
        let mut acts = Acts::new(Return::new());
        let (mut before, mut after) = (json!({}), json!({}));
        if let Some(name) = &args.name {
            let zone = Path::new(ZONES).join(name);
            let inside = !name.starts_with('/') && !name.split('/').any(|part| part == "..");
            if !inside || !look.stat(&zone)?.is_some_and(|found| found.is_file()) {
                return Err(Failure::new(format!(
                    "given timezone \"{name}\" is not available; {ZONES} has no such file (is the \
                     package tzdata installed?)"
                )));
            }
            let is = current(look)?;
            let file = look.read_text(Path::new(NAME_FILE))?;
            let file_differs = file.as_ref().is_some_and(|file| file.trim() != name);
            if is != *name || (file_differs && !managed) {
                before["name"] = json!(is);
                after["name"] = json!(name);
                if managed {
                    acts.run(
                        command(["timedatectl", "set-timezone", name]),
                        format!("set the time zone {name}"),
                    );
                } else {
                    acts.step(Step::Link {
                        target: zone,
                        path: PathBuf::from(LINK),
                    });
                }
            }
            // Debian's other place; timedatectl looks after it only there.
            if file_differs
                || (file.is_none() && !managed && Path::new("/etc/debian_version").exists())
            {
                if file_differs {
                    before["name"] = json!(is);
                    after["name"] = json!(name);
                }
                acts.step(place(NAME_FILE, format!("{name}\n")));
            }
        }
        if let Some(wanted) = args.hwclock {
            let text = look.read_text(Path::new(ADJTIME))?.unwrap_or_default();
            let is = clock(&text);
            if is != wanted {
                before["hwclock"] = json!(is.word());
                after["hwclock"] = json!(wanted.word());
                if managed {
                    let local = if wanted == Clock::Local { "1" } else { "0" };
                    acts.run(
                        command(["timedatectl", "set-local-rtc", local]),
                        "set how the hardware clock counts",
                    );
                } else {
                    acts.step(place(ADJTIME, with_clock(&text, wanted)));
                }
            }
        }
        if after != json!({}) {
            acts.diff(Diff::data(&before, &after));
        } else if !acts.is_empty() {
            acts.diff(Diff::text(
                NAME_FILE,
                "",
                format!("{}\n", args.name.as_deref().unwrap_or_default()),
            ));
        }
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_in_its_file() {
        assert_eq!(clock(""), Clock::Utc);
        assert_eq!(clock("0.0 1 0.0\n1\nLOCAL\n"), Clock::Local);
        assert_eq!(with_clock("", Clock::Local), "0.0 0 0.0\n0\nLOCAL\n");
        assert_eq!(
            with_clock("1 2 3\n4\nLOCAL\n", Clock::Utc),
            "1 2 3\n4\nUTC\n"
        );
    }
}
