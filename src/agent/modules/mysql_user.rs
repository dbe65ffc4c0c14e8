//! `mysql_user`: accounts of a MySQL or MariaDB server and what they may do.

mod grants;
mod password;

use ocplay_protocol::coerce;
use serde_json::{Map, Value};

use super::acts::{Acts, acting, state as state_diff};
use super::mysql_query::set_variables;
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};
use crate::sql::mysql::{Login, Server, mysql_arguments, quote};
use grants::Grants;

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
ocplay_protocol::choices! {
    /// When an account's password is set.
    pub(super) enum Update {
        Always = "always",
        OnCreate = "on_create",
        OnNewUsername = "on_new_username",
    }
}
ocplay_protocol::choices! {
    /// When a password expires.
    pub(super) enum Expire {
        Now = "now",
        Never = "never",
        Default = "default",
        Interval = "interval",
    }
}

mysql_arguments! {
    /// Creates, changes and removes accounts of MySQL and MariaDB, with their privileges.
    pub(super) struct Args {
        /// Name of the account; empty for anonymous.
        name: String ["user"],
        /// Host that it comes from.
        host: String = "localhost".to_owned(),
        /// All hosts that the account is known for.
        host_all: bool = false,
        /// Password.
        password: Option<String>,
        /// The password is given as mysql_native_password hashes it.
        encrypted: bool = false,
        /// Privileges: db.table:PRIV,PRIV/db2.*:ALL, or a mapping of the same.
        r#priv as "priv": Option<Value>,
        /// Add privileges to those that are there.
        append_privs: bool = false,
        /// Take privileges away.
        subtract_privs: bool = false,
        /// What its connections must have: SSL, X509, CIPHER, SUBJECT, ISSUER.
        tls_requires: Option<Map<String, Value>>,
        /// Whether changes get into the binary log.
        sql_log_bin: bool = true,
        /// Work in the database mysql, for filters of replication.
        force_context: bool = false,
        /// Wanted state.
        state: State = State::Present,
        /// When the password is set.
        update_password: Update = Update::Always,
        /// Plug-in that checks the account.
        plugin: Option<String>,
        /// What the plug-in keeps, as it keeps it.
        plugin_hash_string: Option<String>,
        /// What the plug-in keeps, in plain text.
        plugin_auth_string: Option<String>,
        /// Salt for the plug-in. Not supported.
        salt: Option<String>,
        /// Most queries, updates or connections an hour, or connections at once.
        resource_limits: Option<Map<String, Value>>,
        /// Variables of the session.
        session_vars: Option<Map<String, Value>>,
        /// When the password expires.
        password_expire: Option<Expire>,
        /// After how many days, with interval.
        password_expire_interval: Option<i64>,
        /// Leave the case of columns in privileges as it is.
        column_case_sensitive: Option<bool>,
        /// Nobody can log in.
        locked: Option<bool>,
        /// Attributes of the account (MySQL).
        attributes: Option<Map<String, Value>>,
    }
}

pub(super) struct MysqlUser;

/// What is done, with a form that may be shown.
struct Statement {
    sql: String,
    shown: String,
}

impl Statement {
    fn new(sql: String) -> Self {
        Self {
            shown: sql.clone(),
            sql,
        }
    }

    fn secret(sql: String, shown: String) -> Self {
        Self { sql, shown }
    }
}

fn account(user: &str, host: &str) -> String {
    format!("{}@{}", quote(user), quote(host))
}

fn hosts_of(server: &mut Server, user: &str) -> Result<Vec<String>, Failure> {
    let sql = format!("SELECT host FROM mysql.user WHERE user = {}", quote(user));
    Ok(server.query(&sql)?.column())
}

fn consistent(args: &Args) -> Result<(), Failure> {
    let wrong = |text: &str| Err(Failure::new(text));
    if args.append_privs && args.subtract_privs {
        return wrong("parameters are mutually exclusive: append_privs|subtract_privs");
    }
    if args.salt.is_some() {
        return wrong("salt is not supported; give the ready hash in plugin_hash_string");
    }
    if args.password_expire == Some(Expire::Interval) && args.password_expire_interval.is_none() {
        return wrong(
            "password_expire value interval should be used with password_expire_interval",
        );
    }
    if args.password.is_some() && args.plugin.is_some() {
        return wrong("parameters are mutually exclusive: password|plugin");
    }
    Ok(())
}

impl Module for MysqlUser {
    const NAME: &'static str = "mysql_user";
    const COLLECTION: &'static str = "community.mysql";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        consistent(args)?;
        let mut server = args.login().connect(look)?;
        set_variables(&mut server, args.session_vars.as_ref())?;
        if args.force_context {
            server.query("USE mysql")?;
        }
        let known = hosts_of(&mut server, &args.name)?;
        let hosts = if args.host_all && !known.is_empty() {
            known.clone()
        } else {
            vec![args.host.to_lowercase()]
        };
        let mut work = Work {
            args,
            look,
            server,
            statements: Vec::new(),
            password_changed: false,
            message: "User unchanged",
        };
        for host in &hosts {
            let there = known.iter().any(|known| known.eq_ignore_ascii_case(host));
            match (args.state, there) {
                (State::Absent, true) => {
                    let sql = format!("DROP USER {}", account(&args.name, host));
                    work.statements.push(Statement::new(sql));
                    work.message = "User deleted";
                }
                (State::Absent, false) => work.message = "User doesn't exist",
                (State::Present, true) => work.update(host)?,
                (State::Present, false) => work.create(host, known.first())?,
            }
        }
        let Work {
            mut server,
            statements,
            password_changed,
            message,
            ..
        } = work;
        let result = Return::new()
            .with("user", args.name.as_str())
            .with("msg", message)
            .with("password_changed", password_changed);
        let mut acts = Acts::new(result);
        if statements.is_empty() {
            return Ok(acts.verdict());
        }
        let shown: Vec<&str> = statements.iter().map(|one| one.shown.as_str()).collect();
        acts.diff(state_diff("statements", "", &shown.join("\n")));
        let log = args.sql_log_bin;
        acts.body(move |_| {
            if !log {
                server.query("SET SESSION sql_log_bin = 0")?;
            }
            for statement in statements {
                server.query(&statement.sql).map_err(|error| {
                    let failure = Failure::from(error);
                    Failure {
                        message: format!("{}: {}", statement.shown, failure.message),
                        ..failure
                    }
                })?;
            }
            Ok(Return::new())
        });
        Ok(acts.verdict())
    }
}

struct Work<'a> {
    args: &'a Args,
    look: &'a Look,
    server: Server,
    statements: Vec<Statement>,
    password_changed: bool,
    message: &'static str,
}

impl Work<'_> {
    fn is_mariadb(&self) -> bool {
        self.server.version.contains("MariaDB")
    }

    /// How the account proves itself, in SQL; with a form that may be shown.
    fn identified(&self) -> Option<(String, String)> {
        let args = self.args;
        if let Some(plugin) = &args.plugin {
            let with = format!(" IDENTIFIED WITH {plugin}");
            let using = if self.is_mariadb() { "USING" } else { "AS" };
            return Some(match (&args.plugin_hash_string, &args.plugin_auth_string) {
                (Some(hash), _) => (
                    format!("{with} {using} {}", quote(hash)),
                    format!("{with} {using} '********'"),
                ),
                (None, Some(text)) if self.is_mariadb() => (
                    format!("{with} USING PASSWORD({})", quote(text)),
                    format!("{with} USING PASSWORD('********')"),
                ),
                (None, Some(text)) => (
                    format!("{with} BY {}", quote(text)),
                    format!("{with} BY '********'"),
                ),
                (None, None) => (with.clone(), with),
            });
        }
        let password = args.password.as_ref()?;
        let shown = " IDENTIFIED BY '********'".to_owned();
        let sql = match (args.encrypted, self.is_mariadb()) {
            (true, true) => format!(" IDENTIFIED BY PASSWORD {}", quote(password)),
            (true, false) => {
                format!(
                    " IDENTIFIED WITH mysql_native_password AS {}",
                    quote(password)
                )
            }
            (false, _) => format!(" IDENTIFIED BY {}", quote(password)),
        };
        Some((sql, shown))
    }

    fn create(&mut self, host: &str, other: Option<&String>) -> Result<(), Failure> {
        let args = self.args;
        let who = account(&args.name, host);
        let mut identified = self.identified();
        // Another host's account of that name has a password already.
        if args.update_password == Update::OnNewUsername
            && let Some(other) = other
            && let Some((plugin, hash)) = password::kept(&mut self.server, &args.name, other)?
        {
            let using = if self.is_mariadb() { "USING" } else { "AS" };
            let with = format!(" IDENTIFIED WITH {plugin} {using}");
            identified = Some((
                format!("{with} {}", quote(&hash)),
                format!("{with} '********'"),
            ));
        }
        let (sql, shown) = identified.unwrap_or_default();
        self.password_changed |= !sql.is_empty();
        self.statements.push(Statement::secret(
            format!("CREATE USER {who}{sql}"),
            format!("CREATE USER {who}{shown}"),
        ));
        self.message = "User added";
        self.options(&who, host, true)?;
        if let Some(wanted) = self.wanted_grants()? {
            for sql in Grants::default().to(&wanted, &who, false) {
                self.statements.push(Statement::new(sql));
            }
        }
        Ok(())
    }

    fn wanted_grants(&self) -> Result<Option<Grants>, Failure> {
        let keep_case = self.args.column_case_sensitive == Some(true);
        let given = self.args.r#priv.as_ref();
        given
            .map(|given| Grants::read(given, keep_case))
            .transpose()
    }

    fn update(&mut self, host: &str) -> Result<(), Failure> {
        let args = self.args;
        let who = account(&args.name, host);
        let before = self.statements.len();
        if args.update_password == Update::Always
            && self.password_differs(host)?
            && let Some((sql, shown)) = self.identified()
        {
            self.password_changed = true;
            self.statements.push(Statement::secret(
                format!("ALTER USER {who}{sql}"),
                format!("ALTER USER {who}{shown}"),
            ));
        }
        self.options(&who, host, false)?;
        if let Some(wanted) = self.wanted_grants()? {
            let shown = self.server.query(&format!("SHOW GRANTS FOR {who}"))?;
            let is = Grants::parse(&shown.column());
            let statements = if args.subtract_privs {
                is.without(&wanted, &who)
            } else {
                is.to(&wanted, &who, args.append_privs)
            };
            self.statements
                .extend(statements.into_iter().map(Statement::new));
        }
        if self.statements.len() > before {
            self.message = if self.password_changed {
                "Password updated"
            } else {
                "Privileges updated"
            };
        }
        Ok(())
    }

    fn password_differs(&mut self, host: &str) -> Result<bool, Failure> {
        let args = self.args;
        let Some((plugin, hash)) = password::kept(&mut self.server, &args.name, host)? else {
            return Ok(args.password.is_some() || args.plugin.is_some());
        };
        if let Some(wanted) = &args.plugin {
            if !plugin.eq_ignore_ascii_case(wanted) {
                return Ok(true);
            }
            return Ok(match (&args.plugin_hash_string, &args.plugin_auth_string) {
                (Some(wanted), _) => *wanted != hash,
                (None, Some(text)) if plugin == "mysql_native_password" => {
                    password::native(text) != hash
                }
                (None, Some(text)) if plugin == "ed25519" || plugin == "caching_sha2_password" => {
                    !self.lets_in(text)
                }
                (None, Some(text)) => *text != hash,
                (None, None) => false,
            });
        }
        let Some(wanted) = &args.password else {
            return Ok(false);
        };
        if args.encrypted {
            return Ok(!wanted.eq_ignore_ascii_case(&hash));
        }
        Ok(match plugin.as_str() {
            "mysql_native_password" | "" => password::native(wanted) != hash,
            // Salted: only a try tells.
            _ => !self.lets_in(wanted),
        })
    }

    /// Whether the account can log in with a password, from here.
    fn lets_in(&self, password: &str) -> bool {
        let login = Login {
            user: Some(self.args.name.clone()),
            password: Some(password.to_owned()),
            config_file: "/nonexistent".into(),
            implicit_admin: false,
            ..self.args.login()
        };
        login.connect(self.look).is_ok()
    }

    /// Everything but password and privileges.
    fn options(&mut self, who: &str, host: &str, fresh: bool) -> Result<(), Failure> {
        let args = self.args;
        let found = password::options(&mut self.server, &args.name, host, fresh)?;
        let mut alter = |text: String| {
            let sql = format!("ALTER USER {who}{text}");
            self.statements.push(Statement::new(sql));
        };
        if let Some(wanted) = &args.tls_requires {
            let text = requirement(wanted)?;
            if found.requirement != text {
                alter(format!(" REQUIRE {text}"));
            }
        }
        if let Some(limits) = &args.resource_limits {
            let mut text = String::new();
            for (name, value) in limits {
                let name = name.to_uppercase();
                let wanted = coerce::integer(value)?;
                let is = found
                    .limit(&name)
                    .ok_or_else(|| Failure::new(format!("resource_limits: {name} is no limit")))?;
                if is != wanted {
                    text.push_str(&format!(" {name} {wanted}"));
                }
            }
            if !text.is_empty() {
                alter(format!(" WITH{text}"));
            }
        }
        if let Some(locked) = args.locked
            && found.locked != locked
        {
            alter(format!(
                " ACCOUNT {}",
                if locked { "LOCK" } else { "UNLOCK" }
            ));
        }
        if let Some(expire) = args.password_expire {
            let days = args.password_expire_interval.unwrap_or(0);
            let (text, same) = match expire {
                Expire::Now => (String::new(), found.expired),
                Expire::Never => (" NEVER".to_owned(), found.lifetime == Some(0)),
                Expire::Default => (" DEFAULT".to_owned(), found.lifetime.is_none()),
                Expire::Interval => (
                    format!(" INTERVAL {days} DAY"),
                    found.lifetime == Some(days),
                ),
            };
            if !same {
                alter(format!(" PASSWORD EXPIRE{text}"));
            }
        }
        if let Some(attributes) = &args.attributes {
            let is = found
                .attributes
                .as_ref()
                .ok_or("attributes are known to MySQL 8 and newer only, not to this server")?;
            let changed: Map<String, Value> = attributes
                .iter()
                .filter(|(key, value)| is.get(*key).unwrap_or(&Value::Null) != *value)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            if !changed.is_empty() {
                let text = Value::Object(changed).to_string();
                alter(format!(" ATTRIBUTE {}", quote(&text)));
            }
        }
        Ok(())
    }
}

/// The words behind REQUIRE.
fn requirement(wanted: &Map<String, Value>) -> Result<String, Failure> {
    let mut parts = Vec::new();
    for (key, value) in wanted {
        match key.to_uppercase().as_str() {
            word @ ("SSL" | "X509") => return Ok(word.to_owned()),
            "NONE" => return Ok("NONE".to_owned()),
            word @ ("CIPHER" | "SUBJECT" | "ISSUER") => {
                parts.push(format!("{word} {}", quote(&coerce::text(value)?)));
            }
            other => return Err(Failure::new(format!("tls_requires: {other} is not known"))),
        }
    }
    parts.sort();
    Ok(if parts.is_empty() {
        "NONE".to_owned()
    } else {
        parts.join(" AND ")
    })
}
