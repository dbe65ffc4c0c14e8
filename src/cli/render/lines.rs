//! A run as lines, in the words of Ansible's own output: people and scripts
//! know how to read them.

use std::sync::Arc;

use indexmap::IndexMap;
use ocplay_engine::event::{Event, HostStats, Report, Status, TaskInfo};
use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::playbook::ast::short_module_name;
use serde_json::Value;

use super::change::diff;
use super::diagnostic;
use super::paint::{Paint, enabled, paint, visible};
use super::result::{dump, is_hushed, is_loud, one_line, sorted};
use super::style::Style;

/// Width of the lines of stars.
const WIDTH: usize = 79;

/// Turns events into text; keeps only what lines depend on.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    style: Style,
    /// The task whose title stands above the last line: hosts that go at
    /// their own pace may be at different ones.
    banner: Option<Arc<TaskInfo>>,
    check: bool,
}

impl Lines {
    pub(crate) fn new(style: Style, check: bool) -> Self {
        Self {
            style,
            banner: None,
            check,
        }
    }

    /// The text of an event, if it has any.
    pub(crate) fn text(&mut self, event: &Event) -> Option<String> {
        if let Event::TaskStarted { task, .. } = event {
            // A title waits for its first line where lines may be left out.
            if !(self.style.show_ok && self.style.show_skipped) {
                self.banner = None;
                return None;
            }
            self.banner = Some(Arc::clone(task));
            return Some(self.task(task));
        }
        let text = self.line(event)?;
        let (Event::ItemDone { task, .. }
        | Event::HostDone { task, .. }
        | Event::Retrying { task, .. }) = event
        else {
            return Some(text);
        };
        let known = self.banner.as_ref();
        if known.is_some_and(|known| known.id == task.id && known.title == task.title) {
            return Some(text);
        }
        self.banner = Some(Arc::clone(task));
        Some(format!("{}{text}", self.task(task)))
    }

    fn line(&self, event: &Event) -> Option<String> {
        match event {
            Event::PlayStarted { name, .. } => Some(banner(&if name.is_empty() {
                format!("PLAY{}", self.marker())
            } else {
                format!("PLAY [{name}]{}", self.marker())
            })),
            Event::NoHostsMatched => Some(format!(
                "{}\n",
                paint("skipping: no hosts matched", Paint::Skipped)
            )),
            Event::NoHostsLeft => Some(banner("NO MORE HOSTS LEFT")),
            Event::ItemDone { host, task, report } => self.result(host, task, report),
            Event::HostDone {
                host,
                task,
                report,
                looped,
                ..
            } => self.done(host, task, report, *looped),
            Event::Retrying {
                host,
                task,
                left,
                result,
            } => {
                let shown = if self.style.verbosity > 2 {
                    format!("Result was: {}", dump(result, &task.module, &self.style))
                } else {
                    String::new()
                };
                let line = format!(
                    "FAILED - RETRYING: [{host}]: {} ({left} retries left).{shown}",
                    task.title
                );
                Some(format!("{}\n", paint(&line, Paint::Skipped)))
            }
            Event::Included { file, hosts, item } => {
                let path = std::path::absolute(file).unwrap_or_else(|_| file.into());
                let file = path.display();
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
            Event::PlaybookDone { stats } => Some(recaps(stats)),
            Event::Finished { stats, custom } => {
                let mut out = recaps(stats);
                self.custom(custom, &mut out);
                if self.check && self.style.check_markers {
                    out.push_str(&banner("DRY RUN"));
                }
                Some(out)
            }
            Event::Note { level, text } => {
                (self.style.notes >= *level).then(|| format!("{text}\n"))
            }
            Event::TaskStarted { .. }
            | Event::Output { .. }
            | Event::HostStarted { .. }
            | Event::Prompt { .. } => None,
        }
    }

    /// What `set_stats` collected, for each host and for the run.
    fn custom(&self, custom: &Value, out: &mut String) {
        let Some(map) = custom.as_object().filter(|map| !map.is_empty()) else {
            return;
        };
        if !self.style.custom_stats {
            return;
        }
        out.push_str(&banner("CUSTOM STATS:"));
        let Value::Object(map) = sorted(&Value::Object(map.clone())) else {
            return;
        };
        for (host, values) in map.iter().filter(|(host, _)| *host != "_run") {
            out.push_str(&format!("\t{host}: {}\n", one_line(values)));
        }
        if let Some(values) = map.get("_run") {
            out.push_str(&format!("\n\tRUN: {}\n", one_line(values)));
        }
        out.push('\n');
    }

    fn marker(&self) -> &'static str {
        if self.check && self.style.check_markers {
            " [CHECK MODE]"
        } else {
            ""
        }
    }

    fn task(&self, task: &TaskInfo) -> String {
        let word = if task.handler {
            "RUNNING HANDLER"
        } else {
            "TASK"
        };
        let mut out = banner(&format!("{word} [{}]{}", task.title, self.marker()));
        if self.style.verbosity >= 2 {
            out.push_str(&format!(
                "{}\n",
                paint(&format!("task path: {}", task.path), Paint::Place)
            ));
        }
        out
    }

    /// The end of a task on a host. A loop's items have been shown one by
    /// one.
    fn done(&self, host: &str, task: &TaskInfo, report: &Report, looped: bool) -> Option<String> {
        // A debug shows only its message, and that of the whole loop, too.
        let debug = short_module_name(&task.module) == "debug" && report.status == Status::Failed;
        let whole = matches!(report.status, Status::Skipped | Status::Unreachable);
        let shown_already = looped && !debug && !whole && has_items(report);
        let mut text = if shown_already {
            String::new()
        } else {
            self.result(host, task, report)?
        };
        if report.status == Status::Ignored {
            text.push_str(&format!("{}\n", paint("...ignoring", Paint::Skipped)));
        }
        (!text.is_empty()).then_some(text)
    }

    fn result(&self, host: &str, task: &TaskInfo, report: &Report) -> Option<String> {
        let style = &self.style;
        let plain_host = host;
        let host = match &report.delegated {
            Some(delegate) => format!("{host} -> {delegate}"),
            None => host.to_owned(),
        };
        let mut out = String::new();
        if report.status == Status::Changed {
            for change in &report.diff {
                out.push_str(&diff(change, style));
            }
        }
        let module = short_module_name(&task.module);
        let verbose = (style.verbosity > 0 || is_loud(module, &report.result))
            && !(is_hushed(module) && report.status != Status::Failed);
        let shown = || dump(&report.result, module, style);
        let item = |before: &str| {
            report.item.as_ref().map_or_else(String::new, |item| {
                format!("{before}(item={})", visible(item))
            })
        };
        let (line, colour) = match report.status {
            Status::Ok | Status::Changed => {
                if matches!(
                    module,
                    "include_tasks" | "include_role" | "include" | "meta"
                ) {
                    return None;
                }
                let (word, colour) = if report.status == Status::Changed {
                    ("changed", Paint::Changed)
                } else if style.show_ok {
                    ("ok", Paint::Ok)
                } else {
                    return None;
                };
                let item = item(" => ");
                let result = if verbose {
                    format!(" => {}", shown())
                } else {
                    String::new()
                };
                (format!("{word}: [{host}]{item}{result}"), colour)
            }
            Status::Skipped => {
                if !style.show_skipped {
                    return None;
                }
                let mut line = format!("skipping: [{plain_host}]");
                if report.item.is_some() {
                    line.push_str(&format!("{} ", item(" => ")));
                }
                if style.verbosity > 0 {
                    line.push_str(&format!(" => {}", shown()));
                }
                (line, Paint::Skipped)
            }
            Status::Failed | Status::Ignored => {
                let line = if report.item.is_some() {
                    format!("failed: [{host}]{} => {}", item(" "), shown())
                } else {
                    format!("fatal: [{host}]: FAILED! => {}", shown())
                };
                (line, Paint::Failed)
            }
            Status::Unreachable => {
                let line = if report.item.is_some() {
                    format!("failed: [{host}]{} => {}", item(" "), shown())
                } else {
                    format!("fatal: [{host}]: UNREACHABLE! => {}", shown())
                };
                (line, Paint::Failed)
            }
        };
        let failed = matches!(
            report.status,
            Status::Failed | Status::Ignored | Status::Unreachable
        );
        if failed && style.classic {
            out.push_str(&cause(task, report));
        }
        out.push_str(&paint(&line, colour));
        out.push('\n');
        if failed && !style.classic {
            out.push_str(&explanation(task, report));
        }
        Some(out)
    }
}

/// Whether a result is that of a loop which ran.
fn has_items(report: &Report) -> bool {
    report
        .result
        .get("results")
        .and_then(Value::as_array)
        .is_some_and(|items| !items.is_empty())
}

/// Why a task failed, in front of its line, as Ansible says it.
fn cause(task: &TaskInfo, report: &Report) -> String {
    if report.no_log {
        return String::new();
    }
    if let Some(mistake) = &report.mistake {
        return format!("{}\n", diagnostic::draw(mistake, enabled()));
    }
    let message = report.result.get("msg").map_or_else(String::new, |text| {
        text.as_str()
            .map_or_else(|| text.to_string(), str::to_owned)
    });
    let controller = matches!(
        short_module_name(&task.module),
        "assert" | "fail" | "debug" | "set_fact" | "include_vars" | "add_host" | "group_by"
    );
    let kind = match report.status {
        Status::Unreachable => "",
        _ if message.starts_with("Task failed: ") => "",
        _ if controller => "Action failed: ",
        _ => "Module failed: ",
    };
    let start = if message.starts_with("Task failed: ") {
        ""
    } else {
        "Task failed: "
    };
    let problem = Diagnostic::error("task", format!("{start}{kind}{message}")).at(&task.span);
    format!("{}\n", diagnostic::draw(&problem, enabled()))
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

fn banner(text: &str) -> String {
    let stars = WIDTH.saturating_sub(text.chars().count()).max(3);
    format!("\n{text} {}\n", "*".repeat(stars))
}

/// The recap of all hosts, in the order of their names.
fn recaps(stats: &IndexMap<Arc<str>, HostStats>) -> String {
    let mut out = banner("PLAY RECAP");
    let mut hosts: Vec<_> = stats.iter().collect();
    hosts.sort_by_key(|(host, _)| *host);
    for (host, stats) in hosts {
        out.push_str(&recap(host, *stats));
    }
    out.push('\n');
    out
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
            span: ocplay_language::source::Span::nowhere(),
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
        let mut lines = Lines::default();
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
    fn banners_are_80_wide() {
        let text = Lines::default()
            .text(&Event::TaskStarted {
                task: task("copy"),
                hosts: 1,
            })
            .unwrap();
        assert!(text.starts_with("\nTASK [Say it] ***"), "{text}");
        assert_eq!(text.trim().chars().count(), 80);
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
}
