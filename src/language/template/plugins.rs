//! Filters, tests and lookups that content brings itself.

use std::path::Path;

use minijinja::Error;

use super::args::Given;
use super::{Jinja, convert, python};
use crate::value::{Map, Value};

/// Runs plug-ins that are not part of this program.
pub trait Plugins: Send + Sync {
    /// Whether there is a `filter`, `test` or `lookup` of a name, which may
    /// have a collection in front.
    fn has(&self, kind: &str, name: &str) -> bool;

    /// Takes plug-ins from a folder of a playbook or a role.
    fn look_in(&self, folder: &Path);

    /// Runs one. `variable` gives a variable of the task, or why it cannot be
    /// evaluated.
    ///
    /// # Errors
    /// What the plug-in says went wrong.
    fn call(
        &self,
        kind: &str,
        name: &str,
        args: &[Value],
        named: &Map,
        variable: &dyn Fn(&str) -> Option<Result<Value, String>>,
    ) -> Result<Value, String>;
}

pub(super) fn call(
    plugins: &dyn Plugins,
    kind: &str,
    name: &str,
    given: &Given,
    context: &std::sync::Arc<super::context::Context>,
) -> Result<Jinja, Error> {
    let args = given
        .positional
        .iter()
        .map(convert::settle)
        .collect::<Result<Vec<_>, _>>()?;
    let mut named = Map::new();
    for (name, value) in &given.named {
        named.insert(&**name, convert::settle(value)?);
    }
    let variable = |name: &str| {
        let value = context.variable(name)?;
        Some(convert::settle(&value).map_err(|error| error.to_string()))
    };
    let result = plugins
        .call(kind, name, &args, &named, &variable)
        .map_err(python::fail)?;
    Ok(context.fresh(&result))
}
