//! Files of the controller.

use std::path::PathBuf;

use minijinja::Error;

use super::Row;
use crate::template::args::Args;
use crate::template::context;

pub(super) const ROWS: &[Row] = &[
    (&["vaulted_file"], "value", |_, args| {
        let content = std::fs::read(path(args)?).unwrap_or_default();
        Ok(crate::vault::is_vault(&content))
    }),
    (&["file", "is_file"], "value", |_, args| {
        Ok(path(args)?.is_file())
    }),
    (&["directory", "is_dir"], "value", |_, args| {
        Ok(path(args)?.is_dir())
    }),
    (&["exists", "is_exists"], "value", |_, args| {
        Ok(path(args)?.exists())
    }),
    (&["link", "is_link"], "value", |_, args| {
        Ok(path(args)?.is_symlink())
    }),
    (&["link_exists"], "value", |_, args| {
        let path = path(args)?;
        Ok(path.is_symlink() || path.exists())
    }),
    (&["abs", "is_abs"], "value", |_, args| {
        Ok(args.text(0)?.starts_with('/'))
    }),
    (&["same_file", "is_same_file"], "value other", |_, args| {
        let (a, b) = (PathBuf::from(args.text(0)?), PathBuf::from(args.text(1)?));
        Ok(a.canonicalize()
            .ok()
            .zip(b.canonicalize().ok())
            .is_some_and(|(a, b)| a == b))
    }),
    (&["mount", "is_mount"], "value", |_, args| {
        use std::os::unix::fs::MetadataExt;
        let path = path(args)?;
        let parent = path.join("..");
        Ok(path
            .metadata()
            .ok()
            .zip(parent.metadata().ok())
            .is_some_and(|(own, above)| own.dev() != above.dev() || own.ino() == above.ino()))
    }),
];

fn path(args: &Args<'_>) -> Result<PathBuf, Error> {
    let text = args.text(0)?;
    Ok(match text.strip_prefix("~/") {
        Some(rest) => context::current()
            .and_then(|context| context.templar.loader.env("HOME"))
            .map_or_else(
                || PathBuf::from(&text),
                |home| PathBuf::from(home).join(rest),
            ),
        None => PathBuf::from(text),
    })
}
