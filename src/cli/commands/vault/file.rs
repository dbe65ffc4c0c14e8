//! Reading and replacing files without leaving a plain copy behind.

use std::fs::{File, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use ocplay_language::diagnostic::Diagnostic;

use super::{Done, wrong};

const STREAM: &str = "-";

fn problem(path: &Path, error: &std::io::Error) -> Vec<Diagnostic> {
    match error.kind() {
        std::io::ErrorKind::NotFound => wrong(format!(
            "Unable to read source file ({}): No such file or directory",
            path.display()
        )),
        _ => wrong(format!("{}: {error}", path.display())),
    }
}

/// A file's content, or standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Vec<Diagnostic>> {
    if path == Path::new(STREAM) {
        let mut content = Vec::new();
        std::io::stdin()
            .read_to_end(&mut content)
            .map_err(|error| problem(path, &error))?;
        return Ok(content);
    }
    std::fs::read(path).map_err(|error| problem(path, &error))
}

/// Writes a file that only its owner can read, or standard output for `-`.
pub(super) fn write(path: &Path, content: &[u8]) -> Done {
    if path == Path::new(STREAM) {
        let mut out = std::io::stdout().lock();
        return out
            .write_all(content)
            .and_then(|()| out.flush())
            .map_err(|error| problem(path, &error));
    }
    swap(path, content, None)
}

/// Writes a file anew with the owner and the mode that it has.
pub(super) fn replace(path: &Path, content: &[u8]) -> Done {
    let found = std::fs::metadata(path).map_err(|error| problem(path, &error))?;
    swap(path, content, Some(&found))
}

/// Puts new content in the place of a file at once, then wipes the old.
fn swap(path: &Path, content: &[u8], like: Option<&std::fs::Metadata>) -> Done {
    // A link stays, what it points to changes.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let act = || -> std::io::Result<()> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let old = std::fs::OpenOptions::new().write(true).open(&path).ok();
        let mut staged = tempfile::Builder::new()
            .prefix(".ocplay-vault-")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(folder)?;
        staged.write_all(content)?;
        staged.as_file().sync_all()?;
        if let Some(like) = like {
            // Only root may give files away; then the owner is the same.
            drop(std::os::unix::fs::chown(
                staged.path(),
                Some(like.uid()),
                Some(like.gid()),
            ));
            staged
                .as_file()
                .set_permissions(Permissions::from_mode(like.mode() & 0o7777))?;
        }
        staged.persist(&path).map_err(|error| error.error)?;
        if let Some(mut old) = old {
            shred(&mut old)?;
        }
        Ok(())
    };
    act().map_err(|error| problem(&path, &error))
}

/// Overwrites what a file held. On journalling disks a copy may survive all
/// the same; this is what can be done.
pub(super) fn shred(file: &mut File) -> std::io::Result<()> {
    let length = file.metadata()?.len();
    file.rewind()?;
    let blank = [0x55; 4096];
    let mut left = length;
    while left > 0 {
        let part = left.min(4096);
        file.write_all(&blank[..usize::try_from(part).unwrap_or(blank.len())])?;
        left -= part;
    }
    file.sync_all()?;
    file.set_len(0)
}
