//! `ocplay config`, also as `ansible-config`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ocplay_language::diagnostic::Diagnostic;

use super::Outcome;
use crate::config::{Config, Origin, Surroundings, init, list, page};
use crate::render::print;

/// Show settings and where they come from.
#[derive(Debug, Parser)]
#[command(
    name = "ansible-config",
    disable_version_flag = true,
    max_term_width = 100
)]
pub(crate) struct ConfigArgs {
    /// Say more.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every setting with its value and origin.
    Dump {
        /// Read this file instead of the one that would be found.
        #[arg(short, long = "config", value_name = "FILE")]
        config_file: Option<PathBuf>,
        /// Only settings that were set.
        #[arg(long, visible_alias = "changed-only")]
        only_changed: bool,
        /// How it is printed: display or json.
        #[arg(short, long, default_value = "display", value_name = "FORMAT")]
        format: String,
        /// Kind of settings; only 'base' is known.
        #[arg(short, long, default_value = "base", value_name = "TYPE")]
        r#type: String,
    },
    /// Every setting with its meaning.
    List {
        /// Kind of settings; only 'base' is known.
        #[arg(short, long, default_value = "base", value_name = "TYPE")]
        r#type: String,
    },
    /// A file to begin with: every setting that has an effect, with its default.
    Init {
        /// Kind of settings; only 'base' is known.
        #[arg(short, long, default_value = "base", value_name = "TYPE")]
        r#type: String,
        /// As a file, or as lines for a shell.
        #[arg(short, long, value_enum, default_value = "ini", value_name = "FORMAT")]
        format: init::Form,
        /// Everything as a comment.
        #[arg(long)]
        disabled: bool,
    },
    /// The configuration file.
    View {
        /// Kind of settings; only 'base' is known.
        #[arg(short, long, default_value = "base", value_name = "TYPE")]
        r#type: String,
        /// Show this file instead of the one that would be found.
        #[arg(short, long = "config", value_name = "FILE")]
        config_file: Option<PathBuf>,
    },
    /// This page of the documentation, anew.
    #[command(hide = true)]
    Page,
}

pub(crate) fn run(args: &ConfigArgs, config: &Config) -> Outcome {
    let given = match &args.command {
        ConfigCommand::Dump { config_file, .. } | ConfigCommand::View { config_file, .. } => {
            config_file.as_deref()
        }
        _ => None,
    };
    let other = match given {
        Some(path) => Some(named(path)?),
        None => None,
    };
    let config = other.as_ref().unwrap_or(config);
    match &args.command {
        ConfigCommand::Dump {
            only_changed,
            config_file: _,
            format,
            r#type,
        } => {
            known_type(r#type)?;
            let rows: Vec<_> = config
                .dump()
                .into_iter()
                .filter(|(_, _, origin, _)| !only_changed || *origin != Origin::Default)
                .collect();
            match &**format {
                "json" => {
                    let rows: Vec<_> = rows
                        .iter()
                        .map(|(name, text, origin, _)| {
                            serde_json::json!({"name": name, "value": text, "origin": origin.to_string()})
                        })
                        .collect();
                    print(&format!("{:#}\n", serde_json::Value::from(rows)));
                }
                "display" => {
                    let file = config
                        .file()
                        .map_or("None".to_owned(), |file| file.display().to_string());
                    let mut out = format!("CONFIG_FILE() = {file}\n");
                    for (name, text, origin, ignored) in rows {
                        let text = if text.is_empty() { "None" } else { &text };
                        let note = if ignored { "  # without effect" } else { "" };
                        out.push_str(&format!("{name}({origin}) = {text}{note}\n"));
                    }
                    print(&out);
                }
                other => {
                    return Err(vec![
                        Diagnostic::error("config", format!("'{other}' is not a format"))
                            .help("formats are display and json"),
                    ]);
                }
            }
        }
        ConfigCommand::List { r#type } => {
            known_type(r#type)?;
            print(&list());
        }
        ConfigCommand::Init {
            r#type,
            format,
            disabled,
        } => {
            known_type(r#type)?;
            print(&init::init(*format, *disabled));
        }
        ConfigCommand::Page => print(&page()),
        ConfigCommand::View { .. } => match config.file() {
            Some(file) => print(&std::fs::read_to_string(file).map_err(|error| {
                vec![Diagnostic::error(
                    "config",
                    format!("{} cannot be read: {error}", file.display()),
                )]
            })?),
            None => {
                return Err(vec![
                    Diagnostic::error("config", "there is no configuration file")
                        .help("docs/configuration.md says where it is looked for"),
                ]);
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration of a file that is named.
fn named(path: &Path) -> Result<Config, Vec<Diagnostic>> {
    let wrong = |message: String| vec![Diagnostic::error("config", message)];
    if !path.is_file() {
        return Err(wrong(format!(
            "The provided configuration file is missing or not accessible: {}",
            path.display()
        )));
    }
    if !matches!(
        path.extension().and_then(|end| end.to_str()),
        Some("cfg" | "ini")
    ) {
        return Err(wrong(format!(
            "Unsupported configuration file extension: {}",
            path.display()
        )));
    }
    let mut around = Surroundings::here();
    let text = path.to_string_lossy().into_owned();
    around.env.insert("ANSIBLE_CONFIG".to_owned(), text);
    Config::load(around).map(|(config, _)| config)
}

fn known_type(kind: &str) -> Result<(), Vec<Diagnostic>> {
    if matches!(kind, "base" | "all") {
        return Ok(());
    }
    Err(vec![
        Diagnostic::error("config", format!("there are no settings of type '{kind}'"))
            .help("plug-ins have no settings of their own here; use -t base"),
    ])
}
