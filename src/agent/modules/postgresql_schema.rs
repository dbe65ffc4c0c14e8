//! `postgresql_schema`: schemas of a PostgreSQL database.

use super::acts::{Acts, acting, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};
use crate::sql::postgresql::{name, postgresql_arguments, quote};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}

postgresql_arguments! {
    /// Creates, changes and removes schemas of a PostgreSQL database.
    pub(super) struct Args {
        /// Name of the schema.
        name: String ["schema"],
        /// Wanted state.
        state: State = State::Present,
        /// Role that owns it.
        owner: String = String::new(),
        /// Comment; an empty one is removed.
        comment: Option<String>,
        /// What is in it goes with it.
        cascade_drop: bool = false,
        /// Database to log in to.
        login_db: String ["db", "database"] = "postgres".to_owned(),
    }
}

pub(super) struct PostgresqlSchema;

impl Module for PostgresqlSchema {
    const NAME: &'static str = "postgresql_schema";
    const COLLECTION: &'static str = "community.postgresql";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let mut server = args.login(&args.login_db).connect(look)?;
        let schema = name(&args.name);
        let sql = format!(
            "SELECT pg_get_userbyid(nspowner), obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = {}",
            quote(&args.name)
        );
        let found = server.query(&sql)?.row();
        let mut all = Vec::new();
        match (args.state, &found) {
            (State::Absent, None) => {}
            (State::Absent, Some(_)) => {
                let how = if args.cascade_drop { " CASCADE" } else { "" };
                all.push(format!("DROP SCHEMA {schema}{how}"));
            }
            (State::Present, None) => {
                let owner = match args.owner.as_str() {
                    "" => String::new(),
                    owner => format!(" AUTHORIZATION {}", name(owner)),
                };
                all.push(format!("CREATE SCHEMA {schema}{owner}"));
            }
            (State::Present, Some(row)) => {
                if !args.owner.is_empty() && row.first() != Some(&args.owner) {
                    all.push(format!(
                        "ALTER SCHEMA {schema} OWNER TO {}",
                        name(&args.owner)
                    ));
                }
            }
        }
        if let (State::Present, Some(comment)) = (args.state, &args.comment) {
            let is = found
                .as_ref()
                .and_then(|row| row.get(1))
                .map_or("", String::as_str);
            if comment != is {
                let text = if comment.is_empty() {
                    "NULL".to_owned()
                } else {
                    quote(comment)
                };
                all.push(format!("COMMENT ON SCHEMA {schema} IS {text}"));
            }
        }
        let result = Return::new()
            .with("schema", args.name.as_str())
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
