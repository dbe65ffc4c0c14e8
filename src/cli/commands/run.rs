//! `ocplay run`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use ocplay_language::diagnostic::{Diagnostic, Severity};
use ocplay_language::inventory::{self, Inventory};
use ocplay_language::loader::Machine;
use ocplay_language::plan::tags::TagSelection;
use ocplay_language::plan::{Plan, Resolver, Strictness, check};
use ocplay_language::value::Value;

use super::execution::{Content, Limit};
use super::{Outcome, options, sources};
use crate::args::RunArgs;
use crate::config::Config;
use crate::render::lists::{self, Wanted};
use crate::render::{diagnostic, print};

pub(crate) fn run(args: &RunArgs, config: &Config) -> Outcome {
    let content = Content::read(&args.common, config)?;
    let playbooks: Vec<PathBuf> = args
        .playbooks
        .iter()
        .map(|path| sources::find(path, "playbooks"))
        .collect();
    let listing = args.list_tasks || args.list_tags || args.list_hosts;
    let strictness = Strictness {
        handlers: config.flag("ERROR_ON_MISSING_HANDLER")?.unwrap_or(true),
        listing: args.syntax_check || listing,
        // Under Ansible's name only what Ansible refuses ends a syntax check.
        lenient: listing || (args.syntax_check && args.classic),
    };
    let doubled = config
        .choice("DUPLICATE_YAML_DICT_KEY", &["warn", "error", "ignore"])?
        .unwrap_or_default();
    let plans = load(&playbooks, &content.resolver, strictness, &doubled)?;
    let tags = options::selection(&args.tags, &args.skip_tags, config);
    let wanted = Wanted {
        tasks: args.list_tasks,
        hosts: args.list_hosts,
        tags: args.list_tags,
    };
    if wanted.tasks || wanted.hosts || wanted.tags {
        list(
            &playbooks,
            &plans,
            &content.inventory,
            content.limit.as_ref(),
            wanted,
            &tags,
            &content.resolver,
        );
        return Ok(ExitCode::SUCCESS);
    }
    if args.syntax_check {
        for path in &playbooks {
            print(&format!("\nplaybook: {}\n", path.display()));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut options = options::options(
        &args.common,
        &args.mode,
        config,
        Arc::clone(&content.extra_vars),
        content.limit.clone(),
        tags,
        &content.inventory_sources,
    )?;
    options.start_at_task.clone_from(&args.start_at_task);
    options.stepwise = args.step;
    options.force_handlers |= args.force_handlers;
    let style = options::style(config, options.verbosity, Arc::clone(&content.keyring))?;
    let first = playbooks
        .first()
        .map_or(Path::new("playbook"), PathBuf::as_path);
    let beside = options::beside(config, first, &content.keyring)?;
    let mut plan = Plan::default();
    for one in plans {
        if !plan.plays.is_empty() {
            plan.ends.push(plan.plays.len());
        }
        plan.plays.extend(one.plays);
    }
    plan.names = playbooks
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let words: Vec<String> = args
        .playbooks
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    content.execute(plan, options, style, beside, &words)
}

/// Loads every playbook and reports all mistakes of all of them together.
fn load(
    playbooks: &[PathBuf],
    resolver: &Resolver,
    strictness: Strictness,
    doubled_keys: &str,
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
                problems.extend(check(&plan, resolver, strictness));
                plans.push(plan);
            }
            Err(found) => problems.extend(found),
        }
    }
    let mut warnings = resolver.take_warnings();
    let (mut errors, more): (Vec<_>, Vec<_>) = problems
        .into_iter()
        .partition(|problem| problem.severity == Severity::Error);
    warnings.extend(more);
    let (doubled, warnings): (Vec<_>, Vec<_>) = warnings
        .into_iter()
        .partition(|warning| warning.code == "duplicate-key");
    match doubled_keys {
        "ignore" => {}
        "error" => errors.extend(doubled.into_iter().map(|problem| Diagnostic {
            severity: Severity::Error,
            ..problem
        })),
        _ => diagnostic::print_all(&doubled),
    }
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
            let pattern = match &play.play.hosts.value {
                Value::List(items) => items
                    .iter()
                    .map(ocplay_language::python::text)
                    .collect::<Vec<_>>()
                    .join(","),
                other => ocplay_language::python::text(
                    &resolver
                        .templar()
                        .resolve(other, &resolver.scope())
                        .unwrap_or_else(|_| other.clone()),
                ),
            };
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
