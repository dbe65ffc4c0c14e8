//! `ocplay run`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ocplay_engine::connection::{HostKeyPolicy, SshOptions};
use ocplay_engine::options::{BecomeDefaults, Gathering, Rules, RunOptions};
use ocplay_engine::run::{Ending, Setup, run as run_plan};
use ocplay_engine::secret::Secret;
use ocplay_language::diagnostic::{Diagnostic, Severity};
use ocplay_language::inventory::{self, Inventory, PatternError};
use ocplay_language::loader::{Loader, Machine};
use ocplay_language::plan::tags::TagSelection;
use ocplay_language::plan::{Plan, Resolver, check};
use ocplay_language::template::Templar;
use ocplay_language::value::Map;

use super::{Outcome, sources, vars};
use crate::args::{HostKeyChecking, RunArgs};
use crate::render::journal::Journal;
use crate::render::lists::{self, Wanted};
use crate::render::screen::Screen;
use crate::render::{diagnostic, print, print_error};
use crate::{exit_code, helper};

pub(crate) fn run(args: &RunArgs) -> Outcome {
    let loader: Arc<dyn Loader> = Arc::new(Machine);
    let extra_vars = vars::extra_vars(&args.extra_vars)?;
    let inventory_sources = sources::inventories(&args.inventory);
    let inventory = sources::load(&inventory_sources)?;
    if inventory.hosts().next().is_none() && localhost_warning() {
        diagnostic::print_all(&[Diagnostic::warning(
            "inventory",
            "the inventory has no hosts: only the implicit localhost can be worked on",
        )
        .help("give an inventory with -i")]);
    }
    let limit = limit(args, &inventory)?;
    let playbooks: Vec<PathBuf> = args
        .playbooks
        .iter()
        .map(|path| sources::find(path, "playbooks"))
        .collect();
    let resolver = Arc::new(Resolver::new(
        Arc::new(helper::catalogue()),
        Arc::clone(&loader),
        Templar::new(Arc::clone(&loader)),
        role_paths(),
        Arc::clone(&extra_vars),
    ));
    let plans = load(&playbooks, &resolver, rules().error_on_missing_handler)?;
    let tags = selection(args);
    let wanted = Wanted {
        tasks: args.list_tasks,
        hosts: args.list_hosts,
        tags: args.list_tags,
    };
    if wanted.tasks || wanted.hosts || wanted.tags {
        list(
            &playbooks,
            &plans,
            &inventory,
            limit.as_ref(),
            wanted,
            &tags,
            &resolver,
        );
        return Ok(ExitCode::SUCCESS);
    }
    if args.syntax_check {
        for path in &playbooks {
            print(&format!("\nplaybook: {}\n", path.display()));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let options = options(args, extra_vars, limit, tags, &inventory_sources)?;
    let plan = Plan {
        plays: plans.into_iter().flat_map(|plan| plan.plays).collect(),
    };
    let words: Vec<String> = args
        .playbooks
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let journal = Journal::start(&sources::state_folder(), &words).ok();
    let stop = Arc::new(AtomicBool::new(false));
    let setup = Setup {
        plan,
        options,
        inventory,
        lab: sources::lab_facts(&inventory_sources),
        resolver,
        loader,
        agent: helper::agent(),
        events: Arc::new(Screen::new(args.verbose, journal)),
        stop: Arc::clone(&stop),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![Diagnostic::error("runtime", error.to_string())])?;
    let ending = runtime.block_on(async {
        tokio::spawn(watch_interrupts(stop));
        run_plan(setup).await
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(ExitCode::from(code(&ending)))
}

fn code(ending: &Ending) -> u8 {
    if ending.stopped {
        exit_code::INTERRUPTED
    } else if ending.broken {
        exit_code::ERROR
    } else if ending.unreachable {
        exit_code::UNREACHABLE
    } else if ending.failed {
        exit_code::HOST_FAILED
    } else {
        exit_code::OK
    }
}

/// The first interrupt stops after the running tasks, the second at once.
async fn watch_interrupts(stop: Arc<AtomicBool>) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    stop.store(true, Ordering::Relaxed);
    print_error("\nstopping after the running tasks; press Ctrl-C again to stop at once\n");
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(i32::from(exit_code::INTERRUPTED));
    }
}

/// Loads every playbook and reports all mistakes of all of them together.
fn load(
    playbooks: &[PathBuf],
    resolver: &Resolver,
    strict_handlers: bool,
) -> Result<Vec<Plan>, Vec<Diagnostic>> {
    let mut plans = Vec::new();
    let mut problems = Vec::new();
    for path in playbooks {
        if !path.exists() {
            problems.push(missing_playbook(path));
            continue;
        }
        match resolver.load(std::slice::from_ref(path)) {
            Ok(plan) => {
                problems.extend(check(&plan, resolver, strict_handlers));
                plans.push(plan);
            }
            Err(found) => problems.extend(found),
        }
    }
    let mut warnings = resolver.take_warnings();
    let (errors, more): (Vec<_>, Vec<_>) = problems
        .into_iter()
        .partition(|problem| problem.severity == Severity::Error);
    warnings.extend(more);
    diagnostic::print_all(&warnings);
    if errors.is_empty() {
        Ok(plans)
    } else {
        Err(errors)
    }
}

fn missing_playbook(path: &Path) -> Diagnostic {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let folders = [
        path.parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new(".")),
        Path::new("playbooks"),
    ];
    let known: Vec<String> = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    Diagnostic::error(
        "missing-file",
        format!("the playbook: {} could not be found", path.display()),
    )
    .suggest(&name, known.iter().map(String::as_str))
}

fn role_paths() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::env::var("ANSIBLE_ROLES_PATH")
        .map(|paths| paths.split(':').map(PathBuf::from).collect())
        .unwrap_or_default();
    paths.push(PathBuf::from("roles"));
    paths.push(sources::home().join(".ansible/roles"));
    paths.push(PathBuf::from("/etc/ansible/roles"));
    paths
}

fn selection(args: &RunArgs) -> TagSelection {
    let words = |given: &[String]| {
        given
            .iter()
            .flat_map(|tags| tags.split(','))
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect()
    };
    TagSelection {
        only: words(&args.tags),
        skip: words(&args.skip_tags),
    }
}

type Limit = std::collections::BTreeSet<Arc<str>>;

/// The hosts that `--limit` leaves; none at all is an error.
fn limit(args: &RunArgs, inventory: &Inventory) -> Result<Option<Limit>, Vec<Diagnostic>> {
    let Some(pattern) = &args.limit else {
        return Ok(None);
    };
    let (hosts, misses) = inventory::select(pattern, inventory, &Machine)
        .map_err(|error| vec![Diagnostic::error("limit", format!("--limit: {error}"))])?;
    let mut problems: Vec<Diagnostic> = misses
        .iter()
        .map(|miss| {
            let problem = Diagnostic::warning("limit", format!("--limit: {miss}"));
            match miss {
                PatternError::NoMatch {
                    near: Some(near), ..
                } => problem.help(format!("did you mean '{near}'?")),
                _ => problem,
            }
        })
        .collect();
    if hosts.is_empty() {
        problems.push(
            Diagnostic::error("limit", "Specified inventory, host pattern and/or --limit leaves us with no hosts to target.")
                .help("'ocplay inventory --graph -i INVENTORY' shows the hosts"),
        );
        return Err(problems);
    }
    diagnostic::print_all(&problems);
    Ok(Some(hosts.into_iter().collect()))
}

fn list(
    playbooks: &[PathBuf],
    plans: &[Plan],
    inventory: &Inventory,
    limit: Option<&Limit>,
    wanted: Wanted,
    tags: &TagSelection,
    resolver: &Resolver,
) {
    let view = lists::View {
        wanted,
        selection: tags,
        templar: resolver.templar(),
        scope: resolver.scope(),
    };
    for (path, plan) in playbooks.iter().zip(plans) {
        let mut out = format!("\nplaybook: {}\n", path.display());
        for (number, play) in plan.plays.iter().enumerate() {
            let pattern = ocplay_language::python::text(&play.play.hosts.value);
            let selected = inventory::select(&pattern, inventory, &Machine);
            let mut hosts = selected.map(|(hosts, _)| hosts).unwrap_or_default();
            if let Some(limit) = limit {
                hosts.retain(|host| limit.contains(host));
            }
            out.push_str(&lists::play(&view, number + 1, play, &pattern, &hosts));
        }
        print(&out);
    }
}

fn options(
    args: &RunArgs,
    extra_vars: Arc<Map>,
    limit: Option<Limit>,
    tags: TagSelection,
    inventory_sources: &[String],
) -> Result<RunOptions, Vec<Diagnostic>> {
    let password = secret(
        args.ask_pass,
        args.connection_password_file.as_deref(),
        "SSH password",
    )?;
    let prompt = if args.ask_pass {
        "BECOME password[defaults to SSH password]"
    } else {
        "BECOME password"
    };
    let become_password = secret(
        args.ask_become_pass,
        args.become_password_file.as_deref(),
        prompt,
    )?;
    let become_password = become_password
        .filter(|given| !given.reveal().is_empty())
        .or_else(|| password.clone().filter(|_| args.ask_become_pass));
    let common_args = [&args.ssh_common_args, &args.ssh_extra_args];
    let common_args: Vec<&str> = common_args
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    Ok(RunOptions {
        check: args.check,
        diff: args.diff,
        forks: args.forks.max(1),
        verbosity: args.verbose,
        tags,
        limit,
        limit_text: args.limit.clone(),
        extra_vars,
        start_at_task: args.start_at_task.clone(),
        force_handlers: args.force_handlers,
        rules: rules(),
        becoming: BecomeDefaults {
            enabled: args.becoming,
            user: args.become_user.clone(),
            method: args.become_method.clone(),
        },
        ssh: SshOptions {
            user: args.user.clone(),
            private_key: args.private_key.clone(),
            password,
            become_password,
            timeout: Duration::from_secs(args.timeout.max(1)),
            connection: args.connection.clone(),
            common_args: (!common_args.is_empty()).then(|| common_args.join(" ")),
            host_keys: host_keys(args),
            home: sources::home(),
            login: login(),
            agent_socket: std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
        },
        inventory_sources: inventory_sources.to_vec(),
    })
}

fn localhost_warning() -> bool {
    let word = std::env::var("ANSIBLE_LOCALHOST_WARNING").ok();
    word.is_none_or(|word| ocplay_protocol::coerce::boolean(&word.into()) != Ok(false))
}

/// What environment variables say about the language.
fn rules() -> Rules {
    let flag = |name: &str, default: bool| {
        let word = std::env::var(name).ok();
        word.and_then(|word| ocplay_protocol::coerce::boolean(&word.into()).ok())
            .unwrap_or(default)
    };
    let rules = Rules::default();
    Rules {
        strategy: std::env::var("ANSIBLE_STRATEGY").unwrap_or(rules.strategy),
        gathering: match std::env::var("ANSIBLE_GATHERING").as_deref() {
            Ok("explicit") => Gathering::Explicit,
            Ok("smart") => Gathering::Smart,
            _ => rules.gathering,
        },
        error_on_missing_handler: flag("ANSIBLE_ERROR_ON_MISSING_HANDLER", true),
        any_errors_fatal: flag("ANSIBLE_ANY_ERRORS_FATAL", false),
        task_debugger: flag("ANSIBLE_ENABLE_TASK_DEBUGGER", false),
        ..rules
    }
}

fn host_keys(args: &RunArgs) -> Option<HostKeyPolicy> {
    if let Some(given) = args.host_key_checking {
        return Some(match given {
            HostKeyChecking::Strict => HostKeyPolicy::Strict,
            HostKeyChecking::AcceptNew => HostKeyPolicy::AcceptNew,
            HostKeyChecking::Off => HostKeyPolicy::Off,
        });
    }
    let word = std::env::var("ANSIBLE_HOST_KEY_CHECKING").ok()?;
    match ocplay_protocol::coerce::boolean(&word.into()) {
        Ok(false) => Some(HostKeyPolicy::Off),
        _ => Some(HostKeyPolicy::Strict),
    }
}

/// The controller's own user, from the environment or the passwd file.
fn login() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    known
        .or_else(|| std::env::var("USER").ok())
        .unwrap_or_else(|| "root".to_owned())
}

/// A password that is asked for or read from a file.
fn secret(ask: bool, file: Option<&Path>, prompt: &str) -> Result<Option<Secret>, Vec<Diagnostic>> {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            vec![Diagnostic::error(
                "password-file",
                format!("{} cannot be read: {error}", file.display()),
            )]
        })?;
        return Ok(Some(Secret::new(text.lines().next().unwrap_or_default())));
    }
    if !ask {
        return Ok(None);
    }
    print_error(&format!("{prompt}: "));
    let terminal = console::Term::stderr();
    let line = if terminal.is_term() {
        terminal.read_secure_line()
    } else {
        // Without a terminal the password comes on standard input.
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .map(|_| line.trim_end_matches('\n').to_owned())
    };
    line.map(|line| Some(Secret::new(line))).map_err(|error| {
        vec![Diagnostic::error(
            "password",
            format!("the password could not be read: {error}"),
        )]
    })
}
