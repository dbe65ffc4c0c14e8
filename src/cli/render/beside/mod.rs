//! What runs beside the screen (`callbacks_enabled`): reports of times, and
//! files for other programs. Each is a fold over events.

mod junit;
mod profile;

use std::time::Instant;

use ocplay_engine::event::Event;

pub(crate) use junit::{Junit, Rules as JunitRules};
pub(crate) use profile::Profile;

/// One of them.
#[derive(Debug)]
pub(crate) enum Beside {
    Junit(Box<Junit>),
    ProfileTasks(Profile),
    ProfileRoles(Profile),
    Timer(Instant),
}

impl Beside {
    /// Names of `callbacks_enabled` that are known.
    pub(crate) const NAMES: [&str; 4] = ["junit", "profile_roles", "profile_tasks", "timer"];

    /// What is said of an event, behind what the screen says.
    pub(super) fn text(&mut self, event: &Event) -> Option<String> {
        match self {
            Self::Junit(junit) => junit.text(event),
            Self::ProfileTasks(profile) | Self::ProfileRoles(profile) => profile.text(event),
            Self::Timer(start) => {
                matches!(event, Event::Finished { .. }).then(|| timer(start.elapsed().as_secs()))
            }
        }
    }
}

fn timer(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    format!(
        "Playbook run took {days} days, {} hours, {} minutes, {} seconds\n",
        rest / 3600,
        rest % 3600 / 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::timer;

    #[test]
    fn a_run_of_days_is_taken_apart() {
        assert_eq!(
            timer(90_061),
            "Playbook run took 1 days, 1 hours, 1 minutes, 1 seconds\n"
        );
    }
}
