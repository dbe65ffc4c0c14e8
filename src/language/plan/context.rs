//! The chain of keywords from the play down to a task.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Role;
use crate::playbook::ast::{Keyword, Keywords, Word};
use crate::value::Map;

/// One link of the chain.
#[derive(Debug)]
pub struct Context {
    parent: Option<Arc<Self>>,
    keywords: Keywords,
    role: Option<Arc<Role>>,
    /// Variables given to a dynamic include; they beat set_fact.
    include_vars: Arc<Map>,
    /// Folder of the file that the words stand in.
    folder: PathBuf,
    /// This link is a play: its variables have a level of their own.
    play: bool,
    /// A `rescue` section catches what fails here.
    rescued: bool,
}

impl Context {
    /// The outermost link: a play.
    #[must_use]
    pub fn play(keywords: Keywords, folder: &Path) -> Arc<Self> {
        Arc::new(Self {
            parent: None,
            keywords,
            role: None,
            include_vars: Arc::default(),
            folder: folder.to_owned(),
            play: true,
            rescued: false,
        })
    }

    /// A block, an import or a task inside.
    #[must_use]
    pub fn child(self: &Arc<Self>, keywords: Keywords) -> Arc<Self> {
        Arc::new(Self {
            parent: Some(Arc::clone(self)),
            keywords,
            role: self.role.clone(),
            include_vars: Arc::default(),
            folder: self.folder.clone(),
            play: false,
            rescued: self.rescued,
        })
    }

    /// The part of a block that a `rescue` section stands behind.
    #[must_use]
    pub fn guarded(self: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self {
            rescued: true,
            ..self.link(Keywords::default())
        })
    }

    /// Whether a `rescue` section catches what fails here.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.rescued
    }

    /// The contents of another file.
    #[must_use]
    pub fn file(self: &Arc<Self>, folder: &Path) -> Arc<Self> {
        Arc::new(Self {
            folder: folder.to_owned(),
            ..self.link(Keywords::default())
        })
    }

    /// The contents of a role.
    #[must_use]
    pub fn inside_role(self: &Arc<Self>, keywords: Keywords, role: &Arc<Role>) -> Arc<Self> {
        Arc::new(Self {
            role: Some(Arc::clone(role)),
            folder: role.path.join("tasks"),
            ..self.link(keywords)
        })
    }

    /// The contents of a dynamic include: its variables go along, its other
    /// keywords do not.
    #[must_use]
    pub fn included(self: &Arc<Self>, vars: Arc<Map>) -> Arc<Self> {
        let outer = self.parent.as_ref().unwrap_or(self);
        Arc::new(Self {
            include_vars: vars,
            ..outer.link(Keywords::default())
        })
    }

    fn link(self: &Arc<Self>, keywords: Keywords) -> Self {
        Self {
            parent: Some(Arc::clone(self)),
            keywords,
            role: self.role.clone(),
            include_vars: Arc::default(),
            folder: self.folder.clone(),
            play: false,
            rescued: self.rescued,
        }
    }

    /// The links, innermost first.
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |link| link.parent.as_deref())
    }

    /// The innermost word for a keyword.
    #[must_use]
    pub fn get(&self, keyword: Keyword) -> Option<&Word> {
        self.chain().find_map(|link| link.keywords.get(keyword))
    }

    /// All words for a keyword, innermost first.
    pub fn all(&self, keyword: Keyword) -> impl Iterator<Item = &Word> {
        self.chain()
            .filter_map(move |link| link.keywords.get(keyword))
    }

    /// A keyword given on this link itself.
    #[must_use]
    pub fn own(&self) -> &Keywords {
        &self.keywords
    }

    #[must_use]
    pub fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    #[must_use]
    pub fn role(&self) -> Option<&Arc<Role>> {
        self.role.as_ref()
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Conditions, outermost first.
    #[must_use]
    pub fn when(&self) -> Vec<&Word> {
        self.gather(|keywords| &keywords.when)
    }

    /// Tags of all levels, outermost first.
    #[must_use]
    pub fn tags(&self) -> Vec<&Word> {
        self.gather(|keywords| &keywords.tags)
    }

    /// Environments, outermost first: later ones win.
    #[must_use]
    pub fn environment(&self) -> Vec<&Word> {
        self.gather(|keywords| &keywords.environment)
    }

    /// Defaults for modules, outermost first.
    #[must_use]
    pub fn module_defaults(&self) -> Vec<&Word> {
        self.gather(|keywords| &keywords.module_defaults)
    }

    fn gather<'a>(&'a self, pick: impl Fn(&'a Keywords) -> &'a Vec<Word>) -> Vec<&'a Word> {
        let mut links: Vec<&Self> = self.chain().collect();
        links.reverse();
        links
            .into_iter()
            .flat_map(|link| pick(&link.keywords))
            .collect()
    }

    /// Variables of blocks, imports and the task itself, outermost first; the
    /// play's own are not among them.
    #[must_use]
    pub fn vars(&self) -> Vec<Arc<Map>> {
        let mut out: Vec<Arc<Map>> = self
            .chain()
            .filter(|link| !link.play && !link.keywords.vars.is_empty())
            .map(|link| Arc::clone(&link.keywords.vars))
            .collect();
        out.reverse();
        out
    }

    /// Variables of dynamic includes, outermost first.
    #[must_use]
    pub fn include_vars(&self) -> Vec<Arc<Map>> {
        let mut out: Vec<Arc<Map>> = self
            .chain()
            .filter(|link| !link.include_vars.is_empty())
            .map(|link| Arc::clone(&link.include_vars))
            .collect();
        out.reverse();
        out
    }

    /// Where files of a kind (`files`, `templates`, `vars`, `tasks`) are
    /// looked for: the role and the roles that led to it, the folder of the
    /// file, the playbook.
    #[must_use]
    pub fn search(&self, kind: &str) -> Vec<PathBuf> {
        let mut out: Vec<PathBuf> = Vec::new();
        let mut add = |folder: PathBuf| {
            if !out.contains(&folder) {
                out.push(folder);
            }
        };
        let mut role = self.role.as_ref();
        while let Some(at) = role {
            add(at.path.join(kind));
            add(at.path.clone());
            role = at.parent.as_ref();
        }
        add(self.folder.join(kind));
        add(self.folder.clone());
        if let Some(play) = self.chain().last() {
            add(play.folder.join(kind));
            add(play.folder.clone());
        }
        out
    }

    /// Folder of the playbook.
    #[must_use]
    pub fn playbook_folder(&self) -> &Path {
        self.chain()
            .last()
            .map_or(&self.folder, |play| &play.folder)
    }
}
