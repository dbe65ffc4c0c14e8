//! What `ocplay test` shows.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ocplay_protocol::Diff;

use super::change;
use super::diagnostic;
use super::paint::{Paint, paint};
use super::{print, print_error};
use crate::scenario::{Action, How, Past, Place, Restless, Row, Witness};

/// Tells of one scenario after the other, with everything that it says itself.
#[derive(Debug, Default)]
pub(crate) struct Aloud;

impl Witness for Aloud {
    fn begins(&self, place: &Place, action: Action) {
        print(&format!(
            "\n{} {} > {}\n",
            paint("==", Paint::Place),
            place.name,
            action.word()
        ));
    }

    fn ended(&self, _: &Place, past: &Past) {
        match &past.how {
            How::Done(text) if text.is_empty() => {}
            How::Done(text) => print(&format!("{}\n", paint(text, Paint::Ok))),
            how => explain(how),
        }
    }
}

/// Tells in one line of each step of scenarios that run at the same time.
#[derive(Debug, Default)]
pub(crate) struct InShort {
    /// Width of the longest name.
    pub(crate) width: usize,
    line: Mutex<()>,
}

impl InShort {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width,
            line: Mutex::default(),
        }
    }
}

impl Witness for InShort {
    fn begins(&self, _: &Place, _: Action) {}

    fn ended(&self, place: &Place, past: &Past) {
        let _turn = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(past.how, How::Skipped(_)) {
            print(&format!("{:<2$}  {}\n", place.name, line(past), self.width));
            if !past.how.is_good() {
                explain(&past.how);
            }
        }
    }
}

/// More than a word about how a step ended.
fn explain(how: &How) {
    match how {
        How::Broken(problem) => diagnostic::print_all(std::slice::from_ref(problem)),
        How::Restless(tasks) => print_error(&restless(tasks)),
        How::Skipped(why) => print(&format!(
            "{}\n",
            paint(&format!("nothing to do: {why}"), Paint::Skipped)
        )),
        How::Done(_) | How::Failed(_) | How::Interrupted => {}
    }
}

/// The tasks that change something each time, with what differed.
fn restless(tasks: &[Restless]) -> String {
    let count = match tasks.len() {
        1 => "1 task changes something each time".to_owned(),
        count => format!("{count} tasks change something each time"),
    };
    let mut out = format!(
        "{}\n",
        paint(&format!("not idempotent: {count}"), Paint::Failed)
    );
    for task in tasks {
        let title = if task.title.is_empty() {
            &task.module
        } else {
            &task.title
        };
        let kind = if task.handler { "handler " } else { "" };
        out.push_str(&format!(
            "\n  {}\n  {kind}{title}\n",
            paint(&task.path, Paint::Place)
        ));
        let mut shown: Vec<(&Vec<Diff>, Vec<&str>)> = Vec::new();
        for (host, diffs) in &task.hosts {
            match shown.iter_mut().find(|(known, _)| *known == diffs) {
                Some((_, hosts)) => hosts.push(host),
                None => shown.push((diffs, vec![host])),
            }
        }
        for (diffs, hosts) in shown {
            out.push_str(&format!("  on {}\n", hosts.join(", ")));
            let text: String = diffs.iter().map(|diff| change::unified(diff, 3)).collect();
            if text.trim().is_empty() {
                out.push_str(&format!(
                    "    '{}' says that it changed something, and not what\n",
                    task.module
                ));
            }
            for line in text.trim_end().lines() {
                out.push_str(&format!("    {line}\n"));
            }
        }
    }
    out.push('\n');
    out
}

/// A step in one line.
fn line(past: &Past) -> String {
    let (word, colour, text) = match &past.how {
        How::Done(text) => ("ok", Paint::Ok, text.clone()),
        How::Skipped(text) => ("-", Paint::Skipped, text.clone()),
        How::Failed(text) => ("failed", Paint::Failed, text.clone()),
        How::Restless(tasks) => (
            "failed",
            Paint::Failed,
            format!("not idempotent: {}", places(tasks)),
        ),
        How::Broken(problem) => ("failed", Paint::Failed, problem.to_string()),
        How::Interrupted => ("stopped", Paint::Failed, String::new()),
    };
    let row = format!(
        "{:<12} {} {:>9}  {text}",
        past.action.word(),
        paint(&format!("{word:<7}"), colour),
        time(past.took)
    );
    row.trim_end().to_owned()
}

fn places(tasks: &[Restless]) -> String {
    let places: Vec<&str> = tasks.iter().map(|task| &*task.path).collect();
    places.join(", ")
}

fn time(took: Duration) -> String {
    let seconds = took.as_secs_f32();
    if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", took.as_secs() / 60, took.as_secs() % 60)
    }
}

/// All scenarios at the end: every step of each, and how many are well.
pub(crate) fn summary(scenarios: &[(&Place, Vec<Past>)]) {
    let mut out = String::from("\n");
    for (place, pasts) in scenarios {
        out.push_str(&format!(
            "{} {}\n",
            paint("SCENARIO", Paint::Plain),
            place.name
        ));
        for past in pasts {
            out.push_str(&format!("  {}\n", line(past)));
        }
    }
    let good = |pasts: &Vec<Past>| pasts.iter().all(|past| past.how.is_good());
    let bad: Vec<&str> = scenarios
        .iter()
        .filter(|(_, pasts)| !good(pasts))
        .map(|(place, _)| &*place.name)
        .collect();
    let total = scenarios.len();
    if bad.is_empty() {
        let text = if total == 1 {
            "passed".to_owned()
        } else {
            format!("all {total} passed")
        };
        out.push_str(&format!("{}\n", paint(&text, Paint::Ok)));
    } else {
        let text = format!("{} of {total} failed: {}", bad.len(), bad.join(", "));
        out.push_str(&format!("{}\n", paint(&text, Paint::Failed)));
    }
    print(&out);
}

/// The table of `ocplay test list`.
pub(crate) fn list(rows: &[Row]) {
    let width = |column: &dyn Fn(&Row) -> usize, least: usize| {
        rows.iter().map(column).max().unwrap_or(0).max(least)
    };
    let scenario = width(&|row| row.scenario.chars().count(), 8);
    let host = width(&|row| row.host.chars().count(), 4);
    let yes = |truth: bool| if truth { "yes" } else { "no" };
    let mut out = format!(
        "{:<scenario$}  {:<host$}  {:<8} {:<8} CONVERGED\n",
        "SCENARIO", "HOST", "DRIVER", "CREATED"
    );
    for row in rows {
        out.push_str(&format!(
            "{:<scenario$}  {:<host$}  {:<8} {:<8} {}\n",
            row.scenario,
            row.host,
            row.driver,
            yes(row.created),
            yes(row.converged)
        ));
    }
    print(&out);
}

/// What a scenario that ran beside others said before it failed.
pub(crate) fn log(place: &Place, text: &str) {
    print(&format!(
        "\n{} what {} said\n{}\n",
        paint("==", Paint::Place),
        place.name,
        text.trim_end()
    ));
}
