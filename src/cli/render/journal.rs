//! The record of a run: one JSON object per event, one folder per run.
//!
//! It holds what a later reader needs to resume, compare or explain: host,
//! task id, hash of the arguments, outcome and duration. Results are kept
//! without what `no_log` hides, readable by the owner only.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ocplay_engine::event::{Event, Report, TaskInfo};
use ocplay_language::vault::Keyring;
use serde_json::{Value, json};

use super::style::mask;

/// Runs whose record is kept.
const KEPT: usize = 200;

/// Writes events to `<state>/runs/<time>-<pid>/events.jsonl`.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    keyring: Arc<Keyring>,
}

impl Journal {
    /// Starts the record of a run.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn start(
        state: &Path,
        command: &[String],
        keyring: Arc<Keyring>,
    ) -> std::io::Result<Self> {
        let runs = state.join("runs");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&runs)?;
        prune(&runs);
        let folder = runs.join(format!("{}-{}", millis(), std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .mode(0o600)
            .open(folder.join("events.jsonl"))?;
        let mut journal = Self { file, keyring };
        journal.write(json!({ "event": "run", "version": 1, "playbooks": command }))?;
        Ok(journal)
    }

    /// Records an event. A record that cannot be written must not stop a run.
    pub(crate) fn event(&mut self, event: &Event) {
        if let Some(entry) = entry(event) {
            drop(self.write(entry));
        }
    }

    fn write(&mut self, mut entry: Value) -> std::io::Result<()> {
        if let Value::Object(map) = &mut entry {
            map.insert("at".to_owned(), json!(millis()));
        }
        let mut line = mask(&entry.to_string(), &self.keyring);
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}

fn millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Removes the oldest records.
fn prune(runs: &Path) {
    let Ok(entries) = std::fs::read_dir(runs) else {
        return;
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    let surplus = folders.len().saturating_sub(KEPT);
    for folder in folders.into_iter().take(surplus) {
        // Another run may be pruning, too.
        drop(std::fs::remove_dir_all(folder));
    }
}

fn entry(event: &Event) -> Option<Value> {
    Some(match event {
        Event::PlayStarted { name, hosts } => {
            json!({ "event": "play", "name": name, "hosts": names(hosts) })
        }
        Event::TaskStarted { task, hosts } => {
            json!({ "event": "task", "task": info(task), "hosts": hosts })
        }
        Event::HostStarted { host, task } => {
            json!({ "event": "started", "host": &**host, "task": &*task.id })
        }
        Event::ItemDone { host, task, report } => {
            json!({ "event": "item", "host": &**host, "task": &*task.id, "report": report_json(report) })
        }
        Event::HostDone {
            host,
            task,
            report,
            looped,
            duration,
        } => json!({
            "event": "done",
            "host": &**host,
            "task": &*task.id,
            "looped": looped,
            "report": report_json(report),
            "duration_ms": u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        }),
        Event::Retrying {
            host, task, left, ..
        } => {
            json!({ "event": "retry", "host": &**host, "task": &*task.id, "left": left })
        }
        Event::Included { file, hosts, item } => {
            json!({ "event": "included", "file": file, "hosts": names(hosts), "item": item })
        }
        Event::Warning(problem) => json!({ "event": "warning", "text": problem.to_string() }),
        Event::Mistakes(problems) => {
            json!({ "event": "mistakes", "texts": problems.iter().map(ToString::to_string).collect::<Vec<_>>() })
        }
        Event::NoHostsMatched => json!({ "event": "no_hosts_matched" }),
        Event::NoHostsLeft => json!({ "event": "no_hosts_left" }),
        Event::Finished { stats, .. } => {
            json!({ "event": "finished", "stats": stats.iter().map(|(host, stats)| (host.to_string(), json!(stats))).collect::<serde_json::Map<_, _>>() })
        }
        Event::PlaybookDone { .. } => json!({ "event": "playbook_done" }),
        Event::Output { .. } | Event::Prompt { .. } | Event::Note { .. } => return None,
    })
}

fn names(hosts: &[Arc<str>]) -> Vec<&str> {
    hosts.iter().map(|host| &**host).collect()
}

fn info(task: &TaskInfo) -> Value {
    json!({
        "id": &*task.id,
        "title": task.title,
        "module": task.module,
        "path": task.path,
        "handler": task.handler,
    })
}

fn report_json(report: &Report) -> Value {
    let replaced: Vec<Value> = report
        .diff
        .iter()
        .map(|diff| json!({ "what": diff.before_header, "before": diff.before, "after": diff.after, "text": diff.prepared }))
        .collect();
    json!({
        "status": report.status,
        "item": report.item,
        "delegated": report.delegated.as_deref(),
        "args_sha256": report.args_hash,
        "msg": report.result.get("msg"),
        "rc": report.result.get("rc"),
        "replaced": replaced,
    })
}
