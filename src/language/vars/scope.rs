//! What one host sees while one task runs: layers of variables, never changed
//! in place.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexSet;

use crate::value::{Key, Map, Value};
use crate::vars::precedence::Level;

/// Serves `hostvars`: the scopes of the other hosts, made when asked for.
pub trait HostVars: Send + Sync {
    fn hosts(&self) -> Vec<Arc<str>>;
    fn scope(&self, host: &str) -> Option<Scope>;
}

#[derive(Clone)]
struct Layer {
    level: Level,
    vars: Arc<Map>,
}

/// An immutable layered view of variables. Cheap to clone.
#[derive(Clone, Default)]
pub struct Scope {
    /// Ordered by level; among equals the later one wins.
    layers: Arc<Vec<Layer>>,
    hosts: Option<Arc<dyn HostVars>>,
    search: Arc<[PathBuf]>,
    /// Mappings of several levels are merged instead of replaced.
    merging: bool,
}

/// Layers of single variables are merged while they are smaller than this.
const SMALL_LAYER: usize = 16;

impl Scope {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer. Among layers of one level the later one wins.
    #[must_use]
    pub fn with(&self, level: Level, vars: Arc<Map>) -> Self {
        if vars.is_empty() {
            return self.clone();
        }
        let mut layers = Vec::with_capacity(self.layers.len() + 1);
        layers.extend_from_slice(&self.layers);
        let at = layers.partition_point(|layer| layer.level <= level);
        layers.insert(at, Layer { level, vars });
        Self {
            layers: Arc::new(layers),
            ..self.clone()
        }
    }

    #[must_use]
    pub fn with_var(&self, level: Level, name: &str, value: Value) -> Self {
        let at = self.layers.partition_point(|layer| layer.level <= level);
        let top = at.checked_sub(1).and_then(|below| self.layers.get(below));
        if let Some(top) = top
            && top.level == level
            && top.vars.len() < SMALL_LAYER
        {
            let mut vars = Map::clone(&top.vars);
            vars.insert(name, value);
            let mut layers = Vec::clone(&self.layers);
            if let Some(layer) = layers.get_mut(at - 1) {
                layer.vars = Arc::new(vars);
            }
            return Self {
                layers: Arc::new(layers),
                ..self.clone()
            };
        }
        let mut vars = Map::new();
        vars.insert(name, value);
        self.with(level, Arc::new(vars))
    }

    /// Serves `hostvars` to templates.
    #[must_use]
    pub fn with_hosts(&self, hosts: Arc<dyn HostVars>) -> Self {
        Self {
            hosts: Some(hosts),
            ..self.clone()
        }
    }

    /// Folders where lookups and template includes look, in order.
    #[must_use]
    pub fn with_search(&self, folders: Arc<[PathBuf]>) -> Self {
        Self {
            search: folders,
            ..self.clone()
        }
    }

    /// Merges mappings that several levels have under one name.
    #[must_use]
    pub fn merging(&self, merging: bool) -> Self {
        Self {
            merging,
            ..self.clone()
        }
    }

    /// The value that a name has: that of the highest level, or all levels'
    /// mappings merged where that is wanted.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Value> {
        let top = self.get(name)?;
        if !self.merging || !matches!(top, Value::Map(_)) {
            return Some(top.clone());
        }
        let mut merged: Option<Value> = None;
        for layer in self.layers.iter() {
            if let Some(value) = layer.vars.get(name) {
                merged = Some(match merged {
                    Some(below) => merge(&below, value),
                    None => value.clone(),
                });
            }
        }
        merged
    }

    /// The value of the highest level.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.layers
            .iter()
            .rev()
            .find_map(|layer| layer.vars.get(name))
    }

    #[must_use]
    pub fn hosts(&self) -> Option<&Arc<dyn HostVars>> {
        self.hosts.as_ref()
    }

    #[must_use]
    pub fn search(&self) -> &[PathBuf] {
        &self.search
    }

    /// Every name once, in the order in which the lowest level has it.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        let names: IndexSet<&Arc<str>> = self
            .layers
            .iter()
            .flat_map(|layer| layer.vars.entries().map(|(name, _)| name))
            .collect();
        names.into_iter().cloned().collect()
    }

    /// Every variable with its winning value, still unevaluated.
    #[must_use]
    pub fn flatten(&self) -> Map {
        let mut all = Map::new();
        for layer in self.layers.iter() {
            for (name, value) in layer.vars.entries() {
                let value = match all.get(name) {
                    Some(below) if self.merging => merge(below, value),
                    _ => value.clone(),
                };
                all.0.insert(Key::Str(Arc::clone(name)), value);
            }
        }
        all
    }

    /// Whether two scopes are the same one, not merely alike.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.layers, &other.layers)
    }
}

/// A value over another: mappings are merged, all else is replaced.
pub(crate) fn merge(below: &Value, above: &Value) -> Value {
    match (below, above) {
        (Value::Map(below), Value::Map(above)) => {
            let mut all = Map::clone(below);
            for (key, value) in above.iter() {
                let value = match all.0.get(key) {
                    Some(own) => merge(own, value),
                    None => value.clone(),
                };
                all.0.insert(key.clone(), value);
            }
            all.into()
        }
        _ => above.clone(),
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.layers
                    .iter()
                    .map(|layer| (layer.level, layer.vars.len())),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: i64) -> Arc<Map> {
        let mut map = Map::new();
        map.insert(name, value);
        Arc::new(map)
    }

    #[test]
    fn higher_levels_win_whatever_the_order_of_adding() {
        let scope = Scope::new()
            .with(Level::ExtraVars, one("a", 3))
            .with(Level::RoleDefaults, one("a", 1))
            .with(Level::PlayVars, one("a", 2));
        assert_eq!(scope.get("a"), Some(&Value::Int(3)));
        assert_eq!(scope.flatten().get("a"), Some(&Value::Int(3)));
    }

    #[test]
    fn the_later_of_one_level_wins() {
        let scope = Scope::new()
            .with(Level::SetFacts, one("a", 1))
            .with_var(Level::SetFacts, "a", Value::Int(2))
            .with_var(Level::TaskVars, "a", Value::Int(9));
        assert_eq!(scope.get("a"), Some(&Value::Int(2)));
    }

    #[test]
    fn levels_may_be_merged() {
        let map = |text: &str| {
            let json: serde_json::Value = serde_json::from_str(text).unwrap();
            match Value::from_json(&json) {
                Value::Map(map) => map,
                _ => Arc::default(),
            }
        };
        let scope = Scope::new()
            .with(
                Level::PlayVars,
                map(r#"{"d": {"a": 2, "n": {"y": 2}}, "l": [2]}"#),
            )
            .with(
                Level::RoleDefaults,
                map(r#"{"d": {"a": 1, "b": 1, "n": {"x": 1}}, "l": [1]}"#),
            );
        let merged = map(r#"{"d": {"a": 2, "b": 1, "n": {"x": 1, "y": 2}}}"#);
        let merging = scope.merging(true);
        assert_eq!(merging.find("d").as_ref(), merged.get("d"));
        assert_eq!(merging.flatten().get("d"), merged.get("d"));
        assert_eq!(merging.find("l"), Some(Value::from(vec![Value::Int(2)])));
        assert_eq!(scope.find("d").as_ref(), scope.get("d"));
    }

    #[test]
    fn the_past_does_not_change() {
        let before = Scope::new().with_var(Level::SetFacts, "a", Value::Int(1));
        let after = before.with_var(Level::SetFacts, "a", Value::Int(2));
        assert_eq!(before.get("a"), Some(&Value::Int(1)));
        assert_eq!(after.get("a"), Some(&Value::Int(2)));
    }
}
