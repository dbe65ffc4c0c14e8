//! `profile_tasks` and `profile_roles`: how long each took. Looks like the
//! plug-ins of these names in ansible.posix.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use jiff::Zoned;
use ocplay_engine::event::{Event, TaskInfo};

const WIDTH: usize = 79;
/// Rows shown at the end.
const ROWS: usize = 20;

/// Sums up times.
#[derive(Debug)]
pub(crate) struct Profile {
    start: Instant,
    /// The row that time is counted for, and since when.
    current: Option<(String, Instant)>,
    times: IndexMap<String, Duration>,
    of_roles: bool,
}

impl Profile {
    pub(crate) fn new(of_roles: bool) -> Self {
        Self {
            start: Instant::now(),
            current: None,
            times: IndexMap::new(),
            of_roles,
        }
    }

    pub(super) fn text(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::TaskStarted { task, .. } => {
                let last = self.close();
                self.current = Some((self.row(task), Instant::now()));
                (!self.of_roles).then(|| self.stamp(last))
            }
            Event::Finished { .. } => {
                let last = self.close();
                let mut out = if self.of_roles {
                    String::new()
                } else {
                    self.stamp(last)
                };
                out.push_str(&self.summary());
                Some(out)
            }
            _ => None,
        }
    }

    /// A row of tasks is a task's title; of roles, the role or the module.
    fn row(&self, task: &TaskInfo) -> String {
        if !self.of_roles {
            return task.title.clone();
        }
        match task.title.split_once(" : ") {
            Some((role, _)) => role.to_owned(),
            None => task.module.clone(),
        }
    }

    /// Ends the current row; its time.
    fn close(&mut self) -> Duration {
        let Some((row, since)) = self.current.take() else {
            return Duration::ZERO;
        };
        let time = since.elapsed();
        *self.times.entry(row).or_default() += time;
        time
    }

    fn stamp(&self, last: Duration) -> String {
        let now = Zoned::now()
            .strftime("%A %d %B %Y  %H:%M:%S %z")
            .to_string();
        let line = format!(
            "{now} ({})       {} ",
            clock(last),
            clock(self.start.elapsed())
        );
        format!(
            "{line}{}\n",
            "*".repeat(WIDTH.saturating_sub(line.len()).max(3))
        )
    }

    fn summary(&self) -> String {
        let mut rows: Vec<_> = self.times.iter().collect();
        rows.sort_by_key(|(_, time)| std::cmp::Reverse(**time));
        let mut out = format!("{}\n", "=".repeat(WIDTH));
        for (name, time) in rows.into_iter().take(ROWS) {
            let time = format!(" {:.2}s", time.as_secs_f64());
            let dashes = WIDTH.saturating_sub(name.chars().count() + time.len() + 1);
            out.push_str(&format!("{name} {}{time}\n", "-".repeat(dashes.max(3))));
        }
        out
    }
}

/// `0:00:01.234`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "{}:{:02}:{:02}.{:03}",
        seconds / 3600,
        seconds % 3600 / 60,
        seconds % 60,
        time.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_like_a_clock() {
        assert_eq!(clock(Duration::from_millis(3_723_004)), "1:02:03.004");
    }

    #[test]
    fn the_longest_row_comes_first() {
        let mut profile = Profile::new(false);
        let times = [("short", 10), ("long", 2500)];
        profile.times = times
            .map(|(name, time)| (name.to_owned(), Duration::from_millis(time)))
            .into_iter()
            .collect();
        let summary = profile.summary();
        let rows: Vec<&str> = summary.lines().collect();
        assert!(
            rows[1].starts_with("long ---") && rows[1].ends_with("- 2.50s"),
            "{summary}"
        );
        assert!(rows[2].starts_with("short ---"), "{summary}");
        assert!(rows.iter().all(|row| row.len() == WIDTH), "{summary}");
    }
}
