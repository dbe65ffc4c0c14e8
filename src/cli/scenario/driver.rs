//! What gives a scenario its hosts.

use ocplay_language::diagnostic::Diagnostic;

/// The drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// Containers with systemd and an SSH server, made on this machine.
    #[default]
    Lab,
    /// Virtual machines with a kernel of their own, in a lab's network.
    Vm,
    /// Hosts that are there, or that the scenario's own playbooks make.
    Existing,
}

impl Kind {
    const WORDS: [&'static str; 4] = ["lab", "vm", "default", "delegated"];

    /// The driver of a name.
    ///
    /// # Errors
    /// What to do about a driver that is not there.
    pub(crate) fn of(name: &str) -> Result<Self, Diagnostic> {
        match name {
            "lab" => Ok(Self::Lab),
            "vm" => Ok(Self::Vm),
            "default" | "delegated" => Ok(Self::Existing),
            "docker" | "podman" | "containers" | "vagrant" => Err(Diagnostic::error(
                "driver",
                format!("there is no driver '{name}'"),
            )
            .help("'--driver-name lab' runs the scenario on hosts that ocplay makes itself; images and mounts of its platforms are not used")),
            other => Err(Diagnostic::error("driver", format!("there is no driver '{other}'"))
                .suggest(other, Self::WORDS)
                .help("lab: hosts made on this machine; vm: virtual machines; default: hosts that are there, or that create.yml makes")),
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Vm => "vm",
            Self::Existing => "default",
        }
    }
}
