//! Groups and hosts as a graph.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use crate::value::{Map, Value};

/// All hosts and groups, in the order in which they were written.
#[derive(Debug, Clone)]
pub struct Inventory {
    hosts: IndexMap<Arc<str>, Host>,
    groups: IndexMap<Arc<str>, Group>,
    /// Folders that may hold `group_vars` and `host_vars`.
    folders: IndexSet<PathBuf>,
}

#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Variables from the inventory file.
    pub vars: Arc<Map>,
    /// Every group that it is in, also through children: lowest precedence
    /// first.
    pub groups: Vec<Arc<str>>,
}

#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Direct members.
    pub hosts: IndexSet<Arc<str>>,
    pub children: IndexSet<Arc<str>>,
    pub vars: Arc<Map>,
    /// Distance from `all`, the longest way.
    pub depth: usize,
}

impl Default for Inventory {
    fn default() -> Self {
        let mut groups = IndexMap::new();
        groups.insert("all".into(), Group::default());
        groups.insert("ungrouped".into(), Group::default());
        Self {
            hosts: IndexMap::new(),
            groups,
            folders: IndexSet::new(),
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
        self.groups.get(name)
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

    pub fn add_group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.into()).or_default()
    }

    /// Adds a host to a group, making both where needed.
    pub fn add_host(&mut self, name: &str, group: &str) {
        let host: Arc<str> = name.into();
        self.hosts.entry(Arc::clone(&host)).or_default();
        self.add_group(group).hosts.insert(host);
    }

    pub fn set_host_vars(&mut self, name: &str, vars: &Map) {
        if let Some(host) = self.hosts.get_mut(name) {
            Arc::make_mut(&mut host.vars).extend(vars);
        }
    }

    pub fn set_group_vars(&mut self, name: &str, vars: &Map) {
        Arc::make_mut(&mut self.add_group(name).vars).extend(vars);
    }

    /// Makes one group a child of another, unless that would close a circle.
    ///
    /// # Errors
    /// The name of the group over which the circle would run.
    pub fn add_child(&mut self, parent: &str, child: &str) -> Result<(), String> {
        if parent == child || self.descendants(child).contains(parent) {
            return Err(format!(
                "'{child}' is already above '{parent}', it cannot be its child as well"
            ));
        }
        self.add_group(child);
        self.add_group(parent).children.insert(child.into());
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

    /// Every host of a group and its children, in inventory order.
    #[must_use]
    pub fn hosts_of(&self, group: &str) -> Vec<Arc<str>> {
        if group == "all" {
            return self.hosts.keys().cloned().collect();
        }
        let mut names: IndexSet<Arc<str>> = IndexSet::new();
        let mut seen = BTreeSet::new();
        self.collect(group, &mut names, &mut seen);
        names.into_iter().collect()
    }

    fn collect<'a>(
        &'a self,
        name: &'a str,
        names: &mut IndexSet<Arc<str>>,
        seen: &mut BTreeSet<&'a str>,
    ) {
        if !seen.insert(name) {
            return;
        }
        if let Some(group) = self.groups.get(name) {
            names.extend(group.hosts.iter().cloned());
            for child in &group.children {
                self.collect(child, names, seen);
            }
        }
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
        self.set_depths();
        self.set_ungrouped();
        let memberships = self.memberships();
        for (name, host) in &mut self.hosts {
            host.groups = memberships.get(name).cloned().unwrap_or_default();
        }
    }

    /// Longest way from `all`, by relaxing edges until nothing changes.
    fn set_depths(&mut self) {
        for group in self.groups.values_mut() {
            group.depth = 0;
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
        let lonely: Vec<Arc<str>> = self
            .hosts
            .keys()
            .filter(|host| !grouped.contains(*host))
            .cloned()
            .collect();
        let ungrouped = self.add_group("ungrouped");
        ungrouped.hosts = lonely.into_iter().collect();
    }

    /// Groups of each host, sorted by precedence: depth, then priority, then
    /// name.
    fn memberships(&self) -> HashMap<Arc<str>, Vec<Arc<str>>> {
        let mut parents: HashMap<&str, Vec<&Arc<str>>> = HashMap::new();
        for (name, group) in &self.groups {
            for child in &group.children {
                parents.entry(child).or_default().push(name);
            }
        }
        let mut out: HashMap<Arc<str>, BTreeSet<Arc<str>>> = HashMap::new();
        for (name, group) in &self.groups {
            let mut all = BTreeSet::from([Arc::clone(name), Arc::from("all")]);
            let mut open = vec![name];
            while let Some(name) = open.pop() {
                for parent in parents.get(&**name).into_iter().flatten() {
                    if all.insert(Arc::clone(parent)) {
                        open.push(parent);
                    }
                }
            }
            for host in &group.hosts {
                out.entry(Arc::clone(host))
                    .or_default()
                    .extend(all.iter().cloned());
            }
        }
        out.into_iter()
            .map(|(host, groups)| {
                let mut groups: Vec<Arc<str>> = groups.into_iter().collect();
                groups.sort_by_key(|name| self.precedence(name));
                (host, groups)
            })
            .collect()
    }

    fn precedence(&self, name: &Arc<str>) -> (usize, i64, Arc<str>) {
        let group = &self.groups[name];
        let priority = match group.vars.get("ansible_group_priority") {
            Some(Value::Int(priority)) => *priority,
            Some(other) => other
                .as_str()
                .and_then(|text| text.parse().ok())
                .unwrap_or(1),
            None => 1,
        };
        (group.depth, priority, Arc::clone(name))
    }
}
