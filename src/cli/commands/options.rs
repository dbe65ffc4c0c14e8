//! From words of the command line and settings to what the engine is asked
//! to do. The command line wins over the environment, the environment over
//! `ansible.cfg`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ocplay_engine::connection::{HostKeyPolicy, SshOptions};
use ocplay_engine::fact_cache::FactCache;
use ocplay_engine::options::{BecomeDefaults, Gathering, Mismatch, Rules, RunOptions};
use ocplay_engine::secret::Secret;
use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::plan::tags::TagSelection;
use ocplay_language::value::Map;
use ocplay_language::vault::Keyring;

use super::sources;
use crate::args::{CommonArgs, HostKeyChecking, ModeArgs};
use crate::config::Config;
use crate::prompt;
use crate::render::beside::{Beside, Junit, JunitRules, Profile};
use crate::render::style::{Look, Style};
use crate::render::{diagnostic, paint};

/// Hosts worked on at once, unless somebody says otherwise.
const FORKS: u64 = 50;
/// Seconds to wait for a connection.
const TIMEOUT: u64 = 10;

type Found<T> = Result<T, Vec<Diagnostic>>;

/// What both a playbook and a single module take.
pub(super) fn options(
    args: &CommonArgs,
    mode: &ModeArgs,
    config: &Config,
    extra_vars: Arc<Map>,
    limit: Option<BTreeSet<Arc<str>>>,
    tags: TagSelection,
    inventory_sources: &[String],
) -> Found<RunOptions> {
    let flag = |given: bool, name: &str| -> Found<bool> {
        Ok(given || config.flag(name)?.unwrap_or(false))
    };
    let ask_pass = flag(args.ask_pass, "DEFAULT_ASK_PASS")?;
    let ask_become_pass = flag(args.ask_become_pass, "DEFAULT_BECOME_ASK_PASS")?;
    let file = |given: &Option<PathBuf>, name: &str| given.clone().or_else(|| config.path(name));
    let password = secret(
        ask_pass,
        file(&args.connection_password_file, "CONNECTION_PASSWORD_FILE").as_deref(),
        "SSH password: ",
    )?;
    let question = if ask_pass {
        "BECOME password[defaults to SSH password]: "
    } else {
        "BECOME password: "
    };
    let become_password = secret(
        ask_become_pass,
        file(&args.become_password_file, "BECOME_PASSWORD_FILE").as_deref(),
        question,
    )?;
    let become_password = become_password
        .filter(|given| !given.reveal().is_empty())
        .or_else(|| password.clone().filter(|_| ask_become_pass));
    let forks = mode.forks.map(|forks| forks as u64);
    let forks = forks.or(config.number("DEFAULT_FORKS")?).unwrap_or(FORKS);
    let timeout = args.timeout.or(config.number("DEFAULT_TIMEOUT")?);
    let text = |given: &Option<String>, name: &str| given.clone().or_else(|| config.text(name));
    Ok(RunOptions {
        check: mode.check,
        diff: flag(mode.diff, "DIFF_ALWAYS")?,
        forks: usize::try_from(forks.max(1)).unwrap_or(usize::MAX),
        verbosity: verbosity(args, config)?,
        tags,
        limit,
        limit_text: args.limit.clone(),
        python: python(),
        extra_vars,
        start_at_task: None,
        stepwise: false,
        force_handlers: flag(false, "DEFAULT_FORCE_HANDLERS")?,
        fact_cache: fact_cache(config)?,
        flush_cache: args.flush_cache,
        rules: rules(config)?,
        becoming: BecomeDefaults {
            enabled: flag(args.becoming, "DEFAULT_BECOME")?,
            user: text(&args.become_user, "DEFAULT_BECOME_USER"),
            method: text(&args.become_method, "DEFAULT_BECOME_METHOD"),
            exe: config.text("DEFAULT_BECOME_EXE"),
            flags: config.text("DEFAULT_BECOME_FLAGS"),
        },
        ssh: SshOptions {
            user: text(&args.user, "DEFAULT_REMOTE_USER"),
            private_key: file(&args.private_key, "DEFAULT_PRIVATE_KEY_FILE"),
            password,
            become_password,
            timeout: Duration::from_secs(timeout.unwrap_or(TIMEOUT).max(1)),
            connection: text(&args.connection, "DEFAULT_TRANSPORT").filter(|kind| kind != "smart"),
            common_args: common_args(args, config)?,
            host_keys: host_keys(args, config)?,
            home: sources::home(),
            login: login(),
            agent_socket: std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
            config_files: vec![
                sources::home().join(".ssh/config"),
                PathBuf::from("/etc/ssh/ssh_config"),
            ],
            config: Arc::default(),
        },
        inventory_sources: inventory_sources.to_vec(),
    })
}

pub(super) fn verbosity(args: &CommonArgs, config: &Config) -> Found<u8> {
    let set = config.number("DEFAULT_VERBOSITY")?.unwrap_or(0);
    Ok(args.verbose.max(u8::try_from(set).unwrap_or(u8::MAX)))
}

/// What changes the meaning of a playbook.
/// `fact_caching`: in memory only, or in files.
pub(super) fn fact_cache(config: &Config) -> Found<Option<FactCache>> {
    let kind = config.text("CACHE_PLUGIN").unwrap_or_default();
    match kind.strip_prefix("ansible.builtin.").unwrap_or(&kind) {
        "jsonfile" => {}
        "memory" | "" => return Ok(None),
        other => {
            return Err(vec![
                Diagnostic::error("fact-cache", format!("there is no fact cache '{other}'"))
                    .suggest(other, ["jsonfile", "memory"])
                    .help("the name comes from fact_caching or ANSIBLE_CACHE_PLUGIN"),
            ]);
        }
    }
    let Some(folder) = config.path("CACHE_PLUGIN_CONNECTION") else {
        return Err(vec![
            Diagnostic::error("fact-cache", "fact_caching = jsonfile needs a folder")
                .help("set fact_caching_connection or ANSIBLE_CACHE_PLUGIN_CONNECTION"),
        ]);
    };
    let timeout = config
        .number("CACHE_PLUGIN_TIMEOUT")?
        .filter(|seconds| *seconds > 0);
    Ok(Some(FactCache {
        folder,
        prefix: config.text("CACHE_PLUGIN_PREFIX").unwrap_or_default(),
        timeout: timeout.map(Duration::from_secs),
    }))
}

fn rules(config: &Config) -> Found<Rules> {
    let flag =
        |name: &str, default: bool| -> Found<bool> { Ok(config.flag(name)?.unwrap_or(default)) };
    let usual = Rules::default();
    let gathering = config.choice("DEFAULT_GATHERING", &["implicit", "explicit", "smart"])?;
    let hashes = config.choice("DEFAULT_HASH_BEHAVIOUR", &["replace", "merge"])?;
    Ok(Rules {
        strategy: config.text("DEFAULT_STRATEGY").unwrap_or(usual.strategy),
        gathering: match gathering.as_deref() {
            Some("explicit") => Gathering::Explicit,
            Some("smart") => Gathering::Smart,
            _ => Gathering::Implicit,
        },
        error_on_missing_handler: flag("ERROR_ON_MISSING_HANDLER", true)?,
        any_errors_fatal: flag("ANY_ERRORS_FATAL", false)?,
        inject_facts: flag("INJECT_FACTS_AS_VARS", true)?,
        no_log: flag("DEFAULT_NO_LOG", false)?,
        pattern_mismatch: match config
            .choice("HOST_PATTERN_MISMATCH", &["warning", "error", "ignore"])?
            .as_deref()
        {
            Some("error") => Mismatch::Error,
            Some("ignore") => Mismatch::Ignored,
            _ => Mismatch::Warning,
        },
        task_timeout: config.number("TASK_TIMEOUT")?.unwrap_or(0),
        merge_hashes: hashes.as_deref() == Some("merge"),
        task_debugger: flag("ENABLE_TASK_DEBUGGER", false)?,
    })
}

/// Options as for ssh, of all the places where they can stand.
fn common_args(args: &CommonArgs, config: &Config) -> Found<Option<String>> {
    let mut words = Vec::new();
    if let Some(port) = config.number("DEFAULT_REMOTE_PORT")? {
        words.push(format!("-p {port}"));
    }
    words.extend(config.text("SSH_ARGS"));
    let common = args.ssh_common_args.clone();
    words.extend(common.or_else(|| config.text("SSH_COMMON_ARGS")));
    let extra = args.ssh_extra_args.clone();
    words.extend(extra.or_else(|| config.text("SSH_EXTRA_ARGS")));
    words.retain(|word| !word.trim().is_empty());
    Ok((!words.is_empty()).then(|| words.join(" ")))
}

fn host_keys(args: &CommonArgs, config: &Config) -> Found<Option<HostKeyPolicy>> {
    Ok(match args.host_key_checking {
        Some(HostKeyChecking::Strict) => Some(HostKeyPolicy::Strict),
        Some(HostKeyChecking::AcceptNew) => Some(HostKeyPolicy::AcceptNew),
        Some(HostKeyChecking::Off) => Some(HostKeyPolicy::Off),
        None => config.flag("HOST_KEY_CHECKING")?.map(|checked| {
            if checked {
                HostKeyPolicy::Strict
            } else {
                HostKeyPolicy::Off
            }
        }),
    })
}

/// How the run is shown. A look that is not known is warned about.
pub(super) fn style(config: &Config, verbosity: u8, keyring: Arc<Keyring>) -> Found<Style> {
    let flag =
        |name: &str, default: bool| -> Found<bool> { Ok(config.flag(name)?.unwrap_or(default)) };
    if flag("ANSIBLE_FORCE_COLOR", false)? {
        paint::configure(true);
    } else if flag("ANSIBLE_NOCOLOR", false)? {
        paint::configure(false);
    }
    let named = config.text("DEFAULT_STDOUT_CALLBACK").unwrap_or_default();
    let short = named
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    let format = config.choice("CALLBACK_RESULT_FORMAT", &["json", "yaml"])?;
    let mut yaml = format.as_deref() == Some("yaml");
    let look = match &*short {
        "" | "default" => Look::Default,
        "yaml" => {
            yaml = true;
            Look::Default
        }
        "minimal" => Look::Minimal,
        "oneline" => Look::Oneline,
        "json" => Look::Json,
        "jsonl" => Look::Jsonl,
        _ => {
            diagnostic::print_all(&[Diagnostic::warning(
                "callback",
                format!("the stdout callback '{named}' is not there, 'default' is used"),
            )
            .suggest(&short, Look::NAMES)
            .help(format!("there are {}", Look::NAMES.join(", ")))]);
            Look::Default
        }
    };
    let number = |name: &str, default: usize| -> Found<usize> {
        Ok(config
            .number(name)?
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default))
    };
    Ok(Style {
        look,
        verbosity,
        notes: if flag("DEFAULT_DEBUG", false)? {
            verbosity.max(2)
        } else {
            verbosity
        },
        classic: config.classic(),
        yaml,
        pretty: match config.text("CALLBACK_FORMAT_PRETTY") {
            Some(text) if text.trim().is_empty() => None,
            _ => config.flag("CALLBACK_FORMAT_PRETTY")?,
        },
        indent: number("CALLBACK_RESULT_INDENTATION", 4)?.clamp(1, 16),
        show_ok: flag("DISPLAY_OK_HOSTS", true)?,
        show_skipped: flag("DISPLAY_SKIPPED_HOSTS", true)?,
        failed_to_stderr: flag("DISPLAY_FAILED_STDERR", false)?,
        check_markers: flag("CHECK_MODE_MARKERS", false)?,
        custom_stats: flag("SHOW_CUSTOM_STATS", false)?,
        deprecations: flag("DEPRECATION_WARNINGS", true)?,
        diff_context: number("DIFF_CONTEXT", 3)?,
        log: config.path("DEFAULT_LOG_PATH"),
        log_verbosity: u8::try_from(number("LOG_VERBOSITY", usize::from(verbosity))?)
            .unwrap_or(u8::MAX),
        tree: None,
        keyring,
    })
}

/// What runs beside the screen. A name that is not known is warned about.
pub(super) fn beside(
    config: &Config,
    playbook: &Path,
    keyring: &Arc<Keyring>,
) -> Found<Vec<Beside>> {
    let mut out = Vec::new();
    for named in config.list("CALLBACKS_ENABLED").unwrap_or_default() {
        let short = named.rsplit('.').next().unwrap_or_default();
        out.push(match short {
            "junit" => {
                let rules = junit(config)?;
                Beside::Junit(Box::new(Junit::new(rules, playbook, Arc::clone(keyring))))
            }
            "profile_tasks" => Beside::ProfileTasks(Profile::new(false)),
            "profile_roles" => Beside::ProfileRoles(Profile::new(true)),
            "timer" => Beside::Timer(Instant::now()),
            _ => {
                let problem = format!("the callback '{named}' is not there");
                diagnostic::print_all(&[Diagnostic::warning("callback", problem)
                    .suggest(short, Beside::NAMES)
                    .help(format!("there are {}", Beside::NAMES.join(", ")))]);
                continue;
            }
        });
    }
    Ok(out)
}

fn junit(config: &Config) -> Found<JunitRules> {
    let flag = |name: &str| -> Found<bool> { Ok(config.flag(name)?.unwrap_or(false)) };
    Ok(JunitRules {
        folder: config
            .path("JUNIT_OUTPUT_DIR")
            .unwrap_or_else(|| config.home().join(".ansible.log")),
        class_per_file: flag("JUNIT_TASK_CLASS")?,
        relative_to: config.path("JUNIT_TASK_RELATIVE_PATH"),
        fail_on_change: flag("JUNIT_FAIL_ON_CHANGE")?,
        fail_on_ignore: flag("JUNIT_FAIL_ON_IGNORE")?,
        leave_out_setup: !config
            .flag("JUNIT_INCLUDE_SETUP_TASKS_IN_REPORT")?
            .unwrap_or(true),
        prefix: config.text("JUNIT_TEST_CASE_PREFIX").unwrap_or_default(),
    })
}

/// `--tags` and `--skip-tags`, or the settings for them.
pub(super) fn selection(tags: &[String], skip_tags: &[String], config: &Config) -> TagSelection {
    let words = |given: &[String], name: &str| {
        let given = if given.is_empty() {
            config.list(name).unwrap_or_default()
        } else {
            given.to_vec()
        };
        given
            .iter()
            .flat_map(|tags| tags.split(','))
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect()
    };
    TagSelection {
        only: words(tags, "TAGS_RUN"),
        skip: words(skip_tags, "TAGS_SKIP"),
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

/// A password that is asked for, read from a file or printed by a program.
fn secret(ask: bool, file: Option<&Path>, question: &str) -> Found<Option<Secret>> {
    if let Some(file) = file {
        let text = crate::secrets::password_of(file)?;
        return Ok(Some(Secret::new(text)));
    }
    if !ask {
        return Ok(None);
    }
    prompt::hidden(question).map(|line| Some(Secret::new(line)))
}

/// The Python that a user would get on this machine.
fn python() -> Option<String> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| ["python3", "python"].map(|name| folder.join(name)))
        .find(|program| program.is_file())
        .map(|program| program.to_string_lossy().into_owned())
}
