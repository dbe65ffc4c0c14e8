//! Lookups of variables and settings.

use minijinja::Error;

use super::{Call, Row};
use crate::template::marker::Missing;
use crate::template::{Jinja, filters, python};

pub(super) const ROWS: &[Row] = &[
    ("vars", "default", vars),
    ("varnames", "", varnames),
    ("env", "default", env),
    (
        "config",
        "on_missing plugin_type plugin_name show_origin",
        super::settings::config,
    ),
];

fn vars(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut found = Vec::new();
    for term in &call.terms {
        let Some(name) = term.as_str() else {
            return Err(call.fail(format!(
                "Variable name must be 'str' not '{}'.",
                python::type_name(term)
            )));
        };
        found.push(match call.context.variable(name) {
            Some(value) => value.present()?,
            None => match call.option_or_none("default") {
                Some(default) => default.clone(),
                None => {
                    return Err(Error::new(
                        minijinja::ErrorKind::UndefinedError,
                        format!("No variable named '{name}' was found."),
                    ));
                }
            },
        });
    }
    Ok(found)
}

fn varnames(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let names = call.context.scope.names();
    let mut found = Vec::new();
    for term in &call.terms {
        let Some(pattern) = term.as_str() else {
            return Err(call.fail(format!(
                "Invalid setting identifier, {} is not text but {}.",
                python::repr(term)?,
                python::type_name(term)
            )));
        };
        let regex = filters::compile(pattern, filters::Flags::default()).map_err(|error| {
            // Python's word for what is most often wrong.
            let why = if pattern.starts_with(['*', '+', '?']) {
                "nothing to repeat at position 0"
            } else {
                error.detail().unwrap_or_default()
            };
            call.fail(format!(
                "Unable to use \"{pattern}\" as a search parameter: {why}"
            ))
        })?;
        found.extend(
            names
                .iter()
                .filter(|name| regex.is_match(&***name).unwrap_or(false))
                .map(|name| Jinja::from(std::sync::Arc::clone(name))),
        );
    }
    Ok(found)
}

fn env(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    call.texts()?
        .into_iter()
        .map(|name| {
            let name = name.split_whitespace().next().unwrap_or_default();
            match call.context.templar.loader.env(name) {
                Some(value) => Ok(Jinja::from(value)),
                None => match call.option_or_none("default") {
                    Some(default) if default.is_missing() => Err(Error::new(
                        minijinja::ErrorKind::UndefinedError,
                        format!("The environment variable '{name}' is not set."),
                    )),
                    Some(default) => Ok(default.clone()),
                    None => Ok(Jinja::from("")),
                },
            }
        })
        .collect()
}
