//! The screen: lines that stay, and below them, on a terminal, rows that live.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use ocplay_engine::event::{Event, PromptAnswer, Question, Sink, Status};

use super::beside::Beside;
use super::journal::Journal;
use super::lines::Lines;
use super::log::Log;
use super::style::{Look, Style};
use super::{compact, json, print, print_error, prompt, result};

/// The code of warnings about forms that were dropped.
const DEPRECATED: &str = "deprecated";
/// Names of running hosts that fit into the row.
const NAMES_SHOWN: usize = 6;

/// Shows a run and keeps its journal.
pub(crate) struct Screen {
    state: Mutex<State>,
}

struct State {
    style: Style,
    lines: Lines,
    tree: json::Tree,
    beside: Vec<Beside>,
    log: Option<Log>,
    journal: Option<Journal>,
    live: Option<Live>,
}

/// The rows on a terminal.
struct Live {
    bars: MultiProgress,
    task: ProgressBar,
    hosts: ProgressBar,
    /// What a running command said last, while there is something.
    said: Option<(Arc<str>, ProgressBar)>,
    running: BTreeSet<Arc<str>>,
    total: usize,
    done: usize,
    failed: usize,
}

impl Screen {
    /// # Errors
    /// The log file cannot be opened.
    pub(crate) fn new(
        style: Style,
        check: bool,
        journal: Option<Journal>,
        beside: Vec<Beside>,
    ) -> Result<Self, std::io::Error> {
        let live = style.look == Look::Default && std::io::stdout().is_terminal();
        let log = match &style.log {
            Some(path) => Some(Log::open(path, &style.keyring)?),
            None => None,
        };
        Ok(Self {
            state: Mutex::new(State {
                lines: Lines::new(style.clone(), check),
                tree: json::Tree::default(),
                beside,
                style,
                log,
                journal,
                live: live.then(Live::new),
            }),
        })
    }
}

impl Sink for Screen {
    fn event(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(journal) = &mut state.journal {
            journal.event(&event);
        }
        if let Event::Prompt { question, answer } = event {
            state.ask(&question, &answer);
            return;
        }
        let old = matches!(&event, Event::Warning(warning) if warning.code == DEPRECATED);
        if old && !state.style.deprecations {
            return;
        }
        let text = match state.style.look {
            Look::Default => state.lines.text(&event),
            Look::Minimal | Look::Oneline => compact::text(&event, &state.style),
            look @ (Look::Json | Look::Jsonl) => state.tree.text(&event, look),
        };
        let more: String = state
            .beside
            .iter_mut()
            .filter_map(|one| one.text(&event))
            .collect();
        let text = if more.is_empty() {
            text
        } else {
            Some(text.unwrap_or_default() + &more)
        };
        let failed = match &event {
            Event::HostDone { report, .. } | Event::ItemDone { report, .. } => matches!(
                report.status,
                Status::Failed | Status::Ignored | Status::Unreachable
            ),
            _ => false,
        };
        let problem = matches!(event, Event::Warning(_) | Event::Mistakes(_));
        let show = if problem || failed && state.style.failed_to_stderr {
            print_error
        } else {
            print
        };
        let note = match &event {
            Event::Note { level, text } if *level <= state.style.log_verbosity => Some(text),
            _ => None,
        };
        if let (Some(log), Some(text)) = (&mut state.log, text.as_ref().or(note)) {
            log.write(text, "INFO");
        }
        state.keep_tree(&event);
        match (&mut state.live, text) {
            (None, Some(text)) => show(&text),
            (None, None) => {}
            (Some(live), text) => {
                if let Some(text) = text {
                    live.bars.suspend(|| show(&text));
                }
                live.follow(&event);
            }
        }
    }
}

impl State {
    /// One file per host with its last result.
    fn keep_tree(&self, event: &Event) {
        if let (
            Some(folder),
            Event::HostDone {
                host, task, report, ..
            },
        ) = (&self.style.tree, event)
        {
            let text = result::dump(&report.result, &task.module, &self.style);
            // What is shown on the screen does not depend on it.
            drop(std::fs::write(folder.join(host.replace('/', "_")), text));
        }
    }

    fn ask(&self, question: &Question, answer: &PromptAnswer) {
        let given = match &self.live {
            Some(live) => live.bars.suspend(|| prompt::ask(question)),
            None => prompt::ask(question),
        };
        let sender = answer
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(sender) = sender {
            // The task that asked may have timed out.
            drop(sender.send(given));
        }
    }
}

impl Live {
    fn new() -> Self {
        let bars = MultiProgress::new();
        let style = |template: &str| {
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ")
        };
        let task = bars.add(ProgressBar::new(0));
        task.set_style(style("{spinner} {elapsed:>4}  {wide_msg}"));
        let hosts = bars.add(ProgressBar::new(0));
        hosts.set_style(style("        [{bar:30}] {pos}/{len}  {wide_msg}"));
        task.enable_steady_tick(Duration::from_millis(200));
        Self {
            bars,
            task,
            hosts,
            said: None,
            running: BTreeSet::new(),
            total: 0,
            done: 0,
            failed: 0,
        }
    }

    /// The last line that a running command printed, below everything else.
    fn say(&mut self, host: &Arc<str>, data: &[u8]) {
        let Some(line) = last_line(data) else { return };
        let (speaker, row) = self.said.get_or_insert_with(|| {
            let row = self.bars.add(ProgressBar::new(0));
            row.set_style(
                ProgressStyle::with_template("        {wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            (Arc::clone(host), row)
        });
        *speaker = Arc::clone(host);
        row.set_message(format!("{host} | {line}"));
    }

    /// Takes away what was said, by a host or by any.
    fn hush(&mut self, host: Option<&Arc<str>>) {
        if let Some((_, row)) = self
            .said
            .take_if(|(speaker, _)| host.is_none_or(|host| host == speaker))
        {
            row.finish_and_clear();
            self.bars.remove(&row);
        }
    }

    fn follow(&mut self, event: &Event) {
        match event {
            Event::Output { host, data, .. } => {
                self.say(host, data);
                return;
            }
            Event::TaskStarted { task, hosts } => {
                self.hush(None);
                self.running.clear();
                (self.total, self.done) = (*hosts, 0);
                self.task.reset_elapsed();
                self.task.set_message(task.title.clone());
            }
            Event::HostStarted { host, .. } => {
                self.running.insert(Arc::clone(host));
            }
            Event::HostDone { host, report, .. } => {
                self.hush(Some(host));
                self.running.remove(host);
                self.done += 1;
                self.failed += usize::from(matches!(
                    report.status,
                    Status::Failed | Status::Unreachable
                ));
            }
            Event::Finished { .. } => {
                self.hush(None);
                self.hosts.finish_and_clear();
                self.task.finish_and_clear();
                return;
            }
            _ => return,
        }
        let names: Vec<&str> = self
            .running
            .iter()
            .take(NAMES_SHOWN)
            .map(|name| &**name)
            .collect();
        let more = self.running.len().saturating_sub(names.len());
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let failed = if self.failed > 0 {
            format!("{} failed  ", self.failed)
        } else {
            String::new()
        };
        self.hosts.set_length(self.total as u64);
        self.hosts.set_position(self.done as u64);
        self.hosts
            .set_message(format!("{failed}{}{more}", names.join(" ")));
    }
}

/// The last line with something in it, without what would steer a terminal.
fn last_line(data: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(data);
    text.split(['\n', '\r'])
        .rev()
        .map(|line| {
            let plain = console::strip_ansi_codes(line);
            let plain = plain.trim().replace('\t', " ");
            plain
                .chars()
                .filter(|c| !c.is_control())
                .take(400)
                .collect::<String>()
        })
        .find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::last_line;

    #[test]
    fn what_was_said_last_is_one_harmless_line() {
        let said = |data: &[u8]| last_line(data);
        assert_eq!(said(b"one\ntwo\n\n").as_deref(), Some("two"));
        assert_eq!(said(b" 10%\r 20%\r").as_deref(), Some("20%"));
        assert_eq!(
            said(b"\x1b[31mred\x1b[0m\tend\x07\n").as_deref(),
            Some("red end")
        );
        assert_eq!(said(b"\xff\n").as_deref(), Some("\u{fffd}"));
        assert_eq!(said(b"\n \n"), None);
    }
}
