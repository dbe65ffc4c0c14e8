//! What a scenario remembers between two commands: `state.yml`, as molecule's playbooks expect it.

use ocplay_language::diagnostic::Diagnostic;

use super::place::{Place, unwritable};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) created: bool,
    pub(super) prepared: bool,
    pub(super) converged: bool,
    /// The hosts' state after `prepare` is kept.
    pub(super) snapshot: bool,
    /// Name of the driver that made the hosts.
    pub(super) driver: String,
}

impl Memory {
    pub(super) fn of(place: &Place) -> Self {
        let text = std::fs::read_to_string(place.ephemeral.join("state.yml")).unwrap_or_default();
        Self::read(&text)
    }

    fn read(text: &str) -> Self {
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key));
            found
                .and_then(|rest| rest.strip_prefix(": "))
                .unwrap_or_default()
                .to_owned()
        };
        let flag = |key| value(key) == "true";
        Self {
            created: flag("created"),
            prepared: flag("prepared"),
            converged: flag("converged"),
            snapshot: flag("snapshot"),
            driver: value("driver"),
        }
    }

    fn text(&self) -> String {
        format!(
            "# Written by `ocplay test`.\ncreated: {}\nprepared: {}\nconverged: {}\nsnapshot: {}\ndriver: {}\n",
            self.created, self.prepared, self.converged, self.snapshot, self.driver
        )
    }

    pub(super) fn keep(&self, place: &Place) -> Result<(), Diagnostic> {
        place.make()?;
        let path = place.ephemeral.join("state.yml");
        std::fs::write(&path, self.text()).map_err(|error| unwritable(&path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let memory = Memory {
            created: true,
            converged: true,
            driver: "lab".to_owned(),
            ..Memory::default()
        };
        assert_eq!(Memory::read(&memory.text()), memory);
        assert_eq!(Memory::read(""), Memory::default());
    }
}
