//! Whether content wrote a text, unchanged.

use super::Row;
use crate::template::args::Args;
use crate::template::trust;

pub(super) const ROWS: &[Row] = &[(&["tagged_with"], "value tag_name", |_, args| tagged(args))];

fn tagged(args: &Args<'_>) -> Result<bool, minijinja::Error> {
    match args.text(1)?.as_str() {
        "TrustedAsTemplate" => Ok(trust::is_trusted(args.need(0)?)),
        other => Err(args.fail(format!(
            "Unknown tag name '{other}'. Only 'TrustedAsTemplate' is kept track of."
        ))),
    }
}
