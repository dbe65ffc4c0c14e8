//! `stdout_callback = json`: the whole run as one object at its end; and
//! `jsonl`: each event as a line while it happens. Shapes are those of
//! ansible.posix.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use ocplay_engine::event::{Event, HostStats, Report, Status, TaskInfo};
use serde_json::{Map, Value, json};

use super::diagnostic;
use super::style::Look;

/// Collects a run.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    plays: Vec<Value>,
    /// Id of the task that stands last.
    last: Option<Arc<str>>,
}

impl Tree {
    /// The text of an event, if it has any: everything at the end, or a line.
    pub(super) fn text(&mut self, event: &Event, look: Look) -> Option<String> {
        if look == Look::Jsonl {
            return lines(event);
        }
        match event {
            Event::PlayStarted { name, .. } => {
                self.last = None;
                self.plays.push(json!({
                    "play": { "name": name, "duration": { "start": now(), "end": now() } },
                    "tasks": [],
                }));
            }
            Event::TaskStarted { task, .. } => self.task(task),
            Event::HostDone {
                host, task, report, ..
            } => self.done(host, task, report),
            Event::Mistakes(problems) => {
                return Some(
                    problems
                        .iter()
                        .map(|problem| format!("{}\n", diagnostic::draw(problem, false)))
                        .collect(),
                );
            }
            Event::Warning(problem) => {
                return Some(format!("{}\n", diagnostic::draw(problem, false)));
            }
            Event::Finished { stats, custom } => {
                let whole = json!({
                    "custom_stats": {},
                    "global_custom_stats": custom_of_run(custom),
                    "plays": std::mem::take(&mut self.plays),
                    "stats": stats_json(stats),
                });
                return Some(pretty(&whole));
            }
            _ => {}
        }
        None
    }

    fn task(&mut self, task: &Arc<TaskInfo>) {
        self.last = Some(Arc::clone(&task.id));
        let entry = json!({
            "task": described(task, Some(&now())),
            "hosts": {},
        });
        if let Some(tasks) = self.tasks() {
            tasks.push(entry);
        }
    }

    fn tasks(&mut self) -> Option<&mut Vec<Value>> {
        self.plays.last_mut()?.get_mut("tasks")?.as_array_mut()
    }

    fn done(&mut self, host: &str, task: &Arc<TaskInfo>, report: &Report) {
        // Hosts that go at their own pace may be at different tasks.
        if self.last.as_ref() != Some(&task.id) {
            self.task(task);
        }
        let result = result(task, report);
        let end = now();
        if let Some(entry) = self.tasks().and_then(|tasks| tasks.last_mut()) {
            entry["task"]["duration"]["end"] = end.clone().into();
            entry["hosts"][host] = result;
        }
        if let Some(play) = self.plays.last_mut() {
            play["play"]["duration"]["end"] = end.into();
        }
    }
}

fn now() -> String {
    Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string()
}

fn described(task: &TaskInfo, start: Option<&str>) -> Value {
    let mut entry = json!({ "id": &*task.id, "name": task.title, "path": task.path });
    if let Some(start) = start {
        entry["duration"] = json!({ "start": start, "end": start });
    }
    entry
}

/// A result as content sees it, with the words for how it ended.
fn result(task: &TaskInfo, report: &Report) -> Value {
    let mut map = report.result.as_object().cloned().unwrap_or_default();
    let mut flag = |name: &str| map.insert(name.to_owned(), true.into());
    match report.status {
        Status::Failed | Status::Ignored => drop(flag("failed")),
        Status::Skipped => drop(flag("skipped")),
        Status::Unreachable => drop(flag("unreachable")),
        Status::Ok | Status::Changed => {}
    }
    map.insert("action".to_owned(), task.module.clone().into());
    map.entry("changed")
        .or_insert_with(|| (report.status == Status::Changed).into());
    Value::Object(map)
}

fn custom_of_run(custom: &Value) -> Value {
    custom.get("_run").cloned().unwrap_or_else(|| json!({}))
}

fn stats_json(stats: &IndexMap<Arc<str>, HostStats>) -> Value {
    let rows = stats.iter().map(|(host, stats)| {
        let row = json!({
            "changed": stats.changed,
            "failures": stats.failed,
            "ignored": stats.ignored,
            "ok": stats.ok,
            "rescued": stats.rescued,
            "skipped": stats.skipped,
            "unreachable": stats.unreachable,
        });
        (host.to_string(), row)
    });
    Value::Object(rows.collect())
}

/// Four blanks, keys sorted.
fn pretty(value: &Value) -> String {
    let mut out = Vec::new();
    let layout = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut out, layout);
    // Writing to memory cannot fail.
    if serde::Serialize::serialize(&super::result::sorted(value), &mut writer).is_err() {
        return String::new();
    }
    out.push(b'\n');
    String::from_utf8_lossy(&out).into_owned()
}

/// One event as a line.
fn lines(event: &Event) -> Option<String> {
    let (name, mut entry) = match event {
        Event::PlayStarted { name, hosts } => (
            "v2_playbook_on_play_start",
            json!({ "play": { "name": name }, "hosts": hosts.iter().map(|host| &**host).collect::<Vec<_>>() }),
        ),
        Event::TaskStarted { task, .. } => (
            if task.handler {
                "v2_playbook_on_handler_task_start"
            } else {
                "v2_playbook_on_task_start"
            },
            json!({ "task": described(task, None), "hosts": {} }),
        ),
        Event::HostStarted { host, task } => (
            "v2_runner_on_start",
            json!({ "task": described(task, None), "hosts": { &**host: {} } }),
        ),
        Event::ItemDone { host, task, report } => (
            match report.status {
                Status::Skipped => "v2_runner_item_on_skipped",
                Status::Failed | Status::Ignored | Status::Unreachable => {
                    "v2_runner_item_on_failed"
                }
                _ => "v2_runner_item_on_ok",
            },
            json!({ "task": described(task, None), "hosts": { &**host: result(task, report) } }),
        ),
        Event::HostDone {
            host, task, report, ..
        } => (
            match report.status {
                Status::Ok | Status::Changed => "v2_runner_on_ok",
                Status::Skipped => "v2_runner_on_skipped",
                Status::Failed | Status::Ignored => "v2_runner_on_failed",
                Status::Unreachable => "v2_runner_on_unreachable",
            },
            json!({ "task": described(task, None), "hosts": { &**host: result(task, report) } }),
        ),
        Event::Warning(problem) => ("warning", json!({ "text": problem.to_string() })),
        Event::Mistakes(problems) => (
            "mistakes",
            json!({ "texts": problems.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        ),
        Event::Finished { stats, custom } => (
            "v2_playbook_on_stats",
            json!({ "stats": stats_json(stats), "custom_stats": {}, "global_custom_stats": custom_of_run(custom) }),
        ),
        _ => return None,
    };
    let mut line = Map::new();
    line.insert("_event".to_owned(), name.into());
    line.insert("_timestamp".to_owned(), now().into());
    if let Some(map) = entry.as_object_mut() {
        line.append(map);
    }
    Some(format!("{}\n", Value::Object(line)))
}
