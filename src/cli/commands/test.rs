//! `ocplay test`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, Subcommand, ValueEnum};
use ocplay_language::diagnostic::Diagnostic;

use super::{Outcome, sources};
use crate::config::Config;
use crate::exit_code;
use crate::render::{diagnostic, print, print_error, scenario as show};
use crate::scenario::{
    Action, How, Kind, Life, Past, Place, Settings, Wishes, Witness, all, chosen, login, need,
    read, rows, schedule,
};

/// When hosts are removed at the end of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Destroy {
    /// Also when a step has failed.
    #[default]
    Always,
    /// Hosts stay, to be looked at.
    Never,
}

/// Which scenarios, and how.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ScenarioArgs {
    /// Scenarios: folders with molecule.yml in molecule-tests/ or molecule/.
    #[arg(value_name = "SCENARIO")]
    pub(crate) names: Vec<String>,
    /// The same; may be given again.
    #[arg(short, long = "scenario-name", value_name = "SCENARIO")]
    pub(crate) scenario_name: Vec<String>,
    /// Every scenario.
    #[arg(long)]
    pub(crate) all: bool,
    /// Every scenario but these.
    #[arg(long, value_name = "SCENARIO", requires = "all")]
    pub(crate) exclude: Vec<String>,
    /// Settings for all scenarios, read before each one's own.
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) base_config: Option<PathBuf>,
    /// Instead of the driver that the scenario names: lab, vm or default.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) driver_name: Option<String>,
    /// Scenarios at the same time; as many as memory allows when there are several.
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Words for every 'ocplay run'.
    #[arg(last = true, value_name = "RUN OPTIONS")]
    pub(crate) words: Vec<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TestArgs {
    #[command(subcommand)]
    pub(crate) command: Option<TestCommand>,
    #[command(flatten)]
    pub(crate) scenarios: ScenarioArgs,
    /// Whether hosts are removed at the end.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) destroy: Destroy,
}

/// Parts of a test. Without one of these words the whole test runs.
#[derive(Debug, Subcommand)]
pub(crate) enum TestCommand {
    /// Show scenarios, their hosts, and how far they are.
    List(ScenarioArgs),
    /// Show the steps that a test goes through.
    Matrix(ScenarioArgs),
    /// Fetch the roles that requirements.yml names.
    Dependency(ScenarioArgs),
    /// Make the hosts and prepare them.
    Create(ScenarioArgs),
    /// Run prepare.yml.
    Prepare {
        #[command(flatten)]
        scenarios: ScenarioArgs,
        /// Also on hosts that are prepared.
        #[arg(short, long)]
        force: bool,
    },
    /// Make the hosts where they are missing, and run converge.yml.
    Converge(ScenarioArgs),
    /// Run converge.yml again: nothing may change.
    Idempotence(ScenarioArgs),
    /// Run side_effect.yml.
    SideEffect(ScenarioArgs),
    /// Run verify.yml.
    Verify(ScenarioArgs),
    /// Run cleanup.yml.
    Cleanup(ScenarioArgs),
    /// Remove the hosts.
    Destroy(ScenarioArgs),
    /// Check the content of converge.yml.
    Syntax(ScenarioArgs),
    /// Find out what converge.yml would change on fresh hosts.
    Check {
        #[command(flatten)]
        scenarios: ScenarioArgs,
        /// Whether hosts are removed at the end.
        #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
        destroy: Destroy,
    },
    /// Bring the hosts back to how they were after prepare.yml, within seconds.
    Restore(ScenarioArgs),
    /// Open a shell on a host.
    Login {
        #[command(flatten)]
        scenarios: ScenarioArgs,
        /// Which host.
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
    },
}

/// What is to be done to each scenario.
enum Wanted<'a> {
    List,
    Matrix,
    Restore,
    Login(Option<&'a str>),
    Go(Action, Wishes),
}

pub(crate) fn run(args: &TestArgs, config: &Config) -> Outcome {
    let (scenarios, wanted) = wanted(args);
    let state = absolute(sources::state_folder())?;
    let project = absolute(PathBuf::from("."))?
        .canonicalize()
        .map_err(|error| {
            vec![Diagnostic::error(
                "scenario",
                format!("this folder cannot be read: {error}"),
            )]
        })?;
    let places = all(&project, &state);
    let names: Vec<String> = scenarios
        .names
        .iter()
        .chain(&scenarios.scenario_name)
        .cloned()
        .collect();
    let lists = matches!(wanted, Wanted::List | Wanted::Matrix);
    let everything = scenarios.all || (lists && names.is_empty());
    let places = chosen(&places, &names, everything, &scenarios.exclude)?;
    let driver = match &scenarios.driver_name {
        None => None,
        Some(name) => Some(Kind::of(name).map_err(|problem| vec![problem])?),
    };
    let settings = read_all(&places, scenarios, driver)?;
    match wanted {
        Wanted::List => {
            let all: Vec<_> = places
                .iter()
                .zip(&settings)
                .flat_map(|(place, settings)| rows(place, settings))
                .collect();
            show::list(&all);
            return Ok(ExitCode::SUCCESS);
        }
        Wanted::Matrix => {
            print(&matrix(&places, &settings));
            return Ok(ExitCode::SUCCESS);
        }
        Wanted::Login(host) => {
            let [place] = &places[..] else {
                return Err(vec![Diagnostic::error("login", "one scenario at a time")]);
            };
            return Err(vec![login(place, &settings[0], host)]);
        }
        Wanted::Restore | Wanted::Go(..) => {}
    }
    let stop = Arc::new(AtomicBool::new(false));
    let role_paths = config.paths("DEFAULT_ROLES_PATH").unwrap_or_default();
    let life = |index: usize, log: Option<PathBuf>, wishes: Wishes| Life {
        place: &places[index],
        settings: &settings[index],
        config: config.file(),
        role_paths: &role_paths,
        words: &scenarios.words,
        log,
        state: &state,
        wishes,
        stop: &stop,
    };
    let Wanted::Go(action, wishes) = wanted else {
        for index in 0..places.len() {
            life(index, None, Wishes::default())
                .restore()
                .map_err(|problem| vec![problem])?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    watch_interrupts(&stop)?;
    let all_needs: Vec<_> = settings.iter().map(need).collect();
    let jobs = scenarios.jobs.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(2, |count| count.get().max(2))
    });
    let pasts = if places.len() == 1 || jobs <= 1 {
        let go = |index| life(index, None, wishes).go(action, &show::Aloud);
        (0..places.len()).map(go).collect()
    } else {
        let width = places
            .iter()
            .map(|place| place.name.chars().count())
            .max()
            .unwrap_or(0);
        let witness = show::InShort::new(width);
        at_once(&places, &all_needs, jobs, &|index, log| {
            life(index, Some(log), wishes).go(action, &witness as &dyn Witness)
        })?
    };
    Ok(finish(&places, pasts))
}

fn wanted(args: &TestArgs) -> (&ScenarioArgs, Wanted<'_>) {
    let keep = Wishes {
        keep_hosts: true,
        force: false,
    };
    let go = |action| Wanted::Go(action, keep);
    let whole = |action, destroy| {
        let keep_hosts = destroy == Destroy::Never;
        Wanted::Go(
            action,
            Wishes {
                keep_hosts,
                force: false,
            },
        )
    };
    match &args.command {
        None => (&args.scenarios, whole(Action::Test, args.destroy)),
        Some(TestCommand::List(scenarios)) => (scenarios, Wanted::List),
        Some(TestCommand::Matrix(scenarios)) => (scenarios, Wanted::Matrix),
        Some(TestCommand::Dependency(scenarios)) => (scenarios, go(Action::Dependency)),
        Some(TestCommand::Create(scenarios)) => (scenarios, go(Action::Create)),
        Some(TestCommand::Prepare { scenarios, force }) => {
            let force = *force;
            (
                scenarios,
                Wanted::Go(Action::Prepare, Wishes { force, ..keep }),
            )
        }
        Some(TestCommand::Converge(scenarios)) => (scenarios, go(Action::Converge)),
        Some(TestCommand::Idempotence(scenarios)) => (scenarios, go(Action::Idempotence)),
        Some(TestCommand::SideEffect(scenarios)) => (scenarios, go(Action::SideEffect)),
        Some(TestCommand::Verify(scenarios)) => (scenarios, go(Action::Verify)),
        Some(TestCommand::Cleanup(scenarios)) => (scenarios, go(Action::Cleanup)),
        Some(TestCommand::Destroy(scenarios)) => (scenarios, go(Action::Destroy)),
        Some(TestCommand::Syntax(scenarios)) => (scenarios, go(Action::Syntax)),
        Some(TestCommand::Check { scenarios, destroy }) => {
            (scenarios, whole(Action::Check, *destroy))
        }
        Some(TestCommand::Restore(scenarios)) => (scenarios, Wanted::Restore),
        Some(TestCommand::Login { scenarios, host }) => (scenarios, Wanted::Login(host.as_deref())),
    }
}

/// Reads every scenario and reports all mistakes of all of them together.
fn read_all(
    places: &[Place],
    args: &ScenarioArgs,
    driver: Option<Kind>,
) -> Result<Vec<Settings>, Vec<Diagnostic>> {
    let shared = args.base_config.as_deref();
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    for place in places {
        match read(place, shared, driver) {
            Ok((settings, more)) => {
                found.push(settings);
                warnings.extend(more);
            }
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() {
        diagnostic::print_all(&warnings);
        Ok(found)
    } else {
        problems.extend(warnings);
        Err(problems)
    }
}

/// Scenarios beside each other; each one's words go to a file, shown when it failed.
fn at_once(
    places: &[Place],
    needs: &[schedule::Need],
    jobs: usize,
    go: &(dyn Fn(usize, PathBuf) -> Vec<Past> + Sync),
) -> Result<Vec<Vec<Past>>, Vec<Diagnostic>> {
    let folder = tempfile::tempdir().map_err(|error| {
        vec![Diagnostic::error(
            "file",
            format!("no folder for what scenarios say: {error}"),
        )]
    })?;
    let results: Vec<Mutex<Vec<Past>>> = places.iter().map(|_| Mutex::default()).collect();
    let turn = Mutex::new(());
    schedule::run(
        needs,
        jobs,
        schedule::available_memory() * 3 / 4,
        &|index| {
            let file = folder.path().join(index.to_string());
            let pasts = go(index, file.clone());
            if pasts.iter().any(|past| matches!(past.how, How::Failed(_))) {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                show::log(&places[index], &text);
            }
            *results[index]
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = pasts;
        },
    );
    Ok(results
        .into_iter()
        .map(|pasts| pasts.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect())
}

fn finish(places: &[Place], pasts: Vec<Vec<Past>>) -> ExitCode {
    let all = |test: &dyn Fn(&How) -> bool| pasts.iter().flatten().any(|past| test(&past.how));
    let code = if all(&|how| matches!(how, How::Interrupted)) {
        exit_code::INTERRUPTED
    } else if all(&|how| matches!(how, How::Failed(_) | How::Restless(_))) {
        exit_code::HOST_FAILED
    } else if all(&|how| !how.is_good()) {
        exit_code::ERROR
    } else {
        exit_code::OK
    };
    let pairs: Vec<_> = places.iter().zip(pasts).collect();
    show::summary(&pairs);
    ExitCode::from(code)
}

fn matrix(places: &[Place], settings: &[Settings]) -> String {
    let mut out = String::new();
    for (place, settings) in places.iter().zip(settings) {
        out.push_str(&format!("{}:\n", place.name));
        for step in settings.sequences.of(Action::Test) {
            let words: Vec<&str> = std::iter::once(step.action.word())
                .chain(step.playbooks.iter().map(String::as_str))
                .collect();
            out.push_str(&format!("  - {}\n", words.join(" ")));
        }
    }
    out
}

/// A first Ctrl-C ends the test after the step that runs (which stops by itself); hosts are removed then.
fn watch_interrupts(stop: &Arc<AtomicBool>) -> Result<(), Vec<Diagnostic>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![Diagnostic::error("runtime", error.to_string())])?;
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if !stop.swap(true, Ordering::Relaxed) {
                    print_error("\nstopping; what the scenario made is removed first\n");
                }
            }
        });
    });
    Ok(())
}

fn absolute(path: PathBuf) -> Result<PathBuf, Vec<Diagnostic>> {
    std::path::absolute(&path).map_err(|error| {
        vec![Diagnostic::error(
            "file",
            format!("{}: {error}", path.display()),
        )]
    })
}
