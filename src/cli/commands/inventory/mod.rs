//! `ocplay inventory`, also as `ansible-inventory`.

mod catalogue;
mod json;
mod picture;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::{self, VarsFolders};
use ocplay_language::loader::Loader;
use ocplay_language::template::block_yaml;
use ocplay_language::value::Value;

use super::{Outcome, options, sources, vars};
use crate::args::InventoryArgs;
use crate::config::Config;
use crate::render::{diagnostic, print};
use crate::{exit_code, secrets};
use json::Out;
use view::View;

pub(crate) fn run(args: &InventoryArgs, config: &Config) -> Outcome {
    let loader: Arc<dyn Loader> = secrets::loader(config, &args.vault)?;
    let extra = vars::extra_vars(&args.extra_vars, &*loader)?;
    let sources = sources::inventories(&args.inventory, config);
    let inventory = sources::load(&sources, config, &extra, &loader)?;
    if args.flush_cache
        && let Some(cache) = options::fact_cache(config)?
    {
        for (name, _) in inventory.hosts() {
            cache.forget(name);
        }
    }
    let folder = args
        .playbook_dir
        .clone()
        .or_else(|| config.path("PLAYBOOK_DIR"));
    let export = args.export || config.flag("INVENTORY_EXPORT")?.unwrap_or(false);
    let view = View::new(
        &inventory,
        VarsFolders::new(Arc::clone(&loader)),
        folder.unwrap_or_else(|| PathBuf::from(".")),
        extra,
        export,
    );
    if let Some(name) = &args.host {
        return one_host(&view, name, args, &*loader);
    }
    let limit = match &args.limit {
        Some(pattern) => {
            let (hosts, misses) = inventory::select(pattern, &inventory, &*loader)
                .map_err(|error| vec![Diagnostic::error("limit", format!("--limit: {error}"))])?;
            let warnings: Vec<_> = misses
                .iter()
                .map(|miss| Diagnostic::warning("limit", miss.to_string()))
                .collect();
            diagnostic::print_all(&warnings);
            Some(hosts.into_iter().collect())
        }
        None => None,
    };
    if let Some(group) = &args.graph {
        if inventory.group(group).is_none() {
            let known: Vec<&str> = inventory.groups().map(|(name, _)| &**name).collect();
            diagnostic::print_all(&[Diagnostic::error(
                "unknown-group",
                "Pattern must be valid group name when using --graph",
            )
            .suggest(group, known)]);
            return Ok(ExitCode::from(exit_code::OPTIONS));
        }
        let text = if args.svg {
            picture(&view, group, args, &loader)?
        } else {
            view.graph(group, args.vars)?
        };
        write(&text, args)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.toml {
        write(&view.toml(limit.as_ref())?, args)?;
    } else if args.yaml {
        let value = view.yaml(limit.as_ref())?;
        write(&block_yaml(&value, true).unwrap_or_default(), args)?;
    } else {
        let mut out = Out::new(args.output.as_deref())?;
        view.list(limit.as_ref(), &mut out)?;
        out.finish()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a catalogue of components usually is.
const CATALOGUE: &str = "roles/components/defaults/main";

fn picture(
    view: &View<'_>,
    group: &str,
    args: &InventoryArgs,
    loader: &Arc<dyn Loader>,
) -> Result<String, Vec<Diagnostic>> {
    let usual = PathBuf::from(CATALOGUE);
    let folder = args
        .catalogue
        .clone()
        .or_else(|| usual.is_dir().then_some(usual));
    let components = match folder {
        Some(folder) => Some(catalogue::components(&folder, view, loader)?),
        None => None,
    };
    picture::draw(view, group, components.as_ref())
}

fn one_host(view: &View<'_>, name: &str, args: &InventoryArgs, loader: &dyn Loader) -> Outcome {
    let (hosts, _) = inventory::select(name, view.inventory, loader)
        .map_err(|error| vec![Diagnostic::error("host", format!("--host: {error}"))])?;
    let [host] = &hosts[..] else {
        let known: Vec<&str> = view.inventory.hosts().map(|(name, _)| &**name).collect();
        diagnostic::print_all(&[
            Diagnostic::warning(
                "unknown-host",
                format!("Could not match supplied host pattern, ignoring: {name}"),
            ),
            Diagnostic::error(
                "unknown-host",
                "You must pass a single valid host to --host parameter",
            )
            .suggest(name, known),
        ]);
        return Ok(ExitCode::from(exit_code::OPTIONS));
    };
    let vars = Value::Map(Arc::new(view.host_vars(host)?));
    if args.yaml {
        write(&block_yaml(&vars, true).unwrap_or_default(), args)?;
    } else if args.toml {
        write(&view::toml_text(&vars)?, args)?;
    } else {
        let mut out = Out::new(args.output.as_deref())?;
        out.value(&vars, 0, false)?;
        out.text("\n")?;
        out.finish()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Text to the screen or to the file of `--output`.
fn write(text: &str, args: &InventoryArgs) -> Result<(), Vec<Diagnostic>> {
    match &args.output {
        None => print(&format!("{}\n", text.trim_end_matches('\n'))),
        Some(path) => std::fs::write(path, text).map_err(|error| json::unwritable(path, &error))?,
    }
    Ok(())
}
