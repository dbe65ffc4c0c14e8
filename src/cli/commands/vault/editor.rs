//! Plain text in an editor or a pager, for as short a time as can be.

use std::fs::Permissions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::vault::{Envelope, Keyring};

use super::{Done, Sealer, file, open, wrong};
use crate::config::Config;
use crate::render::{diagnostic, print};

pub(super) fn create(path: &Path, sealer: &Sealer, config: &Config) -> Done {
    if path.exists() {
        return Err(wrong(format!(
            "{} exists, please use 'edit' instead",
            path.display()
        )));
    }
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
    {
        diagnostic::print_all(&[Diagnostic::warning(
            "vault",
            format!("{} does not exist, creating...", folder.display()),
        )]);
        std::fs::create_dir_all(folder)
            .map_err(|error| wrong(format!("{}: {error}", folder.display())))?;
    }
    let text = edited(path, b"", config)?;
    file::write(path, sealer.seal(&text)?.as_bytes())
}

pub(super) fn edit(path: &Path, keys: &Keyring, config: &Config) -> Done {
    let (plain, secret) = open(path, keys)?;
    let text = edited(path, &plain, config)?;
    if text == plain {
        return Ok(());
    }
    // The file keeps its label, whatever that of the secret is.
    let label = label_of(path)?;
    let sealer = Sealer {
        secret: secret.clone(),
        salt: None,
    };
    let sealed = sealer.seal_as(&text, label.as_deref())?;
    file::replace(path, sealed.as_bytes())
}

fn label_of(path: &Path) -> Result<Option<String>, Vec<Diagnostic>> {
    let content = file::read(path)?;
    let envelope = Envelope::parse(&String::from_utf8_lossy(&content));
    envelope
        .map(|envelope| envelope.label().map(str::to_owned))
        .map_err(|error| wrong(error.to_string()))
}

/// Lets a person edit a text in a file that nobody else can read and that is
/// wiped afterwards.
fn edited(path: &Path, text: &[u8], config: &Config) -> Result<Vec<u8>, Vec<Diagnostic>> {
    let extension = path
        .extension()
        .map(|extension| format!(".{}", extension.to_string_lossy()))
        .unwrap_or_default();
    let trouble = |error: std::io::Error| wrong(format!("the text cannot be edited: {error}"));
    let mut plain = tempfile::Builder::new()
        .prefix("ocplay-vault-")
        .suffix(&extension)
        .permissions(Permissions::from_mode(0o600))
        .tempfile()
        .map_err(trouble)?;
    plain.write_all(text).map_err(trouble)?;
    let editor = config.text("EDITOR").unwrap_or_else(|| "vi".to_owned());
    let status = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(plain.path())
        .status();
    let result = std::fs::read(plain.path());
    // An editor may have put another file in its place.
    let wiped = std::fs::OpenOptions::new()
        .write(true)
        .open(plain.path())
        .and_then(|mut found| file::shred(&mut found))
        .and_then(|()| file::shred(plain.as_file_mut()));
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(wrong(format!("the editor '{editor}' ended with {status}"))
                .into_iter()
                .map(|problem| problem.help("nothing was changed"))
                .collect());
        }
        Err(error) => {
            return Err(wrong(format!(
                "the editor '{editor}' did not start: {error}"
            )));
        }
    }
    wiped.map_err(trouble)?;
    result.map_err(trouble)
}

/// Shows a text in a pager on a terminal, else as it is.
pub(super) fn page(text: &[u8], config: &Config) -> Done {
    if std::io::stdout().is_terminal() {
        let pager = config.text("PAGER").unwrap_or_else(|| "less".to_owned());
        let child = Command::new("/bin/sh")
            .arg("-c")
            .arg(&pager)
            .env(
                "LESS",
                std::env::var("LESS").unwrap_or_else(|_| "FRSX".to_owned()),
            )
            .stdin(Stdio::piped())
            .spawn();
        if let Ok(mut child) = child {
            if let Some(mut input) = child.stdin.take() {
                // The reader may leave early.
                drop(input.write_all(text));
            }
            if child.wait().is_ok_and(|status| status.success()) {
                return Ok(());
            }
        }
    }
    let mut text = String::from_utf8_lossy(text).into_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    print(&text);
    Ok(())
}
