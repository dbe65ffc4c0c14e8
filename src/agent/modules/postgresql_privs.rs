//! `postgresql_privs`: what roles may do with things in a PostgreSQL database.

use super::acts::{Acts, acting, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};
use crate::sql::postgresql::{Server, name, postgresql_arguments, quote};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}
ocplay_protocol::choices! {
    /// Kinds of things.
    pub(super) enum Kind {
        Database = "database",
        DefaultPrivs = "default_privs",
        Wrapper = "foreign_data_wrapper",
        Server = "foreign_server",
        Function = "function",
        Group = "group",
        Language = "language",
        Table = "table",
        Tablespace = "tablespace",
        Schema = "schema",
        Sequence = "sequence",
        Type = "type",
        Procedure = "procedure",
        Parameter = "parameter",
    }
}

postgresql_arguments! {
    /// Grants and takes away privileges on things in a PostgreSQL database, and membership in roles. What would change is
    /// found by a transaction that is undone.
    pub(super) struct Args {
        /// Database to log in to.
        login_db: String ["db", "database"],
        /// Wanted state.
        state: State = State::Present,
        /// Privileges, with commas; not for groups.
        privs: Option<String> ["priv"],
        /// Kind of things.
        kind as "type": Kind = Kind::Table,
        /// Names of things, with commas; arguments of functions have colons between. ALL_IN_SCHEMA stands for all of a schema,
        /// ALL_DEFAULT for all kinds of default privileges.
        objs: Option<String> ["obj"],
        /// Schema of the things; not-specified is for default privileges in all schemas.
        schema: Option<String>,
        /// Roles, with commas; PUBLIC stands for everybody.
        roles: String ["role"],
        /// Roles whose new things default privileges are for.
        target_roles: Option<String>,
        /// Whether the roles may grant the privileges, too.
        grant_option: Option<bool> ["admin_option"],
        /// A role that does not exist is an error.
        fail_on_role: bool = true,
    }
}

pub(super) struct PostgresqlPrivs;

const PRIVILEGES: [&str; 18] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
    "CREATE",
    "CONNECT",
    "TEMPORARY",
    "TEMP",
    "EXECUTE",
    "USAGE",
    "SET",
    "ALTER SYSTEM",
    "ALL",
    "ALL PRIVILEGES",
];

fn list(text: &str) -> Vec<&str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

impl Kind {
    fn has_schema(self) -> bool {
        matches!(
            self,
            Self::Table
                | Self::Sequence
                | Self::Function
                | Self::Procedure
                | Self::Type
                | Self::DefaultPrivs
        )
    }

    /// The word of SQL.
    fn sql(self) -> &'static str {
        match self {
            Self::Wrapper => "FOREIGN DATA WRAPPER",
            Self::Server => "FOREIGN SERVER",
            other => other.word(),
        }
    }

    /// A query for all grants on things of this kind.
    fn grants(self, schema: &str) -> String {
        let of = |table: &str, prefix: &str, owner: &str, letter: &str, more: &str| {
            format!(
                "SELECT o.oid || ' ' || a::text FROM {table} o, \
                 unnest(coalesce(o.{prefix}acl, acldefault('{letter}', o.{owner}))) a{more}"
            )
        };
        let inside = |column: &str| {
            format!(
                " WHERE o.{column} = (SELECT n.oid FROM pg_namespace n WHERE nspname = {})",
                quote(schema)
            )
        };
        match self {
            Self::Table | Self::Sequence => {
                let letter = if self == Self::Table { "r" } else { "s" };
                let only = if self == Self::Table { "<>" } else { "=" };
                let more = format!("{} AND o.relkind {only} 'S'", inside("relnamespace"));
                of("pg_class", "rel", "relowner", letter, &more)
            }
            Self::Function | Self::Procedure => of("pg_proc", "pro", "proowner", "f", &inside("pronamespace")),
            Self::Type => of("pg_type", "typ", "typowner", "T", &inside("typnamespace")),
            Self::Database => of("pg_database", "dat", "datdba", "d", ""),
            Self::Schema => of("pg_namespace", "nsp", "nspowner", "n", ""),
            Self::Language => of("pg_language", "lan", "lanowner", "l", ""),
            Self::Tablespace => of("pg_tablespace", "spc", "spcowner", "t", ""),
            Self::Wrapper => of("pg_foreign_data_wrapper", "fdw", "fdwowner", "F", ""),
            Self::Server => of("pg_foreign_server", "srv", "srvowner", "S", ""),
            Self::Parameter => {
                "SELECT parname || ' ' || a::text FROM pg_parameter_acl, unnest(paracl) a".to_owned()
            }
            Self::Group => {
                "SELECT roleid || ' ' || member || ' ' || admin_option FROM pg_auth_members".to_owned()
            }
            Self::DefaultPrivs => "SELECT defaclrole || ' ' || defaclnamespace || ' ' || defaclobjtype::text || ' ' || a::text \
                                   FROM pg_default_acl, unnest(defaclacl) a"
                .to_owned(),
        }
    }
}

impl Args {
    fn schema(&self) -> Result<&str, Failure> {
        match &self.schema {
            Some(_) if !self.kind.has_schema() => {
                Err("Argument \"schema\" is not allowed for this type".into())
            }
            Some(schema) => Ok(schema),
            None => Ok("public"),
        }
    }

    fn privileges(&self) -> Result<String, Failure> {
        let given = self.privs.as_deref().unwrap_or_default();
        let upper = given.to_uppercase();
        let all = list(&upper);
        if self.kind == Kind::Group {
            if !all.is_empty() {
                return Err("Argument \"privs\" is not allowed for type group".into());
            }
            return Ok(String::new());
        }
        if all.is_empty() {
            return Err("Argument \"privs\" is required for this type".into());
        }
        if let Some(wrong) = all.iter().find(|word| !PRIVILEGES.contains(word)) {
            return Err(Failure::new(format!(
                "Invalid privileges specified: {wrong}; known are {}",
                PRIVILEGES.join(", ")
            )));
        }
        Ok(all.join(","))
    }

    /// Names of things as SQL has them.
    fn things(&self, server: &mut Server) -> Result<Vec<String>, Failure> {
        let given = match (&self.objs, self.kind) {
            (Some(text), _) if !text.trim().is_empty() => text.as_str(),
            (_, Kind::Database) => &self.login_db,
            _ => return Err("Argument \"objs\" is required for this type".into()),
        };
        let schema = self.schema()?;
        let inside = |thing: &str| format!("{}.{}", name(schema), name(thing));
        // Arguments are names of types, which stay as they are written.
        let called = |thing: &str| -> Result<String, Failure> {
            let (start, arguments) = thing.split_once('(').ok_or_else(|| {
                Failure::new(format!(
                    "Illegal function / procedure signature: \"{thing}\"; write name(type:type)"
                ))
            })?;
            let arguments = arguments.trim_end().trim_end_matches(')').replace(':', ",");
            if arguments.contains([';', '\'']) {
                return Err(Failure::new(format!(
                    "Illegal function / procedure signature: \"{thing}\""
                )));
            }
            Ok(format!("{}({arguments})", inside(start.trim())))
        };
        if given == "ALL_IN_SCHEMA" {
            let place = quote(schema);
            let sql = match self.kind {
                Kind::Table | Kind::Sequence => format!(
                    "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE nspname = {place} AND relkind {} ORDER BY 1",
                    if self.kind == Kind::Table {
                        "IN ('r', 'v', 'm', 'p', 'f')"
                    } else {
                        "= 'S'"
                    }
                ),
                Kind::Function | Kind::Procedure => format!(
                    "SELECT proname || '(' || oidvectortypes(proargtypes) || ')' FROM pg_proc p \
                     JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname = {place} AND prokind {} ORDER BY 1",
                    if self.kind == Kind::Procedure {
                        "= 'p'"
                    } else {
                        "<> 'p'"
                    }
                ),
                _ => {
                    return Err(
                        "ALL_IN_SCHEMA is for tables, sequences, functions and procedures only"
                            .into(),
                    );
                }
            };
            let found = server.query(&sql)?.column();
            let functions = matches!(self.kind, Kind::Function | Kind::Procedure);
            return found
                .iter()
                .map(|thing| {
                    if functions {
                        called(thing)
                    } else {
                        Ok(inside(thing))
                    }
                })
                .collect();
        }
        list(given)
            .into_iter()
            .map(|thing| match self.kind {
                Kind::Table | Kind::Sequence | Kind::Type => Ok(inside(thing)),
                Kind::Function | Kind::Procedure => called(thing),
                Kind::DefaultPrivs => Ok(thing.to_uppercase()),
                _ => Ok(name(thing)),
            })
            .collect()
    }

    /// The statements; none where there is nothing to grant on.
    fn statements(&self, server: &mut Server, roles: &str) -> Result<Vec<String>, Failure> {
        let privileges = self.privileges()?;
        let things = self.things(server)?;
        if things.is_empty() {
            return Ok(Vec::new());
        }
        if self.kind == Kind::DefaultPrivs {
            return self.defaults(&privileges, &things, roles);
        }
        let group = self.kind == Kind::Group;
        let what = if group {
            things.join(",")
        } else {
            format!("{privileges} ON {} {}", self.kind.sql(), things.join(","))
        };
        let option = if group {
            "ADMIN OPTION"
        } else {
            "GRANT OPTION"
        };
        let grant = format!("GRANT {what} TO {roles}");
        let revoke_option = format!("REVOKE {option} FOR {what} FROM {roles};");
        Ok(match (self.state, self.grant_option) {
            (State::Present, Some(true)) => vec![format!("{grant} WITH {option};")],
            (State::Present, Some(false)) => vec![format!("{grant};"), revoke_option],
            (State::Present, None) => vec![format!("{grant};")],
            (State::Absent, Some(true)) => vec![revoke_option],
            (State::Absent, _) => vec![format!("REVOKE {what} FROM {roles};")],
        })
    }

    fn defaults(
        &self,
        privileges: &str,
        kinds: &[String],
        roles: &str,
    ) -> Result<Vec<String>, Failure> {
        const KINDS: [&str; 5] = ["FUNCTIONS", "SEQUENCES", "TABLES", "TYPES", "SCHEMAS"];
        let kinds: Vec<&str> = if kinds == ["ALL_DEFAULT"] {
            KINDS[..4].to_vec()
        } else {
            kinds.iter().map(String::as_str).collect()
        };
        if let Some(wrong) = kinds.iter().find(|kind| !KINDS.contains(kind)) {
            return Err(Failure::new(format!(
                "{wrong} has no default privileges; known are ALL_DEFAULT, {}",
                KINDS.join(", ")
            )));
        }
        let mut start = "ALTER DEFAULT PRIVILEGES".to_owned();
        if let Some(targets) = &self.target_roles {
            let targets: Vec<String> = list(targets).into_iter().map(name).collect();
            start.push_str(&format!(" FOR ROLE {}", targets.join(",")));
        }
        let schema = self.schema()?;
        // Schemas are in no schema.
        if schema != "not-specified" && kinds != ["SCHEMAS"] {
            start.push_str(&format!(" IN SCHEMA {}", name(schema)));
        }
        let mut all = Vec::new();
        if self.state == State::Absent {
            for kind in kinds {
                all.push(format!(
                    "{start} REVOKE {privileges} ON {kind} FROM {roles};"
                ));
            }
            return Ok(all);
        }
        for kind in &kinds {
            all.push(format!("{start} REVOKE ALL ON {kind} FROM {roles};"));
        }
        let option = if self.grant_option == Some(true) {
            " WITH GRANT OPTION"
        } else {
            ""
        };
        for kind in &kinds {
            all.push(format!(
                "{start} GRANT {privileges} ON {kind} TO {roles}{option};"
            ));
        }
        Ok(all)
    }

    /// The roles that exist, as SQL has them, and a warning for each that does not.
    fn existing(&self, server: &mut Server) -> Result<(Vec<String>, Vec<String>), Failure> {
        let (mut roles, mut warnings) = (Vec::new(), Vec::new());
        for role in list(&self.roles) {
            if role.eq_ignore_ascii_case("PUBLIC") && self.kind != Kind::Group {
                roles.push("PUBLIC".to_owned());
                continue;
            }
            let sql = format!("SELECT 1 FROM pg_roles WHERE rolname = {}", quote(role));
            if server.query(&sql)?.value().is_some() {
                roles.push(name(role));
            } else if self.fail_on_role {
                return Err(Failure::new(format!("Role '{role}' does not exist")));
            } else {
                warnings.push(format!("Role '{role}' does not exist, pass it"));
            }
        }
        Ok((roles, warnings))
    }
}

fn snapshot(server: &mut Server, args: &Args) -> Result<Vec<String>, Failure> {
    let mut all = server.query(&args.kind.grants(args.schema()?))?.column();
    all.sort();
    Ok(all)
}

impl Module for PostgresqlPrivs {
    const NAME: &'static str = "postgresql_privs";
    const COLLECTION: &'static str = "community.postgresql";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        args.privileges()?;
        args.schema()?;
        if args.target_roles.is_some() && args.kind != Kind::DefaultPrivs {
            return Err("Argument \"target_roles\" is for type default_privs only".into());
        }
        let mut server = args.login(&args.login_db).connect(look)?;
        let (roles, warnings) = args.existing(&mut server)?;
        let mut acts = Acts::new(warnings.into_iter().fold(Return::new(), Return::warn));
        if roles.is_empty() {
            return Ok(acts.verdict());
        }
        let statements = args.statements(&mut server, &roles.join(","))?;
        if statements.is_empty() {
            acts.result(|result| result.with("queries", Vec::<String>::new()));
            return Ok(acts.verdict());
        }
        acts.result(|result| result.with("queries", vec![statements.join("\n")]));
        // Undone: it only shows what would change.
        server.query("BEGIN")?;
        let before = snapshot(&mut server, args)?;
        for sql in &statements {
            server.query(sql).map_err(|error| {
                let failure = Failure::from(error);
                Failure::new(format!("{}; the statement was {sql}", failure.message))
            })?;
        }
        let after = snapshot(&mut server, args)?;
        server.query("ROLLBACK")?;
        if before == after {
            return Ok(acts.verdict());
        }
        acts.diff(state_diff("statements", "", &statements.join("\n")));
        let statements: Vec<(String, String)> = statements
            .into_iter()
            .map(|sql| (sql.clone(), sql))
            .collect();
        acts.body(move |_| {
            server.together(&statements)?;
            Ok(Return::new())
        });
        Ok(acts.verdict())
    }
}
