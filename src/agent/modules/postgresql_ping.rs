//! `postgresql_ping`: whether a PostgreSQL server answers.

use ocplay_protocol::Diff;
use serde_json::json;

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch};
use crate::sql::postgresql::postgresql_arguments;

postgresql_arguments! {
    /// Tells whether a PostgreSQL server lets one in, and its version.
    pub(super) struct Args {
        /// Database to log in to.
        login_db: String ["db"] = String::new(),
    }
}

pub(super) struct PostgresqlPing;

impl Module for PostgresqlPing {
    const NAME: &'static str = "postgresql_ping";
    const COLLECTION: &'static str = "community.postgresql";
    type Args = Args;
    type Plan = ();

    fn check(args: &Args, look: &Look) -> Result<Verdict<()>, Failure> {
        let mut server = match args.login(&args.login_db).connect(look) {
            Ok(server) => server,
            Err(failure) => {
                let result = Return::new()
                    .with("is_available", false)
                    .with("server_version", json!({}))
                    .with("conn_err_msg", failure.message.clone())
                    .warn(format!(
                        "PostgreSQL server is unavailable: {}",
                        failure.message
                    ));
                return Ok(Verdict::Same(result));
            }
        };
        let raw = server
            .query("SELECT version()")?
            .value()
            .unwrap_or_default()
            .to_owned();
        let (major, minor) = server.version_numbers();
        let full = server.version.split(' ').next().unwrap_or_default();
        let version = json!({"raw": raw, "full": full, "major": major, "minor": minor});
        let result = Return::new()
            .with("is_available", true)
            .with("server_version", version)
            .with("conn_err_msg", "");
        Ok(Verdict::Same(result))
    }

    fn describe((): &()) -> Vec<Diff> {
        Vec::new()
    }

    fn apply((): (), _: &mut Touch) -> Result<Return, Failure> {
        Ok(Return::new())
    }
}
