//! Words of the command line; names and letters are ansible-playbook's.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::commands::adhoc::AdhocArgs;
use crate::commands::config::ConfigArgs;
use crate::commands::pull::PullArgs;
use crate::commands::test::TestArgs;
use crate::commands::vault::VaultCommandArgs;
use crate::lab::LabCommand;
use crate::secrets::VaultArgs;

/// Run Ansible-style playbooks over SSH; hosts need nothing but sshd and a
/// shell.
#[derive(Debug, Parser)]
#[command(name = "ocplay", version, max_term_width = 100)]
// A flag given twice is no mistake, as in Ansible.
#[command(args_override_self = true)]
#[command(
    after_help = "Exit codes: 0 all went well; 1 a mistake was found before any host was contacted; 2 a task failed on a host, or a wrong option; 4 a host could not be reached; 99 interrupted."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run playbooks against the hosts of an inventory.
    Run(Box<RunArgs>),
    /// Run one module on hosts.
    Adhoc(Box<AdhocArgs>),
    /// Show hosts, groups and variables of an inventory.
    Inventory(InventoryArgs),
    /// Fetch a repository and run a playbook of it on this machine.
    Pull(Box<PullArgs>),
    /// Create, read and change encrypted files and values.
    Vault(VaultCommandArgs),
    /// Show settings and where they come from.
    Config(ConfigArgs),
    /// Show the documentation of modules.
    Doc(DocArgs),
    /// Test content by scenarios in molecule's form, on hosts made for them.
    Test(Box<TestArgs>),
    /// Make the hosts of an inventory real on this machine, to try things on.
    Lab {
        #[command(subcommand)]
        command: LabCommand,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HostKeyChecking {
    /// Refuse hosts whose key is not in known_hosts.
    Strict,
    /// Take a new host's key, refuse a changed one.
    AcceptNew,
    /// Take any key.
    Off,
}

/// How a playbook or a single module is run. `pull` has letters of its own
/// for these.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ModeArgs {
    /// Hosts worked on at the same time (50).
    #[arg(short, long, value_name = "N")]
    pub(crate) forks: Option<usize>,
    /// Find out what would change, change nothing.
    #[arg(short = 'C', long)]
    pub(crate) check: bool,
    /// Show what changes in files and the like.
    #[arg(short = 'D', long)]
    pub(crate) diff: bool,
}

/// What everything that works on hosts takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct CommonArgs {
    /// Inventory file, folder, or hosts as 'h1,h2,'; a bare name is also
    /// looked for in `inventories/`. May be given again.
    #[arg(
        short,
        long = "inventory",
        visible_alias = "inventory-file",
        value_name = "INVENTORY"
    )]
    pub(crate) inventory: Vec<String>,
    /// Work only on these of the hosts.
    #[arg(short, long, value_name = "PATTERN")]
    pub(crate) limit: Option<String>,
    /// Variables as 'k=v', as YAML or JSON, or from a file as @FILE.
    #[arg(short, long = "extra-vars", value_name = "VARS")]
    pub(crate) extra_vars: Vec<String>,
    /// Become another user on the hosts.
    #[arg(short, long = "become")]
    pub(crate) becoming: bool,
    /// Whom to become.
    #[arg(long, value_name = "USER")]
    pub(crate) become_user: Option<String>,
    /// How to become: sudo, su or doas.
    #[arg(long, value_name = "METHOD")]
    pub(crate) become_method: Option<String>,
    /// Ask for the password of sudo.
    #[arg(short = 'K', long, visible_alias = "ask-become-password")]
    pub(crate) ask_become_pass: bool,
    /// File with the password of sudo.
    #[arg(long, alias = "become-pass-file", value_name = "FILE")]
    pub(crate) become_password_file: Option<PathBuf>,
    /// Log in as this user.
    #[arg(short, long, visible_alias = "remote-user", value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Ask for the password of the login.
    #[arg(short = 'k', long, visible_alias = "ask-password")]
    pub(crate) ask_pass: bool,
    /// File with the password of the login.
    #[arg(long, alias = "conn-pass-file", value_name = "FILE")]
    pub(crate) connection_password_file: Option<PathBuf>,
    /// Folders with modules of your own, between colons, before those of
    /// ANSIBLE_LIBRARY.
    #[arg(short = 'M', long, value_name = "FOLDERS")]
    pub(crate) module_path: Option<String>,
    /// Private key to log in with.
    #[arg(long, visible_alias = "key-file", value_name = "FILE")]
    pub(crate) private_key: Option<PathBuf>,
    /// Kind of connection: ssh, local, docker, podman or chroot.
    #[arg(short, long, value_name = "KIND")]
    pub(crate) connection: Option<String>,
    /// Seconds to wait for a connection (10).
    #[arg(short = 'T', long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Options as for ssh: -o Name=value, -i, -p, -l.
    #[arg(long, allow_hyphen_values = true, value_name = "ARGS")]
    pub(crate) ssh_common_args: Option<String>,
    /// More options as for ssh.
    #[arg(long, allow_hyphen_values = true, value_name = "ARGS")]
    pub(crate) ssh_extra_args: Option<String>,
    /// Accepted; files go over the same connection as everything else.
    #[arg(long, allow_hyphen_values = true, value_name = "ARGS", hide = true)]
    pub(crate) scp_extra_args: Option<String>,
    /// Accepted; files go over the same connection as everything else.
    #[arg(long, allow_hyphen_values = true, value_name = "ARGS", hide = true)]
    pub(crate) sftp_extra_args: Option<String>,
    /// What to do with host keys; ANSIBLE_HOST_KEY_CHECKING=False means off.
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(crate) host_key_checking: Option<HostKeyChecking>,
    /// Forget the facts that are kept for every host of the inventory.
    #[arg(long)]
    pub(crate) flush_cache: bool,
    /// Say more; up to -vvvv.
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, Default, Parser)]
#[command(name = "ansible-playbook", version, max_term_width = 100)]
pub(crate) struct RunArgs {
    /// Called as ansible-playbook.
    #[arg(skip)]
    pub(crate) classic: bool,
    /// Playbooks; a bare name is also looked for in `playbooks/`.
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub(crate) playbooks: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) mode: ModeArgs,
    /// Run only tasks with one of these tags.
    #[arg(short, long, value_name = "TAGS")]
    pub(crate) tags: Vec<String>,
    /// Leave out tasks with one of these tags.
    #[arg(long, value_name = "TAGS")]
    pub(crate) skip_tags: Vec<String>,
    /// Check the content, contact no host.
    #[arg(long)]
    pub(crate) syntax_check: bool,
    /// List the tasks that would run.
    #[arg(long)]
    pub(crate) list_tasks: bool,
    /// List the hosts of each play.
    #[arg(long)]
    pub(crate) list_hosts: bool,
    /// List all tags.
    #[arg(long)]
    pub(crate) list_tags: bool,
    /// Leave out all tasks before the one of this name.
    #[arg(long, value_name = "NAME")]
    pub(crate) start_at_task: Option<String>,
    /// Ask before each task whether to run it.
    #[arg(long)]
    pub(crate) step: bool,
    /// Run handlers also on hosts where a task failed.
    #[arg(long)]
    pub(crate) force_handlers: bool,
}

#[derive(Debug, Parser)]
#[command(name = "ansible-inventory", version, max_term_width = 100)]
pub(crate) struct InventoryArgs {
    /// Inventory file, folder, or hosts as 'h1,h2,'.
    #[arg(
        short,
        long = "inventory",
        visible_alias = "inventory-file",
        value_name = "INVENTORY"
    )]
    pub(crate) inventory: Vec<String>,
    /// All hosts, groups and variables as JSON.
    #[arg(long, required_unless_present_any = ["graph", "host"], conflicts_with_all = ["graph", "host"])]
    pub(crate) list: bool,
    /// Groups and hosts as a tree, from this group on.
    #[arg(long, num_args = 0..=1, default_missing_value = "all", value_name = "GROUP", conflicts_with = "host")]
    pub(crate) graph: Option<String>,
    /// With --graph: a picture instead of text, a card per host.
    #[arg(long, requires = "graph", conflicts_with_all = ["list", "host", "vars"])]
    pub(crate) svg: bool,
    /// With --svg: folder of variables that say which components run on
    /// which group (roles/components/defaults/main).
    #[arg(long, value_name = "FOLDER", requires = "svg")]
    pub(crate) catalogue: Option<PathBuf>,
    /// The variables of one host.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Show only these of the hosts.
    #[arg(short, long, value_name = "PATTERN")]
    pub(crate) limit: Option<String>,
    /// YAML instead of JSON.
    #[arg(short, long)]
    pub(crate) yaml: bool,
    /// TOML instead of JSON.
    #[arg(long, conflicts_with = "yaml")]
    pub(crate) toml: bool,
    /// Variables stand where they were written.
    #[arg(long)]
    pub(crate) export: bool,
    /// Write to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The playbook's folder, for its group_vars and host_vars.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) playbook_dir: Option<PathBuf>,
    /// Forget the facts that are kept for every host of the inventory.
    #[arg(long)]
    pub(crate) flush_cache: bool,
    /// Say more.
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// With --graph: show variables as well.
    #[arg(long)]
    pub(crate) vars: bool,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Variables as for 'run'.
    #[arg(short, long = "extra-vars", value_name = "VARS")]
    pub(crate) extra_vars: Vec<String>,
}

/// What can be described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum DocType {
    #[default]
    Module,
    Role,
}

#[derive(Debug, Parser)]
pub(crate) struct DocArgs {
    /// Modules or roles to describe.
    #[arg(value_name = "NAME", required_unless_present_any = ["list", "compatibility", "page"])]
    pub(crate) modules: Vec<String>,
    /// One line per module or role.
    #[arg(short, long)]
    pub(crate) list: bool,
    /// What is described.
    #[arg(
        short = 't',
        long = "type",
        value_enum,
        default_value_t,
        value_name = "TYPE"
    )]
    pub(crate) kind: DocType,
    /// Where roles are looked for besides roles/.
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) roles_path: Vec<PathBuf>,
    /// Only this way into a role.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) entry_point: Option<String>,
    /// All roles as one page of Markdown; refuses where a default is not described.
    #[arg(long)]
    pub(crate) page: bool,
    /// How the language compares with Ansible's, word by word, as a page.
    #[arg(long)]
    pub(crate) compatibility: bool,
}
