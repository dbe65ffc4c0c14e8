//! A scenario of a role finds that role by each of its names.

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::read_vars;
use ocplay_language::loader::Machine;
use ocplay_language::value::Value;

use super::inventory::link_to;
use super::place::{Place, unwritable};

/// Puts the role under its names among the scenario's roles: the folder's, and those of `meta/main.yml`.
pub(super) fn link(place: &Place) -> Result<(), Diagnostic> {
    if !place.project.join("tasks").is_dir() {
        return Ok(());
    }
    let folder = place.ephemeral.join("roles");
    std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
    for name in names(place) {
        let link = folder.join(name);
        if link.symlink_metadata().is_err() {
            link_to(&place.project, &link)?;
        }
    }
    Ok(())
}

fn names(place: &Place) -> Vec<String> {
    let own = place.project.file_name().unwrap_or_default();
    let own = own.to_string_lossy().into_owned();
    let meta = read_vars(&place.project.join("meta/main.yml"), &Machine).ok();
    let about = meta
        .as_ref()
        .and_then(|meta| meta.get("galaxy_info")?.as_map());
    let word = |key: &str| Some(about?.get(key).and_then(Value::as_str)?.to_owned());
    let mut names = vec![own.clone()];
    let role = word("role_name").unwrap_or(own);
    names.push(role.clone());
    if let Some(namespace) = word("namespace").or_else(|| word("author")) {
        names.push(format!("{namespace}.{role}"));
    }
    // Whatever a name holds, it stays within the folder.
    names.retain(|name| !name.contains('/') && !name.starts_with('.'));
    names.dedup();
    names
}
