//! `ocplay adhoc`, also as `ansible`: one module on a pattern of hosts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ocplay_language::diagnostic::{Diagnostic, Severity};
use ocplay_language::inventory;
use ocplay_language::plan::tags::TagSelection;
use ocplay_language::plan::{Strictness, check};
use ocplay_language::playbook::ast::short_module_name;
use ocplay_language::source::Source;
use serde_json::{Map, Value, json};

use super::execution::Content;
use super::{Outcome, options};
use crate::args::{CommonArgs, ModeArgs};
use crate::config::Config;
use crate::exit_code;
use crate::render::style::Look;
use crate::render::{diagnostic, print};

/// Run one module on hosts.
#[derive(Debug, Parser)]
#[command(name = "ansible", max_term_width = 100, infer_long_args = true)]
pub(crate) struct AdhocArgs {
    /// Hosts and groups to work on.
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: String,
    /// Arguments of the module, as 'k=v' or as a mapping in JSON.
    #[arg(short, long, value_name = "ARGS", allow_hyphen_values = true)]
    pub(crate) args: Option<String>,
    /// The module (command).
    #[arg(short, long, value_name = "MODULE")]
    pub(crate) module_name: Option<String>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) mode: ModeArgs,
    /// Run in the background, for at most so many seconds.
    #[arg(short = 'B', long, value_name = "SECONDS")]
    pub(crate) background: Option<u64>,
    /// Seconds between looks at a task in the background.
    #[arg(short = 'P', long = "poll", value_name = "SECONDS")]
    pub(crate) poll_interval: Option<u64>,
    /// Seconds after which the task is given up.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) task_timeout: Option<u64>,
    /// Each result in one line.
    #[arg(short, long)]
    pub(crate) one_line: bool,
    /// Write each host's result to a file in this folder.
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) tree: Option<PathBuf>,
    /// List the hosts.
    #[arg(long)]
    pub(crate) list_hosts: bool,
    /// The playbook's folder, for its group_vars and host_vars.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) playbook_dir: Option<PathBuf>,
}

/// Modules that do nothing without arguments.
const NEEDS_ARGUMENTS: [&str; 4] = ["command", "shell", "script", "raw"];

fn wrong(message: String, help: &str) -> Outcome {
    diagnostic::print_all(&[Diagnostic::error("adhoc", message).help(help)]);
    Ok(ExitCode::from(exit_code::OPTIONS))
}

pub(crate) fn run(args: &AdhocArgs, config: &Config) -> Outcome {
    let name = args
        .module_name
        .clone()
        .or_else(|| config.text("DEFAULT_MODULE_NAME"))
        .unwrap_or_else(|| "command".to_owned());
    let words = args
        .args
        .clone()
        .or_else(|| config.text("DEFAULT_MODULE_ARGS"))
        .unwrap_or_default();
    let content = Content::read(&args.common, config)?;
    let (mut hosts, misses) =
        inventory::select(&args.pattern, &content.inventory, &*content.loader)
            .map_err(|error| vec![Diagnostic::error("hosts", error.to_string())])?;
    if let Some(limit) = &content.limit {
        hosts.retain(|host| limit.contains(host));
    }
    let warnings: Vec<_> = misses
        .iter()
        .map(|miss| Diagnostic::warning("hosts", miss.to_string()))
        .collect();
    diagnostic::print_all(&warnings);
    if args.list_hosts {
        let mut out = format!("  hosts ({}):\n", hosts.len());
        for host in &hosts {
            out.push_str(&format!("    {host}\n"));
        }
        print(&out);
        return Ok(ExitCode::SUCCESS);
    }
    if hosts.is_empty() {
        diagnostic::print_all(&[Diagnostic::warning(
            "hosts",
            "No hosts matched, nothing to do",
        )]);
        return Ok(ExitCode::SUCCESS);
    }
    let short = short_module_name(&name);
    if NEEDS_ARGUMENTS.contains(&short) && words.trim().is_empty() {
        let help = if args.pattern.ends_with(".yml") || args.pattern.ends_with(".yaml") {
            "did you mean to run a playbook? that is 'ocplay run'"
        } else {
            "give them with -a"
        };
        return wrong(format!("No argument passed to {name} module"), help);
    }
    if matches!(
        short,
        "import_playbook" | "import_role" | "import_tasks" | "include"
    ) {
        return wrong(
            format!("'{name}' is not a valid action for ad-hoc commands"),
            "put it in a playbook",
        );
    }
    let folder = args
        .playbook_dir
        .clone()
        .or_else(|| config.path("PLAYBOOK_DIR"))
        .unwrap_or_else(|| PathBuf::from("."));
    let play = play(args, &name, &words)?;
    let plan = content
        .resolver
        .load_text(&Source::new("ad hoc", play), &folder)?;
    let mut warnings = content.resolver.take_warnings();
    let (errors, more): (Vec<_>, Vec<_>) = check(
        &plan,
        &content.resolver,
        Strictness {
            handlers: true,
            listing: false,
            lenient: false,
        },
    )
    .into_iter()
    .partition(|problem| problem.severity == Severity::Error);
    warnings.extend(more);
    diagnostic::print_all(&warnings);
    if !errors.is_empty() {
        return Err(errors);
    }
    let verbosity = options::verbosity(&args.common, config)?;
    let mut style = options::style(config, verbosity, std::sync::Arc::clone(&content.keyring))?;
    style.look = if args.one_line {
        Look::Oneline
    } else if config
        .flag("DEFAULT_LOAD_CALLBACK_PLUGINS")?
        .unwrap_or(false)
    {
        style.look
    } else {
        Look::Minimal
    };
    if let Some(folder) = &args.tree {
        make(folder)?;
        style.tree = Some(folder.clone());
    }
    let options = options::options(
        &args.common,
        &args.mode,
        config,
        std::sync::Arc::clone(&content.extra_vars),
        content.limit.clone(),
        TagSelection::default(),
        &content.inventory_sources,
    )?;
    let title = format!("adhoc {name} {}", args.pattern);
    content.execute(plan, options, style, Vec::new(), &[title])
}

fn make(folder: &Path) -> Result<(), Vec<Diagnostic>> {
    std::fs::create_dir_all(folder).map_err(|error| {
        vec![Diagnostic::error(
            "tree",
            format!("{} cannot be made: {error}", folder.display()),
        )]
    })
}

/// A playbook of one task, as text: the parser knows what to make of it.
fn play(args: &AdhocArgs, name: &str, words: &str) -> Result<String, Vec<Diagnostic>> {
    let mut task = Map::new();
    let trimmed = words.trim();
    if trimmed.starts_with('{') && trimmed.ends_with('}') && !trimmed.starts_with("{{") {
        let source = Source::new("--args", trimmed);
        let (node, _) =
            ocplay_language::yaml::parse_one(&source).map_err(|problem| vec![*problem])?;
        task.insert(name.to_owned(), node.value().to_json());
    } else if trimmed.is_empty() {
        task.insert(name.to_owned(), Value::Null);
    } else {
        task.insert(name.to_owned(), Value::from(words));
    }
    if let Some(seconds) = args.background.filter(|seconds| *seconds > 0) {
        task.insert("async".to_owned(), json!(seconds));
        task.insert("poll".to_owned(), json!(args.poll_interval.unwrap_or(15)));
    }
    if let Some(seconds) = args.task_timeout.filter(|seconds| *seconds > 0) {
        task.insert("timeout".to_owned(), json!(seconds));
    }
    let play = json!([{
        "name": "Ansible Ad-Hoc",
        "hosts": args.pattern,
        "gather_facts": false,
        "tasks": [task],
    }]);
    Ok(play.to_string())
}
