//! `docs/configuration.md`, made from the table.

use super::rows::{Fate, Kind, ROWS, Row};

const HEAD: &str = "\
# Configuration

ocplay reads `ansible.cfg` as Ansible does: the file that `ANSIBLE_CONFIG` names, or the first of `./ansible.cfg`
(unless anybody may write to the folder), `~/.ansible.cfg` and `/etc/ansible/ansible.cfg`. The command line wins over
the environment, the environment over the file. A setting that is not in these tables has no effect.

`ocplay config dump` shows every setting with its value and where it comes from, `--only-changed` those that were set.
This page is made from the table in `src/cli/config/rows.rs` by `ocplay config page`.
";

/// The whole page.
pub(crate) fn page() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("\n## Honoured\n\n| environment | file | kind | default | meaning |\n| --- | --- | --- | --- | --- |\n");
    for row in ROWS {
        match row.fate {
            Fate::Honoured => out.push_str(&line(row, row.about)),
            Fate::Partly(how) => {
                let about = format!("{} Here: {how}.", row.about);
                out.push_str(&line(row, &about));
            }
            Fate::Ignored(_) => {}
        }
    }
    out.push_str("\n## Accepted, without effect\n\n| environment | file | meaning | why |\n| --- | --- | --- | --- |\n");
    for row in ROWS {
        if let Fate::Ignored(why) = row.fate {
            out.push_str(&format!(
                "| {} | {} | {} | {why} |\n",
                env(row),
                ini(row),
                row.about
            ));
        }
    }
    out
}

/// Every setting as YAML, by Ansible's names.
pub(crate) fn list() -> String {
    let mut out = String::new();
    for row in ROWS {
        out.push_str(&format!("{}:\n  description: {}\n", row.name, row.about));
        if !row.default.is_empty() {
            out.push_str(&format!("  default: '{}'\n", row.default));
        }
        out.push_str(&format!("  type: {}\n", kind(row.kind)));
        if !row.env.is_empty() {
            out.push_str(&format!("  env: [{}]\n", row.env.join(", ")));
        }
        let places: Vec<String> = row
            .ini
            .iter()
            .map(|(section, key)| format!("{{section: {section}, key: {key}}}"))
            .collect();
        if !places.is_empty() {
            out.push_str(&format!("  ini: [{}]\n", places.join(", ")));
        }
        if let Fate::Ignored(why) = row.fate {
            out.push_str(&format!("  ignored: {why}\n"));
        }
    }
    out
}

fn line(row: &Row, about: &str) -> String {
    let default = if row.default.is_empty() {
        String::new()
    } else {
        format!("`{}`", row.default)
    };
    format!(
        "| {} | {} | {} | {default} | {about} |\n",
        env(row),
        ini(row),
        kind(row.kind)
    )
}

fn env(row: &Row) -> String {
    let names: Vec<String> = row.env.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn ini(row: &Row) -> String {
    let keys: Vec<String> = row
        .ini
        .iter()
        .map(|(section, key)| format!("`[{section}] {key}`"))
        .collect();
    keys.join(", ")
}

pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "yes or no",
        Kind::Number => "number",
        Kind::Text => "text",
        Kind::List => "list",
        Kind::Path => "path",
        Kind::Paths => "paths",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "docs/configuration.md";

    #[test]
    fn the_page_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(PAGE);
        let found = std::fs::read_to_string(path).unwrap();
        assert!(
            found == page(),
            "{PAGE} is not current: cargo run -- config page > {PAGE}"
        );
    }
}
