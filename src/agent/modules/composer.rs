//! `composer`: packages of PHP projects.

use std::path::PathBuf;

use ocplay_protocol::Diff;
use serde_json::Value;

use super::acts::command;
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch, words};

ocplay_protocol::arguments! {
    /// Runs composer, which manages the packages of PHP projects.
    pub(super) struct Args {
        /// Command of composer, such as install, update, require or create-project.
        command: String = "install".to_owned(),
        /// Arguments of the command, such as the package and its version.
        arguments: String = String::new(),
        /// The program php.
        executable: Option<PathBuf> ["php_path"],
        /// The program composer.
        composer_executable: Option<PathBuf>,
        /// Folder of the project; needed unless the command is for all projects.
        working_dir: Option<PathBuf>,
        /// Run the command for all projects of the user.
        global_command: bool = false,
        /// Take sources where they can be had.
        prefer_source: bool = false,
        /// Take archives where they can be had.
        prefer_dist: bool = false,
        /// Leave out what is for development.
        no_dev: bool = true,
        /// Do not run the scripts of composer.json.
        no_scripts: bool = false,
        /// Do not load plug-ins.
        no_plugins: bool = false,
        /// Make the autoloader fast.
        optimize_autoloader: bool = true,
        /// Load classes by the map only.
        classmap_authoritative: bool = false,
        /// Cache classes with APCu.
        apcu_autoloader: bool = false,
        /// Ignore what packages need of PHP and its extensions.
        ignore_platform_reqs: bool = false,
    }
}

pub(super) struct Composer;

pub(super) struct Plan {
    words: Vec<String>,
    /// Only tries.
    dry: bool,
}

/// What composer says when there was nothing to do.
const NOTHING: [&str; 2] = [
    "Nothing to install or update",
    "Nothing to install, update or remove",
];

fn program(args: &Args, look: &Look) -> Result<Vec<String>, Failure> {
    let missing = |name: &str| {
        Failure::new(format!(
            "the program '{name}' is not on this host; install the package {name} first"
        ))
    };
    let find = |given: &Option<PathBuf>, name: &str| match given {
        Some(path) => Ok(path.to_string_lossy().into_owned()),
        None => look
            .which(name)
            .map(|path| path.to_string_lossy().into_owned())
            .ok_or_else(|| missing(name)),
    };
    Ok(vec![
        find(&args.executable, "php")?,
        find(&args.composer_executable, "composer")?,
    ])
}

/// The options that a command knows.
fn known(look: &Look, start: &[String], name: &str) -> Result<Vec<String>, Failure> {
    let mut words = start.to_vec();
    words.extend(["help", name, "--no-interaction", "--format=json"].map(str::to_owned));
    let output = look.query(&words)?;
    if !output.ok() {
        let message = format!(
            "cannot ask composer about its command {name}: {}",
            output.complaint()
        );
        return Err(output.failure(message));
    }
    let text = output.out();
    let json = text.find('{').map_or("", |at| &text[at..]);
    let answer: Value = serde_json::from_str(json)
        .map_err(|error| Failure::new(format!("composer's answer cannot be read: {error}")))?;
    let options = answer["definition"]["options"].as_object();
    Ok(options
        .into_iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .collect())
}

impl Module for Composer {
    const NAME: &'static str = "composer";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        if args.command.is_empty() || args.command.contains(char::is_whitespace) {
            return Err("command: it is one word; further ones are for arguments. Use working_dir for the folder".into());
        }
        let mut all = program(args, look)?;
        let options = known(look, &all, &args.command)?;
        if args.global_command {
            all.push("global".to_owned());
        }
        all.push(args.command.clone());
        for (on, option) in [
            (true, "no-ansi"),
            (true, "no-interaction"),
            (true, "no-progress"),
            (args.prefer_source, "prefer-source"),
            (args.prefer_dist, "prefer-dist"),
            (args.no_dev, "no-dev"),
            (args.no_scripts, "no-scripts"),
            (args.no_plugins, "no-plugins"),
            (args.optimize_autoloader, "optimize-autoloader"),
            (args.classmap_authoritative, "classmap-authoritative"),
            (args.apcu_autoloader, "apcu-autoloader"),
            (args.ignore_platform_reqs, "ignore-platform-reqs"),
        ] {
            if on && options.iter().any(|known| known == option) {
                all.push(format!("--{option}"));
            }
        }
        match (&args.working_dir, args.global_command) {
            (Some(folder), false) => all.push(format!("--working-dir={}", folder.display())),
            (None, false) => {
                return Err(
                    "global_command is False but all of the following are missing: working_dir"
                        .into(),
                );
            }
            (_, true) => {}
        }
        let dry = look.is_check();
        // These write composer.json also when they only try, and put it back.
        let writes = matches!(args.command.as_str(), "require" | "remove");
        if dry && (writes || !options.iter().any(|known| known == "dry-run")) {
            let text = format!(
                "command '{}' does not support check mode, skipping",
                args.command
            );
            return Ok(Verdict::Skip(Return::new().with("msg", text)));
        }
        if dry {
            all.push("--dry-run".to_owned());
        }
        all.extend(words::split(&args.arguments)?);
        Ok(Verdict::Always(Plan { words: all, dry }))
    }

    fn describe(_: &Plan) -> Vec<Diff> {
        Vec::new()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let run = command(&plan.words);
        let output = touch.run(&run)?;
        // It tells on both what it does.
        let text = format!("{}{}", output.out(), output.err());
        let message = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !output.ok() {
            let mut failure = output.failure(message).with("cmd", run.line());
            failure.changed = !plan.dry;
            return Err(failure);
        }
        let changed = !NOTHING.iter().any(|nothing| text.contains(nothing));
        Ok(Return::new()
            .with("msg", message)
            .with("stdout", text)
            .changed(changed))
    }
}
