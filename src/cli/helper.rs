//! The embedded on-host helper, and the catalogue of all modules.

use ocplay_engine::connection::AgentBinary;
use ocplay_language::catalogue::Catalogue;

static XZ: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/agent.xz"));

pub(crate) fn agent() -> AgentBinary {
    AgentBinary {
        sha256: env!("OCPLAY_AGENT_SHA256"),
        xz: XZ,
        size: env!("OCPLAY_AGENT_SIZE").parse().unwrap_or_default(),
        arch: env!("OCPLAY_AGENT_ARCH"),
    }
}

/// Modules of the agent and actions of the engine.
pub(crate) fn catalogue() -> Catalogue {
    Catalogue::new(
        ocplay_agent::catalogue()
            .into_iter()
            .chain(ocplay_engine::actions::catalogue()),
    )
}
