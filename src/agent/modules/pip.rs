//! `pip`: Python packages, for the system or in a virtual environment.

use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;

use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Touch, words};

ocplay_protocol::choices! {
    /// Wanted state of the packages.
    pub(super) enum State {
        Present = "present",
        Absent = "absent",
        Latest = "latest",
        /// Installed again in any case.
        ForceReinstall = "forcereinstall",
    }
}

ocplay_protocol::arguments! {
    /// Manages Python packages with pip.
    pub(super) struct Args {
        /// Packages, each with a version such as `x==1.2` if one is wanted, or addresses.
        name: Option<Vec<String>>,
        /// Wanted state.
        state: State = State::Present,
        /// Version of the one package.
        version: Option<String>,
        /// File with a list of packages.
        requirements: Option<String>,
        /// Virtual environment to install into; made if it is missing.
        virtualenv: Option<PathBuf>,
        /// Let the environment see the system's packages.
        virtualenv_site_packages: bool = false,
        /// Program that makes environments, such as `python3 -m venv`.
        virtualenv_command: String = "virtualenv".to_owned(),
        /// Python of the environment.
        virtualenv_python: Option<String>,
        /// Further words for pip.
        extra_args: Option<String>,
        /// Install in a way that follows changes of the source.
        editable: bool = false,
        /// Directory to change into first.
        chdir: Option<PathBuf>,
        /// pip to use: a name, or a path.
        executable: Option<String>,
        /// Mode mask of new files.
        umask: Option<String>,
        /// Install although the system's package manager owns the place.
        break_system_packages: bool = false,
    }
}

pub(super) struct Pip;

pub(super) struct Plan {
    args: Args,
    pip: Vec<String>,
    words: Vec<String>,
    /// Makes the environment first.
    environment: Option<Command>,
    directory: PathBuf,
    /// Whether something changed is told by comparing lists of packages.
    compare: bool,
}

/// A package and what its version must be.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// As pip gets it.
    text: String,
    name: Option<String>,
    specifiers: Vec<(String, String)>,
}

impl Module for Pip {
    const NAME: &'static str = "pip";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        if args.name.is_some() == args.requirements.is_some() {
            return Err(match args.name {
                Some(_) => "parameters are mutually exclusive: name|requirements",
                None => "one of the following is required: name, requirements",
            }
            .into());
        }
        if args.executable.is_some() && args.virtualenv.is_some() {
            return Err("parameters are mutually exclusive: executable|virtualenv".into());
        }
        if args.state == State::Latest && args.version.is_some() {
            return Err("version is incompatible with state=latest".into());
        }
        if args
            .umask
            .as_ref()
            .is_some_and(|umask| u32::from_str_radix(umask, 8).is_err())
        {
            return Err("umask must be an octal integer".into());
        }
        let directory = args.chdir.clone().unwrap_or_else(std::env::temp_dir);
        let root = args.virtualenv.as_ref().map(|path| directory.join(path));
        let fresh = root
            .as_ref()
            .is_some_and(|root| !root.join("bin/activate").exists());
        let environment = match (&root, fresh) {
            (Some(root), true) => Some(environment(args, look, root)?),
            _ => None,
        };
        let pip = pip(args, look, root.as_deref(), fresh)?;
        let wanted = packages(args)?;
        let mut words: Vec<String> = match args.state {
            State::Present => &["install"][..],
            State::Absent => &["uninstall", "-y"],
            State::Latest => &["install", "-U"],
            State::ForceReinstall => &["install", "-U", "--force-reinstall"],
        }
        .iter()
        .map(|word| (*word).to_owned())
        .collect();
        if let Some(extra) = &args.extra_args {
            words.extend(words::split(extra)?);
        }
        if args.editable && !words.iter().any(|word| word == "-e") {
            words.push("-e".to_owned());
        }
        words.extend(wanted.iter().map(|package| package.text.clone()));
        if let Some(file) = &args.requirements {
            words.extend(["-r".to_owned(), file.clone()]);
        }
        let version_control = |package: &Wanted| {
            ["git+", "hg+", "svn+", "bzr+"]
                .iter()
                .any(|prefix| package.text.starts_with(prefix))
        };
        let plan = Plan {
            args: args.clone(),
            compare: args.requirements.is_some() || wanted.iter().any(version_control),
            words,
            environment,
            directory,
            pip,
        };
        let simple = args.extra_args.is_none()
            && args.requirements.is_none()
            && !fresh
            && wanted.iter().all(|package| package.name.is_some());
        if simple && matches!(args.state, State::Present | State::Absent) {
            let installed = installed(look, &plan)?;
            let there = |package: &Wanted| {
                installed.iter().any(|(name, version)| {
                    package.name.as_ref() == Some(name)
                        && package
                            .specifiers
                            .iter()
                            .all(|(operator, wanted)| satisfies(version, operator, wanted))
                })
            };
            let done = match args.state {
                State::Absent => !wanted.iter().any(there),
                _ => wanted.iter().all(there),
            };
            if done {
                return Ok(Verdict::Same(result(&plan.args, &plan).with("stdout", "")));
            }
        }
        let foreseen = result(args, &plan);
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let line = words::join(&[&plan.pip[..], &plan.words[..]].concat());
        vec![Diff::prepared(format!("run: {line}\n"))]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let mut text = String::new();
        if let Some(command) = &plan.environment {
            let output = touch.must(command, "make the virtual environment")?;
            text.push_str(&output.out());
        }
        let before = match plan.compare {
            true => Some(installed(touch, &plan)?),
            false => None,
        };
        let command = plan.command(touch, &plan.words);
        let output = touch.run(&command)?;
        text.push_str(&output.out());
        let missing =
            output.out().contains("not installed") || output.err().contains("not installed");
        let forgiven = plan.args.state == State::Absent && output.code == 1 && missing;
        if !output.ok() && !forgiven {
            let message = format!(
                "stdout: {}\n:stderr: {}\n",
                output.out().trim(),
                output.err().trim()
            );
            return Err(output.failure(message).with("cmd", command.line()));
        }
        let changed = match (&plan.args.state, before) {
            (State::Absent, _) => output.out().contains("Successfully uninstalled"),
            (_, Some(before)) => before != installed(touch, &plan)?,
            (_, None) => output.out().contains("Successfully installed"),
        };
        Ok(result(&plan.args, &plan)
            .with("stdout", text)
            .with("stderr", output.err())
            .changed(changed || plan.environment.is_some()))
    }
}

impl Plan {
    fn command(&self, look: &Look, words: &[String]) -> Command {
        let mut argv = self.pip.clone();
        argv.extend(words.iter().cloned());
        if let Some(umask) = &self.args.umask {
            let script = format!("umask {umask} && exec \"$@\"");
            argv.splice(0..0, ["sh".into(), "-c".into(), script, "sh".into()]);
        }
        let mut command = Command::new(argv);
        command.directory = Some(self.directory.clone());
        if let Some(root) = &self.args.virtualenv {
            let path = look.variable("PATH").unwrap_or_default();
            let bin = self.directory.join(root).join("bin");
            command = command.env("PATH", format!("{}:{path}", bin.display()));
        }
        if self.args.break_system_packages {
            command = command.env("PIP_BREAK_SYSTEM_PACKAGES", "1");
        }
        command
    }
}

fn result(args: &Args, plan: &Plan) -> Return {
    Return::new()
        .with(
            "cmd",
            serde_json::json!([&plan.pip[..], &plan.words[..]].concat()),
        )
        .with("name", serde_json::json!(args.name))
        .with("version", args.version.clone())
        .with("state", args.state.word())
        .with("requirements", args.requirements.clone())
        .with(
            "virtualenv",
            args.virtualenv
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned()),
        )
}

/// The call that makes the virtual environment.
fn environment(args: &Args, look: &Look, root: &Path) -> Result<Command, Failure> {
    let mut argv = words::split(&args.virtualenv_command)?;
    let Some(program) = argv.first() else {
        return Err("virtualenv_command names no program".into());
    };
    if look.which(program).is_none() {
        let text = format!(
            "Failed to find required executable \"{program}\"; install it, or set \
             virtualenv_command: python3 -m venv"
        );
        return Err(Failure::new(text));
    }
    let venv = program == "pyvenv" || argv.windows(2).any(|pair| pair == ["-m", "venv"]);
    if args.virtualenv_site_packages {
        argv.push("--system-site-packages".to_owned());
    }
    match &args.virtualenv_python {
        Some(_) if venv => {
            return Err(
                "virtualenv_python should not be used when using the venv module or pyvenv as \
                 virtualenv_command"
                    .into(),
            );
        }
        Some(python) => argv.push(format!("-p{python}")),
        None => {}
    }
    argv.push(root.to_string_lossy().into_owned());
    let mut command = Command::new(argv);
    command.directory.clone_from(&args.chdir);
    Ok(command)
}

/// The words by which pip is called.
fn pip(args: &Args, look: &Look, root: Option<&Path>, fresh: bool) -> Result<Vec<String>, Failure> {
    if let Some(root) = root {
        let bin = root.join("bin");
        let names = ["pip3", "pip"].map(|name| bin.join(name));
        let found = names.iter().find(|path| fresh || path.exists());
        return match found {
            Some(path) => Ok(vec![path.to_string_lossy().into_owned()]),
            None => Ok(vec![
                bin.join("python").to_string_lossy().into_owned(),
                "-m".to_owned(),
                "pip".to_owned(),
            ]),
        };
    }
    if let Some(executable) = &args.executable {
        if look.which(executable).is_none() {
            return Err(Failure::new(format!(
                "Unable to find any of {executable} to use.  pip needs to be installed."
            )));
        }
        return Ok(vec![executable.clone()]);
    }
    if let Some(python) = look.which("python3") {
        let module = [
            python.as_os_str(),
            "-m".as_ref(),
            "pip".as_ref(),
            "--version".as_ref(),
        ];
        if look.query(module)?.ok() {
            let python = python.to_string_lossy().into_owned();
            return Ok(vec![python, "-m".to_owned(), "pip".to_owned()]);
        }
    }
    match ["pip3", "pip"]
        .iter()
        .find(|name| look.which(name).is_some())
    {
        Some(name) => Ok(vec![(*name).to_owned()]),
        None => Err(
            "Unable to find any of pip3 to use.  pip needs to be installed (Debian: \
             python3-pip)."
                .into(),
        ),
    }
}

const OPERATORS: [&str; 8] = ["===", "==", ">=", "<=", "!=", "~=", "<", ">"];

/// The packages that are wanted, put together again where a comma inside a
/// version has torn them apart.
fn packages(args: &Args) -> Result<Vec<Wanted>, Failure> {
    let mut texts: Vec<String> = Vec::new();
    for part in args.name.iter().flatten().flat_map(|name| name.split(',')) {
        let part = part.trim();
        let goes_on = OPERATORS.iter().any(|operator| part.starts_with(operator))
            || texts
                .last()
                .is_some_and(|last| last.contains('[') && !last.contains(']'));
        match texts.last_mut() {
            Some(last) if goes_on => {
                last.push(',');
                last.push_str(part);
            }
            _ if part.is_empty() => {}
            _ => texts.push(part.to_owned()),
        }
    }
    let mut found: Vec<Wanted> = texts.iter().map(|text| Wanted::parse(text)).collect();
    if let Some(version) = &args.version {
        match &mut found[..] {
            [one] if one.specifiers.is_empty() => {
                let bare = version.starts_with(|c: char| c.is_ascii_digit());
                let joined = if bare {
                    format!("=={version}")
                } else {
                    version.clone()
                };
                *one = Wanted::parse(&format!("{}{joined}", one.text));
            }
            [_] => {
                return Err(
                    "The 'version' argument conflicts with any version specifier provided along \
                     with a package name. Please keep the version specifier, but remove the \
                     'version' argument."
                        .into(),
                );
            }
            _ => {
                return Err(
                    "'version' argument is ambiguous when installing multiple package \
                     distributions. Please specify version restrictions next to each package in \
                     'name' argument."
                        .into(),
                );
            }
        }
    }
    Ok(found)
}

impl Wanted {
    fn parse(text: &str) -> Self {
        let end = text
            .find(|c: char| !(c.is_alphanumeric() || "._-".contains(c)))
            .unwrap_or(text.len());
        let mut rest = text[end..].trim();
        if rest.starts_with('[')
            && let Some(close) = rest.find(']')
        {
            rest = rest[close + 1..].trim();
        }
        let specifiers: Option<Vec<_>> = rest
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(|part| {
                let part = part.trim();
                let operator = OPERATORS
                    .iter()
                    .find(|operator| part.starts_with(**operator))?;
                let version = part[operator.len()..].trim();
                Some(((*operator).to_owned(), version.to_owned()))
            })
            .collect();
        let plain = end > 0 && !text.starts_with(['.', '/']);
        Self {
            text: text.to_owned(),
            name: specifiers
                .is_some()
                .then(|| canonical(&text[..end]))
                .filter(|_| plain),
            specifiers: specifiers.unwrap_or_default(),
        }
    }
}

/// One spelling for all of a package's: `-`, `_` and `.` are the same.
fn canonical(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// Packages that are there, with their versions.
fn installed(look: &Look, plan: &Plan) -> Result<Vec<(String, String)>, Failure> {
    let list = ["list", "--format=freeze", "--disable-pip-version-check"].map(str::to_owned);
    let output = look.ask(&plan.command(look, &list))?;
    if !output.ok() {
        return Err(output.failure(format!("cannot list packages: {}", output.complaint())));
    }
    Ok(output
        .out()
        .lines()
        .filter_map(|line| line.split_once("=="))
        .map(|(name, version)| (canonical(name), version.trim().to_owned()))
        .collect())
}

fn satisfies(version: &str, operator: &str, wanted: &str) -> bool {
    let order = compare(version, wanted);
    if let Some(prefix) = wanted.strip_suffix(".*") {
        let inside = version == prefix || version.starts_with(&format!("{prefix}."));
        return (operator == "==") == inside;
    }
    match operator {
        "===" => version == wanted,
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        ">=" => order.is_ge(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        "<" => order.is_lt(),
        "~=" => {
            let series = wanted.rsplit_once('.').map_or(wanted, |(series, _)| series);
            order.is_ge() && version.starts_with(&format!("{series}."))
        }
        _ => false,
    }
}

/// Compares versions by their numbers; a letter makes an earlier version.
fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    let parts = |text: &str| -> Vec<i64> {
        let text = text.split('+').next().unwrap_or_default();
        let mut out = Vec::new();
        for part in text.split('.') {
            let end = part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len());
            out.push(part[..end].parse().unwrap_or(0));
            if end < part.len() {
                let kind = &part[end..];
                out.push(if kind.starts_with("post") { 1 } else { -1 });
                break;
            }
        }
        while out.last() == Some(&0) {
            out.pop();
        }
        out
    };
    let (a, b) = (parts(a), parts(b));
    for index in 0..a.len().max(b.len()) {
        let of = |all: &[i64]| all.get(index).copied().unwrap_or(0);
        let order = of(&a).cmp(&of(&b));
        if order.is_ne() {
            return order;
        }
    }
    std::cmp::Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert!(satisfies("1.10.0", ">=", "1.9"));
        assert!(satisfies("1.0", "==", "1.0.0"));
        assert!(satisfies("1.2.3", "==", "1.2.*") && !satisfies("1.3", "==", "1.2.*"));
        assert!(satisfies("2.3.1", "~=", "2.3.0") && !satisfies("2.4", "~=", "2.3.0"));
        assert!(satisfies("2.0rc1", "<", "2.0") && satisfies("2.0.post1", ">", "2.0"));
    }

    #[test]
    fn names_are_put_together() {
        use ocplay_protocol::Arguments;
        let given = serde_json::json!({"name": "Django>1.11.1,<1.11.3,Zope.Interface[test]"});
        let args = Args::read(given.as_object().unwrap().clone()).unwrap();
        let found = packages(&args).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].name.as_deref(), Some("django"));
        assert_eq!(found[0].specifiers.len(), 2);
        assert_eq!(found[1].name.as_deref(), Some("zope-interface"));
        assert_eq!(Wanted::parse("git+https://x/y.git").name, None);
        assert_eq!(Wanted::parse("./here").name, None);
    }
}
