//! Roles as their `meta/argument_specs.yml` describes them.

use std::path::{Path, PathBuf};

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::read_vars;
use ocplay_language::loader::Machine;
use ocplay_language::value::{Map, Value};
use serde_json::Value as Json;

type Found<T> = Result<T, Vec<Diagnostic>>;

/// A role with what it says about its variables.
pub(super) struct Role {
    pub(super) name: String,
    folder: PathBuf,
    /// Name and description of each way in.
    entries: Vec<(String, Json)>,
    /// What variables are unless somebody sets them.
    defaults: Map,
}

/// Every described role of the folders, by name; the first of a name counts.
pub(super) fn all(folders: &[PathBuf]) -> Found<Vec<Role>> {
    let mut roles: Vec<Role> = Vec::new();
    for folder in folders {
        for path in sorted(folder) {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !roles.iter().any(|role| role.name == name)
                && let Some(role) = read(&name, &path)?
            {
                roles.push(role);
            }
        }
    }
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(roles)
}

/// The roles of these names, or a mistake for each that is not there.
pub(super) fn chosen(all: Vec<Role>, names: &[String]) -> Found<Vec<Role>> {
    let known: Vec<String> = all.iter().map(|role| role.name.clone()).collect();
    let problems: Vec<Diagnostic> = names
        .iter()
        .filter(|name| !known.contains(name))
        .map(|name| {
            Diagnostic::error(
                "unknown-role",
                format!("there is no role '{name}' with a meta/argument_specs.yml"),
            )
            .suggest(name, known.iter().map(String::as_str))
            .help("roles are looked for in roles/, and in --roles-path FOLDER")
        })
        .collect();
    if problems.is_empty() {
        Ok(all
            .into_iter()
            .filter(|role| names.contains(&role.name))
            .collect())
    } else {
        Err(problems)
    }
}

fn read(name: &str, folder: &Path) -> Found<Option<Role>> {
    let described = [
        "argument_specs.yml",
        "argument_specs.yaml",
        "main.yml",
        "main.yaml",
    ]
    .iter()
    .map(|file| folder.join("meta").join(file))
    .filter(|file| file.is_file());
    for file in described {
        let vars = read_vars(&file, &Machine).map_err(|problem| vec![*problem])?;
        let Some(specs) = vars.get("argument_specs").and_then(Value::as_map) else {
            continue;
        };
        let entries = specs
            .iter()
            .map(|(key, value)| (key.text().to_string(), value.to_json()))
            .collect();
        return Ok(Some(Role {
            name: name.to_owned(),
            folder: folder.to_owned(),
            entries,
            defaults: defaults(folder)?,
        }));
    }
    Ok(None)
}

fn defaults(folder: &Path) -> Found<Map> {
    let folder = folder.join("defaults");
    let mut files = sorted(&folder.join("main"));
    files.extend(["main.yml", "main.yaml"].map(|file| folder.join(file)));
    let mut all = Map::new();
    for file in files.iter().filter(|file| file.is_file()) {
        all.extend(&*read_vars(file, &Machine).map_err(|problem| vec![*problem])?);
    }
    Ok(all)
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

impl Role {
    /// One line for each way in.
    pub(super) fn lines(&self) -> String {
        let line = |(entry, spec): &(String, Json)| {
            let about = plain(&spec["short_description"]);
            format!("{:<22} {entry:<10} {about}\n", self.name)
        };
        self.entries.iter().map(line).collect()
    }

    /// Everything as text for the terminal.
    pub(super) fn text(&self, entry: Option<&str>) -> String {
        let mut out = format!("role {} ({})\n", self.name, self.folder.display());
        for (name, spec) in &self.entries {
            if entry.is_some_and(|wanted| wanted != name) {
                continue;
            }
            out.push_str(&format!(
                "\n{name}: {}\n",
                plain(&spec["short_description"])
            ));
            for paragraph in paragraphs(&spec["description"]) {
                out.push_str(&format!("  {paragraph}\n"));
            }
            out.push_str("\nVariables (= means required)\n");
            for row in self.rows(&spec["options"], "") {
                let sign = if row.required { '=' } else { '-' };
                let default = match &row.default {
                    Some(default) => format!(", default {default}"),
                    None => String::new(),
                };
                out.push_str(&format!("{sign} {} ({}{default})\n", row.name, row.kind));
                for paragraph in &row.about {
                    out.push_str(&format!("    {paragraph}\n"));
                }
            }
        }
        out.push('\n');
        out
    }

    /// A chapter of the page of all roles.
    fn chapter(&self) -> String {
        let mut out = String::new();
        for (name, spec) in &self.entries {
            let title = if name == "main" {
                format!("## {}", self.name)
            } else {
                format!("### {}: {name}", self.name)
            };
            out.push_str(&format!(
                "\n{title}\n\n{}\n",
                plain(&spec["short_description"])
            ));
            for paragraph in paragraphs(&spec["description"]) {
                out.push_str(&format!("{paragraph}\n"));
            }
            let rows = self.rows(&spec["options"], "");
            if rows.is_empty() {
                continue;
            }
            out.push_str("\n| variable | type | default | |\n| --- | --- | --- | --- |\n");
            for row in rows {
                let default = match (&row.default, row.required) {
                    (_, true) => "**required**".to_owned(),
                    (Some(default), _) => code(default),
                    (None, _) => String::new(),
                };
                let about = row.about.join(" ");
                let cell = |text: &str| text.replace('|', "\\|");
                out.push_str(&format!(
                    "| `{}` | {} | {} | {} |\n",
                    row.name,
                    cell(&row.kind),
                    cell(&default),
                    cell(&about)
                ));
            }
        }
        out
    }

    fn rows(&self, options: &Json, above: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        for (name, spec) in options.as_object().into_iter().flatten() {
            let own = above.is_empty().then(|| self.defaults.get(name)).flatten();
            let given = spec.get("default").filter(|value| !value.is_null());
            let default =
                given.map_or_else(|| own.map(Value::to_json), |value| Some(value.clone()));
            let name = format!("{above}{name}");
            rows.push(Row {
                kind: kind(spec),
                required: spec["required"] == true,
                default: default.map(|value| shown(&value)),
                about: paragraphs(&spec["description"]),
                name: name.clone(),
            });
            rows.extend(self.rows(&spec["options"], &format!("{name}.")));
        }
        rows
    }

    /// Variables that the role sets by default and does not describe.
    fn silent(&self) -> Vec<String> {
        let described = |name: &str| {
            let mut entries = self.entries.iter();
            entries.any(|(_, spec)| spec["options"].get(name).is_some())
        };
        // A family is described by one name with a hole in it.
        let families: Vec<(String, String)> = self
            .entries
            .iter()
            .flat_map(|(_, spec)| spec["options"].as_object().into_iter().flatten())
            .filter_map(|(name, _)| {
                let (begin, rest) = name.split_once('<')?;
                let (_, end) = rest.split_once('>')?;
                Some((begin.to_owned(), end.to_owned()))
            })
            .collect();
        let names = self.defaults.iter().map(|(key, _)| key.text().to_string());
        names
            .filter(|name| !described(name))
            .filter(|name| {
                !families
                    .iter()
                    .any(|(begin, end)| name.starts_with(&**begin) && name.ends_with(&**end))
            })
            .collect()
    }
}

/// The page of all roles.
///
/// # Errors
/// Variables that a role has and nobody describes.
pub(super) fn page(roles: &[Role]) -> Found<String> {
    let problems: Vec<Diagnostic> = roles
        .iter()
        .map(|role| (role, role.silent()))
        .filter(|(_, silent)| !silent.is_empty())
        .map(|(role, silent)| {
            Diagnostic::error(
                "undescribed",
                format!(
                    "role '{}' has variables that it does not describe: {}",
                    role.name,
                    silent.join(", ")
                ),
            )
            .help(format!(
                "describe them in {}",
                role.folder.join("meta/argument_specs.yml").display()
            ))
        })
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut out = String::from(
        "# Variables of the roles\n\nWhat a site may set, role by role. Made by `ocplay doc -t role --page` from each role's \
         `meta/argument_specs.yml`\nand its defaults; `ocplay doc -t role NAME` shows one. A long default is cut: it stands in \
         the role's `defaults/`.\n",
    );
    for role in roles {
        out.push_str(&role.chapter());
    }
    Ok(out)
}

struct Row {
    name: String,
    kind: String,
    required: bool,
    default: Option<String>,
    about: Vec<String>,
}

fn kind(spec: &Json) -> String {
    if let Some(choices) = spec["choices"].as_array() {
        let words: Vec<String> = choices.iter().map(plain).collect();
        return words.join(" | ");
    }
    let word = spec["type"].as_str().unwrap_or("str");
    match spec["elements"].as_str() {
        Some(inner) if word == "list" => format!("list of {inner}"),
        _ => word.to_owned(),
    }
}

/// A default in one line that is not too long.
fn shown(value: &Json) -> String {
    let text = match value {
        Json::String(text) if text.is_empty() => "\"\"".to_owned(),
        Json::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    if text.chars().count() > 60 {
        let begin: String = text.chars().take(57).collect();
        format!("{begin}…")
    } else {
        text
    }
}

fn code(text: &str) -> String {
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

fn paragraphs(value: &Json) -> Vec<String> {
    match value {
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Null => Vec::new(),
        one => vec![plain(one)],
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
