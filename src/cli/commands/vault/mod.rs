//! `ocplay vault`, also as `ansible-vault`.

mod args;
mod editor;
mod file;
mod text;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::vault::{Envelope, Keyring, VaultSecret, is_vault};

pub(crate) use args::{VaultCommand, VaultCommandArgs};

use super::Outcome;
use crate::config::Config;
use crate::render::print_error;
use crate::secrets::{Purpose, VaultArgs, collect, keyring};

type Done = Result<(), Vec<Diagnostic>>;

pub(crate) fn run(args: &VaultCommandArgs, config: &Config) -> Outcome {
    match &args.command {
        VaultCommand::Create {
            secrets,
            encrypt_vault_id,
            skip_tty_check,
            files,
        } => {
            let [file] = &files[..] else {
                return Err(wrong_words(
                    "ansible-vault create can take only one filename argument",
                ));
            };
            if !skip_tty_check && !std::io::stdout().is_terminal() {
                return Err(wrong_words("not a tty, editor cannot be opened"));
            }
            let sealer = Sealer::new(config, secrets, encrypt_vault_id.as_deref())?;
            editor::create(file, &sealer, config)?;
        }
        VaultCommand::Edit { secrets, files, .. } => {
            let keys = keyring(config, secrets, Purpose::Open)?;
            for file in files {
                editor::edit(file, &keys, config)?;
            }
        }
        VaultCommand::View { secrets, files } => {
            let keys = keyring(config, secrets, Purpose::Open)?;
            for file in files {
                let (plain, _) = open(file, &keys)?;
                editor::page(&plain, config)?;
            }
        }
        VaultCommand::Encrypt {
            secrets,
            encrypt_vault_id,
            output,
            files,
        } => {
            let sealer = Sealer::new(config, secrets, encrypt_vault_id.as_deref())?;
            told("Reading plaintext input from stdin", files);
            each(files, |from| {
                let content = file::read(from)?;
                if is_vault(&content) {
                    return Err(wrong("input is already encrypted"));
                }
                let sealed = sealer.seal(&content)?;
                file::write(output.as_deref().unwrap_or(from), sealed.as_bytes())
            })?;
            success("Encryption successful");
        }
        VaultCommand::Decrypt {
            secrets,
            output,
            files,
        } => {
            let keys = keyring(config, secrets, Purpose::Open)?;
            told("Reading ciphertext input from stdin", files);
            each(files, |from| {
                let (plain, _) = open(from, &keys)?;
                file::write(output.as_deref().unwrap_or(from), &plain)
            })?;
            success("Decryption successful");
        }
        VaultCommand::Rekey {
            secrets,
            encrypt_vault_id,
            new_vault_id,
            new_vault_password_file,
            files,
        } => {
            let keys = keyring(config, secrets, Purpose::Open)?;
            let wanted = encrypt_label(config, encrypt_vault_id.as_deref());
            let mut ids = Vec::new();
            if wanted.is_some() {
                ids = config
                    .list("DEFAULT_VAULT_IDENTITY_LIST")
                    .unwrap_or_default();
            }
            ids.extend(new_vault_id.clone());
            let new_files: Vec<String> = new_vault_password_file.iter().cloned().collect();
            let new = collect(config, ids, &new_files, secrets.ask, Purpose::New)?;
            let sealer = Sealer::from(config, &new, wanted.as_deref())?;
            for from in files {
                let (plain, _) = open(from, &keys)?;
                file::replace(from, sealer.seal(&plain)?.as_bytes())?;
            }
            print_error("Rekey successful\n");
        }
        VaultCommand::EncryptString {
            secrets,
            encrypt_vault_id,
            ..
        } => {
            text::check(&args.command)?;
            let sealer = Sealer::new(config, secrets, encrypt_vault_id.as_deref())?;
            text::encrypt(&args.command, &sealer)?;
            success("Encryption successful");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A mistake in the words of the command line.
fn wrong_words(message: impl Into<String>) -> Vec<Diagnostic> {
    vec![Diagnostic::error("options", message)]
}

fn wrong(message: impl Into<String>) -> Vec<Diagnostic> {
    vec![Diagnostic::error("vault", message)]
}

/// The files, or standard input as `-`.
fn each(files: &[PathBuf], mut act: impl FnMut(&Path) -> Done) -> Done {
    if files.is_empty() {
        return act(Path::new("-"));
    }
    files.iter().try_for_each(|file| act(file))
}

fn told(text: &str, files: &[PathBuf]) {
    if files.is_empty() && std::io::stdin().is_terminal() {
        print_error(&format!("{text}\n"));
    }
}

fn success(text: &str) {
    if std::io::stdout().is_terminal() {
        print_error(&format!("{text}\n"));
    }
}

/// A file's content, decrypted, and the secret that opened it.
fn open<'a>(file: &Path, keys: &'a Keyring) -> Result<(Vec<u8>, &'a VaultSecret), Vec<Diagnostic>> {
    let content = file::read(file)?;
    if !is_vault(&content) {
        return Err(wrong(format!(
            "input is not vault encrypted data. {} is not a vault encrypted file",
            file.display()
        )));
    }
    keys.open(&String::from_utf8_lossy(&content))
        .map_err(|error| {
            vec![
                Diagnostic::error("vault", format!("{error} ({})", file.display()))
                    .help("give the secret with --vault-password-file or --vault-id"),
            ]
        })
}

fn encrypt_label(config: &Config, given: Option<&str>) -> Option<String> {
    given
        .map(str::to_owned)
        .or_else(|| config.text("DEFAULT_VAULT_ENCRYPT_IDENTITY"))
        .filter(|label| !label.is_empty())
}

/// The one secret that encrypts.
struct Sealer {
    secret: VaultSecret,
    salt: Option<Vec<u8>>,
}

impl Sealer {
    fn new(
        config: &Config,
        secrets: &VaultArgs,
        label: Option<&str>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let keys = keyring(config, secrets, Purpose::New)?;
        let label = encrypt_label(config, label);
        if keys.secrets().len() > 1 && label.is_none() {
            let known: Vec<&str> = keys.secrets().iter().map(VaultSecret::label).collect();
            return Err(wrong_words(format!(
                "The vault-ids {} are available to encrypt. Specify the vault-id to encrypt with --encrypt-vault-id",
                known.join(",")
            )));
        }
        Self::from(config, &keys, label.as_deref())
    }

    fn from(config: &Config, keys: &Keyring, label: Option<&str>) -> Result<Self, Vec<Diagnostic>> {
        let fits = |secret: &&VaultSecret| label.is_none_or(|label| secret.label() == label);
        let Some(secret) = keys.secrets().iter().find(fits) else {
            let known: Vec<&str> = keys.secrets().iter().map(VaultSecret::label).collect();
            return Err(wrong(format!(
                "Did not find a match for --encrypt-vault-id={} in the known vault-ids {known:?}",
                label.unwrap_or_default()
            )));
        };
        Ok(Self {
            secret: secret.clone(),
            salt: config
                .text("VAULT_ENCRYPT_SALT")
                .filter(|salt| !salt.is_empty())
                .map(String::into_bytes),
        })
    }

    /// Encrypts under the secret's own label.
    fn seal(&self, plain: &[u8]) -> Result<String, Vec<Diagnostic>> {
        self.seal_as(plain, Some(self.secret.label()))
    }

    fn seal_as(&self, plain: &[u8], label: Option<&str>) -> Result<String, Vec<Diagnostic>> {
        Envelope::seal(plain, &self.secret, label, self.salt.as_deref())
            .map_err(|error| wrong(error.to_string()))
    }
}
