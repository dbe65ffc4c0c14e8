//! `junit`: one XML file per run, for CI systems. Words and rules are those
//! of the plug-in of this name in ansible-core.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ocplay_engine::event::{Event, Report, Status, TaskInfo};
use ocplay_language::playbook::ast::short_module_name;
use ocplay_language::vault::Keyring;
use serde_json::Value;

use super::super::style::mask;

/// What counts as a test, and as a failed one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) folder: PathBuf,
    /// One class per file instead of one per task.
    pub(crate) class_per_file: bool,
    pub(crate) relative_to: Option<PathBuf>,
    pub(crate) fail_on_change: bool,
    pub(crate) fail_on_ignore: bool,
    pub(crate) leave_out_setup: bool,
    /// Only tasks whose name begins so are tests, and those that fail.
    pub(crate) prefix: String,
}

/// How a test ended.
#[derive(Debug)]
enum Verdict {
    Passed,
    Skipped(String),
    Failed { message: String, dump: String },
}

#[derive(Debug)]
struct Case {
    class: String,
    name: String,
    time: Duration,
    verdict: Verdict,
    output: String,
}

/// Collects the tests of a run.
#[derive(Debug)]
pub(crate) struct Junit {
    rules: Rules,
    /// The playbook's name.
    suite: String,
    play: String,
    cases: Vec<Case>,
    keyring: Arc<Keyring>,
}

impl Junit {
    pub(crate) fn new(rules: Rules, playbook: &Path, keyring: Arc<Keyring>) -> Self {
        let suite = playbook.file_stem().unwrap_or_default();
        Self {
            rules,
            suite: suite.to_string_lossy().into_owned(),
            play: String::new(),
            cases: Vec::new(),
            keyring,
        }
    }

    /// Collects; what is said is only that the file could not be written.
    pub(super) fn text(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::PlayStarted { name, .. } => name.clone_into(&mut self.play),
            Event::HostDone {
                host,
                task,
                report,
                duration,
                ..
            } => self.done(host, task, report, *duration),
            Event::Finished { .. } => return self.write(),
            _ => {}
        }
        None
    }

    fn done(&mut self, host: &str, task: &TaskInfo, report: &Report, time: Duration) {
        if self.rules.leave_out_setup
            && matches!(short_module_name(&task.module), "setup" | "gather_facts")
        {
            return;
        }
        let bare = task
            .title
            .split_once(" : ")
            .map_or(&*task.title, |(_, name)| name);
        let named = bare.starts_with(&*self.rules.prefix);
        let failed = matches!(report.status, Status::Failed | Status::Unreachable)
            || report.status == Status::Ignored && self.rules.fail_on_ignore
            || report.status == Status::Changed && self.rules.fail_on_change;
        if !named && !failed {
            return;
        }
        let failed = if task.title.contains("TOGGLE RESULT") {
            report.status != Status::Skipped
                && !matches!(report.status, Status::Failed | Status::Ignored)
        } else {
            failed && !task.title.contains("EXPECTED FAILURE")
        };
        let verdict = if failed {
            Verdict::Failed {
                message: message(&report.result, report.status),
                dump: format!("{:#}", report.result),
            }
        } else if report.status == Status::Skipped {
            let reason = report.result.get("skip_reason").and_then(Value::as_str);
            Verdict::Skipped(reason.unwrap_or("skipped").to_owned())
        } else {
            Verdict::Passed
        };
        let path = self.path(&task.path);
        let class = if self.rules.class_per_file {
            let file = path.rsplit_once(':').map_or(&*path, |(file, _)| file);
            file.trim_end_matches(".yml").replace('/', ".")
        } else {
            path
        };
        self.cases.push(Case {
            class,
            name: format!("[{host}] {}: {}", self.play, task.title),
            time,
            output: format!("{:#}", report.result),
            verdict,
        });
    }

    fn path(&self, path: &str) -> String {
        match &self.rules.relative_to {
            Some(folder) => Path::new(path)
                .strip_prefix(folder)
                .map_or_else(|_| path.to_owned(), |rest| rest.display().to_string()),
            None => path.to_owned(),
        }
    }

    fn write(&self) -> Option<String> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let file = self.rules.folder.join(format!(
            "{}-{:.6}.xml",
            self.suite,
            since.unwrap_or_default().as_secs_f64()
        ));
        let text = mask(&self.xml(), &self.keyring);
        let written = std::fs::create_dir_all(&self.rules.folder)
            .and_then(|()| tempfile::NamedTempFile::new_in(&self.rules.folder))
            .and_then(|staged| {
                std::fs::write(staged.path(), &text)?;
                staged.persist(&file).map_err(|error| error.error)
            });
        let error = written.err()?;
        Some(format!(
            "[WARNING]: the junit report {} could not be written: {error}\n",
            file.display()
        ))
    }

    fn xml(&self) -> String {
        let count = |wanted: fn(&Verdict) -> bool| {
            let verdicts = self.cases.iter().map(|case| &case.verdict);
            verdicts.filter(|verdict| wanted(verdict)).count()
        };
        let failures = count(|verdict| matches!(verdict, Verdict::Failed { .. }));
        let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
        let time: Duration = self.cases.iter().map(|case| case.time).sum();
        let totals = format!(
            "disabled=\"0\" errors=\"0\" failures=\"{failures}\" tests=\"{}\" time=\"{:.6}\"",
            self.cases.len(),
            time.as_secs_f64()
        );
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<testsuites {totals}>\n\t<testsuite name=\"{}\" skipped=\"{skipped}\" {totals}>\n",
            escaped(&self.suite)
        );
        for case in &self.cases {
            out.push_str(&format!(
                "\t\t<testcase classname=\"{}\" name=\"{}\" time=\"{:.6}\">\n",
                escaped(&case.class),
                escaped(&case.name),
                case.time.as_secs_f64()
            ));
            match &case.verdict {
                Verdict::Passed => {}
                Verdict::Skipped(reason) => {
                    out.push_str(&format!("\t\t\t<skipped>{}</skipped>\n", escaped(reason)));
                }
                Verdict::Failed { message, dump } => out.push_str(&format!(
                    "\t\t\t<failure message=\"{}\" type=\"failure\">{}</failure>\n",
                    escaped(message),
                    escaped(dump)
                )),
            }
            out.push_str(&format!(
                "\t\t\t<system-out>{}</system-out>\n\t\t</testcase>\n",
                escaped(&case.output)
            ));
        }
        out.push_str("\t</testsuite>\n</testsuites>\n");
        out
    }
}

fn message(result: &Value, status: Status) -> String {
    if status == Status::Changed {
        return "the task changed something".to_owned();
    }
    let text = result.get("msg").and_then(Value::as_str);
    match (text, result.get("rc")) {
        (Some(text), _) if !text.is_empty() => text.to_owned(),
        (_, Some(code)) => format!("rc={code}"),
        _ => "the task failed".to_owned(),
    }
}

/// Text for XML; what XML 1.0 cannot hold becomes a question mark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(char),
            char if char < ' ' || matches!(char, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(escaped("a<b>&\"\u{1b}[0m\n"), "a&lt;b&gt;&amp;&quot;?[0m\n");
    }
}
