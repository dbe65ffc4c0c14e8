//! The programs of the machine that a lab is made with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ocplay_language::diagnostic::Diagnostic;

use super::Outcome;

/// Programs that `up` calls, with the Debian package that brings each.
const PROGRAMS: [(&str, &str); 10] = [
    ("debootstrap", "debootstrap"),
    ("docker", "docker.io"),
    ("dockerd", "docker.io"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("ssh-keygen", "openssh-client"),
    ("tar", "tar"),
    ("unshare", "util-linux"),
];

pub(super) fn problem(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("lab", message)
}

/// Hosts are privileged containers; nobody but root can start those.
pub(super) fn require_root(command: &str) -> Outcome {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(problem("a lab can be started and stopped by root only")
        .help(format!("sudo ocplay {command} …"))
        .into())
}

/// Says everything that is missing at once, as one command to type.
pub(super) fn require_programs() -> Outcome {
    require(&PROGRAMS)
}

/// Says which of these programs are missing, with the packages that bring them.
pub(super) fn require(programs: &[(&str, &str)]) -> Outcome {
    let missing: Vec<_> = programs
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    Err(problem(format!(
        "a lab needs programs that are not here: {}",
        programs.join(", ")
    ))
    .help(format!(
        "apt-get install --no-install-recommends {}",
        packages.join(" ")
    ))
    .into())
}

/// Where a program is; system folders count even where PATH leaves them out.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A command that is found even where PATH leaves system folders out.
pub(super) fn command(program: &str) -> Command {
    Command::new(find(program).unwrap_or_else(|| program.into()))
}

/// Runs a program to its end and gives what it printed.
pub(super) fn run(command: &mut Command) -> Outcome<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| problem(format!("{} cannot be started: {error}", name(command))))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stderr, output.stdout].concat();
    Err(problem(format!(
        "{} failed ({})\n{}",
        line(command),
        output.status,
        last_lines(&String::from_utf8_lossy(&said), 12)
    ))
    .into())
}

/// Runs a program whose failure means that there was nothing to do.
pub(super) fn try_run(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

pub(super) fn ip(arguments: &[&str]) -> Outcome<String> {
    run(command("ip").args(arguments))
}

pub(super) fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path)
        .map_err(|error| problem(format!("{} cannot be read: {error}", path.display())).into())
}

pub(super) fn write(path: &Path, content: &str) -> Outcome {
    std::fs::write(path, content)
        .map_err(|error| problem(format!("{} cannot be written: {error}", path.display())).into())
}

pub(super) fn make_folder(path: &Path) -> Outcome {
    std::fs::create_dir_all(path)
        .map_err(|error| problem(format!("{} cannot be made: {error}", path.display())).into())
}

pub(super) fn remove_folder(path: &Path) -> Outcome {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(problem(format!("{} cannot be removed: {error}", path.display())).into())
        }
        _ => Ok(()),
    }
}

/// Copies a folder with everything that a filesystem can say about it.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Outcome {
    make_folder(to)?;
    run(command("cp")
        .args([
            "--archive",
            "--reflink=auto",
            "--sparse=auto",
            "--no-target-directory",
            "--",
        ])
        .args([from, to]))?;
    Ok(())
}

pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn line(command: &Command) -> String {
    let mut words = vec![name(command)];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
