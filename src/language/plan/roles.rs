//! Finding roles and reading their folders.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::Context;
use super::resolve::{Found, Resolver};
use crate::diagnostic::Diagnostic;
use crate::inventory::read_vars;
use crate::playbook::ast::{Keyword, RoleMeta, RoleRef, Word};
use crate::playbook::parse_role_meta;
use crate::source::Span;
use crate::value::{Map, Value};
use crate::vars::scope::Scope;

/// Extensions under which a role's file may be found.
const EXTENSIONS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// Whether a path does not lead out of a folder, judged by its words.
fn stays_inside(folder: &Path, path: &Path) -> bool {
    let Ok(rest) = path.strip_prefix(folder) else {
        return false;
    };
    let mut depth = 0_i32;
    rest.components().all(|part| {
        match part {
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            _ => {}
        }
        depth >= 0
    })
}

/// The collections in which a bare name is looked for first: that of the role
/// that names it, then those of the keyword `collections`.
fn searched_collections(name: &str, context: &Context) -> Vec<String> {
    if name.contains(['.', '/']) {
        return Vec::new();
    }
    let mut out = Vec::new();
    if let Some(role) = context.role()
        && let Some((collection, _)) = role.name.rsplit_once('.')
        && collection.matches('.').count() == 1
    {
        out.push(collection.to_owned());
    }
    if let Some(word) = context.get(Keyword::Collections) {
        let names = match &word.value {
            Value::List(items) => items.iter().filter_map(Value::as_str).collect(),
            other => other.as_str().into_iter().collect::<Vec<_>>(),
        };
        out.extend(
            names
                .into_iter()
                .filter(|name| name.matches('.').count() == 1)
                .map(str::to_owned),
        );
    }
    out
}

impl Resolver {
    /// What a role is called, and its folder: a path, or a name looked for in
    /// the collections that `collections` names, beside the playbook, in the
    /// configured folders and in collections.
    pub(super) fn find_role(
        &self,
        name: &str,
        context: &Context,
        span: &Span,
    ) -> Found<(String, PathBuf)> {
        let written = Path::new(name);
        let playbook = context.playbook_folder();
        for collection in searched_collections(name, context) {
            let inside = format!("{}/roles/{name}", collection.replace('.', "/"));
            for root in self.collection_roots(playbook) {
                let path = root.join(&inside);
                if self.loader().is_dir(&path) {
                    return Ok((format!("{collection}.{name}"), path));
                }
            }
        }
        let mut tried: Vec<PathBuf> = Vec::new();
        if let [namespace, collection, role] = name.split('.').collect::<Vec<_>>()[..] {
            for root in self.collection_roots(playbook) {
                tried.push(
                    root.join(namespace)
                        .join(collection)
                        .join("roles")
                        .join(role),
                );
            }
        }
        for folder in self.role_folders(context) {
            tried.push(folder.join(name));
        }
        if written.is_absolute() {
            tried = vec![written.to_owned()];
        }
        if let Some(found) = tried.iter().find(|path| self.loader().is_dir(path)) {
            return Ok((name.to_owned(), found.clone()));
        }
        let known: Vec<String> = self.role_names(context);
        let mut folders: Vec<String> = tried
            .iter()
            .filter_map(|path| path.parent())
            .map(|folder| folder.display().to_string())
            .collect();
        folders.dedup();
        Err(vec![
            Diagnostic::error("unknown-role", format!("there is no role '{name}'"))
                .at(span)
                .suggest(name, known.iter().map(String::as_str))
                .help(format!("looked in {}", folders.join(", "))),
        ])
    }

    fn role_folders(&self, context: &Context) -> Vec<PathBuf> {
        let playbook = context.playbook_folder();
        let mut out = vec![playbook.join("roles")];
        out.extend(self.role_paths().iter().cloned());
        // Roles beside the role that names them.
        if let Some(role) = context.role()
            && let Some(folder) = role.path.parent()
        {
            out.insert(0, folder.to_owned());
        }
        out.push(playbook.to_owned());
        out
    }

    fn collection_roots(&self, playbook: &Path) -> Vec<PathBuf> {
        let mut roots = vec![
            playbook.join("collections/ansible_collections"),
            PathBuf::from("collections/ansible_collections"),
        ];
        let given = self.loader().setting("ANSIBLE_COLLECTIONS_PATH");
        for path in given.iter().flat_map(|paths| paths.split(':')) {
            roots.push(Path::new(path).join("ansible_collections"));
            roots.push(PathBuf::from(path));
        }
        roots
    }

    /// The author's own modules: beside the playbook, where the environment
    /// says, in collections.
    pub(super) fn libraries(&self, playbook: &Path) {
        let catalogue = self.catalogue();
        catalogue.add_library(&playbook.join("library"), self.loader());
        let given = self.loader().setting("ANSIBLE_LIBRARY");
        for path in given.iter().flat_map(|paths| paths.split(':')) {
            catalogue.add_library(Path::new(path), self.loader());
        }
        for root in self.collection_roots(playbook) {
            if root.ends_with("ansible_collections") {
                catalogue.add_collections(&root, self.loader());
            }
        }
    }

    fn role_names(&self, context: &Context) -> Vec<String> {
        self.role_folders(context)
            .iter()
            .filter(|folder| folder.ends_with("roles"))
            .filter_map(|folder| self.loader().list(folder).ok())
            .flatten()
            .filter(|path| self.loader().is_dir(path))
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect()
    }

    /// A file of a role: `main`, or what `*_from` names.
    pub(super) fn role_file(
        &self,
        role: &Path,
        kind: &str,
        from: Option<&Word>,
        scope: &Scope,
    ) -> Found<Option<PathBuf>> {
        let folder = role.join(kind);
        let name = match from {
            Some(word) => self.text(word, scope)?,
            None => "main".to_owned(),
        };
        let base = folder.join(&name);
        if let Some(word) = from
            && !stays_inside(&folder, &base)
        {
            return Err(vec![
                Diagnostic::error(
                    "outside-role",
                    format!(
                        "Failed to find '{name}' of the role as it is not inside the expected \
                         role path: '{}'",
                        folder.display()
                    ),
                )
                .at(&word.span),
            ]);
        }
        for extension in EXTENSIONS {
            let mut path = base.as_os_str().to_owned();
            path.push(extension);
            let path = PathBuf::from(path);
            if self.loader().is_file(&path) {
                return Ok(Some(path));
            }
        }
        // A folder of files counts as one, for defaults and vars.
        if self.loader().is_dir(&base) {
            return Ok(Some(base));
        }
        match from {
            None => Ok(None),
            Some(word) => {
                let names: Vec<String> = self
                    .loader()
                    .list(&folder)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
                    .collect();
                Err(vec![
                    Diagnostic::error(
                        "missing-file",
                        format!("the role has no {kind} file '{name}'"),
                    )
                    .at(&word.span)
                    .suggest(&name, names.iter().map(String::as_str))
                    .help(format!("looked in {}", folder.display())),
                ])
            }
        }
    }

    /// Defaults or vars of a role.
    pub(super) fn role_vars(
        &self,
        role: &Path,
        kind: &str,
        from: Option<&Word>,
        scope: &Scope,
    ) -> Found<Arc<Map>> {
        let Some(path) = self.role_file(role, kind, from, scope)? else {
            return Ok(Arc::default());
        };
        let mut files = vec![path.clone()];
        if self.loader().is_dir(&path) {
            files = self.loader().list(&path).unwrap_or_default();
            files.retain(|file| {
                matches!(
                    file.extension().and_then(|e| e.to_str()),
                    Some("yml" | "yaml" | "json")
                )
            });
        }
        let mut vars = Map::new();
        for file in files {
            vars.extend(&*read_vars(&file, self.loader()).map_err(|error| vec![*error])?);
        }
        Ok(Arc::new(vars))
    }

    /// `meta/main.yml` and `meta/argument_specs.yml`.
    pub(super) fn role_meta(&self, role: &Path, scope: &Scope) -> Found<RoleMeta> {
        let mut meta = match self.role_file(role, "meta", None, scope)? {
            None => RoleMeta::default(),
            Some(path) => {
                let node = self.read_yaml(&path)?;
                let (meta, problems) = parse_role_meta(&node);
                if !problems.is_empty() {
                    return Err(problems);
                }
                meta
            }
        };
        for extension in [".yml", ".yaml"] {
            let path = role.join(format!("meta/argument_specs{extension}"));
            if self.loader().is_file(&path) {
                let node = self.read_yaml(&path)?;
                meta.argument_specs = node.get("argument_specs").map(|entry| entry.value.value());
            }
        }
        Ok(meta)
    }

    /// The name that a reference gives, rendered.
    pub(super) fn role_name(&self, role: &RoleRef, scope: &Scope) -> Found<String> {
        self.text(&role.name, scope)
    }
}
