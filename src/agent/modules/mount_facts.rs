//! `mount_facts`: what is mounted, and what the tables of mounts say, as facts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use ocplay_protocol::{Diff, coerce};
use serde_json::{Map, Value, json};

use super::{Module, Verdict};
use crate::facts::storage::{disk_links, space, unescape};
use crate::host::{Command, Failure, Look, Return, Touch, glob};

ocplay_protocol::choices! {
    /// What happens when a file system does not answer in time.
    pub(super) enum OnTimeout { Error = "error", Warn = "warn", Ignore = "ignore" }
}

ocplay_protocol::arguments! {
    /// Lists mounts with their sizes, as the facts `mount_points` and `aggregate_mounts`.
    pub(super) struct Args {
        /// Patterns for devices and remote file systems.
        devices: Option<Vec<String>>,
        /// Patterns for kinds of file systems.
        fstypes: Option<Vec<String>>,
        /// Tables: all, dynamic, static, names of files, or the program that lists mounts.
        sources: Option<Vec<String>>,
        /// Program that lists mounts where no table of the kernel does; an empty text is none.
        mount_binary: Option<Value> = Some(Value::String("mount".to_owned())),
        /// Seconds that a file system may take to answer.
        timeout: Option<f64>,
        /// What happens when one does not answer in time.
        on_timeout: OnTimeout = OnTimeout::Error,
        /// Return the list of all mounts, also of several at one place.
        include_aggregate_mounts: Option<bool>,
    }
}

pub(super) struct MountFacts;

const DYNAMIC: [&str; 3] = ["/etc/mtab", "/proc/mounts", "/etc/mnttab"];
const STATIC: [&str; 2] = ["/etc/fstab", "/etc/vfstab"];

/// One line of a table.
struct Line {
    source: String,
    text: String,
    device: String,
    point: String,
    kind: String,
    options: String,
    dump: Option<i64>,
    pass: Option<i64>,
}

/// A line as the kernel and fstab have it.
fn of_table(source: &str, text: &str) -> Option<Line> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [device, point, kind, options, rest @ ..] = fields.as_slice() else {
        return None;
    };
    let number = |at: usize| rest.get(at).and_then(|text| text.parse().ok());
    Some(Line {
        source: source.to_owned(),
        text: text.to_owned(),
        device: unescape(device),
        point: unescape(point),
        kind: (*kind).to_owned(),
        options: (*options).to_owned(),
        dump: number(0),
        pass: number(1),
    })
}

/// A line as `mount` prints it: `DEVICE on POINT type KIND (OPTIONS)`.
fn of_program(source: &str, text: &str) -> Option<Line> {
    let (device, rest) = text.split_once(" on ")?;
    let (point, rest) = rest.split_once(" type ")?;
    let (kind, options) = rest.split_once(" (")?;
    Some(Line {
        source: source.to_owned(),
        text: text.to_owned(),
        device: device.to_owned(),
        point: point.to_owned(),
        kind: kind.to_owned(),
        options: options.trim_end_matches(')').to_owned(),
        dump: None,
        pass: None,
    })
}

impl Args {
    fn program(&self) -> Result<Option<String>, Failure> {
        match &self.mount_binary {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let text = coerce::text(value)?;
                Ok((!text.is_empty()).then_some(text))
            }
        }
    }

    fn limit(&self) -> Result<Option<Duration>, Failure> {
        match self.timeout {
            None => Ok(None),
            Some(seconds) if seconds > 0.0 && seconds < 1e6 => {
                Ok(Some(Duration::from_secs_f64(seconds)))
            }
            Some(seconds) => Err(Failure::new(format!(
                "argument 'timeout' must be a positive number or null, not {seconds}"
            ))),
        }
    }

    fn wants(&self, line: &Line) -> bool {
        let fits = |patterns: &Option<Vec<String>>, text: &str| {
            patterns
                .as_ref()
                .is_none_or(|all| all.iter().any(|pattern| glob::matches(pattern, text)))
        };
        fits(&self.devices, &line.device) && fits(&self.fstypes, &line.kind)
    }
}

fn from_file(look: &Look, source: &str) -> Result<Vec<Line>, Failure> {
    let path = Path::new(source);
    if look.stat(path)?.is_none_or(|found| found.is_dir()) {
        return Ok(Vec::new());
    }
    let text = look.read_text(path)?.unwrap_or_default();
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.filter_map(|line| of_table(source, line)).collect())
}

fn from_program(args: &Args, look: &Look, program: &str) -> Result<Vec<Line>, Failure> {
    let Some(file) = look.which(program) else {
        return Ok(Vec::new());
    };
    let mut command = Command::new([file]);
    command.timeout = args.limit()?;
    let output = look.ask(&command)?;
    Ok(output
        .out()
        .lines()
        .filter_map(|line| of_program(program, line))
        .collect())
}

/// All lines of all sources, each file once.
fn lines(args: &Args, look: &Look) -> Result<Vec<Line>, Failure> {
    let program = args.program()?;
    let mut sources: Vec<String> = Vec::new();
    let mut dynamic = false;
    for source in args
        .sources
        .clone()
        .unwrap_or_else(|| vec!["all".to_owned()])
    {
        let named: &[&str] = match source.as_str() {
            "" => return Err("sources contains an empty string".into()),
            "all" => &[
                DYNAMIC[0], DYNAMIC[1], DYNAMIC[2], "dynamic", STATIC[0], STATIC[1],
            ],
            "dynamic" => &[DYNAMIC[0], DYNAMIC[1], DYNAMIC[2], "dynamic"],
            "static" => &STATIC,
            other => &[other],
        };
        sources.extend(named.iter().map(|name| (*name).to_owned()));
    }
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    let mut all = Vec::new();
    for source in sources {
        let found = if source == "dynamic" {
            // Only where no table of the kernel said anything.
            match &program {
                Some(program) if !dynamic => from_program(args, look, program)?,
                _ => Vec::new(),
            }
        } else if Some(&source) == program.as_ref() {
            from_program(args, look, &source)?
        } else {
            let real = std::fs::canonicalize(&source).unwrap_or_else(|_| PathBuf::from(&source));
            // Each process has a table of its own; it is one and the same.
            let real = match real.to_string_lossy().strip_suffix("/mounts") {
                Some(folder) if folder.starts_with("/proc/") => PathBuf::from("/proc/mounts"),
                _ => real,
            };
            if seen.insert(real) {
                from_file(look, &source)?
            } else {
                Vec::new()
            }
        };
        dynamic |= DYNAMIC.contains(&source.as_str()) && !found.is_empty();
        all.extend(found);
    }
    Ok(all)
}

/// Sizes of the file system at a place; `None` if it does not answer in time.
fn sizes(point: &str, limit: Option<Duration>) -> Option<Map<String, Value>> {
    let Some(limit) = limit else {
        return Some(space(Path::new(point)));
    };
    let (sender, receiver) = mpsc::channel();
    let point = PathBuf::from(point);
    std::thread::spawn(move || sender.send(space(&point)).ok());
    receiver.recv_timeout(limit).ok()
}

impl Module for MountFacts {
    const NAME: &'static str = "mount_facts";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let limit = args.limit()?;
        let uuids = disk_links("/dev/disk/by-uuid");
        let mut result = Return::new();
        let (mut points, mut list, mut again) = (Map::new(), Vec::new(), Vec::new());
        for line in lines(args, look)?
            .into_iter()
            .filter(|line| args.wants(line))
        {
            look.go_on()?;
            let mut mount = Map::new();
            let found = sizes(&line.point, limit);
            if found.is_none() {
                let text = format!(
                    "Timed out getting mount size for mount {} (type {})",
                    line.point, line.kind
                );
                match args.on_timeout {
                    OnTimeout::Error => return Err(Failure::new(text)),
                    OnTimeout::Warn => result = result.warn(text),
                    OnTimeout::Ignore => {}
                }
            }
            let uuid = match line.device.split_once('=') {
                Some(("UUID", id)) => Some(id.trim_matches('"').to_owned()),
                _ => {
                    let name = line.device.rsplit('/').next().unwrap_or_default();
                    uuids.get(name).and_then(|all| all.first()).cloned()
                }
            };
            let context = json!({"source": line.source, "source_data": line.text});
            mount.insert("ansible_context".to_owned(), context);
            for (name, value) in [
                ("mount", &line.point),
                ("device", &line.device),
                ("fstype", &line.kind),
                ("options", &line.options),
            ] {
                mount.insert(name.to_owned(), json!(value));
            }
            for (name, value) in [("dump", line.dump), ("passno", line.pass)] {
                if let Some(value) = value {
                    mount.insert(name.to_owned(), json!(value));
                }
            }
            mount.extend(found.unwrap_or_default());
            mount.insert("uuid".to_owned(), json!(uuid));
            let mount = Value::Object(mount);
            if args.include_aggregate_mounts == Some(true) {
                list.push(mount.clone());
            }
            if points.contains_key(&line.point) {
                again.push(line.point);
            } else {
                points.insert(line.point, mount);
            }
        }
        if args.include_aggregate_mounts.is_none() && !again.is_empty() {
            result = result.warn(format!(
                "mount_facts: several mounts are at {}; only the first of each is in mount_points. Set \
                 include_aggregate_mounts to true for all of them, or to false for no warning",
                again.join(", ")
            ));
        }
        let facts = json!({"mount_points": points, "aggregate_mounts": list});
        Ok(Verdict::Same(result.with("ansible_facts", facts)))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tables_and_programs() {
        let line = of_table("x", "//srv/x /mnt/my\\040dir cifs ro 0 2").unwrap();
        assert_eq!(
            (line.point.as_str(), line.dump, line.pass),
            ("/mnt/my dir", Some(0), Some(2))
        );
        assert!(of_table("x", "a b c").is_none());
        let line = of_program("mount", "/dev/sda1 on / type ext4 (rw,relatime)").unwrap();
        assert_eq!(
            (line.device.as_str(), line.options.as_str()),
            ("/dev/sda1", "rw,relatime")
        );
    }
}
