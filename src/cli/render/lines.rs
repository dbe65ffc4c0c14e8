//! A run as lines, in the words of Ansible's own output: people and scripts
//! know how to read them.

use ocplay_engine::event::{Event, HostStats, Report, Status, TaskInfo};
use ocplay_language::playbook::ast::short_module_name;
use ocplay_protocol::Diff;
use serde_json::{Map, Value};

use super::diagnostic;
use super::paint::{Paint, enabled, paint};

/// Width of the lines of stars.
const WIDTH: usize = 79;
/// Keys of a result that every line shows in another way already.
const INTERNAL: [&str; 6] = [
    "exception",
    "failed_when_suppressed_exception",
    "ansible_loop_var",
    "_ansible_facts_cacheable",
    "failed",
    "ansible_index_var",
];

/// Turns events into text; keeps only what lines depend on.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) verbosity: u8,
    /// The task whose title stands above the last line: hosts that go at
    /// their own pace may be at different ones.
    banner: Option<std::sync::Arc<TaskInfo>>,
}

impl Lines {
    pub(crate) fn new(verbosity: u8) -> Self {
        Self {
            verbosity,
            banner: None,
        }
    }

    /// The text of an event, if it has any.
    pub(crate) fn text(&mut self, event: &Event) -> Option<String> {
        let text = self.line(event)?;
        let task = match event {
            Event::TaskStarted { task, .. } => {
                self.banner = Some(std::sync::Arc::clone(task));
                return Some(text);
            }
            Event::ItemDone { task, .. }
            | Event::HostDone { task, .. }
            | Event::Retrying { task, .. } => task,
            _ => return Some(text),
        };
        let known = self.banner.as_ref();
        if known.is_some_and(|known| known.id == task.id && known.title == task.title) {
            return Some(text);
        }
        self.banner = Some(std::sync::Arc::clone(task));
        Some(format!("{}{text}", self.task(task)))
    }

    fn line(&self, event: &Event) -> Option<String> {
        match event {
            Event::PlayStarted { name, .. } => Some(banner(&format!("PLAY [{name}]"))),
            Event::NoHostsMatched => Some(format!(
                "{}\n",
                paint("skipping: no hosts matched", Paint::Skipped)
            )),
            Event::NoHostsLeft => Some(banner("NO MORE HOSTS LEFT")),
            Event::TaskStarted { task, .. } => Some(self.task(task)),
            Event::ItemDone { host, task, report } => self.result(host, task, report),
            // A loop's items have been shown one by one.
            Event::HostDone {
                host,
                task,
                report,
                looped,
                ..
            } => {
                let skipped_loop = report.status == Status::Skipped;
                if *looped
                    && !skipped_loop
                    && report.status != Status::Failed
                    && report.status != Status::Ignored
                {
                    return None;
                }
                let mut text = if *looped && report.status != Status::Skipped {
                    self.loop_end(host, report)
                } else {
                    self.result(host, task, report)?
                };
                if report.status == Status::Ignored {
                    text.push_str(&format!("{}\n", paint("...ignoring", Paint::Skipped)));
                }
                Some(text)
            }
            Event::Retrying {
                host, task, left, ..
            } => Some(format!(
                "{}\n",
                paint(
                    &format!(
                        "FAILED - RETRYING: [{host}]: {} ({left} retries left).",
                        task.title
                    ),
                    Paint::Skipped
                )
            )),
            Event::Included { file, hosts, item } => {
                let item = item
                    .as_ref()
                    .map_or_else(String::new, |item| format!(" => (item={item})"));
                Some(format!(
                    "{}\n",
                    paint(
                        &format!("included: {file} for {}{item}", hosts.join(", ")),
                        Paint::Skipped
                    )
                ))
            }
            Event::Warning(problem) => Some(format!("{}\n", diagnostic::draw(problem, enabled()))),
            Event::Mistakes(problems) => Some(
                problems
                    .iter()
                    .map(|problem| format!("{}\n", diagnostic::draw(problem, enabled())))
                    .collect(),
            ),
            Event::Finished { stats, .. } => {
                let mut out = banner("PLAY RECAP");
                for (host, stats) in stats {
                    out.push_str(&recap(host, *stats));
                }
                out.push('\n');
                Some(out)
            }
            Event::Note { level, text } => (self.verbosity >= *level).then(|| format!("{text}\n")),
            Event::Output { .. } | Event::HostStarted { .. } | Event::Prompt { .. } => None,
        }
    }

    fn task(&self, task: &TaskInfo) -> String {
        let word = if task.handler {
            "RUNNING HANDLER"
        } else {
            "TASK"
        };
        let mut out = banner(&format!("{word} [{}]", task.title));
        if self.verbosity >= 2 {
            out.push_str(&format!(
                "{}\n",
                paint(&format!("task path: {}", task.path), Paint::Place)
            ));
        }
        out
    }

    fn result(&self, host: &str, task: &TaskInfo, report: &Report) -> Option<String> {
        let item = report
            .item
            .as_ref()
            .map_or_else(String::new, |item| format!(" => (item={item})"));
        let host = match &report.delegated {
            Some(delegate) => format!("{host} -> {delegate}"),
            None => host.to_owned(),
        };
        let mut out: String = report.diff.iter().map(diff).collect();
        let module = short_module_name(&task.module);
        let (line, colour) = match report.status {
            Status::Ok | Status::Changed => {
                let (word, colour) = if report.status == Status::Changed {
                    ("changed", Paint::Changed)
                } else {
                    ("ok", Paint::Ok)
                };
                let shown = match module {
                    "debug" => Some(self.message(report)),
                    "include_tasks" | "include_role" | "include" | "meta" => return None,
                    _ if self.verbosity > 0
                        || report.result.get("_ansible_verbose_always").is_some() =>
                    {
                        Some(self.dump(report))
                    }
                    "assert" | "validate_argument_spec"
                        if self.verbosity == 0 && module == "assert" =>
                    {
                        report.result.get("msg").map(|_| self.message(report))
                    }
                    _ => None,
                };
                let shown = shown.map_or_else(String::new, |shown| format!(" => {shown}"));
                (format!("{word}: [{host}]{item}{shown}"), colour)
            }
            Status::Skipped => {
                let shown = if self.verbosity > 0 {
                    format!(" => {}", self.dump(report))
                } else {
                    String::new()
                };
                (format!("skipping: [{host}]{item}{shown}"), Paint::Skipped)
            }
            Status::Failed | Status::Ignored => {
                let word = if report.item.is_some() {
                    "failed"
                } else {
                    "fatal"
                };
                let verdict = if report.item.is_some() {
                    ""
                } else {
                    ": FAILED!"
                };
                (
                    format!(
                        "{word}: [{host}]{verdict}{item} => {}",
                        self.failure(report)
                    ),
                    Paint::Failed,
                )
            }
            Status::Unreachable => (
                format!(
                    "fatal: [{host}]: UNREACHABLE!{item} => {}",
                    self.failure(report)
                ),
                Paint::Failed,
            ),
        };
        out.push_str(&paint(&line, colour));
        out.push('\n');
        if matches!(
            report.status,
            Status::Failed | Status::Ignored | Status::Unreachable
        ) {
            out.push_str(&explanation(task, report));
        }
        Some(out)
    }

    fn loop_end(&self, host: &str, report: &Report) -> String {
        let line = format!("fatal: [{host}]: FAILED! => {}", self.failure(report));
        format!("{}\n", paint(&line, Paint::Failed))
    }

    /// What `debug` and `assert` say: shown in several lines, as Ansible does.
    fn message(&self, report: &Report) -> String {
        if report.item.is_some() && is_assert(report) {
            return pretty(&clean(&report.result));
        }
        let mut shown = Map::new();
        if let Value::Object(map) = &*report.result {
            for (key, value) in map {
                if !INTERNAL.contains(&key.as_str()) && !matches!(key.as_str(), "changed" | "item")
                    || (key == "changed" && report.result.get("evaluated_to").is_some())
                {
                    shown.insert(key.clone(), value.clone());
                }
            }
        }
        if report.result.get("assertion").is_none()
            && shown.contains_key("msg")
            && shown.len() == 1
            && is_assert(report)
        {
            shown.insert("changed".to_owned(), Value::Bool(false));
        }
        pretty(&Value::Object(shown))
    }

    fn dump(&self, report: &Report) -> String {
        let cleaned = clean(&report.result);
        if self.verbosity > 1 {
            pretty(&cleaned)
        } else {
            cleaned.to_string()
        }
    }

    /// The result of a failure; long output is shown below, not in the line.
    fn failure(&self, report: &Report) -> String {
        let mut cleaned = clean(&report.result);
        if let Value::Object(map) = &mut cleaned {
            if self.verbosity == 0 {
                map.remove("results");
                map.remove("invocation");
            }
            if report.mistake.is_some() {
                map.shift_remove("diagnostic");
            }
        }
        if self.verbosity > 1 {
            pretty(&cleaned)
        } else {
            python_spacing(&cleaned)
        }
    }
}

fn is_assert(report: &Report) -> bool {
    report.result.get("msg").and_then(Value::as_str) == Some("All assertions passed")
}

/// JSON with a blank after `:` and `,`, as Python prints it.
fn python_spacing(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| {
                    format!("{}: {}", Value::from(key.as_str()), python_spacing(value))
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python_spacing).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn clean(result: &Value) -> Value {
    match result {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(key, _)| !INTERNAL.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Place, mistake and what the program said, below a failure.
fn explanation(task: &TaskInfo, report: &Report) -> String {
    let mut out = String::new();
    if report.no_log {
        return out;
    }
    if let Some(mistake) = &report.mistake {
        push(
            &mut out,
            format_args!("{}\n", diagnostic::draw(mistake, enabled())),
        );
    } else {
        push(
            &mut out,
            format_args!("{}\n", paint(&format!("  at {}", task.path), Paint::Place)),
        );
    }
    for stream in ["stdout", "stderr"] {
        let text = report
            .result
            .get(stream)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if text.contains('\n') {
            push(&mut out, format_args!("  {stream}:\n"));
            for line in text.lines() {
                push(&mut out, format_args!("    {line}\n"));
            }
        }
    }
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&text.to_string());
}

fn pretty(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Serialising a value into memory cannot fail.
    drop(serde::Serialize::serialize(value, &mut serializer));
    String::from_utf8_lossy(&out).into_owned()
}

fn banner(text: &str) -> String {
    let stars = WIDTH.saturating_sub(text.chars().count() + 1).max(3);
    format!("\n{text} {}\n", "*".repeat(stars))
}

fn recap(host: &str, stats: HostStats) -> String {
    let column = |name: &str, count: u32, colour: Paint| {
        let text = format!("{name}={count:<4}");
        if count > 0 {
            paint(&text, colour)
        } else {
            text
        }
    };
    let colour = if stats.failed > 0 || stats.unreachable > 0 {
        Paint::Failed
    } else if stats.changed > 0 {
        Paint::Changed
    } else {
        Paint::Ok
    };
    format!(
        "{} : {} {} {} {} {} {} {}\n",
        paint(&format!("{host:<26}"), colour),
        column("ok", stats.ok, Paint::Ok),
        column("changed", stats.changed, Paint::Changed),
        column("unreachable", stats.unreachable, Paint::Failed),
        column("failed", stats.failed, Paint::Failed),
        column("skipped", stats.skipped, Paint::Skipped),
        column("rescued", stats.rescued, Paint::Changed),
        column("ignored", stats.ignored, Paint::Changed),
    )
}

/// A change as a unified diff.
fn diff(diff: &Diff) -> String {
    let mut out = String::new();
    if !diff.prepared.is_empty() {
        out.push_str(&diff.prepared);
        if !diff.prepared.ends_with('\n') {
            out.push('\n');
        }
        return out;
    }
    if diff.before == diff.after {
        return out;
    }
    let text = similar::TextDiff::from_lines(&diff.before, &diff.after);
    let header = |prefix: &str, text: &str| {
        if text.is_empty() {
            prefix.to_owned()
        } else {
            format!("{prefix}: {text}")
        }
    };
    let unified = text
        .unified_diff()
        .context_radius(3)
        .header(
            &header("before", &diff.before_header),
            &header("after", &diff.after_header),
        )
        .to_string();
    for line in unified.lines() {
        let colour = match line.as_bytes().first() {
            Some(b'+') => Paint::Added,
            Some(b'-') => Paint::Removed,
            Some(b'@') => Paint::Place,
            _ => Paint::Plain,
        };
        out.push_str(&paint(line, colour));
        out.push('\n');
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn task(module: &str) -> Arc<TaskInfo> {
        Arc::new(TaskInfo {
            id: "id".into(),
            title: "Say it".to_owned(),
            module: module.to_owned(),
            path: "site.yml:3".to_owned(),
            handler: false,
        })
    }

    fn report(status: Status, result: Value) -> Report {
        Report {
            status,
            result: Arc::new(result),
            diff: Vec::new(),
            item: None,
            delegated: None,
            no_log: false,
            args_hash: String::new(),
            mistake: None,
        }
    }

    fn done(status: Status, module: &str, result: Value) -> String {
        let event = Event::HostDone {
            host: "h1".into(),
            task: task(module),
            report: report(status, result),
            looped: false,
            duration: std::time::Duration::ZERO,
        };
        let mut lines = Lines::new(0);
        lines.text(&Event::TaskStarted {
            task: task(module),
            hosts: 1,
        });
        lines.text(&event).unwrap_or_default()
    }

    #[test]
    fn the_words_that_scripts_look_for() {
        let json = serde_json::json!({"changed": true});
        assert_eq!(
            done(Status::Changed, "copy", json.clone()),
            "changed: [h1]\n"
        );
        assert_eq!(done(Status::Ok, "ansible.builtin.copy", json), "ok: [h1]\n");
        let failed = done(
            Status::Failed,
            "command",
            serde_json::json!({"msg": "no", "rc": 1}),
        );
        assert!(
            failed.starts_with(
                "fatal: [h1]: FAILED! => {\"msg\": \"no\", \"rc\": 1}\n  at site.yml:3"
            ),
            "{failed}"
        );
        let gone = done(
            Status::Unreachable,
            "command",
            serde_json::json!({"msg": "x", "unreachable": true}),
        );
        assert!(gone.starts_with("fatal: [h1]: UNREACHABLE! => {"), "{gone}");
        let ignored = done(Status::Ignored, "command", serde_json::json!({"msg": "x"}));
        assert!(ignored.ends_with("...ignoring\n"), "{ignored}");
        let debug = done(
            Status::Ok,
            "debug",
            serde_json::json!({"msg": "hi", "changed": false, "failed": false}),
        );
        assert_eq!(debug, "ok: [h1] => {\n    \"msg\": \"hi\"\n}\n");
    }

    #[test]
    fn banners_are_79_wide() {
        let text = Lines::default()
            .text(&Event::TaskStarted {
                task: task("copy"),
                hosts: 1,
            })
            .unwrap();
        assert!(text.starts_with("\nTASK [Say it] ***"), "{text}");
        assert_eq!(text.trim().chars().count(), 79);
    }

    #[test]
    fn recap_has_ansibles_columns() {
        let stats = HostStats {
            ok: 3,
            changed: 1,
            ..HostStats::default()
        };
        assert_eq!(
            recap("h1", stats),
            "h1                         : ok=3    changed=1    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0   \n"
        );
    }

    #[test]
    fn diffs_are_unified() {
        let text = diff(&Diff::text("/etc/x", "a\nb\n", "a\nc\n"));
        assert!(
            text.contains("--- before: /etc/x\n+++ after: /etc/x\n"),
            "{text}"
        );
        assert!(text.contains("-b\n+c\n"), "{text}");
    }
}
