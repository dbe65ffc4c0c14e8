//! First words on a new channel.

use serde::{Deserialize, Serialize};

/// Raised whenever a frame changes its shape. The helper's content hash ties
/// both ends together already; this number makes a mismatch readable.
pub const PROTOCOL_VERSION: u32 = 5;

/// Printed by the agent on a line of its own before the first frame. A login
/// shell may print anything before it; the controller skips up to this line.
pub const MARKER: &[u8] = b"\n<ocplay-agent-ready>\n";

/// The agent introduces itself; always its first frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    pub pid: u32,
    pub uid: u32,
    pub user: String,
    pub home: String,
    /// Machine name as `uname -m` gives it.
    pub arch: String,
    /// Under this name a later agent of the same user finds this one; empty
    /// where it cannot be found.
    pub session: String,
}
