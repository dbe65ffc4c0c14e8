//! The folder that the agent lies in: all that stays on a host.
#![expect(
    clippy::disallowed_methods,
    reason = "removes what only the agent and its start-up script make"
)]

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long an agent or a module stays that nobody has used.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Agents that are there and those that are being received, programs of
/// `library/`.
const NAMES: [(&str, Duration); 3] = [("agent-", KEPT), ("module-", KEPT), (".new-", DAY)];

/// Notes in the file's time that it is in use; once a day is enough.
pub(crate) fn note_use(file: &Path) {
    let used = std::fs::metadata(file).and_then(|meta| meta.modified());
    let fresh = used.is_ok_and(|used| {
        SystemTime::now()
            .duration_since(used)
            .is_ok_and(|age| age < DAY)
    });
    if fresh {
        return;
    }
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    // Where it cannot be noted, it will be sent again one day.
    rustix::fs::utimensat(CWD, file, &times, AtFlags::empty()).ok();
}

/// The agent's own file, when it lies in its cache.
pub(crate) fn own_file() -> Option<PathBuf> {
    let file = std::fs::read_link("/proc/self/exe").ok()?;
    let name = file.file_name()?.to_str()?;
    NAMES
        .iter()
        .any(|(start, _)| name.starts_with(start))
        .then_some(file)
}

/// Removes what nobody has used for long. Called when an agent is installed.
pub(crate) fn clean(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let own = rustix::process::geteuid().as_raw();
    for entry in entries.flatten() {
        let (Ok(meta), name) = (entry.metadata(), entry.file_name()) else {
            continue;
        };
        let kept = NAMES
            .iter()
            .find(|(start, _)| name.to_string_lossy().starts_with(start));
        let age = meta
            .modified()
            .ok()
            .and_then(|used| SystemTime::now().duration_since(used).ok());
        if let (Some((_, kept)), Some(age)) = (kept, age)
            && age > *kept
            && meta.is_file()
            && meta.uid() == own
        {
            // One that cannot be removed is in nobody's way.
            drop(std::fs::remove_file(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_and_ours_goes() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, days: u32| {
            let path = folder.path().join(name);
            crate::cases::write(&path, name);
            let time = SystemTime::now() - DAY * days;
            std::fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(time)
                .unwrap();
            path
        };
        let used = make("agent-c", 31);
        for (name, days) in [
            ("agent-a", 31),
            ("agent-b", 29),
            ("module-a", 40),
            (".new-1", 2),
            (".new-2", 0),
            ("notes", 400),
        ] {
            make(name, days);
        }
        note_use(&used);
        clean(folder.path());
        let mut left: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".new-2", "agent-b", "agent-c", "notes"]);
    }
}
