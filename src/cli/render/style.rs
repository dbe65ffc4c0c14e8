//! How a run is shown: what the command line and the settings say.

use std::path::PathBuf;
use std::sync::Arc;

use ocplay_language::vault::Keyring;

/// The look of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Look {
    #[default]
    Default,
    Minimal,
    Oneline,
    /// The whole run as one object.
    Json,
    /// Each event as an object on a line.
    Jsonl,
}

impl Look {
    /// Names of `stdout_callback` that are known.
    pub(crate) const NAMES: [&str; 6] = ["default", "yaml", "minimal", "oneline", "json", "jsonl"];
}

#[derive(Debug, Clone)]
pub(crate) struct Style {
    pub(crate) look: Look,
    pub(crate) verbosity: u8,
    /// Up to which level notes about the run itself are shown.
    pub(crate) notes: u8,
    /// Words as Ansible's, for scripts around it.
    pub(crate) classic: bool,
    /// Results as YAML instead of JSON.
    pub(crate) yaml: bool,
    /// Results always, or never, in several lines.
    pub(crate) pretty: Option<bool>,
    pub(crate) indent: usize,
    pub(crate) show_ok: bool,
    pub(crate) show_skipped: bool,
    /// Failures go to standard error.
    pub(crate) failed_to_stderr: bool,
    /// A dry run is said in every heading.
    pub(crate) check_markers: bool,
    pub(crate) custom_stats: bool,
    pub(crate) diff_context: usize,
    /// Warnings about forms that were dropped are shown.
    pub(crate) deprecations: bool,
    /// A file that gets everything as well, and how much it gets.
    pub(crate) log: Option<PathBuf>,
    pub(crate) log_verbosity: u8,
    /// A folder that gets each host's result.
    pub(crate) tree: Option<PathBuf>,
    /// Whose values no record may hold.
    pub(crate) keyring: Arc<Keyring>,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            look: Look::Default,
            verbosity: 0,
            notes: 0,
            classic: false,
            yaml: false,
            pretty: None,
            indent: 4,
            show_ok: true,
            show_skipped: true,
            failed_to_stderr: false,
            check_markers: false,
            custom_stats: false,
            diff_context: 3,
            deprecations: true,
            log: None,
            log_verbosity: 0,
            tree: None,
            keyring: Arc::default(),
        }
    }
}

/// What stands for a value that must not be seen.
const MASK: &str = "********";
/// Shorter values are everywhere; masking them would only destroy the text.
const SHORTEST: usize = 4;

/// Text without any value that came out of a vault.
pub(crate) fn mask(text: &str, keyring: &Keyring) -> String {
    let mut text = text.to_owned();
    for value in keyring.opened() {
        // A value may stand in JSON, where some characters are escaped.
        let quoted = serde_json::Value::from(&*value).to_string();
        let escaped = &quoted[1..quoted.len() - 1];
        for form in [value.trim_end_matches('\n'), escaped] {
            if form.len() >= SHORTEST && text.contains(form) {
                text = text.replace(form, MASK);
            }
        }
    }
    text
}
