//! Groups and hosts as a graph.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::Options;
use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::value::{Map, Value};
use crate::vars::scope::merge;

/// What becomes of names of groups that are no names of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupNames {
    /// They stay, with a warning.
    #[default]
    Never,
    /// They stay.
    Ignore,
    /// Wrong characters become `_`, with a warning.
    Always,
    /// Wrong characters become `_`.
    Silently,
}

/// All hosts and groups, in the order in which they were written.
#[derive(Debug, Clone)]
pub struct Inventory {
    hosts: IndexMap<Arc<str>, Host>,
    groups: IndexMap<Arc<str>, Group>,
    /// Folders that may hold `group_vars` and `host_vars`.
    folders: IndexSet<PathBuf>,
    /// Every source that was to be read, and how.
    sources: Vec<String>,
    options: Arc<Options>,
    /// What is being read.
    source: Option<Arc<str>>,
    group_names: GroupNames,
    /// A mapping that is set again is merged with the one before.
    merging: bool,
    odd_names: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Variables from the inventory file.
    pub vars: Arc<Map>,
    /// Every group that it is in, also through children: lowest precedence
    /// first.
    pub groups: Arc<[Arc<str>]>,
    /// The file or list that named it first.
    pub source: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
pub struct Group {
    /// Direct members.
    pub hosts: IndexSet<Arc<str>>,
    pub children: IndexSet<Arc<str>>,
    pub vars: Arc<Map>,
    /// `ansible_group_priority`: among groups of equal depth the higher wins.
    pub priority: i64,
    /// Distance from `all`, the longest way.
    pub depth: usize,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            hosts: IndexSet::new(),
            children: IndexSet::new(),
            vars: Arc::default(),
            priority: 1,
            depth: 1,
        }
    }
}

const PRIORITY: &str = "ansible_group_priority";

impl Default for Inventory {
    fn default() -> Self {
        let mut groups = IndexMap::new();
        let mut all = Group {
            depth: 0,
            ..Group::default()
        };
        all.children.insert("ungrouped".into());
        groups.insert("all".into(), all);
        groups.insert("ungrouped".into(), Group::default());
        Self {
            hosts: IndexMap::new(),
            groups,
            folders: IndexSet::new(),
            source: None,
            group_names: GroupNames::Never,
            merging: false,
            sources: Vec::new(),
            options: Arc::default(),
            odd_names: false,
        }
    }
}

impl Inventory {
    #[must_use]
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name)
    }

    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(&*self.safe(name))
    }

    /// Every host, in inventory order; the implicit localhost is not one.
    pub fn hosts(&self) -> impl Iterator<Item = (&Arc<str>, &Host)> {
        self.hosts.iter()
    }

    pub fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        self.groups.iter()
    }

    /// Folders with `group_vars` and `host_vars`, in the order given.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(PathBuf::as_path)
    }

    pub fn add_folder(&mut self, folder: &Path) {
        self.folders.insert(folder.to_owned());
    }

    pub(super) fn set_group_names(&mut self, rule: GroupNames) {
        self.group_names = rule;
    }

    /// Files, folders and lists that this was read from.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    pub(super) fn set_sources(&mut self, sources: &[String], options: &Options) {
        self.sources = sources.to_vec();
        self.options = Arc::new(options.clone());
    }

    /// What the same sources hold now.
    ///
    /// # Errors
    /// As [`super::load`].
    pub fn reload(
        &self,
        loader: &Arc<dyn Loader>,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        super::load(&self.sources, &self.options, loader)
    }

    pub(super) fn set_merging(&mut self, merging: bool) {
        self.merging = merging;
    }

    pub(super) fn set_source(&mut self, source: Option<&str>) {
        self.source = source.map(Arc::from);
    }

    /// Whether a group has a name that is worth a warning.
    pub(super) fn has_odd_names(&self) -> bool {
        self.odd_names && matches!(self.group_names, GroupNames::Never | GroupNames::Always)
    }

    /// Names that are a host's and a group's.
    pub(super) fn ambiguous_names(&self) -> Vec<Arc<str>> {
        self.groups
            .keys()
            .filter(|name| self.hosts.contains_key(*name))
            .cloned()
            .collect()
    }

    /// The name under which a group is kept.
    fn safe<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match self.group_names {
            GroupNames::Always | GroupNames::Silently if is_odd(name) => name
                .chars()
                .enumerate()
                .map(|(at, c)| if is_wrong(at, c) { '_' } else { c })
                .collect(),
            _ => Cow::Borrowed(name),
        }
    }

    pub fn add_group(&mut self, name: &str) -> &mut Group {
        let at = match self.groups.get_index_of(&*self.safe(name)) {
            Some(at) => at,
            None => {
                self.odd_names |= is_odd(name);
                let safe = self.safe(name).into_owned();
                self.groups.insert_full(safe.into(), Group::default()).0
            }
        };
        &mut self.groups[at]
    }

    /// Adds a host to a group, making both where needed.
    pub fn add_host(&mut self, name: &str, group: &str) {
        let host = match self.hosts.get_key_value(name) {
            Some((known, _)) => Arc::clone(known),
            None => {
                let host: Arc<str> = name.into();
                let new = Host {
                    source: self.source.clone(),
                    ..Host::default()
                };
                self.hosts.insert(Arc::clone(&host), new);
                host
            }
        };
        // Everybody is in 'all' without being listed there.
        if group != "all" {
            self.add_group(group).hosts.insert(host);
        }
    }

    pub fn set_host_vars(&mut self, name: &str, vars: &Map) {
        if let Some(host) = self.hosts.get_mut(name)
            && !vars.is_empty()
        {
            put(Arc::make_mut(&mut host.vars), vars, self.merging);
        }
    }

    pub fn set_group_vars(&mut self, name: &str, vars: &Map) {
        let merging = self.merging;
        let group = self.add_group(name);
        let own = Arc::make_mut(&mut group.vars);
        put(own, vars, merging);
        let priority = match own.remove(PRIORITY) {
            Some(Value::Int(priority)) => Some(priority),
            Some(other) => other.as_str().and_then(|text| text.trim().parse().ok()),
            None => None,
        };
        if let Some(priority) = priority {
            group.priority = priority;
        }
    }

    /// Makes one group a child of another, unless that would close a circle.
    ///
    /// # Errors
    /// The name of the group over which the circle would run.
    pub fn add_child(&mut self, parent: &str, child: &str) -> Result<(), String> {
        let (parent, child) = (
            self.safe(parent).into_owned(),
            self.safe(child).into_owned(),
        );
        if parent == child || self.descendants(&child).contains(&*parent) {
            return Err(format!(
                "can't add group to itself: '{child}' is already above '{parent}', it cannot be its child as well"
            ));
        }
        self.add_group(&child);
        self.add_group(&parent).children.insert(child.into());
        Ok(())
    }

    fn descendants(&self, group: &str) -> BTreeSet<Arc<str>> {
        let mut seen = BTreeSet::new();
        let mut open = vec![Arc::<str>::from(group)];
        while let Some(name) = open.pop() {
            if let Some(group) = self.groups.get(&name) {
                for child in &group.children {
                    if seen.insert(Arc::clone(child)) {
                        open.push(Arc::clone(child));
                    }
                }
            }
        }
        seen
    }

    /// Every host of a group and its children: level by level, in the order
    /// in which children and hosts were written.
    #[must_use]
    pub fn hosts_of(&self, group: &str) -> Vec<Arc<str>> {
        let mut names: IndexSet<Arc<str>> = IndexSet::new();
        let safe = self.safe(group);
        let mut seen: BTreeSet<&str> = BTreeSet::from([&*safe]);
        let mut level: Vec<&str> = vec![&safe];
        while !level.is_empty() {
            let mut next = Vec::new();
            for name in level {
                if let Some(group) = self.groups.get(name) {
                    names.extend(group.hosts.iter().cloned());
                    for child in &group.children {
                        if seen.insert(child) {
                            next.push(&**child);
                        }
                    }
                }
            }
            level = next;
        }
        if &*safe == "all" {
            // While sources are being read, some belong nowhere yet.
            names.extend(self.hosts.keys().cloned());
        }
        names.into_iter().collect()
    }

    /// Works out what follows from the graph: the groups of each host, depths,
    /// and who is in no group. To be called after every change.
    pub fn finish(&mut self) {
        let with_parent: BTreeSet<Arc<str>> = self
            .groups
            .values()
            .flat_map(|group| group.children.iter().cloned())
            .collect();
        let top: Vec<Arc<str>> = self
            .groups
            .keys()
            .filter(|name| &***name != "all" && !with_parent.contains(*name))
            .cloned()
            .collect();
        self.add_group("all").children.extend(top);
        self.set_ungrouped();
        self.settle_members();
    }

    /// Works out the groups of each host as far as sources have been read.
    pub(super) fn settle_members(&mut self) {
        self.set_depths();
        self.set_memberships();
    }

    /// Longest way from `all`, by relaxing edges until nothing changes.
    fn set_depths(&mut self) {
        for (name, group) in &mut self.groups {
            group.depth = usize::from(&**name != "all");
        }
        let edges: Vec<(Arc<str>, Arc<str>)> = self
            .groups
            .iter()
            .flat_map(|(name, group)| {
                group
                    .children
                    .iter()
                    .map(|child| (Arc::clone(name), Arc::clone(child)))
            })
            .collect();
        // Without circles, no path is longer than there are groups.
        for _ in 0..=self.groups.len() {
            let mut changed = false;
            for (parent, child) in &edges {
                let depth = self.groups[parent].depth + 1;
                if let Some(group) = self.groups.get_mut(child)
                    && group.depth < depth
                {
                    group.depth = depth;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
    }

    fn set_ungrouped(&mut self) {
        let mut grouped: BTreeSet<Arc<str>> = BTreeSet::new();
        for (name, group) in &self.groups {
            if !matches!(&**name, "all" | "ungrouped") {
                grouped.extend(group.hosts.iter().cloned());
            }
        }
        let known = self
            .group("ungrouped")
            .map(|group| group.hosts.clone())
            .unwrap_or_default();
        let lonely: IndexSet<Arc<str>> = known
            .iter()
            .chain(self.hosts.keys())
            .filter(|host| !grouped.contains(*host))
            .cloned()
            .collect();
        self.add_group("ungrouped").hosts = lonely;
    }

    /// Groups of each host, sorted by precedence: depth, then priority, then
    /// name. Hosts with the same direct groups share one list.
    fn set_memberships(&mut self) {
        let mut parents: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, group) in self.groups.values().enumerate() {
            for child in &group.children {
                parents.entry(child).or_default().push(at);
            }
        }
        let mut direct: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, group) in self.groups.values().enumerate() {
            for host in &group.hosts {
                direct.entry(host).or_default().push(at);
            }
        }
        let mut known: HashMap<Vec<usize>, Arc<[Arc<str>]>> = HashMap::new();
        let mut lists = Vec::with_capacity(self.hosts.len());
        for name in self.hosts.keys() {
            let own = direct.remove(&**name).unwrap_or_default();
            let list = match known.get(&own) {
                Some(list) => Arc::clone(list),
                None => {
                    let list = self.sorted_ancestors(&own, &parents);
                    known.insert(own, Arc::clone(&list));
                    list
                }
            };
            lists.push(list);
        }
        for (host, list) in self.hosts.values_mut().zip(lists) {
            host.groups = list;
        }
    }

    /// These groups, everything above them, and `all`.
    fn sorted_ancestors(
        &self,
        own: &[usize],
        parents: &HashMap<&str, Vec<usize>>,
    ) -> Arc<[Arc<str>]> {
        let mut all: BTreeSet<usize> = own.iter().copied().collect();
        all.extend(self.groups.get_index_of("all"));
        let mut open = own.to_vec();
        while let Some(at) = open.pop() {
            let above = self
                .groups
                .get_index(at)
                .and_then(|(name, _)| parents.get(&**name));
            for parent in above.into_iter().flatten() {
                if all.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        let mut groups: Vec<(&Arc<str>, &Group)> = all
            .iter()
            .filter_map(|at| self.groups.get_index(*at))
            .collect();
        groups.sort_by_key(|(name, group)| (group.depth, group.priority, *name));
        groups
            .into_iter()
            .map(|(name, _)| Arc::clone(name))
            .collect()
    }
}

/// Sets variables.
fn put(own: &mut Map, vars: &Map, merging: bool) {
    if !merging {
        return own.extend(vars);
    }
    for (key, value) in vars.iter() {
        let value = match own.0.get(key) {
            Some(below) => merge(below, value),
            None => value.clone(),
        };
        own.0.insert(key.clone(), value);
    }
}

fn is_wrong(at: usize, c: char) -> bool {
    !(c == '_' || c.is_alphanumeric()) || at == 0 && c.is_numeric()
}

fn is_odd(name: &str) -> bool {
    name.chars().enumerate().any(|(at, c)| is_wrong(at, c))
}
