use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use minijinja::value::{Enumerator, Object};

use crate::template::Jinja;
use crate::template::context::{Context, Root, lock};
use crate::vars::HostVars;

/// `hostvars`: a mapping of host to that host's variables.
pub(crate) struct AllHosts {
    hosts: Arc<dyn HostVars>,
    from: Arc<Context>,
    seen: Mutex<HashMap<String, Jinja>>,
}

impl AllHosts {
    pub(crate) fn new(hosts: Arc<dyn HostVars>, from: Arc<Context>) -> Self {
        Self {
            hosts,
            from,
            seen: Mutex::default(),
        }
    }
}

impl fmt::Debug for AllHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hostvars")
    }
}

impl Object for AllHosts {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let host = key.as_str()?;
        if let Some(known) = lock(&self.seen).get(host) {
            return Some(known.clone());
        }
        let scope = self.hosts.scope(host)?;
        let root = Jinja::from_object(Root(self.from.beside(scope)));
        lock(&self.seen).insert(host.to_owned(), root.clone());
        Some(root)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.hosts.hosts().into_iter().map(Jinja::from).collect())
    }
}
