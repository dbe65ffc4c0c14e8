//! Colours: Ansible's, and only where somebody looks.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::{LazyLock, OnceLock};

/// What the configuration file says, where it says something.
static CONFIGURED: OnceLock<bool> = OnceLock::new();

/// Colours are wanted or unwanted, unless the environment says otherwise. The
/// first call counts.
pub(crate) fn configure(wanted: bool) {
    CONFIGURED.get_or_init(|| wanted);
}

static COLOURS: LazyLock<bool> = LazyLock::new(|| {
    let set = |name: &str| {
        std::env::var(name).is_ok_and(|word| {
            // Any word but one that means no, as NO_COLOR and its kind go.
            !word.is_empty() && ocplay_protocol::coerce::boolean(&word.into()) != Ok(false)
        })
    };
    if set("ANSIBLE_FORCE_COLOR") || set("CLICOLOR_FORCE") {
        return true;
    }
    if set("NO_COLOR") || set("ANSIBLE_NOCOLOR") {
        return false;
    }
    CONFIGURED
        .get()
        .copied()
        .unwrap_or_else(|| std::io::stdout().is_terminal())
});

/// What a text is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paint {
    Ok,
    Changed,
    Skipped,
    Failed,
    Added,
    Removed,
    Place,
    Plain,
}

pub(super) fn enabled() -> bool {
    *COLOURS
}

/// Text of a host, or of a file, with the characters written out by which it
/// could move the cursor, or speak to the terminal.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let harmless = |char: char| !char.is_control() || matches!(char, '\n' | '\t');
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if harmless(char) {
            out.push(char);
        } else {
            out.extend(char.escape_default());
        }
    }
    Cow::Owned(out)
}

pub(super) fn paint(text: &str, paint: Paint) -> String {
    if !enabled() {
        return text.to_owned();
    }
    let code = match paint {
        Paint::Ok | Paint::Added => "32",
        Paint::Changed => "33",
        Paint::Skipped | Paint::Place => "36",
        Paint::Failed | Paint::Removed => "31",
        Paint::Plain => return text.to_owned(),
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}
