//! `user`: accounts of the host, by the tools of the shadow suite.
//!
//! Password hashes go to `chpasswd` by its standard input: arguments can be
//! read by everybody in the process list.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use ocplay_protocol::Diff;

use super::group::State;
use super::{Module, Verdict};
use crate::host::accounts::User as Account;
use crate::host::clock::Moment;
use crate::host::{Command, Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// When the password is set.
    pub(super) enum Update {
        /// Whenever it differs.
        Always = "always",
        /// Only for a new user.
        OnCreate = "on_create",
    }
}

ocplay_protocol::arguments! {
    /// Creates, changes or removes a user.
    pub(super) struct Args {
        /// Name of the user.
        name: String ["user"],
        /// Number of the user.
        uid: Option<i64>,
        /// Allow a number that another user has.
        non_unique: bool = false,
        /// Full name or description.
        comment: Option<String>,
        /// Primary group.
        group: Option<String>,
        /// Further groups; those not listed are left, unless append is set.
        groups: Option<Vec<String>>,
        /// Only add groups.
        append: bool = false,
        /// Login shell.
        shell: Option<String>,
        /// Home directory.
        home: Option<PathBuf>,
        /// Directory whose files a new home gets.
        skeleton: Option<String>,
        /// Hash of the password, as crypt makes it.
        password: Option<String>,
        /// Set the password always, or only for a new user.
        update_password: Update = Update::Always,
        /// Whether the password is locked.
        password_lock: Option<bool>,
        /// Days until the password must be changed.
        password_expire_max: Option<i64>,
        /// Days until the password may be changed again.
        password_expire_min: Option<i64>,
        /// Days of warning before the password expires.
        password_expire_warn: Option<i64>,
        /// Days after the expiry until the account is disabled.
        password_expire_account_disable: Option<i64>,
        /// Whether the user shall be there.
        state: State = State::Present,
        /// Give a new user a number from the system range.
        system: bool = false,
        /// Create the home directory.
        create_home: bool ["createhome"] = true,
        /// Move the old home directory to a new home.
        move_home: bool = false,
        /// Remove the home directory with the user.
        remove: bool = false,
        /// Remove the user even if it is logged in.
        force: bool = false,
        /// Mode mask of a new home directory.
        umask: Option<String>,
        /// Time at which the account expires, in seconds since 1970; negative for never.
        expires: Option<f64>,
        /// Create an SSH key for the user.
        generate_ssh_key: bool = false,
        /// Bits of the SSH key; by default ssh-keygen's choice.
        ssh_key_bits: i64 = 0,
        /// Type of the SSH key.
        ssh_key_type: String = "rsa".to_owned(),
        /// File of the SSH key, below the home directory unless absolute.
        ssh_key_file: Option<PathBuf>,
        /// Comment of the SSH key.
        ssh_key_comment: Option<String>,
        /// Passphrase of the SSH key.
        ssh_key_passphrase: Option<String>,
        /// Use only the local files; always so here.
        local: bool = false,
        /// SELinux user.
        seuser: Option<String>,
        /// Highest number for a new user.
        uid_max: Option<i64>,
        /// Lowest number for a new user.
        uid_min: Option<i64>,
        /// Accepted for other systems.
        login_class: Option<String>,
        /// Accepted for other systems.
        hidden: Option<bool>,
    }
}

mod changes;
mod extras;

use changes::{Changes, ageing, further_groups, primary_group};
use extras::{generate_key, make_home};

pub(super) struct User;

/// By which userdel says that the user has processes.
const IN_USE: i32 = 8;

pub(super) struct Plan {
    args: Args,
    /// The useradd, usermod or userdel to run.
    command: Option<Command>,
    password: bool,
    ageing: Option<Command>,
    lock: Option<bool>,
    make_home: Option<PathBuf>,
    key: Option<PathBuf>,
    before: String,
    after: String,
}

/// The line of /etc/shadow, split; empty if it cannot be read.
fn shadow(look: &Look, name: &str) -> Vec<String> {
    let text = look
        .read_text(Path::new("/etc/shadow"))
        .ok()
        .flatten()
        .unwrap_or_default();
    text.lines()
        .map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>())
        .find(|fields| fields.first().map(String::as_str) == Some(name))
        .unwrap_or_default()
}

fn default_home(args: &Args) -> PathBuf {
    args.home
        .clone()
        .unwrap_or_else(|| Path::new("/home").join(&args.name))
}

/// Days since 1970 as /etc/shadow counts them; `Some(None)` for never.
fn expiry_days(args: &Args) -> Option<Option<u64>> {
    args.expires.map(|seconds| {
        (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(1e11)).as_secs() / 86_400)
    })
}

fn expiry_word(args: &Args) -> Option<String> {
    expiry_days(args).map(|days| match days {
        Some(days) => Moment::utc(UNIX_EPOCH + Duration::from_secs(days * 86_400)).date(),
        None => String::new(),
    })
}

impl Module for User {
    const NAME: &'static str = "user";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let plain = |c: char| !c.is_whitespace() && c != ':' && c != '/' && c != ',';
        if args.name.is_empty() || !args.name.chars().all(plain) || args.name.starts_with('-') {
            return Err(Failure::new(format!(
                "'{}' is no name for a user",
                args.name
            )));
        }
        let found = look.user(&args.name);
        match (args.state, found) {
            (State::Absent, None) => Ok(Verdict::Same(
                Return::new()
                    .with("name", args.name.as_str())
                    .with("state", "absent"),
            )),
            (State::Absent, Some(_)) => Ok(remove(args)),
            (State::Present, found) => present(args, look, found),
        }
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        vec![Diff::text(
            &format!("user {}", plan.args.name),
            plan.before.as_str(),
            plan.after.as_str(),
        )]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let name = plan.args.name.clone();
        let what = format!("change the user {name}");
        if let Some(command) = &plan.command {
            let mut output = touch.run(command)?;
            // Sessions of the user, our own among them, may just be ending.
            for _ in 0..20 {
                if plan.args.state != State::Absent || output.code != IN_USE {
                    break;
                }
                touch.sleep(Duration::from_millis(150))?;
                output = touch.run(command)?;
            }
            if !output.ok() {
                let message = format!("cannot {what}: {}", output.complaint());
                return Err(output.failure(message).with("name", name));
            }
        }
        if plan.args.state == State::Absent {
            return Ok(Return::new()
                .with("name", name)
                .with("state", "absent")
                .with("force", plan.args.force)
                .with("remove", plan.args.remove));
        }
        if let (true, Some(hash)) = (plan.password, &plan.args.password) {
            let command = Command::new(["chpasswd", "-e"]).stdin(format!("{name}:{hash}\n"));
            touch.must(&command, &format!("set the password of {name}"))?;
        }
        if let Some(lock) = plan.lock {
            let option = if lock { "-L" } else { "-U" };
            touch.must(&Command::new(["usermod", option, &name]), &what)?;
        }
        if let Some(command) = &plan.ageing {
            touch.must(command, &format!("set the password's ageing of {name}"))?;
        }
        if let Some(home) = &plan.make_home {
            make_home(touch, &plan.args, home)?;
        }
        let mut result = Return::new();
        if let Some(key) = &plan.key {
            result = generate_key(touch, &plan.args, key)?;
        }
        Ok(describe_user(touch, &plan.args, result))
    }
}

fn remove(args: &Args) -> Verdict<Plan> {
    let mut argv = vec!["userdel".to_owned()];
    if args.force {
        argv.push("-f".to_owned());
    }
    if args.remove {
        argv.push("-r".to_owned());
    }
    argv.push(args.name.clone());
    let plan = Plan {
        args: args.clone(),
        command: Some(Command::new(argv)),
        password: false,
        ageing: None,
        lock: None,
        make_home: None,
        key: None,
        before: format!("user: {}\n", args.name),
        after: String::new(),
    };
    let foreseen = Return::new()
        .with("name", args.name.as_str())
        .with("state", "absent");
    Verdict::Change(plan, foreseen)
}

fn present(args: &Args, look: &Look, found: Option<Account>) -> Result<Verdict<Plan>, Failure> {
    let create = found.is_none();
    let mut changes = Changes {
        argv: Vec::new(),
        before: String::new(),
        after: String::new(),
    };
    if create {
        changes.after.push_str(&format!("user: {}\n", args.name));
    }
    let account = found.as_ref();
    if let Some(uid) = args.uid
        && account.is_none_or(|account| i64::from(account.uid) != uid)
    {
        changes.add("-u", &uid.to_string());
        if args.non_unique {
            changes.argv.push("-o".to_owned());
        }
        let before = account.map_or(String::new(), |account| account.uid.to_string());
        changes.show("uid", &before, &uid.to_string());
    }
    primary_group(args, look, account, &mut changes)?;
    further_groups(args, look, account, &mut changes)?;
    let shell = args.shell.as_deref().map(|shell| look.expand(shell));
    let mut text = |option: &str, name: &str, wanted: Option<&str>, is: Option<&str>| {
        if let Some(wanted) = wanted
            && is != Some(wanted)
        {
            changes.add(option, wanted);
            changes.show(name, is.unwrap_or_default(), wanted);
        }
    };
    text(
        "-c",
        "comment",
        args.comment.as_deref(),
        account.map(|account| account.comment.as_str()),
    );
    text(
        "-s",
        "shell",
        shell.as_deref(),
        account.map(|account| account.shell.as_str()),
    );
    let home = args.home.as_ref().and_then(|home| home.to_str());
    let home = home.map(|home| {
        if home.len() > 1 {
            home.trim_end_matches('/')
        } else {
            home
        }
    });
    let old_home = account.map(|account| account.home.as_str());
    text("-d", "home", home, old_home);
    if !create && args.move_home && home.is_some() && home != old_home {
        changes.argv.push("-m".to_owned());
    }
    let shadow = shadow(look, &args.name);
    let field = |index: usize| shadow.get(index).map(String::as_str).unwrap_or_default();
    if let Some(days) = expiry_days(args) {
        let wanted = days.map_or(String::new(), |days| days.to_string());
        if field(7) != wanted {
            let word = expiry_word(args).unwrap_or_default();
            changes.add("-e", &word);
            changes.show("expires", field(7), &word);
        }
    }
    let lock = args
        .password_lock
        .filter(|wanted| create || *wanted != field(1).starts_with('!'));
    // A lock is a `!` before the hash.
    let hash = field(1).trim_start_matches('!');
    let password = args.password.as_ref().is_some_and(|wanted| {
        if create {
            return true;
        }
        args.update_password == Update::Always && wanted != field(1) && wanted != hash
    });
    if password {
        changes.show("password", "(not shown)", "(not shown, new)");
    }
    if let Some(lock) = lock {
        changes.show(
            "locked",
            if lock { "no" } else { "yes" },
            if lock { "yes" } else { "no" },
        );
    }
    let ageing = ageing(args, &shadow, &mut changes);
    let home = PathBuf::from(home.or(old_home).map_or_else(
        || default_home(args).to_string_lossy().into_owned(),
        str::to_owned,
    ));
    // usermod -m brings the old home along.
    let moves = args.move_home && old_home.is_some_and(|old| Path::new(old) != home);
    let make_home = (!create && args.create_home && !moves && !home.exists()).then(|| home.clone());
    if make_home.is_some() {
        changes.show("home directory", "missing", "created");
    }
    let key = args.generate_ssh_key.then(|| {
        let name = format!("id_{}", args.ssh_key_type);
        let file = args
            .ssh_key_file
            .clone()
            .unwrap_or_else(|| Path::new(".ssh").join(name));
        home.join(file)
    });
    let key = key.filter(|key| !key.exists());
    if key.is_some() {
        changes.show("SSH key", "missing", "generated");
    }
    if !create && changes.before.is_empty() && changes.after.is_empty() {
        return Ok(Verdict::Same(describe_user(look, args, Return::new())));
    }
    let mut result = Return::new()
        .with("name", args.name.as_str())
        .with("state", "present");
    if look.which("useradd").is_none() && (create || !changes.argv.is_empty()) {
        let text = "useradd and usermod are not on this host; install the package 'passwd' \
                    (Debian), 'shadow-utils' (Red Hat) or 'shadow' (Alpine)";
        if !look.is_check() {
            return Err(text.into());
        }
        result = result.warn(text);
    }
    let command = command(args, changes.argv, create);
    let plan = Plan {
        args: args.clone(),
        command,
        password,
        ageing,
        lock,
        make_home,
        key,
        before: changes.before,
        after: changes.after,
    };
    Ok(Verdict::Change(plan, result))
}

fn command(args: &Args, changes: Vec<String>, create: bool) -> Option<Command> {
    if !create && changes.is_empty() {
        return None;
    }
    let mut argv = vec![if create { "useradd" } else { "usermod" }.to_owned()];
    if create {
        if args.system {
            argv.push("-r".to_owned());
        }
        argv.push(if args.create_home { "-m" } else { "-M" }.to_owned());
        if let (true, Some(skeleton)) = (args.create_home, &args.skeleton) {
            argv.extend(["-k".to_owned(), skeleton.clone()]);
        }
        for (key, value) in [
            ("UMASK", args.umask.clone()),
            ("UID_MIN", args.uid_min.map(|value| value.to_string())),
            ("UID_MAX", args.uid_max.map(|value| value.to_string())),
        ] {
            if let Some(value) = value {
                argv.extend(["-K".to_owned(), format!("{key}={value}")]);
            }
        }
    }
    argv.extend(changes);
    argv.push(args.name.clone());
    Some(Command::new(argv))
}

/// The values that are returned about a user.
fn describe_user(look: &Look, args: &Args, result: Return) -> Return {
    let mut result = result
        .with("name", args.name.as_str())
        .with("state", args.state.word())
        .with("append", args.append)
        .with("move_home", args.move_home);
    if let Some(account) = look.user(&args.name) {
        result = result
            .with("uid", account.uid)
            .with("group", account.gid)
            .with("comment", account.comment)
            .with("home", account.home.as_str())
            .with("shell", account.shell);
        let key = args
            .ssh_key_file
            .clone()
            .unwrap_or_else(|| Path::new(".ssh").join(format!("id_{}", args.ssh_key_type)));
        let key = Path::new(&account.home).join(key);
        let mut public = key.as_os_str().to_owned();
        public.push(".pub");
        if args.generate_ssh_key
            && let Ok(Some(text)) = look.read_text(Path::new(&public))
        {
            result = result
                .with("ssh_key_file", key.to_string_lossy())
                .with("ssh_public_key", text.trim_end());
        }
    }
    if let Some(groups) = &args.groups {
        result = result.with("groups", groups.join(","));
    }
    if args.password.is_some() {
        result = result.with("password", "NOT_LOGGING_PASSWORD");
    }
    result
}
