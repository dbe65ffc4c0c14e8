//! `mysql_db`: databases of a MySQL or MariaDB server, and their dumps.

use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Mode, Return, Settled, Touch, words};
use crate::sql::mysql::{self, Server, mysql_arguments, name, quote};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State {
        Absent = "absent",
        Dump = "dump",
        Import = "import",
        Present = "present",
    }
}
ocplay_protocol::choices! {
    /// Whether a dump says where the binary log is, and as a comment.
    pub(super) enum MasterData { None = "0", Statement = "1", Comment = "2" }
}

mysql_arguments! {
    /// Creates and removes databases of MySQL and MariaDB, and dumps and imports them. For dumps
    /// the host needs the client programs; nothing else does.
    pub(super) struct Args {
        /// Names of the databases; all stands for every one in a dump or an import.
        name: Vec<String> ["db"],
        /// Wanted state.
        state: State = State::Present,
        /// Collation of a new database.
        collation: String = String::new(),
        /// Character set of a new database.
        encoding: String = String::new(),
        /// File of the dump; .gz, .bz2 and .xz are packed.
        target: Option<PathBuf>,
        /// Dump in one transaction.
        single_transaction: bool = false,
        /// Dump row by row.
        quick: bool = true,
        /// Tables to leave out, as database.table.
        ignore_tables: Vec<String> = Vec::new(),
        /// Binary columns as numbers.
        hex_blob: bool = false,
        /// Go on after an error.
        force: bool = false,
        /// Whether the dump says where the binary log is.
        master_data: MasterData = MasterData::None,
        /// Lock no tables.
        skip_lock_tables: bool = false,
        /// Further options for the dump, as one line.
        dump_extra_args: Option<String>,
        /// Accepted for old playbooks.
        use_shell: bool = false,
        /// Accepted for old playbooks; passwords never get onto a command line.
        unsafe_login_password: bool = false,
        /// Let the client programs read no other file of settings than config_file.
        restrict_config_file: bool = false,
        /// Directory to run the client programs in.
        chdir: Option<PathBuf>,
        /// Accepted; a dump that fails in its middle always fails.
        pipefail: bool = false,
        /// Whether changes get into the binary log.
        sql_log_bin: bool = true,
    }
}

pub(super) struct MysqlDb;

fn exists(server: &mut Server, database: &str) -> Result<bool, Failure> {
    let sql = format!(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name = {}",
        quote(database)
    );
    Ok(!server.query(&sql)?.rows.is_empty())
}

fn creation(args: &Args, database: &str) -> String {
    let mut sql = format!("CREATE DATABASE {}", name(database));
    if !args.encoding.is_empty() {
        sql.push_str(&format!(" CHARACTER SET {}", quote(&args.encoding)));
    }
    if !args.collation.is_empty() {
        sql.push_str(&format!(" COLLATE {}", quote(&args.collation)));
    }
    sql
}

/// What packs and unpacks a dump of this name.
fn packer(target: &Path) -> Option<&'static str> {
    match target.extension()?.to_str()? {
        "gz" => Some("gzip"),
        "bz2" => Some("bzip2"),
        "xz" => Some("xz"),
        "zst" => Some("zstd"),
        _ => None,
    }
}

/// A client program; the password is in its environment.
fn client(
    args: &Args,
    look: &Look,
    names: &[&str],
    options: &[String],
) -> Result<Vec<String>, Failure> {
    let program = names
        .iter()
        .find(|program| look.which(program).is_some())
        .ok_or_else(|| {
            Failure::new(format!(
                "the program '{}' is not on this host; install the package mariadb-client first",
                names[0]
            ))
        })?;
    let mut argv = vec![(*program).to_owned()];
    let config = PathBuf::from(look.expand(&args.config_file.to_string_lossy()));
    if config.is_file() {
        let option = if args.restrict_config_file {
            "file"
        } else {
            "extra-file"
        };
        argv.push(format!("--defaults-{option}={}", config.display()));
    }
    if let Some(user) = &args.login_user {
        argv.push(format!("--user={user}"));
    }
    let socket = match &args.login_unix_socket {
        Some(path) => Some(PathBuf::from(path)),
        None if args.login_host == "localhost" => mysql::socket(None),
        None => None,
    };
    match socket {
        Some(path) => argv.push(format!("--socket={}", path.display())),
        None => {
            argv.push(format!("--host={}", args.login_host));
            argv.push(format!("--port={}", args.login_port));
        }
    }
    argv.extend(options.iter().cloned());
    Ok(argv)
}

/// A line of the shell with the client in it, and its password.
fn shell(args: &Args, script: String, argv: Vec<String>) -> Command {
    let mut all = vec!["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()];
    all.extend(argv);
    let mut command = command(all);
    if let Some(password) = &args.login_password {
        command = command.env("MYSQL_PWD", password.clone());
    }
    command.directory.clone_from(&args.chdir);
    command
}

fn dump(args: &Args, look: &Look, target: &Path) -> Result<Vec<String>, Failure> {
    let mut options = Vec::new();
    let flags = [
        (args.force, "--force"),
        (args.quick, "--quick"),
        (args.single_transaction, "--single-transaction=true"),
        (args.hex_blob, "--hex-blob"),
        (args.skip_lock_tables, "--skip-lock-tables"),
    ];
    options.extend(
        flags
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, flag)| (*flag).to_owned()),
    );
    for table in &args.ignore_tables {
        options.push(format!("--ignore-table={table}"));
    }
    if args.master_data != MasterData::None {
        options.push(format!("--master-data={}", args.master_data.word()));
    }
    if let Some(extra) = &args.dump_extra_args {
        options.extend(words::split(extra)?);
    }
    if args.name == ["all"] {
        options.push("--all-databases".to_owned());
    } else if let [one] = &args.name[..] {
        options.push(one.clone());
    } else {
        options.push("--databases".to_owned());
        options.extend(args.name.iter().cloned());
    }
    if let Some(packer) = packer(target) {
        need(look, packer, packer)?;
    }
    client(args, look, &["mariadb-dump", "mysqldump"], &options)
}

fn run_dump(
    args: &Args,
    touch: &mut Touch,
    target: &Path,
    argv: Vec<String>,
) -> Result<(), Failure> {
    let staged = touch.stage(crate::host::parent(target))?;
    let place = words::quote(&staged.path().to_string_lossy());
    // A dump that fails half-way never takes the place of an old one.
    let script = match packer(target) {
        Some(packer) => format!(
            "{{ {{ \"$@\"; echo $? >&3; }} | {packer} -c > {place}; }} 3>&1 | {{ read rc; exit $rc; }}"
        ),
        None => format!("\"$@\" > {place}"),
    };
    touch.must(&shell(args, script, argv), "dump the database")?;
    let wanted = Settled {
        mode: touch.stat(target)?.is_none().then_some(Mode::Bits(0o600)),
        ..Settled::default()
    };
    touch.place(staged, target, &wanted)
}

fn run_import(args: &Args, touch: &mut Touch, target: &Path) -> Result<(), Failure> {
    let mut options = Vec::new();
    if args.force {
        options.push("--force".to_owned());
    }
    if let ([one], true) = (&args.name[..], args.name != ["all"]) {
        options.push(format!("--database={one}"));
    }
    let argv = client(args, touch, &["mariadb", "mysql"], &options)?;
    let source = words::quote(&target.to_string_lossy());
    let script = match packer(target) {
        Some(packer) => format!(
            "{{ {{ {packer} -dc {source}; echo $? >&3; }} | \"$@\" || echo 1 >&3; }} 3>&1 >&2 | {{ \
             read rc; exit $rc; }}"
        ),
        None => format!("\"$@\" < {source}"),
    };
    touch
        .must(&shell(args, script, argv), "import the dump")
        .map(drop)
}

impl Module for MysqlDb {
    const NAME: &'static str = "mysql_db";
    const COLLECTION: &'static str = "community.mysql";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let transfer = matches!(args.state, State::Dump | State::Import);
        if transfer && args.target.is_none() {
            return Err(Failure::new(format!(
                "with state={} target is required",
                args.state.word()
            )));
        }
        if !transfer && args.name == ["all"] {
            return Err(
                "name is not allowed to equal 'all' unless state equals import, or dump.".into(),
            );
        }
        if args.name.is_empty() || args.name.iter().any(String::is_empty) {
            return Err("Please provide at least one database name".into());
        }
        let mut server = args.login().connect(look)?;
        let shown = args.name.join(" ");
        let none: Vec<String> = Vec::new();
        let mut acts = Acts::new(
            Return::new()
                .with("db", shown.as_str())
                .with("db_list", args.name.clone())
                .with("executed_commands", none),
        );
        let mut statements = Vec::new();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for database in args.name.iter().filter(|_| args.name != ["all"]) {
            let there = exists(&mut server, database)?;
            match args.state {
                State::Present | State::Import if !there => {
                    statements.push(creation(args, database));
                    after.push(database.clone());
                }
                State::Absent if there => {
                    statements.push(format!("DROP DATABASE {}", name(database)));
                    before.push(database.clone());
                }
                State::Dump if !there => {
                    return Err(Failure::new(format!(
                        "Cannot dump database(s) '{database}' - not found"
                    )));
                }
                _ => {}
            }
        }
        if statements.is_empty() && !transfer {
            return Ok(acts.verdict());
        }
        if before != after {
            acts.diff(state_diff(
                "databases",
                &before.join("\n"),
                &after.join("\n"),
            ));
        }
        if let (State::Import, Some(target)) = (args.state, &args.target)
            && !target.is_file()
            && !look.is_check()
        {
            return Err(Failure::new(format!(
                "target {} does not exist on the host",
                target.display()
            )));
        }
        let mut lines = statements.clone();
        let target = args.target.clone().unwrap_or_default();
        let dump = match args.state {
            State::Dump => Some(dump(args, look, &target)?),
            _ => None,
        };
        lines.extend(dump.as_ref().map(|argv| words::join(argv)));
        acts.result(|result| result.with("executed_commands", lines));
        if transfer {
            acts.diff(Diff::prepared(format!(
                "{} {shown} {}\n",
                args.state.word(),
                target.display()
            )));
        }
        let args = args.clone();
        acts.body(move |touch| {
            if !args.sql_log_bin {
                server.query("SET SESSION sql_log_bin = 0")?;
            }
            for statement in &statements {
                server.query(statement)?;
            }
            match (dump, args.state) {
                (Some(argv), _) => run_dump(&args, touch, &target, argv)?,
                (None, State::Import) => run_import(&args, touch, &target)?,
                _ => {}
            }
            Ok(Return::new())
        });
        Ok(acts.verdict())
    }
}
