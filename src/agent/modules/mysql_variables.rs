//! `mysql_variables`: settings of a running MySQL or MariaDB server.

use serde_json::json;

use super::acts::{Acts, acting, state};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};
use crate::sql::mysql::{mysql_arguments, quote};

ocplay_protocol::choices! {
    /// For how long a value is set.
    pub(super) enum Mode {
        Global = "global",
        Persist = "persist",
        PersistOnly = "persist_only",
    }
}

mysql_arguments! {
    /// Reads and sets variables of a MySQL or MariaDB server.
    pub(super) struct Args {
        /// The variable.
        variable: String,
        /// Its value; without it, only the present one is returned.
        value: Option<String>,
        /// Until the server ends (global), for ever too (persist), or from its next start on.
        mode: Mode = Mode::Global,
    }
}

pub(super) struct MysqlVariables;

/// A value as the server writes it: words of yes and no, numbers, text.
fn plain(value: &str) -> String {
    match value.to_ascii_uppercase().as_str() {
        "ON" | "YES" | "TRUE" => "ON".to_owned(),
        "OFF" | "NO" | "FALSE" => "OFF".to_owned(),
        _ => value.to_owned(),
    }
}

impl Module for MysqlVariables {
    const NAME: &'static str = "mysql_variables";
    const COLLECTION: &'static str = "community.mysql";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let variable = &args.variable;
        let usual = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        if variable.is_empty() || !variable.chars().all(usual) {
            return Err(Failure::new(format!(
                "invalid variable name \"{variable}\""
            )));
        }
        let mut server = args.login().connect(look)?;
        let sql = if args.mode == Mode::PersistOnly {
            format!(
                "SELECT variable_value FROM performance_schema.persisted_variables WHERE \
                 variable_name = {}",
                quote(variable)
            )
        } else {
            format!(
                "SHOW GLOBAL VARIABLES WHERE Variable_name = {}",
                quote(variable)
            )
        };
        let answer = server.query(&sql)?;
        let is = answer.rows.first().map(|row| {
            let value = row.get("Value").or_else(|| row.values().next());
            value.map_or_else(String::new, |value| {
                ocplay_protocol::coerce::text(value).unwrap_or_default()
            })
        });
        let Some(wanted) = &args.value else {
            let result = match is {
                Some(is) => Return::new().with("msg", is),
                None => {
                    return Err(Failure::new(format!(
                        "Variable not available \"{variable}\""
                    )));
                }
            };
            return Ok(Acts::new(result).verdict());
        };
        if is.is_none() && args.mode != Mode::PersistOnly {
            return Err(Failure::new(format!(
                "Variable not available \"{variable}\""
            )));
        }
        let is = is.unwrap_or_default();
        let same = plain(&is) == plain(wanted)
            || match (is.parse::<f64>(), wanted.parse::<f64>()) {
                (Ok(is), Ok(wanted)) => is == wanted,
                _ => false,
            };
        let mut acts = Acts::new(Return::new().with("queries", json!([])));
        if same {
            return Ok(acts.verdict());
        }
        let number = wanted.parse::<f64>().is_ok();
        let word = matches!(plain(wanted).as_str(), "ON" | "OFF");
        let value = if number || word {
            wanted.clone()
        } else {
            quote(wanted)
        };
        let statement = format!(
            "SET {} {variable} = {value}",
            args.mode.word().to_uppercase()
        );
        acts.diff(state(variable, &is, wanted));
        acts.result(|result| result.with("queries", json!([statement])));
        acts.body(move |_| {
            server.query(&statement)?;
            Ok(Return::new())
        });
        Ok(acts.verdict())
    }
}
