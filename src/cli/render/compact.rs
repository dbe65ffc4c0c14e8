//! The looks of single modules: `minimal`, and `oneline` (`-o`).

use ocplay_engine::event::{Event, Report, Status};
use ocplay_language::playbook::ast::short_module_name;
use serde_json::Value;

use super::change::diff;
use super::diagnostic;
use super::paint::{Paint, enabled, paint, visible};
use super::result::{one_line, pretty, shown, sorted};
use super::style::{Look, Style};

/// Programs, whose output is shown instead of a result.
fn is_program(module: &str) -> bool {
    matches!(short_module_name(module), "command" | "shell" | "raw")
}

pub(super) fn text(event: &Event, style: &Style) -> Option<String> {
    match event {
        Event::HostDone {
            host, task, report, ..
        } => Some(done(host, &task.module, report, style)),
        Event::Warning(problem) => Some(format!("{}\n", diagnostic::draw(problem, enabled()))),
        Event::Mistakes(problems) => Some(
            problems
                .iter()
                .map(|problem| format!("{}\n", diagnostic::draw(problem, enabled())))
                .collect(),
        ),
        Event::Note { level, text } => (style.verbosity >= *level).then(|| format!("{text}\n")),
        _ => None,
    }
}

fn done(host: &str, module: &str, report: &Report, style: &Style) -> String {
    let host = match &report.delegated {
        Some(delegate) => format!("{host} -> {delegate}"),
        None => host.to_owned(),
    };
    let (word, colour) = match report.status {
        Status::Ok => ("SUCCESS", Paint::Ok),
        Status::Changed => ("CHANGED", Paint::Changed),
        Status::Skipped => {
            return format!("{}\n", paint(&format!("{host} | SKIPPED"), Paint::Skipped));
        }
        Status::Failed | Status::Ignored => ("FAILED", Paint::Failed),
        Status::Unreachable => ("UNREACHABLE!", Paint::Failed),
    };
    let result = &*report.result;
    let word_of = |key: &str| result.get(key).and_then(Value::as_str).unwrap_or_default();
    let oneline = style.look == Look::Oneline;
    let program = is_program(module)
        && result.get("ansible_job_id").is_none()
        && result.get("module_stderr").is_none()
        && report.status != Status::Unreachable;
    let mut out = String::new();
    if report.status == Status::Changed || report.status == Status::Ok {
        out.extend(report.diff.iter().map(|change| diff(change, style)));
    }
    let line = if program {
        let code = result.get("rc").map_or("-1".to_owned(), Value::to_string);
        if oneline {
            let flat = |key: &str| word_of(key).replace('\n', "\\n").replace('\r', "\\r");
            let errors = flat("stderr");
            let errors = if errors.is_empty() {
                String::new()
            } else {
                format!(" (stderr) {errors}")
            };
            let line = format!(
                "{host} | {word} | rc={code} | (stdout) {}{errors}",
                flat("stdout")
            );
            visible(&line).into_owned()
        } else {
            let message = word_of("msg");
            format!(
                "{host} | {word} | rc={code} >>\n{}{}{message}",
                word_of("stdout"),
                word_of("stderr")
            )
        }
    } else if oneline && report.status == Status::Unreachable {
        format!("{host} | UNREACHABLE!: {}", word_of("msg"))
    } else {
        let shown = sorted(&shown(result, module, style.verbosity));
        let text = if oneline {
            one_line(&shown)
        } else {
            pretty(&shown, 4)
        };
        let mark = if word == "FAILED" { "!" } else { "" };
        format!("{host} | {word}{mark} => {text}")
    };
    out.push_str(&paint(&line, colour));
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocplay_engine::event::TaskInfo;
    use std::sync::Arc;

    fn event(module: &str, status: Status, result: Value) -> Event {
        Event::HostDone {
            host: "h1".into(),
            task: Arc::new(TaskInfo {
                id: "id".into(),
                title: String::new(),
                module: module.to_owned(),
                path: String::new(),
                span: ocplay_language::source::Span::nowhere(),
                handler: false,
            }),
            report: Report {
                status,
                result: Arc::new(result),
                diff: Vec::new(),
                item: None,
                delegated: None,
                no_log: false,
                args_hash: String::new(),
                mistake: None,
            },
            looped: false,
            duration: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn the_lines_of_single_modules() {
        let style = Style {
            look: Look::Minimal,
            ..Style::default()
        };
        let say = |event: &Event, style: &Style| text(event, style).unwrap();
        let ping = event(
            "ping",
            Status::Ok,
            serde_json::json!({"ping": "pong", "changed": false}),
        );
        assert_eq!(
            say(&ping, &style),
            "h1 | SUCCESS => {\n    \"changed\": false,\n    \"ping\": \"pong\"\n}\n"
        );
        let echo = event(
            "ansible.builtin.command",
            Status::Changed,
            serde_json::json!({"rc": 0, "stdout": "a\nb", "stderr": ""}),
        );
        assert_eq!(say(&echo, &style), "h1 | CHANGED | rc=0 >>\na\nb\n");
        let bad = event(
            "shell",
            Status::Failed,
            serde_json::json!({"rc": 3, "stdout": "", "stderr": "no", "msg": "non-zero return code"}),
        );
        assert_eq!(
            say(&bad, &style),
            "h1 | FAILED | rc=3 >>\nnonon-zero return code\n"
        );
        let style = Style {
            look: Look::Oneline,
            ..Style::default()
        };
        assert_eq!(say(&echo, &style), "h1 | CHANGED | rc=0 | (stdout) a\\nb\n");
        assert_eq!(
            say(&ping, &style),
            "h1 | SUCCESS => {\"changed\": false, \"ping\": \"pong\"}\n"
        );
    }
}
