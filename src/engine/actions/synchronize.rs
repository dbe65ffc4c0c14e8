//! `synchronize`: rsync between the controller, or the delegate, and the host.
//!
//! rsync runs where the task is delegated to, by default on the controller,
//! and reaches the host by ssh.

use std::sync::Arc;

use ocplay_language::value::Value;
use ocplay_protocol::{Diff, Request, arguments, choices};

use super::{Call, HostVariables, refusal};
use crate::connection::{ConnectError, Kind, LinkError, Target, Variables};
use crate::outcome::ActionOutcome;
use crate::settings::Evaluator;

choices! {
    /// Which way files go.
    pub enum Mode { Pull = "pull", Push = "push" }
}

arguments! {
    /// Makes a directory on the host like one on the controller (or on the host that the task is
    /// delegated to), with rsync. Both ends need rsync, and the first one ssh and a key to log in
    /// with; passwords are not passed on.
    pub struct Args {
        /// Where files come from.
        src: String,
        /// Where they go to.
        dest: String,
        /// Port of the host's ssh.
        dest_port: Option<i64>,
        /// Which way files go.
        mode: Mode = Mode::Push,
        /// Directories with everything in them, links, modes, times and owners.
        archive: bool = true,
        /// Compare content instead of size and time.
        checksum: bool = false,
        /// Compress on the way.
        compress: bool = true,
        /// Only files that are there already.
        existing_only: bool = false,
        /// Remove what is not in src.
        delete: bool = false,
        /// Directories without what is in them.
        dirs: bool = false,
        /// With everything below; as archive says by default, like the next ones.
        recursive: Option<bool>,
        /// Links as links.
        links: Option<bool>,
        /// What links point to instead of links.
        copy_links: bool = false,
        /// Modes.
        perms: Option<bool>,
        /// Times.
        times: Option<bool>,
        /// Owners.
        owner: Option<bool>,
        /// Groups.
        group: Option<bool>,
        /// The rsync program of the host.
        rsync_path: Option<String>,
        /// Seconds after which rsync gives up.
        rsync_timeout: i64 = 0,
        /// Name the user that logs in; otherwise ssh's own settings do.
        set_remote_user: bool = true,
        /// Use ssh's shared connections.
        ssh_connection_multiplexing: bool = false,
        /// Further options for rsync.
        rsync_opts: Vec<String> = Vec::new(),
        /// Keep parts of files that did not come whole.
        partial: bool = false,
        /// Check the host's key.
        verify_host: bool = false,
        /// Private key to log in with.
        private_key: Option<String>,
        /// Directories to make hard links to where nothing changed.
        link_dest: Option<Vec<String>>,
        /// Put new files in place all together, at the end.
        delay_updates: bool = true,
        /// Accepted; ssh reads its own settings.
        use_ssh_args: bool = false,
    }
}

/// Nothing said: the controller itself.
struct Controller;

impl Variables for Controller {
    fn get(&self, _: &str) -> Result<Option<Value>, ConnectError> {
        Ok(None)
    }
}

const MARK: &str = "<<CHANGED>>";

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let args: Args = match call.read() {
        Ok(args) => args,
        Err(outcome) => return *outcome,
    };
    let own = HostVariables {
        call,
        scope: call.scope.clone(),
    };
    let options = &call.shared.options.ssh;
    let settings = call.settings;
    let target = Target::from_variables(
        call.host,
        &own,
        options,
        settings.remote_user.clone(),
        settings.connection.clone(),
        settings.port,
    );
    let host = match target {
        Ok(target) => target,
        Err(error) => return ActionOutcome::unreachable(error.to_string()),
    };
    let evaluator = Evaluator {
        templar: &call.shared.templar,
        scope: call.scope,
    };
    let context = &call.step.planned.context;
    let becoming = match evaluator.becoming(context, &call.shared.options, &own) {
        Ok(becoming) => becoming.filter(|becoming| becoming.user != host.user),
        Err(outcome) => return *outcome,
    };
    let delegate = settings
        .delegate_to
        .as_deref()
        .filter(|name| !super::is_local_name(name));
    // Who runs rsync.
    let (worker, runner) = match delegate {
        Some(name) => match call.target() {
            Ok((target, _)) => (Arc::<str>::from(name), target),
            Err(outcome) => return *outcome,
        },
        None => {
            let local = Some("local".to_owned());
            match Target::from_variables("localhost", &Controller, options, None, local, None) {
                Ok(target) => (Arc::from("localhost"), target),
                Err(error) => return ActionOutcome::failure(error.to_string()),
            }
        }
    };
    let same = delegate.is_some_and(|name| name == &**call.host || name == host.address)
        || (delegate.is_none() && host.kind == Kind::Local);
    if !same && host.password.is_some() && args.private_key.is_none() {
        return ActionOutcome::failure(
            "synchronize cannot pass a password on to rsync; give a key in private_key or \
             ansible_ssh_private_key_file",
        );
    }
    let (mut src, mut dest) = (args.src.clone(), args.dest.clone());
    if delegate.is_none() {
        let (local, folder) = match args.mode {
            Mode::Push => (&mut src, "files"),
            Mode::Pull => (&mut dest, ""),
        };
        *local = local_path(call, local, folder);
    }
    let far = |path: &str| remote(&host, path, args.set_remote_user);
    if !same {
        match args.mode {
            Mode::Push => dest = far(&dest),
            Mode::Pull => src = far(&src),
        }
    }
    // Between two folders of one host it is rsync itself that becomes another user.
    let (here, there) = match same {
        true => (becoming, None),
        false => (None, becoming.map(|becoming| becoming.user)),
    };
    let argv = line(&args, &host, there.as_deref(), settings.check, &src, &dest);
    let request = Request {
        task: 0,
        heard: 0,
        behind: None,
        module: "command".to_owned(),
        args: serde_json::json!({ "argv": argv }).to_string(),
        check: false,
        diff: false,
        environment: settings.environment.clone(),
        blobs: Vec::new(),
        detached: None,
    };
    let link = match call.shared.pool.link(&worker, &runner, here.as_ref()).await {
        Ok(link) => link,
        Err(error) => return refusal(&error),
    };
    match link.run(request, &[], &mut |_| (), &mut |_| Ok(())).await {
        Ok(outcome) => report(&outcome.result, &argv, &args, settings.diff),
        Err(LinkError::Lost { reason, .. }) => ActionOutcome::unreachable(reason),
        Err(LinkError::Local(reason)) => ActionOutcome::failure(reason),
    }
}

/// A path of the controller: as other tasks find files, else beside the
/// playbook. A slash at the end stays; rsync gives it a meaning.
fn local_path(call: &Call<'_>, path: &str, folder: &str) -> String {
    if path.starts_with(['/', '~']) || path.contains("://") {
        let home = &call.shared.options.ssh.home;
        return match path.strip_prefix("~/") {
            Some(rest) => home.join(rest).to_string_lossy().into_owned(),
            None => path.to_owned(),
        };
    }
    let context = &call.step.planned.context;
    let span = &call.step.planned.task.action.name_span;
    let bare = path.trim_end_matches('/');
    let found = (!folder.is_empty())
        .then(|| {
            let folders = context.search(folder);
            call.shared.resolver.find(bare, &folders, span).ok()
        })
        .flatten()
        .unwrap_or_else(|| context.playbook_folder().join(bare));
    let slash = if path.ends_with('/') { "/" } else { "" };
    format!("{}{slash}", found.display())
}

/// A path of the host in rsync's spelling.
fn remote(host: &Target, path: &str, with_user: bool) -> String {
    if path.starts_with("rsync://") {
        return path.to_owned();
    }
    let address = if host.address.contains(':') {
        format!("[{}]", host.address)
    } else {
        host.address.clone()
    };
    if with_user && !host.user.is_empty() {
        format!("{}@{address}:{path}", host.user)
    } else {
        format!("{address}:{path}")
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}

fn line(
    args: &Args,
    host: &Target,
    sudo: Option<&str>,
    check: bool,
    src: &str,
    dest: &str,
) -> Vec<String> {
    let mut argv = vec!["rsync".to_owned()];
    let mut add = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    let flags: [(bool, &[&str]); 8] = [
        (args.delay_updates, &["--delay-updates", "-F"]),
        (args.compress, &["--compress"]),
        (check, &["--dry-run"]),
        (args.delete, &["--delete-after"]),
        (args.existing_only, &["--existing"]),
        (args.checksum, &["--checksum"]),
        (args.copy_links, &["--copy-links"]),
        (args.archive, &["--archive"]),
    ];
    for (on, words) in flags {
        if on {
            add(words);
        }
    }
    for (name, wanted) in [
        ("recursive", args.recursive),
        ("links", args.links),
        ("perms", args.perms),
        ("times", args.times),
        ("owner", args.owner),
        ("group", args.group),
    ] {
        match (args.archive, wanted) {
            (true, Some(false)) => add(&[&format!("--no-{name}")]),
            (false, Some(true)) => add(&[&format!("--{name}")]),
            _ => {}
        }
    }
    if args.dirs {
        add(&["--dirs"]);
    }
    if args.rsync_timeout > 0 {
        add(&[&format!("--timeout={}", args.rsync_timeout)]);
    }
    let own_shell = args.rsync_opts.iter().any(|word| word.contains("--rsh"));
    let far = |path: &str| path.contains(':') && !path.starts_with('/') && !path.contains("://");
    if !own_shell && (far(src) || far(dest)) {
        let mut shell = vec!["ssh".to_owned()];
        let mut more = |words: &[&str]| shell.extend(words.iter().map(|word| quoted(word)));
        if !args.ssh_connection_multiplexing {
            more(&["-S", "none"]);
        }
        let key = args.private_key.clone().or_else(|| {
            let key = host.keys.first().filter(|_| !host.default_keys);
            key.map(|key| key.to_string_lossy().into_owned())
        });
        if let Some(key) = &key {
            more(&["-i", key]);
        }
        let port = args.dest_port.unwrap_or_else(|| i64::from(host.port));
        more(&["-o", &format!("Port={port}"), "-o", "BatchMode=yes"]);
        if !args.verify_host {
            more(&["-o", "StrictHostKeyChecking=no"]);
            more(&["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]);
        }
        add(&[&format!("--rsh={}", shell.join(" "))]);
    }
    match (&args.rsync_path, sudo) {
        (Some(path), _) => add(&[&format!("--rsync-path={path}")]),
        (None, Some(user)) => {
            add(&[&format!("--rsync-path=sudo -n -u {} rsync", quoted(user))]);
        }
        (None, None) => {}
    }
    for option in &args.rsync_opts {
        add(&[option]);
    }
    if args.partial {
        add(&["--partial"]);
    }
    for folder in args.link_dest.iter().flatten() {
        add(&["-H", "-vv", &format!("--link-dest={folder}")]);
    }
    add(&[&format!("--out-format={MARK}%i %n%L"), src, dest]);
    argv
}

fn report(result: &str, argv: &[String], args: &Args, diff: bool) -> ActionOutcome {
    let answer: serde_json::Value = serde_json::from_str(result).unwrap_or_default();
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let rc = answer["rc"].as_i64().unwrap_or(1);
    let shown: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
    let cmd = shown.join(" ");
    if rc != 0 {
        let said = match text("stderr") {
            said if said.is_empty() => text("msg"),
            said => said,
        };
        return ActionOutcome::failure(said).with("rc", rc).with("cmd", cmd);
    }
    let out = text("stdout");
    let changed = if args.link_dest.is_some() {
        out.lines()
            .any(|line| line.starts_with(MARK) && !line[MARK.len()..].starts_with('.'))
    } else {
        out.contains(MARK)
    };
    let clean = out.replace(MARK, "");
    let lines: Vec<Value> = clean
        .lines()
        .filter(|line| !line.is_empty())
        .map(Value::from)
        .collect();
    let mut outcome = ActionOutcome::ok()
        .with("msg", clean.as_str())
        .with("rc", rc)
        .with("cmd", cmd)
        .with("stdout_lines", lines);
    outcome.changed = changed;
    if diff && changed {
        outcome.diff = vec![Diff::prepared(clean)];
    }
    outcome
}
