//! Words of `ocplay vault`; names are ansible-vault's.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::secrets::VaultArgs;

/// Create, read and change encrypted files and values.
#[derive(Debug, Parser)]
#[command(
    name = "ansible-vault",
    disable_version_flag = true,
    max_term_width = 100
)]
pub(crate) struct VaultCommandArgs {
    /// Say more.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: VaultCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VaultCommand {
    /// Make a new encrypted file with an editor.
    Create {
        #[command(flatten)]
        secrets: VaultArgs,
        /// Label of the secret that encrypts, where there are several.
        #[arg(long, value_name = "LABEL")]
        encrypt_vault_id: Option<String>,
        /// Open the editor even without a terminal.
        #[arg(long)]
        skip_tty_check: bool,
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Change an encrypted file with an editor.
    Edit {
        #[command(flatten)]
        secrets: VaultArgs,
        /// Label of the secret that encrypts, where there are several.
        #[arg(long, value_name = "LABEL")]
        encrypt_vault_id: Option<String>,
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Show an encrypted file.
    View {
        #[command(flatten)]
        secrets: VaultArgs,
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Encrypt files in place, or standard input.
    Encrypt {
        #[command(flatten)]
        secrets: VaultArgs,
        /// Label of the secret that encrypts, where there are several.
        #[arg(long, value_name = "LABEL")]
        encrypt_vault_id: Option<String>,
        /// Where the result goes; '-' for standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Decrypt files in place, or standard input.
    Decrypt {
        #[command(flatten)]
        secrets: VaultArgs,
        /// Where the result goes; '-' for standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Encrypt files with another secret.
    Rekey {
        #[command(flatten)]
        secrets: VaultArgs,
        /// Label of the new secret, where there are several.
        #[arg(long, value_name = "LABEL")]
        encrypt_vault_id: Option<String>,
        /// The new secret, as LABEL@SOURCE.
        #[arg(
            long,
            value_name = "[LABEL@]SOURCE",
            conflicts_with = "new_vault_password_file"
        )]
        new_vault_id: Option<String>,
        /// File or program with the new password.
        #[arg(long, value_name = "FILE")]
        new_vault_password_file: Option<String>,
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Encrypt texts to be pasted into YAML.
    #[command(name = "encrypt_string", visible_alias = "encrypt-string")]
    EncryptString {
        #[command(flatten)]
        secrets: VaultArgs,
        /// Label of the secret that encrypts, where there are several.
        #[arg(long, value_name = "LABEL")]
        encrypt_vault_id: Option<String>,
        /// Where the result goes; '-' for standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Ask for the text.
        #[arg(short, long)]
        prompt: bool,
        /// Show the text while it is typed.
        #[arg(long)]
        show_input: bool,
        /// Name of the variable; once per text.
        #[arg(short, long = "name", value_name = "NAME")]
        names: Vec<String>,
        /// Name of the variable whose text comes on standard input.
        #[arg(long, value_name = "NAME")]
        stdin_name: Option<String>,
        /// The texts; '-' for standard input.
        #[arg(value_name = "TEXT")]
        texts: Vec<String>,
    },
}
