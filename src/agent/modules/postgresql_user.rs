//! `postgresql_user`: roles that can log in to a PostgreSQL server.

use ocplay_protocol::coerce;
use serde_json::{Map, Value};

use super::acts::{Acts, acting, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};
use crate::sql::postgresql::{Server, is_password, name, postgresql_arguments, quote};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}

postgresql_arguments! {
    /// Creates, changes and removes roles of PostgreSQL.
    pub(super) struct Args {
        /// Name of the role.
        name: String ["user"],
        /// Wanted state.
        state: State = State::Present,
        /// Password, plain or as the server keeps it; an empty one is removed.
        password: Option<String>,
        /// Database to log in to.
        login_db: String ["db"] = String::new(),
        /// A role that cannot be removed is an error.
        fail_on_user: bool ["fail_on_role"] = true,
        /// What the role may do, with commas: SUPERUSER, CREATEROLE, CREATEDB, INHERIT, LOGIN, REPLICATION, BYPASSRLS; or
        /// one of them with NO before it.
        role_attr_flags: String = String::new(),
        /// The server keeps the password encrypted; it cannot do otherwise since version 10.
        encrypted: bool = true,
        /// Until when the password holds.
        expires: Option<String>,
        /// The password of a role that is there stays.
        no_password_changes: bool = false,
        /// Most connections at once; -1 is any number.
        conn_limit: Option<i64>,
        /// Comment; an empty one is removed.
        comment: Option<String>,
        /// Settings of the role's sessions.
        configuration: Option<Map<String, Value>>,
        /// Settings that are not named are reset.
        reset_unspecified_configuration: bool = false,
        /// Values of settings are single texts; otherwise they are written as they are.
        quote_configuration_values: bool = true,
    }
}

pub(super) struct PostgresqlUser;

/// Flags, with the columns that they are kept in.
const FLAGS: [(&str, &str); 7] = [
    ("SUPERUSER", "rolsuper"),
    ("CREATEROLE", "rolcreaterole"),
    ("CREATEDB", "rolcreatedb"),
    ("INHERIT", "rolinherit"),
    ("LOGIN", "rolcanlogin"),
    ("REPLICATION", "rolreplication"),
    ("BYPASSRLS", "rolbypassrls"),
];

/// The flags as wanted, with columns.
fn flags(args: &Args) -> Result<Vec<(String, &'static str, bool)>, Failure> {
    let words = args
        .role_attr_flags
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words
        .map(|word| {
            let word = word.to_uppercase();
            let known = |text: &str| FLAGS.iter().find(|(flag, _)| *flag == text).map(|(_, column)| *column);
            if let Some(column) = known(&word) {
                return Ok((word, column, true));
            }
            let column = word.strip_prefix("NO").and_then(known);
            column.map(|column| (word.clone(), column, false)).ok_or_else(|| {
                let all: Vec<&str> = FLAGS.iter().map(|(flag, _)| *flag).collect();
                Failure::new(format!(
                    "Invalid role_attr_flags specified: {word}; known are {}, also with NO before them",
                    all.join(", ")
                ))
            })
        })
        .collect()
}

/// A statement with a form that may be shown.
type Statement = (String, String);

fn plain(sql: String) -> Statement {
    (sql.clone(), sql)
}

/// What is set behind the name of a role; the second form may be shown.
#[derive(Default)]
struct Clauses {
    sql: String,
    shown: String,
}

impl Clauses {
    fn add(&mut self, text: &str) {
        self.secret(text, text);
    }

    fn secret(&mut self, text: &str, shown: &str) {
        self.sql.push_str(&format!(" {text}"));
        self.shown.push_str(&format!(" {shown}"));
    }

    fn password(&mut self, args: &Args, password: &str) {
        if password.is_empty() {
            self.add("PASSWORD NULL");
            return;
        }
        let word = if args.encrypted {
            "ENCRYPTED PASSWORD"
        } else {
            "UNENCRYPTED PASSWORD"
        };
        self.secret(
            &format!("{word} {}", quote(password)),
            &format!("{word} '********'"),
        );
    }

    fn statement(self, start: &str) -> Option<Statement> {
        let with = if self.sql.is_empty() { "" } else { " WITH" };
        (!self.sql.is_empty()).then(|| {
            (
                format!("{start}{with}{}", self.sql),
                format!("{start}{with}{}", self.shown),
            )
        })
    }
}

fn creation(args: &Args) -> Result<Vec<Statement>, Failure> {
    let role = name(&args.name);
    let mut clauses = Clauses::default();
    if let Some(password) = args.password.as_ref().filter(|text| !text.is_empty()) {
        clauses.password(args, password);
    }
    if let Some(expires) = &args.expires {
        clauses.add(&format!("VALID UNTIL {}", quote(expires)));
    }
    if let Some(limit) = args.conn_limit {
        clauses.add(&format!("CONNECTION LIMIT {limit}"));
    }
    for (word, ..) in flags(args)? {
        clauses.add(&word);
    }
    let start = format!("CREATE USER {role}");
    let first = clauses.statement(&start).unwrap_or_else(|| plain(start));
    let mut all = vec![first];
    if let Some(comment) = args.comment.as_ref().filter(|text| !text.is_empty()) {
        all.push(plain(format!(
            "COMMENT ON ROLE {role} IS {}",
            quote(comment)
        )));
    }
    all.extend(settings(args, &[])?.into_iter().map(plain));
    Ok(all)
}

/// Whether the password that the server keeps is another one.
fn password_differs(args: &Args, server: &mut Server, password: &str) -> Result<bool, Failure> {
    let sql = format!(
        "SELECT rolpassword FROM pg_authid WHERE rolname = {}",
        quote(&args.name)
    );
    match server.query(&sql) {
        Ok(answer) => Ok(match answer.value() {
            Some(kept) if !password.is_empty() => !is_password(&args.name, password, kept),
            Some(_) => true,
            None => !password.is_empty(),
        }),
        // Only superusers may look; others set it in any case.
        Err(error) if error.code() == "42501" => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn changes(args: &Args, server: &mut Server) -> Result<Vec<Statement>, Failure> {
    let role = name(&args.name);
    let quoted = quote(&args.name);
    let mut clauses = Clauses::default();
    if let Some(password) = &args.password
        && !args.no_password_changes
        && password_differs(args, server, password)?
    {
        clauses.password(args, password);
    }
    if let Some(expires) = &args.expires {
        let sql = format!(
            "SELECT rolvaliduntil IS NOT DISTINCT FROM {}::timestamptz FROM pg_roles WHERE rolname = {quoted}",
            quote(expires)
        );
        if server.query(&sql)?.value() != Some("t") {
            clauses.add(&format!("VALID UNTIL {}", quote(expires)));
        }
    }
    let wanted = flags(args)?;
    let columns: Vec<&str> = FLAGS.iter().map(|(_, column)| *column).collect();
    let sql = format!(
        "SELECT rolconnlimit, shobj_description(oid, 'pg_authid'), {} FROM pg_roles WHERE rolname = {quoted}",
        columns.join(", ")
    );
    let row = server.query(&sql)?.row().unwrap_or_default();
    let cell = |at: usize| row.get(at).map_or("", String::as_str);
    if let Some(limit) = args.conn_limit
        && cell(0) != limit.to_string()
    {
        clauses.add(&format!("CONNECTION LIMIT {limit}"));
    }
    for (word, column, on) in wanted {
        let at = columns
            .iter()
            .position(|known| *known == column)
            .unwrap_or(0);
        if (cell(at + 2) == "t") != on {
            clauses.add(&word);
        }
    }
    let mut all: Vec<Statement> = clauses
        .statement(&format!("ALTER USER {role}"))
        .into_iter()
        .collect();
    if let Some(comment) = &args.comment
        && comment != cell(1)
    {
        let comment = if comment.is_empty() {
            "NULL".to_owned()
        } else {
            quote(comment)
        };
        all.push(plain(format!("COMMENT ON ROLE {role} IS {comment}")));
    }
    if args.configuration.is_some() || args.reset_unspecified_configuration {
        let sql = format!(
            "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole \
             WHERE s.setdatabase = 0 AND rolname = {quoted}"
        );
        let is = server.query(&sql)?.column();
        all.extend(settings(args, &is)?.into_iter().map(plain));
    }
    Ok(all)
}

/// Statements for settings; `is` has lines `name=value`.
fn settings(args: &Args, is: &[String]) -> Result<Vec<String>, Failure> {
    let role = name(&args.name);
    let is: Vec<(&str, &str)> = is.iter().filter_map(|line| line.split_once('=')).collect();
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let mut all = Vec::new();
    for (key, value) in args.configuration.iter().flatten() {
        let text = match value {
            Value::Bool(true) => "on".to_owned(),
            Value::Bool(false) => "off".to_owned(),
            other => coerce::text(other)?,
        };
        let there = is.iter().find(|(known, _)| same(known, key));
        // Lists come back with spaces behind commas.
        let bare = |text: &str| text.replace([' ', '"', '\''], "");
        let fits = there.is_some_and(|(_, is)| {
            *is == text || (!args.quote_configuration_values && bare(is) == bare(&text))
        });
        if !fits {
            let text = if args.quote_configuration_values {
                quote(&text)
            } else {
                text
            };
            all.push(format!("ALTER ROLE {role} SET {} TO {text}", name(key)));
        }
    }
    if args.reset_unspecified_configuration {
        let wanted = args.configuration.clone().unwrap_or_default();
        for (key, _) in is {
            if !wanted.keys().any(|wanted| same(wanted, key)) {
                all.push(format!("ALTER ROLE {role} RESET {}", name(key)));
            }
        }
    }
    Ok(all)
}

impl Module for PostgresqlUser {
    const NAME: &'static str = "postgresql_user";
    const COLLECTION: &'static str = "community.postgresql";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        flags(args)?;
        let mut server = args.login(&args.login_db).connect(look)?;
        let sql = format!(
            "SELECT 1 FROM pg_roles WHERE rolname = {}",
            quote(&args.name)
        );
        let there = server.query(&sql)?.value().is_some();
        let statements = match (args.state, there) {
            (State::Present, false) => creation(args)?,
            (State::Present, true) => changes(args, &mut server)?,
            (State::Absent, true) => vec![plain(format!("DROP USER {}", name(&args.name)))],
            (State::Absent, false) => Vec::new(),
        };
        let shown: Vec<String> = statements.iter().map(|(_, shown)| shown.clone()).collect();
        let mut acts = Acts::new(
            Return::new()
                .with("user", args.name.as_str())
                .with("queries", shown.clone()),
        );
        if statements.is_empty() {
            return Ok(acts.verdict());
        }
        acts.diff(state_diff("statements", "", &shown.join("\n")));
        let (absent, fail) = (args.state == State::Absent, args.fail_on_user);
        acts.body(move |_| {
            let done = server.together(&statements);
            if !absent {
                return done.map(|()| Return::new());
            }
            match done {
                Ok(()) => Ok(Return::new().with("user_removed", true)),
                Err(failure) if fail => Err(Failure::new(format!(
                    "Unable to remove user: {}",
                    failure.message
                ))),
                Err(_) => Ok(Return::new().with("user_removed", false).changed(false)),
            }
        });
        Ok(acts.verdict())
    }
}
