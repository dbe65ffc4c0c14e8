//! What a playbook and a single module have in common: content is read,
//! hosts are chosen, the engine runs a plan.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ocplay_engine::options::RunOptions;
use ocplay_engine::plugins::PythonPlugins;
use ocplay_engine::run::{Abort, Ending, Setup, run as run_plan};
use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::{self, Inventory, PatternError};
use ocplay_language::loader::Loader;
use ocplay_language::plan::{Plan, Resolver};
use ocplay_language::template::Templar;
use ocplay_language::value::Map;
use ocplay_language::vault::{Keyring, Unlocked};

use super::{Outcome, sources, vars};
use crate::args::CommonArgs;
use crate::config::Config;
use crate::render::beside::Beside;
use crate::render::journal::Journal;
use crate::render::screen::Screen;
use crate::render::style::Style;
use crate::render::{diagnostic, print, print_error};
use crate::{exit_code, helper, secrets};

type Found<T> = Result<T, Vec<Diagnostic>>;
pub(super) type Limit = BTreeSet<Arc<str>>;

/// Everything that is read before a plan is made.
pub(super) struct Content {
    pub(super) loader: Arc<dyn Loader>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) extra_vars: Arc<Map>,
    pub(super) inventory_sources: Vec<String>,
    pub(super) inventory: Inventory,
    /// Hosts left by `--limit`; `None` for all.
    pub(super) limit: Option<Limit>,
    pub(super) resolver: Arc<Resolver>,
}

impl Content {
    pub(super) fn read(args: &CommonArgs, config: &Config) -> Found<Self> {
        if super::options::verbosity(args, config)? > 0 && config.classic() {
            print(&match config.file() {
                Some(file) => format!("Using {} as config file\n", file.display()),
                None => "No config file found; using defaults\n".to_owned(),
            });
        }
        let mut unlocked = secrets::loader(config, &args.vault)?;
        if let Some(paths) = &args.module_path {
            let with_more = Unlocked::clone(&unlocked).with_paths_before("ANSIBLE_LIBRARY", paths);
            unlocked = Arc::new(with_more);
        }
        let keyring = unlocked.secrets();
        let loader: Arc<dyn Loader> = unlocked;
        let extra_vars = vars::extra_vars(&args.extra_vars, &*loader)?;
        let inventory_sources = sources::inventories(&args.inventory, config);
        let inventory = sources::load(&inventory_sources, config, &extra_vars, &loader)?;
        if inventory.hosts().next().is_none() && config.flag("LOCALHOST_WARNING")?.unwrap_or(true) {
            diagnostic::print_all(&[Diagnostic::warning(
                "inventory",
                "provided hosts list is empty, only localhost is available. Note that the implicit localhost does not match 'all'",
            )]);
        }
        let limit = limit(args.limit.as_deref(), &inventory, &*loader)?;
        let plugins = PythonPlugins::new();
        for (kind, name) in [
            ("filter", "DEFAULT_FILTER_PLUGIN_PATH"),
            ("test", "DEFAULT_TEST_PLUGIN_PATH"),
            ("lookup", "DEFAULT_LOOKUP_PLUGIN_PATH"),
        ] {
            for folder in config.paths(name).unwrap_or_default() {
                plugins.add(kind, &folder);
            }
        }
        let mut templar = Templar::with_plugins(Arc::clone(&loader), Arc::new(plugins));
        templar.truthy = config.flag("ALLOW_BROKEN_CONDITIONALS")?.unwrap_or(false);
        let resolver = Arc::new(Resolver::new(
            Arc::new(helper::catalogue()),
            Arc::clone(&loader),
            templar,
            role_paths(config),
            Arc::clone(&extra_vars),
        ));
        Ok(Self {
            loader,
            keyring,
            extra_vars,
            inventory_sources,
            inventory,
            limit,
            resolver,
        })
    }

    /// Lets the engine run a plan to its end.
    pub(super) fn execute(
        self,
        plan: Plan,
        options: RunOptions,
        style: Style,
        beside: Vec<Beside>,
        words: &[String],
    ) -> Outcome {
        let journal =
            Journal::start(&sources::state_folder(), words, Arc::clone(&self.keyring)).ok();
        let log = style.log.clone().unwrap_or_default();
        let screen = Screen::new(style, options.check, journal, beside).map_err(|error| {
            vec![Diagnostic::error(
                "log",
                format!("the log {} cannot be written: {error}", log.display()),
            )]
        })?;
        let stop = Arc::new(AtomicBool::new(false));
        let abort = Arc::new(Abort::default());
        let setup = Setup {
            plan,
            options,
            inventory: self.inventory,
            lab: sources::lab_facts(&self.inventory_sources),
            resolver: self.resolver,
            loader: self.loader,
            agent: helper::agent(),
            events: Arc::new(screen),
            stop: Arc::clone(&stop),
            abort: Arc::clone(&abort),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| vec![Diagnostic::error("runtime", error.to_string())])?;
        let ending = runtime.block_on(async {
            tokio::spawn(watch_interrupts(stop, abort));
            // On a thread of the pool, where its tasks are: handing one over to
            // another thread costs more than most of them.
            tokio::spawn(run_plan(setup)).await
        });
        let ending =
            ending.map_err(|error| vec![Diagnostic::error("runtime", error.to_string())])?;
        runtime.shutdown_timeout(Duration::from_secs(1));
        Ok(ExitCode::from(code(&ending)))
    }
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

/// The first interrupt stops after the running tasks, the second ends them on
/// the hosts as well.
async fn watch_interrupts(stop: Arc<AtomicBool>, abort: Arc<Abort>) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    stop.store(true, Ordering::Relaxed);
    print_error("\nstopping after the running tasks; press Ctrl-C again to stop at once\n");
    if tokio::signal::ctrl_c().await.is_ok() {
        print_error("\nending what runs on the hosts\n");
        abort.wanted.notify_one();
        // A host that does not listen keeps nobody.
        drop(tokio::time::timeout(Duration::from_secs(3), abort.done.notified()).await);
        std::process::exit(i32::from(exit_code::INTERRUPTED));
    }
}

/// Where roles are looked for besides the playbook's own folders.
fn role_paths(config: &Config) -> Vec<PathBuf> {
    let set = config.paths("DEFAULT_ROLES_PATH");
    let mut paths = vec![PathBuf::from("roles")];
    paths.extend(set.unwrap_or_else(|| {
        vec![
            config.ansible_home().join("roles"),
            PathBuf::from("/usr/share/ansible/roles"),
            PathBuf::from("/etc/ansible/roles"),
        ]
    }));
    paths
}

/// The hosts that `--limit` leaves; none at all is an error.
fn limit(
    pattern: Option<&str>,
    inventory: &Inventory,
    loader: &dyn Loader,
) -> Found<Option<Limit>> {
    let Some(pattern) = pattern else {
        return Ok(None);
    };
    let (hosts, misses) = inventory::select(pattern, inventory, loader)
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
    if hosts.is_empty() && inventory.hosts().next().is_some() {
        problems.push(no_hosts());
        return Err(problems);
    }
    diagnostic::print_all(&problems);
    Ok(Some(hosts.into_iter().collect()))
}

fn no_hosts() -> Diagnostic {
    Diagnostic::error(
        "limit",
        "Specified inventory, host pattern and/or --limit leaves us with no hosts to target.",
    )
    .help("'ocplay inventory --graph -i INVENTORY' shows the hosts")
}
