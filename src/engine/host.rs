//! What a run knows about one host.

use std::sync::Arc;

use ocplay_language::value::Map;
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;

use crate::event::HostStats;

/// Whether a host takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    /// Left the play on purpose (`meta: end_host`).
    Ended,
    Failed,
    Unreachable,
}

/// One host's state; owned by the dispatcher, workers see its scope.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) standing: Standing,
    pub(crate) stats: HostStats,
    /// Inventory variables and magic ones that do not change in a play.
    base: Scope,
    facts: Arc<Map>,
    include_vars: Arc<Map>,
    set_facts: Arc<Map>,
    scope: Scope,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            standing: Standing::Active,
            stats: HostStats::default(),
            base: Scope::new(),
            facts: Arc::default(),
            include_vars: Arc::default(),
            set_facts: Arc::default(),
            scope: Scope::new(),
        }
    }

    /// The host's variables without those of play and task.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn set_base(&mut self, base: Scope) {
        self.base = base;
        self.rebuild();
    }

    fn rebuild(&mut self) {
        self.scope = self
            .base
            .with(Level::Facts, fact_vars(&self.facts))
            .with(Level::IncludeVars, Arc::clone(&self.include_vars))
            .with(Level::SetFacts, Arc::clone(&self.set_facts));
    }

    /// Takes over facts under the names that the module gave them.
    pub(crate) fn add_facts(&mut self, facts: &Map) {
        Arc::make_mut(&mut self.facts).extend(facts);
        self.rebuild();
    }

    /// Gathered facts, under names without `ansible_`.
    pub(crate) fn facts(&self) -> &Map {
        &self.facts
    }

    /// Whether facts were gathered in this run.
    pub(crate) fn has_facts(&self) -> bool {
        self.facts.get("module_setup").is_some()
    }

    pub(crate) fn clear_facts(&mut self) {
        self.facts = Arc::default();
        self.rebuild();
    }

    pub(crate) fn add_include_vars(&mut self, vars: &Map) {
        Arc::make_mut(&mut self.include_vars).extend(vars);
        self.rebuild();
    }

    /// `set_fact` and `register`.
    pub(crate) fn set_facts(&mut self, vars: &Map) {
        Arc::make_mut(&mut self.set_facts).extend(vars);
        self.rebuild();
    }

    pub(crate) fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }
}

/// Facts as variables: each by its name, and all under `ansible_facts` by
/// their names without `ansible_`.
fn fact_vars(facts: &Arc<Map>) -> Arc<Map> {
    let mut vars = Map::new();
    let mut all = Map::new();
    for (name, value) in facts.entries() {
        all.insert(name.strip_prefix("ansible_").unwrap_or(name), value.clone());
        vars.insert(&**name, value.clone());
    }
    vars.insert("ansible_facts", all);
    Arc::new(vars)
}

#[cfg(test)]
mod tests {
    use ocplay_language::value::Value;

    use super::*;

    #[test]
    fn facts_appear_under_both_names() {
        let mut host = Host::new();
        let mut facts = Map::new();
        facts.insert("ansible_os_family", "Debian");
        facts.insert("getent_passwd", "all of them");
        host.add_facts(&facts);
        assert_eq!(
            host.scope().get("ansible_os_family"),
            Some(&Value::from("Debian"))
        );
        let all = host.scope().get("ansible_facts").unwrap();
        assert_eq!(all.get("os_family"), Some(&Value::from("Debian")));
        let plain = Some(&Value::from("all of them"));
        assert_eq!(all.get("getent_passwd"), plain);
        assert_eq!(host.scope().get("getent_passwd"), plain);
    }

    #[test]
    fn set_facts_win_over_included_vars() {
        let mut host = Host::new();
        let map = |text: &str| {
            [("a".into(), Value::from(text))]
                .into_iter()
                .collect::<Map>()
        };
        host.set_facts(&map("set"));
        host.add_include_vars(&map("included"));
        assert_eq!(host.scope().get("a"), Some(&Value::from("set")));
    }
}
