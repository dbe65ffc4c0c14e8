//! Vault secrets: from files, programs and prompts to a keyring.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::vault::{DEFAULT_LABEL, Keyring, Unlocked, VaultSecret, is_vault};

use crate::config::Config;
use crate::prompt;
use crate::render::diagnostic::print_all;

/// Words of the command line that name vault secrets.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct VaultArgs {
    /// Vault secret as LABEL@SOURCE: a file, a program, or 'prompt'. May be
    /// given again.
    #[arg(long = "vault-id", value_name = "[LABEL@]SOURCE")]
    pub(crate) ids: Vec<String>,
    /// File or program with the vault password. May be given again.
    #[arg(
        long = "vault-password-file",
        visible_alias = "vault-pass-file",
        value_name = "FILE"
    )]
    pub(crate) password_files: Vec<String>,
    /// Ask for the vault password.
    #[arg(
        short = 'J',
        long = "ask-vault-password",
        visible_alias = "ask-vault-pass",
        conflicts_with = "password_files"
    )]
    pub(crate) ask: bool,
}

/// Whether secrets are there to open something, or are new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Open what a run reads; nothing given is fine.
    Run,
    /// Open; nothing given asks.
    Open,
    /// Encrypt: a typed password is asked for twice.
    New,
}

type Found<T> = Result<T, Vec<Diagnostic>>;

/// A loader for everything that a command reads.
pub(crate) fn loader(config: &Config, given: &VaultArgs) -> Found<Arc<Unlocked>> {
    let keyring = keyring(config, given, Purpose::Run)?;
    let loader = Unlocked::new(Arc::new(keyring)).with_settings(config.of_file());
    Ok(Arc::new(loader))
}

/// Every secret that the configuration and the command line name.
pub(crate) fn keyring(config: &Config, given: &VaultArgs, purpose: Purpose) -> Found<Keyring> {
    let mut ids = config
        .list("DEFAULT_VAULT_IDENTITY_LIST")
        .unwrap_or_default();
    ids.extend(given.ids.iter().cloned());
    let ask = given.ask || config.flag("DEFAULT_ASK_VAULT_PASS")?.unwrap_or(false);
    collect(config, ids, &given.password_files, ask, purpose)
}

/// Turns sources into secrets; one that gives none is warned about, and is an
/// error where it was the only one.
pub(crate) fn collect(
    config: &Config,
    mut ids: Vec<String>,
    files: &[String],
    ask: bool,
    purpose: Purpose,
) -> Found<Keyring> {
    let label = config
        .text("DEFAULT_VAULT_IDENTITY")
        .unwrap_or_else(|| DEFAULT_LABEL.to_owned());
    let strict = config.flag("DEFAULT_VAULT_ID_MATCH")?.unwrap_or(false);
    ids.extend(files.iter().map(|file| format!("{label}@{file}")));
    if let Some(file) = config.path("DEFAULT_VAULT_PASSWORD_FILE") {
        ids.push(format!("{label}@{}", file.display()));
    }
    let mut keyring = Keyring::new(Vec::new(), strict);
    let mut last_problem = None;
    let ask = ask || ids.is_empty() && purpose != Purpose::Run;
    for id in &ids {
        let (name, source) = id.split_once('@').unwrap_or(("", id));
        let name = if name.is_empty() { &label } else { name };
        let password = match source {
            "prompt" => Ok(typed(
                &[
                    &format!("{}ault password ({name}): ", start(purpose, "New v")),
                    &format!("Confirm new vault password ({name}): "),
                ],
                purpose,
            )?),
            "prompt_ask_vault_pass" => Ok(typed_plain(purpose)?),
            file => from_file(config, file, name, &keyring),
        };
        match password {
            Ok(password) => keyring.add(VaultSecret::new(name, password)),
            Err(problem) => {
                print_all(&[Diagnostic::warning(
                    "vault",
                    format!(
                        "Error in vault password file loading ({name}): {}",
                        problem.message
                    ),
                )]);
                last_problem = Some(*problem);
            }
        }
    }
    if ask {
        keyring.add(VaultSecret::new(label, typed_plain(purpose)?));
    }
    match last_problem {
        Some(problem) if keyring.secrets().is_empty() => Err(vec![problem]),
        _ => Ok(keyring),
    }
}

fn start(purpose: Purpose, new: &'static str) -> &'static str {
    if purpose == Purpose::New { new } else { "V" }
}

fn typed_plain(purpose: Purpose) -> Found<Vec<u8>> {
    let first = format!("{}ault password: ", start(purpose, "New V"));
    typed(&[&first, "Confirm New Vault password: "], purpose)
}

/// A password from the terminal; a new one twice.
fn typed(questions: &[&str; 2], purpose: Purpose) -> Found<Vec<u8>> {
    let first = prompt::hidden(questions[0])?;
    if first.is_empty() {
        return Err(vec![Diagnostic::error(
            "vault",
            "Invalid vault password was provided",
        )]);
    }
    if purpose == Purpose::New && prompt::hidden(questions[1])? != first {
        return Err(vec![Diagnostic::error("vault", "Passwords do not match")]);
    }
    Ok(first.into_bytes())
}

fn problem(message: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("vault", message))
}

/// The password that a file holds or a program prints.
fn from_file(
    config: &Config,
    file: &str,
    label: &str,
    known: &Keyring,
) -> Result<Vec<u8>, Box<Diagnostic>> {
    let path = match file.strip_prefix("~/") {
        Some(rest) => config.home().join(rest),
        None => std::path::absolute(file).unwrap_or_else(|_| PathBuf::from(file)),
    };
    let found = std::fs::metadata(&path).map_err(|_| {
        problem(format!(
            "The vault password file {} was not found",
            path.display()
        ))
    })?;
    if found.is_dir() {
        return Err(problem(format!(
            "The vault password file provided '{}' can not be a directory",
            path.display()
        )));
    }
    let executable = found.permissions().mode() & 0o111 != 0;
    let bytes = if executable {
        from_program(&path, label)?
    } else {
        let content = std::fs::read(&path).map_err(|error| {
            problem(format!(
                "Could not read vault password file {}: {error}",
                path.display()
            ))
        })?;
        if is_vault(&content) {
            let text = String::from_utf8_lossy(&content);
            known
                .open(&text)
                .map_err(|error| problem(format!("{error} ({})", path.display())))?
                .0
        } else {
            content
        }
    };
    let end = |byte: &u8| !matches!(byte, b'\r' | b'\n');
    let from = bytes.iter().position(end).unwrap_or(bytes.len());
    let to = bytes.iter().rposition(end).map_or(from, |at| at + 1);
    if from == to {
        return Err(problem(format!(
            "Invalid vault password was provided from {} ({})",
            if executable { "script" } else { "file" },
            path.display()
        )));
    }
    Ok(bytes[from..to].to_vec())
}

/// The password of a login or for becoming: a file's or a program's.
pub(crate) fn password_of(file: &Path) -> Found<String> {
    let found = std::fs::metadata(file);
    let bytes = if found.is_ok_and(|found| found.permissions().mode() & 0o111 != 0) {
        from_program(file, "").map_err(|problem| vec![*problem])?
    } else {
        std::fs::read(file).map_err(|error| {
            vec![Diagnostic::error(
                "password-file",
                format!("{} cannot be read: {error}", file.display()),
            )]
        })?
    };
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Whether a program is told which label is wanted.
fn is_client(path: &Path) -> bool {
    path.file_stem()
        .is_some_and(|stem| stem.to_string_lossy().ends_with("-client"))
}

fn from_program(path: &Path, label: &str) -> Result<Vec<u8>, Box<Diagnostic>> {
    let client = is_client(path);
    let mut command = Command::new(path);
    if client {
        command.args(["--vault-id", label]).stderr(Stdio::piped());
    } else {
        // A program may ask its own questions.
        command.stderr(Stdio::inherit());
    }
    let kind = if client { "client script" } else { "script" };
    let output = command
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .map_err(|error| {
            problem(format!(
                "Problem running vault password {kind} {} ({error}). If this is not a script, remove the executable bit from the file.",
                path.display()
            ))
        })?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(output.stdout),
        Some(2) if client => Err(problem(format!(
            "Vault password client script {} did not find a secret for vault-id={label}: {said}",
            path.display()
        ))),
        code => Err(problem(format!(
            "Vault password {kind} {} returned non-zero ({}){}: {said}",
            path.display(),
            code.unwrap_or(-1),
            if client {
                format!(" when getting secret for vault-id={label}")
            } else {
                String::new()
            }
        ))),
    }
}
