//! Filters, tests and lookups that content brings itself.

use minijinja::Error;

use super::args::Given;
use super::{Jinja, convert, python};
use crate::value::{Map, Value};

/// Runs plug-ins that are not part of this program.
pub trait Plugins: Send + Sync {
    /// Whether there is a `filter`, `test` or `lookup` of a name, which may
    /// have a collection in front.
    fn has(&self, kind: &str, name: &str) -> bool;

    /// Runs one.
    ///
    /// # Errors
    /// What the plug-in says went wrong.
    fn call(
        &self,
        kind: &str,
        name: &str,
        args: &[Value],
        named: &Map,
        variables: &dyn Fn() -> Map,
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
    let variables = || context.scope.flatten();
    let result = plugins
        .call(kind, name, &args, &named, &variables)
        .map_err(python::fail)?;
    Ok(context.fresh(&result))
}
