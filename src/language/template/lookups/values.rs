//! Lookups of variables and settings.

use minijinja::Error;

use super::{Call, Row};
use crate::template::marker::Missing;
use crate::template::{Jinja, filters, python};

pub(super) const ROWS: &[Row] = &[
    ("vars", "default", vars),
    ("varnames", "", varnames),
    ("env", "default", env),
    ("config", "on_missing **", config),
];

fn vars(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    call.texts()?
        .into_iter()
        .map(|name| match call.context.variable(&name) {
            Some(value) => value.present(),
            None => call.option("default").cloned().ok_or_else(|| {
                Error::new(
                    minijinja::ErrorKind::UndefinedError,
                    format!("'{name}' is undefined"),
                )
            }),
        })
        .collect()
}

fn varnames(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let names = call.context.scope.names();
    let mut found = Vec::new();
    for pattern in call.texts()? {
        let regex = filters::compile(&pattern, filters::Flags::default())?;
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
                None => Ok(call
                    .option("default")
                    .cloned()
                    .unwrap_or_else(|| Jinja::from(""))),
            }
        })
        .collect()
}

/// The settings that content asks for.
fn config(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let home = call.context.templar.loader.env("HOME").unwrap_or_default();
    let missing = call.text_option("on_missing", "error")?;
    let mut found = Vec::new();
    for name in call.texts()? {
        let value = match name.as_str() {
            "DEFAULT_BECOME_USER" => Jinja::from("root"),
            "DEFAULT_BECOME_METHOD" => Jinja::from("sudo"),
            "DEFAULT_BECOME" => Jinja::from(false),
            "DEFAULT_FORKS" => Jinja::from(5),
            "DEFAULT_TIMEOUT" => Jinja::from(10),
            "DEFAULT_REMOTE_PORT" | "DEFAULT_REMOTE_USER" => Jinja::from(()),
            "DEFAULT_LOCAL_TMP" => Jinja::from(format!("{home}/.ansible/tmp")),
            "DEFAULT_ROLES_PATH" => {
                python::list(vec![Jinja::from(format!("{home}/.ansible/roles"))])
            }
            "RETRY_FILES_ENABLED" => Jinja::from(false),
            _ if missing == "skip" => continue,
            _ => return Err(call.fail(format!("unknown setting '{name}'"))),
        };
        found.push(value);
    }
    Ok(found)
}
