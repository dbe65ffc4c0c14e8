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
            running: BTreeSet::new(),
            total: 0,
            done: 0,
            failed: 0,
        }
    }

    fn follow(&mut self, event: &Event) {
        match event {
            Event::TaskStarted { task, hosts } => {
                self.running.clear();
                (self.total, self.done) = (*hosts, 0);
                self.task.reset_elapsed();
                self.task.set_message(task.title.clone());
            }
            Event::HostStarted { host, .. } => {
                self.running.insert(Arc::clone(host));
            }
            Event::HostDone { host, report, .. } => {
                self.running.remove(host);
                self.done += 1;
                self.failed += usize::from(matches!(
                    report.status,
                    Status::Failed | Status::Unreachable
                ));
            }
            Event::Finished { .. } => {
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
