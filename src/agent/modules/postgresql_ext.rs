//! `postgresql_ext`: extensions of a PostgreSQL database.

use super::acts::{Acts, acting, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};
use crate::sql::postgresql::{name, postgresql_arguments, quote};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}

postgresql_arguments! {
    /// Installs, updates and removes extensions of a PostgreSQL database.
    pub(super) struct Args {
        /// Name of the extension.
        name: String ["ext"],
        /// Database to log in to.
        login_db: String ["db"],
        /// Wanted state.
        state: State = State::Present,
        /// Schema of what it brings.
        schema: Option<String>,
        /// What it needs comes with it, what needs it goes with it.
        cascade: bool = false,
        /// Version, or latest.
        version: Option<String>,
        /// Comment; an empty one is removed.
        comment: Option<String>,
    }
}

pub(super) struct PostgresqlExt;

impl Module for PostgresqlExt {
    const NAME: &'static str = "postgresql_ext";
    const COLLECTION: &'static str = "community.postgresql";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let mut server = args.login(&args.login_db).connect(look)?;
        let (extension, quoted) = (name(&args.name), quote(&args.name));
        let sql = format!(
            "SELECT extversion, nspname, obj_description(e.oid, 'pg_extension') FROM pg_extension e \
             JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = {quoted}"
        );
        let found = server.query(&sql)?.row();
        let sql =
            format!("SELECT default_version FROM pg_available_extensions WHERE name = {quoted}");
        let available = server.query(&sql)?.value().map(str::to_owned);
        let cell = |at: usize| {
            found
                .as_ref()
                .and_then(|row| row.get(at))
                .cloned()
                .unwrap_or_default()
        };
        let is = cell(0);
        // Where latest ends: the version that the server would install.
        let wanted = match args.version.as_deref() {
            Some("latest") => available.clone(),
            other => other.map(str::to_owned),
        };
        let cascade = if args.cascade { " CASCADE" } else { "" };
        let mut all = Vec::new();
        let mut will_be = is.clone();
        match (args.state, found.is_some()) {
            (State::Absent, false) => {}
            (State::Absent, true) => {
                all.push(format!("DROP EXTENSION {extension}{cascade}"));
                will_be.clear();
            }
            (State::Present, false) => {
                let Some(newest) = available else {
                    return Err(Failure::new(format!(
                        "Extension {} is not available on the server; install the package that brings it first",
                        args.name
                    )));
                };
                let mut sql = format!("CREATE EXTENSION {extension}");
                if let Some(schema) = &args.schema {
                    sql.push_str(&format!(" WITH SCHEMA {}", name(schema)));
                }
                if let Some(version) = args.version.as_ref().filter(|version| *version != "latest")
                {
                    sql.push_str(&format!(" VERSION {}", quote(version)));
                }
                all.push(sql + cascade);
                will_be = wanted.unwrap_or(newest);
            }
            (State::Present, true) => {
                if let Some(version) = wanted.filter(|version| *version != is) {
                    all.push(format!(
                        "ALTER EXTENSION {extension} UPDATE TO {}",
                        quote(&version)
                    ));
                    will_be = version;
                }
                if let Some(schema) = args.schema.as_ref().filter(|schema| **schema != cell(1)) {
                    all.push(format!(
                        "ALTER EXTENSION {extension} SET SCHEMA {}",
                        name(schema)
                    ));
                }
            }
        }
        if let (State::Present, Some(comment)) = (args.state, &args.comment)
            && *comment != cell(2)
        {
            let text = if comment.is_empty() {
                "NULL".to_owned()
            } else {
                quote(comment)
            };
            all.push(format!("COMMENT ON EXTENSION {extension} IS {text}"));
        }
        let result = Return::new()
            .with("db", args.login_db.as_str())
            .with("ext", args.name.as_str())
            .with("prev_version", is)
            .with("version", will_be)
            .with("queries", all.clone());
        let mut acts = Acts::new(result);
        if all.is_empty() {
            return Ok(acts.verdict());
        }
        acts.diff(state_diff("statements", "", &all.join("\n")));
        let all: Vec<(String, String)> = all.into_iter().map(|sql| (sql.clone(), sql)).collect();
        acts.body(move |_| {
            server.together(&all)?;
            Ok(Return::new())
        });
        Ok(acts.verdict())
    }
}
