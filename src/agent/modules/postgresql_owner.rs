//! `postgresql_owner`: whom things in a PostgreSQL database belong to.

use super::acts::{Acts, acting, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};
use crate::sql::postgresql::{Server, dotted, name, postgresql_arguments, quote};

ocplay_protocol::choices! {
    /// Kinds of things.
    pub(super) enum Kind {
        Aggregate = "aggregate",
        Collation = "collation",
        Conversion = "conversion",
        Database = "database",
        Domain = "domain",
        EventTrigger = "event_trigger",
        Wrapper = "foreign_data_wrapper",
        ForeignTable = "foreign_table",
        Function = "function",
        Language = "language",
        LargeObject = "large_object",
        Matview = "matview",
        Procedure = "procedure",
        Publication = "publication",
        Routine = "routine",
        Schema = "schema",
        Sequence = "sequence",
        Server = "server",
        Statistics = "statistics",
        Table = "table",
        Tablespace = "tablespace",
        SearchConfiguration = "text_search_configuration",
        SearchDictionary = "text_search_dictionary",
        Type = "type",
        View = "view",
    }
}

postgresql_arguments! {
    /// Sets the owner of a thing in a PostgreSQL database, or of all that some roles own. What would change is found by a
    /// transaction that is undone.
    pub(super) struct Args {
        /// Role that shall own it.
        new_owner: String,
        /// Name of the thing, with its schema or without.
        obj_name: Option<String>,
        /// Kind of thing.
        obj_type: Option<Kind> ["type"],
        /// Roles whose things shall all belong to the new owner.
        reassign_owned_by: Option<Vec<String>>,
        /// A role that does not exist is an error.
        fail_on_role: bool = true,
        /// Database to log in to.
        login_db: String ["db"] = String::new(),
    }
}

pub(super) struct PostgresqlOwner;

fn exists(server: &mut Server, role: &str) -> Result<bool, Failure> {
    let sql = format!("SELECT 1 FROM pg_roles WHERE rolname = {}", quote(role));
    Ok(server.query(&sql)?.value().is_some())
}

/// Everything that has an owner other than the server's first role.
fn owners(server: &mut Server) -> Result<Vec<String>, Failure> {
    let sql = "SELECT dbid || ' ' || classid || ' ' || objid || ' ' || objsubid || ' ' || refobjid \
               FROM pg_shdepend WHERE deptype = 'o'";
    let mut all = server.query(sql)?.column();
    all.sort();
    Ok(all)
}

fn statement(
    args: &Args,
    server: &mut Server,
    warnings: &mut Vec<String>,
) -> Result<Option<String>, Failure> {
    let owner = name(&args.new_owner);
    if let Some(roles) = &args.reassign_owned_by {
        let mut known = Vec::new();
        for role in roles {
            if exists(server, role)? {
                known.push(name(role));
            } else if args.fail_on_role {
                return Err(Failure::new(format!("Role '{role}' does not exist")));
            } else {
                warnings.push(format!("Role '{role}' does not exist, pass it"));
            }
        }
        if known.is_empty() {
            return Ok(None);
        }
        return Ok(Some(format!(
            "REASSIGN OWNED BY {} TO {owner}",
            known.join(", ")
        )));
    }
    let (Some(kind), Some(thing)) = (args.obj_type, &args.obj_name) else {
        return Err(
            "one of the following is required: obj_name and obj_type, reassign_owned_by".into(),
        );
    };
    let word = match kind {
        Kind::Matview => "MATERIALIZED VIEW".to_owned(),
        other => other.word().to_uppercase().replace('_', " "),
    };
    let thing = match kind {
        Kind::LargeObject => {
            let number: u32 = thing.trim().parse().map_err(|_| {
                Failure::new(format!(
                    "obj_name: '{thing}' is no number of a large object"
                ))
            })?;
            number.to_string()
        }
        Kind::Aggregate | Kind::Function | Kind::Procedure | Kind::Routine => {
            match thing.split_once('(') {
                Some((start, arguments)) if !arguments.contains([';', '\'']) => {
                    format!("{}({arguments}", dotted(start.trim()))
                }
                Some(_) => {
                    return Err(Failure::new(format!(
                        "obj_name: '{thing}' is no name with types of arguments"
                    )));
                }
                None => dotted(thing),
            }
        }
        Kind::Database
        | Kind::EventTrigger
        | Kind::Wrapper
        | Kind::Language
        | Kind::Publication
        | Kind::Schema
        | Kind::Server
        | Kind::Tablespace => name(thing),
        _ => dotted(thing),
    };
    Ok(Some(format!("ALTER {word} {thing} OWNER TO {owner}")))
}

impl Module for PostgresqlOwner {
    const NAME: &'static str = "postgresql_owner";
    const COLLECTION: &'static str = "community.postgresql";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.reassign_owned_by.is_some() && (args.obj_name.is_some() || args.obj_type.is_some())
        {
            return Err("parameters are mutually exclusive: obj_name|reassign_owned_by".into());
        }
        let mut server = args.login(&args.login_db).connect(look)?;
        let mut warnings = Vec::new();
        if !exists(&mut server, &args.new_owner)? {
            let text = format!("Role '{}' does not exist", args.new_owner);
            if args.fail_on_role {
                return Err(Failure::new(text));
            }
            let result = Return::new()
                .with("queries", Vec::<String>::new())
                .warn(text);
            return Ok(Verdict::Same(result));
        }
        let found = statement(args, &mut server, &mut warnings)?;
        let mut acts = Acts::new(warnings.into_iter().fold(Return::new(), Return::warn));
        let Some(sql) = found else {
            acts.result(|result| result.with("queries", Vec::<String>::new()));
            return Ok(acts.verdict());
        };
        // Undone: it only shows what would change.
        server.query("BEGIN")?;
        let before = owners(&mut server)?;
        server.query(&sql).map_err(|error| {
            let failure = Failure::from(error);
            Failure::new(format!("{}; the statement was {sql}", failure.message))
        })?;
        let after = owners(&mut server)?;
        server.query("ROLLBACK")?;
        if before == after {
            acts.result(|result| result.with("queries", Vec::<String>::new()));
            return Ok(acts.verdict());
        }
        acts.result(|result| result.with("queries", vec![sql.clone()]));
        acts.diff(state_diff("statements", "", &sql));
        acts.body(move |_| {
            server.together(&[(sql.clone(), sql)])?;
            Ok(Return::new())
        });
        Ok(acts.verdict())
    }
}
