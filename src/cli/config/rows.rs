//! Every setting that is known, and what becomes of it.

/// What kind of text a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Number,
    Text,
    /// Between commas.
    List,
    Path,
    /// Between colons; inventories between commas.
    Paths,
}

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Honoured,
    /// As far as the text says.
    Partly(&'static str),
    /// The reason.
    Ignored(&'static str),
}

pub(super) struct Row {
    /// Ansible's name.
    pub(super) name: &'static str,
    pub(super) env: &'static [&'static str],
    /// Section and key.
    pub(super) ini: &'static [(&'static str, &'static str)],
    pub(super) kind: Kind,
    pub(super) default: &'static str,
    pub(super) fate: Fate,
    pub(super) about: &'static str,
}

/// One setting in two lines: name, kind, default, variables of the environment,
/// places in the file; then its fate and its meaning.
macro_rules! rows {
    ($($name:ident: $kind:ident = $default:literal
        [$($env:ident)*] [$($section:ident.$key:ident)*]
        $fate:ident $(($why:literal))? $about:literal;)*) => {
        pub(super) const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            env: &[$(stringify!($env)),*],
            ini: &[$((stringify!($section), stringify!($key))),*],
            kind: Kind::$kind,
            default: $default,
            fate: Fate::$fate $(($why))?,
            about: $about,
        }),*];
    };
}

rows! {
    ALLOW_BROKEN_CONDITIONALS: Bool = "False" [ANSIBLE_ALLOW_BROKEN_CONDITIONALS] [defaults.allow_broken_conditionals]
        Honoured "Conditions may give any value, judged by Python's truth.";
    ANSIBLE_HOME: Path = "~/.ansible" [ANSIBLE_HOME] [defaults.home]
        Partly("from the environment only") "Folder of the user's roles and collections.";
    ANSIBLE_FORCE_COLOR: Bool = "False" [ANSIBLE_FORCE_COLOR] [defaults.force_color]
        Honoured "Colours even where the output is no terminal.";
    ANSIBLE_NOCOLOR: Bool = "False" [ANSIBLE_NOCOLOR NO_COLOR] [defaults.nocolor]
        Honoured "No colours.";
    ANSIBLE_NOCOWS: Bool = "False" [ANSIBLE_NOCOWS] [defaults.nocows]
        Ignored("there are never cows") "No cowsay.";
    ANSIBLE_COW_SELECTION: Text = "default" [ANSIBLE_COW_SELECTION] [defaults.cow_selection]
        Ignored("there are never cows") "Which cow.";
    ANSIBLE_PIPELINING: Bool = "False" [ANSIBLE_PIPELINING ANSIBLE_SSH_PIPELINING] [defaults.pipelining connection.pipelining ssh_connection.pipelining]
        Ignored("a task is one message on an open channel: there are no files to avoid") "Modules without temporary files.";
    ANY_ERRORS_FATAL: Bool = "False" [ANSIBLE_ANY_ERRORS_FATAL] [defaults.any_errors_fatal]
        Honoured "A failure of any host ends the play for all.";
    BECOME_PASSWORD_FILE: Path = "" [ANSIBLE_BECOME_PASSWORD_FILE] [defaults.become_password_file]
        Honoured "File with the password for becoming.";
    CONNECTION_PASSWORD_FILE: Path = "" [ANSIBLE_CONNECTION_PASSWORD_FILE] [defaults.connection_password_file]
        Honoured "File with the password of the login.";
    BECOME_ALLOW_SAME_USER: Bool = "False" [ANSIBLE_BECOME_ALLOW_SAME_USER] [privilege_escalation.become_allow_same_user]
        Ignored("becoming the user one is already never needs sudo") "Become also the user that one is.";
    AGNOSTIC_BECOME_PROMPT: Bool = "True" [ANSIBLE_AGNOSTIC_BECOME_PROMPT] [privilege_escalation.agnostic_become_prompt]
        Ignored("the prompt always says BECOME") "Wording of the password prompt.";
    CACHE_PLUGIN: Text = "memory" [ANSIBLE_CACHE_PLUGIN] [defaults.fact_caching]
        Honoured "Where facts are kept: memory or jsonfile.";
    CACHE_PLUGIN_CONNECTION: Text = "" [ANSIBLE_CACHE_PLUGIN_CONNECTION] [defaults.fact_caching_connection]
        Honoured "Folder of the jsonfile cache.";
    CACHE_PLUGIN_PREFIX: Text = "ansible_facts" [ANSIBLE_CACHE_PLUGIN_PREFIX] [defaults.fact_caching_prefix]
        Honoured "What the cache's file names start with.";
    CACHE_PLUGIN_TIMEOUT: Number = "86400" [ANSIBLE_CACHE_PLUGIN_TIMEOUT] [defaults.fact_caching_timeout]
        Honoured "Seconds that cached facts are good for; 0 for ever.";
    COLLECTIONS_PATHS: Paths = "~/.ansible/collections:/usr/share/ansible/collections" [ANSIBLE_COLLECTIONS_PATH] [defaults.collections_path]
        Honoured "Where collections are.";
    ACTION_WARNINGS: Bool = "True" [ANSIBLE_ACTION_WARNINGS] [defaults.action_warnings]
        Ignored("warnings of modules are always shown") "Show warnings of modules.";
    LOCALHOST_WARNING: Bool = "True" [ANSIBLE_LOCALHOST_WARNING] [defaults.localhost_warning]
        Honoured "Warn where only the implicit localhost is there.";
    INVENTORY_UNPARSED_WARNING: Bool = "True" [ANSIBLE_INVENTORY_UNPARSED_WARNING] [inventory.inventory_unparsed_warning]
        Honoured "Warn where no inventory could be read.";
    DEFAULT_ASK_PASS: Bool = "False" [ANSIBLE_ASK_PASS] [defaults.ask_pass]
        Honoured "Ask for the password of the login.";
    DEFAULT_ASK_VAULT_PASS: Bool = "False" [ANSIBLE_ASK_VAULT_PASS] [defaults.ask_vault_pass]
        Honoured "Ask for the vault password.";
    DEFAULT_BECOME: Bool = "False" [ANSIBLE_BECOME] [privilege_escalation.become]
        Honoured "Become another user.";
    DEFAULT_BECOME_ASK_PASS: Bool = "False" [ANSIBLE_BECOME_ASK_PASS] [privilege_escalation.become_ask_pass]
        Honoured "Ask for the password for becoming.";
    DEFAULT_BECOME_METHOD: Text = "sudo" [ANSIBLE_BECOME_METHOD] [privilege_escalation.become_method]
        Honoured "How to become.";
    DEFAULT_BECOME_USER: Text = "root" [ANSIBLE_BECOME_USER] [privilege_escalation.become_user]
        Honoured "Whom to become.";
    DEFAULT_BECOME_EXE: Text = "" [ANSIBLE_BECOME_EXE] [privilege_escalation.become_exe]
        Honoured "Program for becoming.";
    DEFAULT_BECOME_FLAGS: Text = "" [ANSIBLE_BECOME_FLAGS] [privilege_escalation.become_flags]
        Honoured "Its options.";
    CALLBACKS_ENABLED: List = "" [ANSIBLE_CALLBACKS_ENABLED] [defaults.callbacks_enabled]
        Partly("junit, profile_roles, profile_tasks, timer; another name is warned about") "Further outputs beside the screen.";
    JUNIT_OUTPUT_DIR: Path = "~/.ansible.log" [JUNIT_OUTPUT_DIR] []
        Honoured "Folder of the files that the callback junit writes.";
    JUNIT_TASK_CLASS: Bool = "False" [JUNIT_TASK_CLASS] []
        Honoured "One class per file of tasks in the callback junit.";
    JUNIT_TASK_RELATIVE_PATH: Path = "" [JUNIT_TASK_RELATIVE_PATH] []
        Honoured "Folder that paths in the callback junit are relative to.";
    JUNIT_FAIL_ON_CHANGE: Bool = "False" [JUNIT_FAIL_ON_CHANGE] []
        Honoured "What changes is a failure for the callback junit.";
    JUNIT_FAIL_ON_IGNORE: Bool = "False" [JUNIT_FAIL_ON_IGNORE] []
        Honoured "Failures that are ignored are failures for the callback junit.";
    JUNIT_INCLUDE_SETUP_TASKS_IN_REPORT: Bool = "True" [JUNIT_INCLUDE_SETUP_TASKS_IN_REPORT] []
        Honoured "Gathering of facts is in the callback junit.";
    JUNIT_TEST_CASE_PREFIX: Text = "" [JUNIT_TEST_CASE_PREFIX] []
        Honoured "How names of tasks begin that are tests for the callback junit.";
    DEFAULT_STDOUT_CALLBACK: Text = "default" [ANSIBLE_STDOUT_CALLBACK] [defaults.stdout_callback]
        Partly("default, yaml, minimal, oneline, json, jsonl; another name is warned about") "How the screen looks.";
    CALLBACK_RESULT_FORMAT: Text = "json" [ANSIBLE_CALLBACK_RESULT_FORMAT] [defaults.callback_result_format]
        Honoured "Results as json or yaml.";
    CALLBACK_FORMAT_PRETTY: Bool = "" [ANSIBLE_CALLBACK_FORMAT_PRETTY] [defaults.callback_format_pretty]
        Honoured "Results always, or never, in several lines.";
    CALLBACK_RESULT_INDENTATION: Number = "4" [ANSIBLE_CALLBACK_RESULT_INDENTATION] [defaults.callback_result_indentation]
        Honoured "Blanks by which results are indented.";
    DISPLAY_SKIPPED_HOSTS: Bool = "True" [ANSIBLE_DISPLAY_SKIPPED_HOSTS] [defaults.display_skipped_hosts]
        Honoured "Show tasks that were skipped.";
    DISPLAY_OK_HOSTS: Bool = "True" [ANSIBLE_DISPLAY_OK_HOSTS] [defaults.display_ok_hosts]
        Honoured "Show tasks that changed nothing.";
    DISPLAY_FAILED_STDERR: Bool = "False" [ANSIBLE_DISPLAY_FAILED_STDERR] [defaults.display_failed_stderr]
        Honoured "Failures go to standard error.";
    CHECK_MODE_MARKERS: Bool = "False" [ANSIBLE_CHECK_MODE_MARKERS] [defaults.check_mode_markers]
        Honoured "Say in each heading that it is a dry run.";
    SHOW_TASK_PATH_ON_FAILURE: Bool = "False" [ANSIBLE_SHOW_TASK_PATH_ON_FAILURE] [defaults.show_task_path_on_failure]
        Ignored("a failure always says where its task stands") "Show the place of a failed task.";
    SHOW_CUSTOM_STATS: Bool = "False" [ANSIBLE_SHOW_CUSTOM_STATS] [defaults.show_custom_stats]
        Honoured "Show what set_stats collected.";
    DISPLAY_ARGS_TO_STDOUT: Bool = "False" [ANSIBLE_DISPLAY_ARGS_TO_STDOUT] [defaults.display_args_to_stdout]
        Ignored("arguments may hold secrets") "Show arguments in the headings of tasks.";
    DEFAULT_DEBUG: Bool = "False" [ANSIBLE_DEBUG] [defaults.debug]
        Honoured "Show notes about the run itself, as -vv does.";
    DEFAULT_EXECUTABLE: Text = "/bin/sh" [ANSIBLE_EXECUTABLE] [defaults.executable]
        Ignored("commands are started by the agent; shell has its own option executable") "Shell on hosts.";
    DEFAULT_FORCE_HANDLERS: Bool = "False" [ANSIBLE_FORCE_HANDLERS] [defaults.force_handlers]
        Honoured "Run handlers also on hosts where a task failed.";
    DEFAULT_FORKS: Number = "50" [ANSIBLE_FORKS] [defaults.forks]
        Honoured "Hosts worked on at the same time (Ansible: 5).";
    DEFAULT_GATHERING: Text = "implicit" [ANSIBLE_GATHERING] [defaults.gathering]
        Honoured "When facts are gathered: implicit, explicit, smart.";
    DEFAULT_HASH_BEHAVIOUR: Text = "replace" [ANSIBLE_HASH_BEHAVIOUR] [defaults.hash_behaviour]
        Honoured "Whether mappings of several levels merge.";
    DEFAULT_HOST_LIST: Paths = "/etc/ansible/hosts" [ANSIBLE_INVENTORY] [defaults.inventory]
        Honoured "Inventories, between commas.";
    DEFAULT_JINJA2_EXTENSIONS: List = "" [ANSIBLE_JINJA2_EXTENSIONS] [defaults.jinja2_extensions]
        Ignored("do and loop controls are always there; extensions in Python are not run") "Extensions of templates.";
    DEFAULT_JINJA2_NATIVE: Bool = "True" [ANSIBLE_JINJA2_NATIVE] [defaults.jinja2_native]
        Ignored("types are always native, as in ansible-core 2.19") "Keep types of expressions.";
    DEFAULT_KEEP_REMOTE_FILES: Bool = "False" [ANSIBLE_KEEP_REMOTE_FILES] [defaults.keep_remote_files]
        Ignored("there are no temporary files to keep") "Keep module files on hosts.";
    DEFAULT_LOAD_CALLBACK_PLUGINS: Bool = "False" [ANSIBLE_LOAD_CALLBACK_PLUGINS] [defaults.bin_ansible_callbacks]
        Honoured "The look of the screen is also that of single modules.";
    DEFAULT_LOCAL_TMP: Path = "~/.ansible/tmp" [ANSIBLE_LOCAL_TEMP] [defaults.local_tmp]
        Ignored("TMPDIR is used") "Temporary folder of the controller.";
    DEFAULT_REMOTE_TMP: Path = "~/.ansible/tmp" [ANSIBLE_REMOTE_TEMP ANSIBLE_REMOTE_TMP] [defaults.remote_tmp]
        Ignored("the agent has a folder of its own") "Temporary folder on hosts.";
    DEFAULT_LOG_PATH: Path = "" [ANSIBLE_LOG_PATH] [defaults.log_path]
        Honoured "File to which the output is written as well.";
    LOG_VERBOSITY: Number = "" [ANSIBLE_LOG_VERBOSITY] [defaults.log_verbosity]
        Honoured "As many -v, for the log file alone.";
    DEFAULT_LOG_FILTER: List = "" [ANSIBLE_LOG_FILTER] [defaults.log_filter]
        Ignored("names Python loggers") "Loggers left out of the log.";
    DEFAULT_MANAGED_STR: Text = "Ansible managed" [] [defaults.ansible_managed]
        Ignored("the variable ansible_managed says it") "The value of ansible_managed.";
    DEFAULT_MODULE_ARGS: Text = "" [ANSIBLE_MODULE_ARGS] [defaults.module_args]
        Honoured "Arguments of the ad hoc module.";
    DEFAULT_MODULE_NAME: Text = "command" [] [defaults.module_name]
        Honoured "The ad hoc module.";
    DEFAULT_MODULE_PATH: Paths = "~/.ansible/plugins/modules:/usr/share/ansible/plugins/modules" [ANSIBLE_LIBRARY] [defaults.library]
        Honoured "Folders with modules that are programs.";
    DEFAULT_FILTER_PLUGIN_PATH: Paths = "~/.ansible/plugins/filter:/usr/share/ansible/plugins/filter" [ANSIBLE_FILTER_PLUGINS] [defaults.filter_plugins]
        Honoured "Folders with filters in Python.";
    DEFAULT_TEST_PLUGIN_PATH: Paths = "~/.ansible/plugins/test:/usr/share/ansible/plugins/test" [ANSIBLE_TEST_PLUGINS] [defaults.test_plugins]
        Honoured "Folders with tests in Python.";
    DEFAULT_LOOKUP_PLUGIN_PATH: Paths = "~/.ansible/plugins/lookup:/usr/share/ansible/plugins/lookup" [ANSIBLE_LOOKUP_PLUGINS] [defaults.lookup_plugins]
        Honoured "Folders with lookups in Python.";
    DEFAULT_ACTION_PLUGIN_PATH: Paths = "~/.ansible/plugins/action:/usr/share/ansible/plugins/action" [ANSIBLE_ACTION_PLUGINS] [defaults.action_plugins]
        Ignored("action plug-ins are Python inside Ansible's process") "Folders with action plug-ins.";
    DEFAULT_CALLBACK_PLUGIN_PATH: Paths = "~/.ansible/plugins/callback:/usr/share/ansible/plugins/callback" [ANSIBLE_CALLBACK_PLUGINS] [defaults.callback_plugins]
        Ignored("callback plug-ins are Python inside Ansible's process; the journal has every event as JSON") "Folders with callback plug-ins.";
    DEFAULT_CONNECTION_PLUGIN_PATH: Paths = "~/.ansible/plugins/connection:/usr/share/ansible/plugins/connection" [ANSIBLE_CONNECTION_PLUGINS] [defaults.connection_plugins]
        Ignored("connections are built in") "Folders with connection plug-ins.";
    DEFAULT_INVENTORY_PLUGIN_PATH: Paths = "~/.ansible/plugins/inventory:/usr/share/ansible/plugins/inventory" [ANSIBLE_INVENTORY_PLUGINS] [defaults.inventory_plugins]
        Ignored("a script that answers --list does the same in any language") "Folders with inventory plug-ins.";
    DEFAULT_STRATEGY_PLUGIN_PATH: Paths = "~/.ansible/plugins/strategy:/usr/share/ansible/plugins/strategy" [ANSIBLE_STRATEGY_PLUGINS] [defaults.strategy_plugins]
        Ignored("strategies are built in") "Folders with strategy plug-ins.";
    DEFAULT_VARS_PLUGIN_PATH: Paths = "~/.ansible/plugins/vars:/usr/share/ansible/plugins/vars" [ANSIBLE_VARS_PLUGINS] [defaults.vars_plugins]
        Ignored("group_vars and host_vars are built in") "Folders with vars plug-ins.";
    DEFAULT_MODULE_UTILS_PATH: Paths = "~/.ansible/plugins/module_utils:/usr/share/ansible/plugins/module_utils" [ANSIBLE_MODULE_UTILS] [defaults.module_utils]
        Ignored("modules in Python are not run") "Folders with helpers of modules.";
    DEFAULT_NO_LOG: Bool = "False" [ANSIBLE_NO_LOG] [defaults.no_log]
        Honoured "Show no results at all.";
    DEFAULT_NO_TARGET_SYSLOG: Bool = "False" [ANSIBLE_NO_TARGET_SYSLOG] [defaults.no_target_syslog]
        Ignored("nothing is written to the syslog of hosts") "Leave out syslog on hosts.";
    DEFAULT_POLL_INTERVAL: Number = "15" [ANSIBLE_POLL_INTERVAL] [defaults.poll_interval]
        Ignored("the keyword poll says it") "Seconds between looks at an async task.";
    DEFAULT_PRIVATE_KEY_FILE: Path = "" [ANSIBLE_PRIVATE_KEY_FILE] [defaults.private_key_file]
        Honoured "Private key to log in with.";
    DEFAULT_PRIVATE_ROLE_VARS: Bool = "False" [ANSIBLE_PRIVATE_ROLE_VARS] [defaults.private_role_vars]
        Ignored("include_role has the option public") "Variables of roles are seen in the role only.";
    DEFAULT_REMOTE_PORT: Number = "" [ANSIBLE_REMOTE_PORT] [defaults.remote_port]
        Honoured "Port of sshd.";
    DEFAULT_REMOTE_USER: Text = "" [ANSIBLE_REMOTE_USER] [defaults.remote_user]
        Honoured "User to log in as.";
    DEFAULT_ROLES_PATH: Paths = "~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles" [ANSIBLE_ROLES_PATH] [defaults.roles_path]
        Honoured "Where roles are, behind those beside the playbook.";
    DEFAULT_STRATEGY: Text = "linear" [ANSIBLE_STRATEGY] [defaults.strategy]
        Honoured "How hosts go through the tasks: linear, free, host_pinned, debug.";
    DEFAULT_TIMEOUT: Number = "10" [ANSIBLE_TIMEOUT ANSIBLE_SSH_TIMEOUT] [defaults.timeout ssh_connection.timeout]
        Honoured "Seconds to wait for a connection.";
    DEFAULT_TRANSPORT: Text = "ssh" [ANSIBLE_TRANSPORT] [defaults.transport]
        Honoured "Kind of connection.";
    DEFAULT_UNDEFINED_VAR_BEHAVIOR: Bool = "True" [ANSIBLE_ERROR_ON_UNDEFINED_VARS] [defaults.error_on_undefined_vars]
        Ignored("something undefined is always an error, as in ansible-core 2.19") "Whether something undefined is an error.";
    DEFAULT_VAULT_ID_MATCH: Bool = "False" [ANSIBLE_VAULT_ID_MATCH] [defaults.vault_id_match]
        Honoured "Try only secrets with the label of the encrypted text.";
    DEFAULT_VAULT_IDENTITY: Text = "default" [ANSIBLE_VAULT_IDENTITY] [defaults.vault_identity]
        Honoured "Label of secrets that were given without one.";
    DEFAULT_VAULT_ENCRYPT_IDENTITY: Text = "" [ANSIBLE_VAULT_ENCRYPT_IDENTITY] [defaults.vault_encrypt_identity]
        Honoured "Label of the secret that encrypts.";
    DEFAULT_VAULT_IDENTITY_LIST: List = "" [ANSIBLE_VAULT_IDENTITY_LIST] [defaults.vault_identity_list]
        Honoured "Secrets as LABEL@SOURCE, as for --vault-id.";
    DEFAULT_VAULT_PASSWORD_FILE: Path = "" [ANSIBLE_VAULT_PASSWORD_FILE] [defaults.vault_password_file]
        Honoured "File or program with the vault password.";
    VAULT_ENCRYPT_SALT: Text = "" [ANSIBLE_VAULT_ENCRYPT_SALT] [defaults.vault_encrypt_salt]
        Honoured "Salt for encrypting; without it a random one.";
    DEFAULT_VERBOSITY: Number = "0" [ANSIBLE_VERBOSITY] [defaults.verbosity]
        Honoured "As many -v.";
    DEPRECATION_WARNINGS: Bool = "True" [ANSIBLE_DEPRECATION_WARNINGS] [defaults.deprecation_warnings]
        Honoured "Warn about forms that were dropped.";
    DEVEL_WARNING: Bool = "True" [ANSIBLE_DEVEL_WARNING] [defaults.devel_warning]
        Ignored("is about development versions of Ansible") "Warn about a development version.";
    DIFF_ALWAYS: Bool = "False" [ANSIBLE_DIFF_ALWAYS] [diff.always]
        Honoured "Always show what changes.";
    DIFF_CONTEXT: Number = "3" [ANSIBLE_DIFF_CONTEXT] [diff.context]
        Honoured "Lines shown around a change.";
    MAX_FILE_SIZE_FOR_DIFF: Number = "104448" [ANSIBLE_MAX_DIFF_SIZE] [defaults.max_diff_size]
        Ignored("the agent has a limit of its own") "Largest file whose change is shown.";
    DUPLICATE_YAML_DICT_KEY: Text = "warn" [ANSIBLE_DUPLICATE_YAML_DICT_KEY] [defaults.duplicate_dict_key]
        Honoured "What a doubled key is: error, warn, ignore.";
    ERROR_ON_MISSING_HANDLER: Bool = "True" [ANSIBLE_ERROR_ON_MISSING_HANDLER] [defaults.error_on_missing_handler]
        Honoured "Whether a handler that is not there is an error.";
    HOST_KEY_CHECKING: Bool = "True" [ANSIBLE_HOST_KEY_CHECKING ANSIBLE_SSH_HOST_KEY_CHECKING] [defaults.host_key_checking ssh_connection.host_key_checking]
        Honoured "Whether hosts must have a known key.";
    HOST_PATTERN_MISMATCH: Text = "warning" [ANSIBLE_HOST_PATTERN_MISMATCH] [inventory.host_pattern_mismatch]
        Honoured "What a pattern without hosts is: error, warning, ignore.";
    INTERPRETER_PYTHON: Text = "auto" [ANSIBLE_PYTHON_INTERPRETER] [defaults.interpreter_python]
        Ignored("hosts need no Python") "Python on hosts.";
    TRANSFORM_INVALID_GROUP_CHARS: Text = "never" [ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS] [defaults.force_valid_group_names]
        Honoured "What becomes of group names that are no variable names: always, never, ignore, silently.";
    INVALID_TASK_ATTRIBUTE_FAILED: Bool = "True" [ANSIBLE_INVALID_TASK_ATTRIBUTE_FAILED] [defaults.invalid_task_attribute_failed]
        Ignored("an unknown keyword is always an error") "Whether an unknown keyword is an error.";
    INVENTORY_ANY_UNPARSED_IS_FAILED: Bool = "False" [ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED] [inventory.any_unparsed_is_failed]
        Honoured "One inventory that cannot be read is an error.";
    INVENTORY_UNPARSED_IS_FAILED: Bool = "False" [ANSIBLE_INVENTORY_UNPARSED_FAILED] [inventory.unparsed_is_failed]
        Honoured "It is an error if no inventory can be read.";
    INVENTORY_ENABLED: List = "host_list,script,auto,yaml,ini,toml" [ANSIBLE_INVENTORY_ENABLED] [inventory.enable_plugins]
        Honoured "Kinds of inventories, in the order in which they are tried.";
    INVENTORY_SCRIPT_STDERR: Bool = "True" [ANSIBLE_INVENTORY_PLUGIN_SCRIPT_STDERR] [inventory_plugin_script.always_show_stderr]
        Honoured "What an inventory script writes to standard error is shown even where it succeeds.";
    INVENTORY_EXPORT: Bool = "False" [ANSIBLE_INVENTORY_EXPORT] [inventory.export]
        Honoured "ansible-inventory shows variables where they were written.";
    INVENTORY_IGNORE_EXTS: List = ".pyc,.pyo,.swp,.bak,~,.rpm,.md,.txt,.rst,.orig,.cfg,.retry" [ANSIBLE_INVENTORY_IGNORE] [defaults.inventory_ignore_extensions inventory.ignore_extensions]
        Honoured "Ends of file names that a folder of inventories leaves out.";
    INVENTORY_IGNORE_PATTERNS: List = "" [ANSIBLE_INVENTORY_IGNORE_REGEX] [defaults.inventory_ignore_patterns inventory.ignore_patterns]
        Honoured "Patterns of file names that a folder of inventories leaves out.";
    INJECT_FACTS_AS_VARS: Bool = "True" [ANSIBLE_INJECT_FACT_VARS] [defaults.inject_facts_as_vars]
        Honoured "Facts also as variables that start with ansible_.";
    PAGER: Text = "less" [ANSIBLE_PAGER PAGER] [defaults.pager]
        Honoured "Program that shows long texts.";
    EDITOR: Text = "vi" [ANSIBLE_EDITOR EDITOR] [defaults.editor]
        Honoured "Program that edits encrypted files.";
    ENABLE_TASK_DEBUGGER: Bool = "False" [ANSIBLE_ENABLE_TASK_DEBUGGER] [defaults.enable_task_debugger]
        Honoured "Start the debugger where a task fails.";
    PLAYBOOK_DIR: Path = "" [ANSIBLE_PLAYBOOK_DIR] [defaults.playbook_dir]
        Honoured "The playbook's folder for tools that have no playbook.";
    PLAYBOOK_VARS_ROOT: Text = "top" [ANSIBLE_PLAYBOOK_VARS_ROOT] [defaults.playbook_vars_root]
        Ignored("group_vars and host_vars of each playbook's own folder are used") "Which playbook's group_vars count.";
    VARIABLE_PRECEDENCE: List = "all_inventory,groups_inventory,all_plugins_inventory,all_plugins_play,groups_plugins_inventory,groups_plugins_play" [ANSIBLE_PRECEDENCE] [defaults.precedence]
        Ignored("the order is fixed to the default") "Order of variables of groups.";
    RETRY_FILES_ENABLED: Bool = "False" [ANSIBLE_RETRY_FILES_ENABLED] [defaults.retry_files_enabled]
        Ignored("the journal of a run knows the hosts that failed") "Write a file with the hosts that failed.";
    RETRY_FILES_SAVE_PATH: Path = "" [ANSIBLE_RETRY_FILES_SAVE_PATH] [defaults.retry_files_save_path]
        Ignored("no such files are written") "Folder for them.";
    SYSTEM_WARNINGS: Bool = "True" [ANSIBLE_SYSTEM_WARNINGS] [defaults.system_warnings]
        Ignored("warnings that matter are always shown") "Warn about the controller.";
    TAGS_RUN: List = "" [ANSIBLE_RUN_TAGS] [tags.run]
        Honoured "As --tags.";
    TAGS_SKIP: List = "" [ANSIBLE_SKIP_TAGS] [tags.skip]
        Honoured "As --skip-tags.";
    TASK_TIMEOUT: Number = "0" [ANSIBLE_TASK_TIMEOUT] [defaults.task_timeout]
        Honoured "Seconds that a task may take; 0 for ever.";
    VERBOSE_TO_STDERR: Bool = "False" [ANSIBLE_VERBOSE_TO_STDERR] [defaults.verbose_to_stderr]
        Ignored("only results stand in the output") "Messages of -v go to standard error.";
    YAML_FILENAME_EXTENSIONS: List = ".yml,.yaml,.json" [ANSIBLE_YAML_FILENAME_EXT] [defaults.yaml_valid_extensions]
        Ignored("fixed to the default") "Ends of names of files of variables.";
    SSH_ARGS: Text = "-C -o ControlMaster=auto -o ControlPersist=60s" [ANSIBLE_SSH_ARGS] [ssh_connection.ssh_args]
        Honoured "Options as for ssh; those about sharing connections mean nothing here.";
    SSH_COMMON_ARGS: Text = "" [ANSIBLE_SSH_COMMON_ARGS] [ssh_connection.ssh_common_args]
        Honoured "More options as for ssh.";
    SSH_EXTRA_ARGS: Text = "" [ANSIBLE_SSH_EXTRA_ARGS] [ssh_connection.ssh_extra_args]
        Honoured "More options as for ssh.";
    SSH_RETRIES: Number = "0" [ANSIBLE_SSH_RETRIES] [ssh_connection.retries]
        Ignored("lost handshakes are tried again on their own") "How often a connection is tried again.";
    SSH_EXECUTABLE: Text = "ssh" [ANSIBLE_SSH_EXECUTABLE] [ssh_connection.ssh_executable]
        Ignored("no ssh program is started") "The ssh program.";
    SSH_CONTROL_PATH: Text = "" [ANSIBLE_SSH_CONTROL_PATH] [ssh_connection.control_path]
        Ignored("there is one connection per host and run, and no socket") "Socket of shared connections.";
    SSH_TRANSFER_METHOD: Text = "smart" [ANSIBLE_SSH_TRANSFER_METHOD] [ssh_connection.transfer_method]
        Ignored("files go over the agent's channel") "How files are sent.";
    COLOR_CHANGED: Text = "yellow" [ANSIBLE_COLOR_CHANGED] [colors.changed]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_DEBUG: Text = "dark gray" [ANSIBLE_COLOR_DEBUG] [colors.debug]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_DEPRECATE: Text = "purple" [ANSIBLE_COLOR_DEPRECATE] [colors.deprecate]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_DIFF_ADD: Text = "green" [ANSIBLE_COLOR_DIFF_ADD] [colors.diff_add]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_DIFF_LINES: Text = "cyan" [ANSIBLE_COLOR_DIFF_LINES] [colors.diff_lines]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_DIFF_REMOVE: Text = "red" [ANSIBLE_COLOR_DIFF_REMOVE] [colors.diff_remove]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_ERROR: Text = "red" [ANSIBLE_COLOR_ERROR] [colors.error]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_HIGHLIGHT: Text = "white" [ANSIBLE_COLOR_HIGHLIGHT] [colors.highlight]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_INCLUDED: Text = "cyan" [ANSIBLE_COLOR_INCLUDED] [colors.included]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_OK: Text = "green" [ANSIBLE_COLOR_OK] [colors.ok]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_SKIP: Text = "cyan" [ANSIBLE_COLOR_SKIP] [colors.skip]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_UNREACHABLE: Text = "bright red" [ANSIBLE_COLOR_UNREACHABLE] [colors.unreachable]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_VERBOSE: Text = "blue" [ANSIBLE_COLOR_VERBOSE] [colors.verbose]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
    COLOR_WARN: Text = "bright purple" [ANSIBLE_COLOR_WARN] [colors.warn]
        Ignored("colours are fixed; ANSIBLE_NOCOLOR turns them off") "A colour.";
}
