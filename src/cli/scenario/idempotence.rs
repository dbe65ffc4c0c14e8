//! What a second run changed, from the record that the run kept.

use std::path::{Path, PathBuf};

use ocplay_language::diagnostic::Diagnostic;
use ocplay_protocol::Diff;
use serde_json::Value as Json;

/// A task that changes something each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restless {
    pub(crate) title: String,
    pub(crate) module: String,
    /// `file:line`.
    pub(crate) path: String,
    pub(crate) handler: bool,
    /// Hosts, and what differed on each.
    pub(crate) hosts: Vec<(String, Vec<Diff>)>,
}

/// Reads the record of the run of a process.
///
/// # Errors
/// There is no record.
pub(super) fn restless(state: &Path, pid: u32) -> Result<Vec<Restless>, Diagnostic> {
    let runs = state.join("runs");
    let end = format!("-{pid}");
    let newest = std::fs::read_dir(&runs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(&end))
        .max();
    let file: PathBuf = newest.unwrap_or(runs).join("events.jsonl");
    let text = std::fs::read_to_string(&file).map_err(|error| {
        Diagnostic::error(
            "idempotence",
            format!(
                "the record of the run, {}, cannot be read: {error}",
                file.display()
            ),
        )
        .help("the folder of records must be writable: $XDG_STATE_HOME/ocplay/runs")
    })?;
    Ok(changed(&text))
}

fn changed(events: &str) -> Vec<Restless> {
    let mut tasks: Vec<(String, Restless)> = Vec::new();
    for event in events
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok())
    {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("task") => {
                let task = &event["task"];
                let id = text(&task["id"]);
                if !tasks.iter().any(|(known, _)| *known == id) {
                    let entry = Restless {
                        title: text(&task["title"]),
                        module: text(&task["module"]),
                        path: text(&task["path"]),
                        handler: task["handler"] == true,
                        hosts: Vec::new(),
                    };
                    tasks.push((id, entry));
                }
            }
            // Of a loop each item comes first, then the whole without differences.
            Some("done" | "item") if event["report"]["status"] == "changed" => {
                let id = text(&event["task"]);
                let host = text(&event["host"]);
                let Some((_, task)) = tasks.iter_mut().find(|(known, _)| *known == id) else {
                    continue;
                };
                let found = diffs(&event["report"]["replaced"]);
                match task.hosts.iter_mut().find(|(known, _)| *known == host) {
                    Some((_, diffs)) => diffs.extend(found),
                    None => task.hosts.push((host, found)),
                }
            }
            _ => {}
        }
    }
    let found = tasks.into_iter().map(|(_, task)| task);
    found.filter(|task| !task.hosts.is_empty()).collect()
}

fn diffs(replaced: &Json) -> Vec<Diff> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let all = replaced.as_array().into_iter().flatten();
    all.map(|one| Diff {
        before_header: text(&one["what"]),
        after_header: text(&one["what"]),
        before: text(&one["before"]),
        after: text(&one["after"]),
        prepared: text(&one["text"]),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_tasks_with_hosts_and_differences() {
        let events = r#"{"event":"run"}
{"event":"task","task":{"id":"a","title":"still","module":"copy","path":"x.yml:3","handler":false},"hosts":1}
{"event":"done","host":"h1","task":"a","looped":false,"report":{"status":"ok","replaced":[]}}
{"event":"task","task":{"id":"b","title":"restless","module":"copy","path":"x.yml:9","handler":false},"hosts":2}
{"event":"item","host":"h1","task":"b","report":{"status":"changed","replaced":[{"what":"/etc/x","before":"1\n","after":"2\n","text":""}]}}
{"event":"item","host":"h1","task":"b","report":{"status":"ok","replaced":[]}}
{"event":"done","host":"h1","task":"b","looped":true,"report":{"status":"changed","replaced":[]}}
{"event":"done","host":"h2","task":"b","looped":false,"report":{"status":"changed","replaced":[]}}
half a li"#;
        let found = changed(events);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "x.yml:9");
        let hosts: Vec<_> = found[0]
            .hosts
            .iter()
            .map(|(host, diffs)| (&**host, diffs.len()))
            .collect();
        assert_eq!(hosts, [("h1", 1), ("h2", 0)]);
        assert_eq!(found[0].hosts[0].1[0].after, "2\n");
    }
}
