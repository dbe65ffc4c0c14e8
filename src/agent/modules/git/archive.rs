//! An archive of the files of a repository.

use std::path::Path;

use super::Args;
use super::tool::Git;
use crate::host::{Failure, Settled, Touch, parent};

/// Git's word for the format that a file's name says.
pub(super) fn format(path: &Path) -> Result<&'static str, Failure> {
    let name = path.to_string_lossy();
    let known = [
        (".zip", "zip"),
        (".tar.gz", "tar.gz"),
        (".tgz", "tgz"),
        (".gz", "tar.gz"),
        (".tar", "tar"),
    ];
    known
        .iter()
        .find(|(end, _)| name.ends_with(end))
        .map(|(_, format)| *format)
        .ok_or_else(|| {
            Failure::new(format!(
                "Unable to get file extension from archive file name : {name}; it must end in \
                 .zip, .gz, .tar or .tgz"
            ))
        })
}

/// Makes the archive; true if it differs from the one that is there.
pub(super) fn make(
    git: &Git,
    touch: &mut Touch,
    args: &Args,
    archive: &Path,
) -> Result<bool, Failure> {
    let staged = touch.stage(parent(archive))?;
    let mut words = vec![
        "archive".to_owned(),
        format!("--format={}", format(archive)?),
        format!("--output={}", staged.path().display()),
    ];
    if let Some(prefix) = &args.archive_prefix {
        words.push(format!("--prefix={prefix}"));
    }
    words.push("HEAD".to_owned());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    git.must(touch, &words, "perform archive operation")?;
    if touch.stat(archive)?.is_some() && touch.sha1(archive)? == touch.sha1(staged.path())? {
        return Ok(false);
    }
    touch.place(staged, archive, &Settled::default())?;
    Ok(true)
}
