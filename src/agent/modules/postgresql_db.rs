//! `postgresql_db`: databases of a PostgreSQL server.

use std::path::{Path, PathBuf};

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Mode, Return, Settled, Touch, parent, words};
use crate::sql::postgresql::{Server, name, postgresql_arguments, quote};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State {
        Absent = "absent",
        Dump = "dump",
        Present = "present",
        Rename = "rename",
        Restore = "restore",
    }
}

postgresql_arguments! {
    /// Creates, changes, removes, renames, dumps and restores databases of PostgreSQL.
    pub(super) struct Args {
        /// Name of the database.
        name: String ["db"],
        /// Wanted state.
        state: State = State::Present,
        /// Role that owns it.
        owner: String = String::new(),
        /// Database that it is made as a copy of.
        template: String = String::new(),
        /// Encoding of its texts.
        encoding: String = String::new(),
        /// Order of its texts.
        lc_collate: String = String::new(),
        /// Kinds of letters in its texts.
        lc_ctype: String = String::new(),
        /// Locale of ICU.
        icu_locale: Option<String>,
        /// Who provides locales: libc or icu.
        locale_provider: String = String::new(),
        /// Most connections at once.
        conn_limit: String = String::new(),
        /// Place where its files are.
        tablespace: String = String::new(),
        /// Comment; an empty one is removed.
        comment: Option<String>,
        /// Throw users out when it is removed.
        force: bool = false,
        /// File of the dump, or the new name. Its end says how it is written: .sql, .tar, .pgc, .dir, .gz, .bz2 or .xz.
        target: Option<PathBuf>,
        /// Further options of pg_dump, pg_restore or psql.
        target_opts: String = String::new(),
        /// Further options of pg_dump.
        dump_extra_args: Option<String>,
        /// Database to log in to while others are made or removed.
        maintenance_db: String = "postgres".to_owned(),
    }
}

pub(super) struct PostgresqlDb;

/// What the server says of a database.
struct Found {
    owner: String,
    encoding: String,
    collate: String,
    ctype: String,
    provider: String,
    icu: String,
    limit: String,
    tablespace: String,
    comment: String,
}

fn find(server: &mut Server, database: &str) -> Result<Option<Found>, Failure> {
    let (major, _) = server.version_numbers();
    let (provider, icu) = match major {
        ..15 => ("'c'", "''"),
        15 | 16 => ("datlocprovider", "daticulocale"),
        _ => ("datlocprovider", "datlocale"),
    };
    let sql = format!(
        "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, {provider}, {icu}, \
         datconnlimit, spcname, shobj_description(d.oid, 'pg_database') \
         FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE datname = {}",
        quote(database)
    );
    let Some(row) = server.query(&sql)?.row() else {
        return Ok(None);
    };
    let [
        owner,
        encoding,
        collate,
        ctype,
        provider,
        icu,
        limit,
        tablespace,
        comment,
    ] = <[String; 9]>::try_from(row)
        .map_err(|_| Failure::new("the server gave other columns than asked for"))?;
    Ok(Some(Found {
        owner,
        encoding,
        collate,
        ctype,
        provider: if provider == "i" { "icu" } else { "libc" }.to_owned(),
        icu,
        limit,
        tablespace,
        comment,
    }))
}

fn same_encoding(server: &mut Server, one: &str, other: &str) -> Result<bool, Failure> {
    let sql = format!(
        "SELECT pg_char_to_encoding({}) = pg_char_to_encoding({})",
        quote(one),
        quote(other)
    );
    Ok(server.query(&sql)?.value() == Some("t"))
}

/// The number of connections, checked.
fn limit(args: &Args) -> Result<Option<i64>, Failure> {
    match args.conn_limit.trim() {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| Failure::new(format!("conn_limit: '{text}' is no whole number"))),
    }
}

fn creation(args: &Args) -> Result<Vec<String>, Failure> {
    let database = name(&args.name);
    let mut sql = format!("CREATE DATABASE {database}");
    for (word, text, quoted) in [
        ("OWNER", &args.owner, name as fn(&str) -> String),
        ("TEMPLATE", &args.template, name),
        ("ENCODING", &args.encoding, quote),
        ("LC_COLLATE", &args.lc_collate, quote),
        ("LC_CTYPE", &args.lc_ctype, quote),
        ("LOCALE_PROVIDER", &args.locale_provider, name),
        (
            "ICU_LOCALE",
            &args.icu_locale.clone().unwrap_or_default(),
            quote,
        ),
        ("TABLESPACE", &args.tablespace, name),
    ] {
        if !text.is_empty() {
            sql.push_str(&format!(" {word} {}", quoted(text)));
        }
    }
    if let Some(limit) = limit(args)? {
        sql.push_str(&format!(" CONNECTION LIMIT {limit}"));
    }
    let mut all = vec![sql];
    if let Some(comment) = args.comment.as_ref().filter(|text| !text.is_empty()) {
        all.push(format!(
            "COMMENT ON DATABASE {database} IS {}",
            quote(comment)
        ));
    }
    Ok(all)
}

fn changes(args: &Args, server: &mut Server, is: &Found) -> Result<Vec<String>, Failure> {
    let fixed = |what: &str, is: &str, wanted: &str| {
        Err(Failure::new(format!(
            "Changing {what} is not supported. Current {what}: {is}, wanted: {wanted}"
        )))
    };
    if !args.encoding.is_empty() && !same_encoding(server, &args.encoding, &is.encoding)? {
        return fixed("database encoding", &is.encoding, &args.encoding);
    }
    let icu = args.icu_locale.clone().unwrap_or_default();
    for (what, is, wanted) in [
        ("LC_COLLATE", &is.collate, &args.lc_collate),
        ("LC_CTYPE", &is.ctype, &args.lc_ctype),
        ("ICU_LOCALE", &is.icu, &icu),
        ("LOCALE_PROVIDER", &is.provider, &args.locale_provider),
    ] {
        if !wanted.is_empty() && is != wanted {
            return fixed(what, is, wanted);
        }
    }
    let database = name(&args.name);
    let mut all = Vec::new();
    if !args.owner.is_empty() && args.owner != is.owner {
        all.push(format!(
            "ALTER DATABASE {database} OWNER TO {}",
            name(&args.owner)
        ));
    }
    if let Some(limit) = limit(args)?
        && limit.to_string() != is.limit
    {
        all.push(format!(
            "ALTER DATABASE {database} CONNECTION LIMIT {limit}"
        ));
    }
    if !args.tablespace.is_empty() && args.tablespace != is.tablespace {
        all.push(format!(
            "ALTER DATABASE {database} SET TABLESPACE {}",
            name(&args.tablespace)
        ));
    }
    if let Some(comment) = &args.comment
        && *comment != is.comment
    {
        let comment = if comment.is_empty() {
            "NULL".to_owned()
        } else {
            quote(comment)
        };
        all.push(format!("COMMENT ON DATABASE {database} IS {comment}"));
    }
    Ok(all)
}

fn removal(args: &Args, server: &Server) -> Vec<String> {
    let database = name(&args.name);
    let mut all = Vec::new();
    let mut how = "";
    if args.force && server.version_numbers().0 >= 13 {
        how = " WITH (FORCE)";
    } else if args.force {
        all.push(format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid()",
            quote(&args.name)
        ));
    }
    all.push(format!("DROP DATABASE {database}{how}"));
    all
}

/// Packs and unpacks a target by its name.
fn packer(target: &Path) -> Option<&'static str> {
    match target.extension()?.to_str()? {
        "gz" => Some("gzip"),
        "bz2" => Some("bzip2"),
        "xz" => Some("xz"),
        _ => None,
    }
}

/// The word for pg_dump and pg_restore; plain statements have none.
fn format(target: &Path) -> Option<&'static str> {
    match target.extension()?.to_str()? {
        "tar" => Some("tar"),
        "pgc" => Some("custom"),
        "dir" => Some("directory"),
        _ => None,
    }
}

/// Words for a client program; the password is in its environment.
fn client(args: &Args, look: &Look, program: &str) -> Result<Vec<String>, Failure> {
    need(look, program, "postgresql-client")?;
    let login = args.login(&args.name);
    let mut all = vec![
        program.to_owned(),
        format!("--host={}", login.place(look)),
        format!("--port={}", args.login_port),
        format!("--username={}", args.login_user),
        "--no-password".to_owned(),
    ];
    if program == "psql" {
        all.push("--no-psqlrc".to_owned());
        all.push("--quiet".to_owned());
    }
    all.extend(words::split(&args.target_opts)?);
    Ok(all)
}

/// A line of the shell with the client in it.
fn shell(args: &Args, look: &Look, script: &str, argv: &[String]) -> Command {
    let mut all = vec!["sh", "-c", script, "sh"];
    all.extend(argv.iter().map(String::as_str));
    let mut command = command(all).env("PGSSLMODE", args.ssl_mode.word());
    let secret = args.login(&args.name).secret(look);
    if !secret.is_empty() {
        command = command.env("PGPASSWORD", secret);
    }
    match &args.ca_cert {
        Some(file) => command.env("PGSSLROOTCERT", file.to_string_lossy()),
        None => command,
    }
}

fn dump_words(args: &Args, look: &Look, target: &Path) -> Result<Vec<String>, Failure> {
    let mut all = client(args, look, "pg_dump")?;
    if let Some(format) = format(target) {
        all.push(format!("--format={format}"));
    }
    if let Some(extra) = &args.dump_extra_args {
        all.extend(words::split(extra)?);
    }
    if let Some(role) = &args.session_role {
        all.push(format!("--role={role}"));
    }
    if let Some(packer) = packer(target) {
        need(look, packer, packer)?;
    }
    all.push(format!("--dbname={}", args.name));
    Ok(all)
}

fn run_dump(
    args: &Args,
    touch: &mut Touch,
    target: &Path,
    mut argv: Vec<String>,
) -> Result<(), Failure> {
    if format(target) == Some("directory") {
        argv.push(format!("--file={}", target.display()));
        return touch
            .must(&shell(args, touch, "\"$@\"", &argv), "dump the database")
            .map(drop);
    }
    let staged = touch.stage(parent(target))?;
    let place = words::quote(&staged.path().to_string_lossy());
    // A dump that fails half-way never takes the place of an old one.
    let script = match packer(target) {
        Some(packer) => format!(
            "{{ {{ \"$@\"; echo $? >&3; }} | {packer} -c > {place}; }} 3>&1 | {{ read rc; exit $rc; }}"
        ),
        None => format!("\"$@\" > {place}"),
    };
    touch.must(&shell(args, touch, &script, &argv), "dump the database")?;
    let wanted = Settled {
        mode: touch.stat(target)?.is_none().then_some(Mode::Bits(0o600)),
        ..Settled::default()
    };
    touch.place(staged, target, &wanted)
}

fn run_restore(args: &Args, touch: &mut Touch, target: &Path) -> Result<Return, Failure> {
    let source = words::quote(&target.to_string_lossy());
    let (mut argv, script) = match (format(target), packer(target)) {
        (Some(format), _) => {
            let mut argv = client(args, touch, "pg_restore")?;
            argv.push(format!("--format={format}"));
            (argv, format!("\"$@\" {source}"))
        }
        (None, Some(packer)) => {
            need(touch, packer, packer)?;
            let script = format!(
                "{{ {{ {packer} -dc {source}; echo $? >&3; }} | \"$@\" || echo 1 >&3; }} 3>&1 >&2 | {{ read rc; \
                 exit $rc; }}"
            );
            (client(args, touch, "psql")?, script)
        }
        (None, None) => (client(args, touch, "psql")?, format!("\"$@\" < {source}")),
    };
    argv.push(format!("--dbname={}", args.name));
    let output = touch.must(&shell(args, touch, &script, &argv), "restore the database")?;
    let result = Return::new()
        .with("rc", output.code)
        .with("stderr", output.err());
    let errors = output.err();
    let first = errors.lines().find(|line| line.contains("ERROR:"));
    // psql goes on behind a statement that failed, and people rely on it.
    Ok(match first {
        Some(line) => result.warn(format!("a part of the dump was refused: {line}")),
        None => result,
    })
}

impl Module for PostgresqlDb {
    const NAME: &'static str = "postgresql_db";
    const COLLECTION: &'static str = "community.postgresql";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let mut server = args.login(&args.maintenance_db).connect(look)?;
        let found = find(&mut server, &args.name)?;
        let mut acts = Acts::new(Return::new().with("db", args.name.as_str()));
        let target = match (&args.target, args.state) {
            (Some(target), _) if !target.as_os_str().is_empty() => target.clone(),
            (_, State::Dump | State::Restore | State::Rename) => {
                return Err(Failure::new(format!(
                    "state is {} but all of the following are missing: target",
                    args.state.word()
                )));
            }
            _ => PathBuf::new(),
        };
        if matches!(args.state, State::Dump | State::Restore) {
            return transfer(args, look, target, found.is_some(), acts);
        }
        let statements = match (args.state, &found) {
            (State::Present, None) => creation(args)?,
            (State::Present, Some(is)) => changes(args, &mut server, is)?,
            (State::Absent, None) => Vec::new(),
            (State::Absent, Some(_)) => removal(args, &server),
            (State::Dump | State::Restore, _) => Vec::new(),
            (State::Rename, is) => {
                let new = target.to_string_lossy().into_owned();
                let there = find(&mut server, &new)?.is_some();
                match (is.is_some(), there) {
                    (true, false) => vec![format!(
                        "ALTER DATABASE {} RENAME TO {}",
                        name(&args.name),
                        name(&new)
                    )],
                    (false, true) => Vec::new(),
                    (true, true) => {
                        return Err(Failure::new(format!(
                            "Both databases exist: {} and {new}",
                            args.name
                        )));
                    }
                    (false, false) => {
                        return Err(Failure::new(format!(
                            "Source database {} does not exist, and neither does {new}",
                            args.name
                        )));
                    }
                }
            }
        };
        acts.result(|result| result.with("executed_commands", statements.clone()));
        if statements.is_empty() {
            return Ok(acts.verdict());
        }
        acts.diff(state_diff("statements", "", &statements.join("\n")));
        acts.body(move |_| {
            for sql in &statements {
                server.query(sql).map_err(|error| {
                    let failure = Failure::from(error);
                    Failure::new(format!(
                        "Database query failed: {}; the statement was {sql}",
                        failure.message
                    ))
                })?;
            }
            Ok(Return::new())
        });
        Ok(acts.verdict())
    }
}

fn transfer(
    args: &Args,
    look: &Look,
    target: PathBuf,
    there: bool,
    mut acts: Acts,
) -> Result<Verdict<Acts>, Failure> {
    if !there && !look.is_check() {
        return Err(Failure::new(format!(
            "the database {} does not exist; make it first, with state: present",
            args.name
        )));
    }
    let dump = args.state == State::Dump;
    if !dump && look.stat(&target)?.is_none() && !look.is_check() {
        return Err(Failure::new(format!(
            "target {} does not exist on the host",
            target.display()
        )));
    }
    let argv = if dump {
        dump_words(args, look, &target)?
    } else {
        Vec::new()
    };
    let shown = if dump {
        words::join(&argv)
    } else {
        format!("restore {} from {}", args.name, target.display())
    };
    acts.diff(state_diff(&target.to_string_lossy(), "", &shown));
    acts.result(|result| result.with("executed_commands", vec![shown]));
    let args = args.clone();
    acts.body(move |touch| {
        if dump {
            run_dump(&args, touch, &target, argv)?;
            return Ok(Return::new());
        }
        run_restore(&args, touch, &target)
    });
    Ok(acts.verdict())
}
