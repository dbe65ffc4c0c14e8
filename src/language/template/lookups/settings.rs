//! The `config` lookup: settings by the names that Ansible gives them.

use minijinja::Error;

use super::Call;
use crate::template::{Jinja, filters, python};

/// How a setting is read from the environment.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Truth,
    Number,
    List,
    Paths,
    None,
}

/// Name, environment variable, kind, default.
type Setting = (&'static str, &'static str, Kind, &'static str);

#[rustfmt::skip]
const SETTINGS: &[Setting] = &[
    ("ACTION_WARNINGS", "ANSIBLE_ACTION_WARNINGS", Kind::Truth, "True"),
    ("ALLOW_BROKEN_CONDITIONALS", "ANSIBLE_ALLOW_BROKEN_CONDITIONALS", Kind::Truth, "False"),
    ("ANSIBLE_COW_SELECTION", "ANSIBLE_COW_SELECTION", Kind::Text, "default"),
    ("ANSIBLE_COW_ACCEPTLIST", "ANSIBLE_COW_ACCEPTLIST", Kind::List, "bud-frogs,bunny,cheese,daemon,default,dragon,elephant-in-snake,elephant,eyes,hellokitty,kitty,luke-koala,meow,milk,moofasa,moose,ren,sheep,small,stegosaurus,stimpy,supermilker,three-eyes,turkey,turtle,tux,udder,vader-koala,vader,www"),
    ("ANSIBLE_FORCE_COLOR", "ANSIBLE_FORCE_COLOR", Kind::Truth, "False"),
    ("ANSIBLE_NOCOLOR", "ANSIBLE_NOCOLOR", Kind::Truth, "False"),
    ("ANSIBLE_NOCOWS", "ANSIBLE_NOCOWS", Kind::Truth, "False"),
    ("ANSIBLE_PIPELINING", "ANSIBLE_PIPELINING", Kind::Truth, "False"),
    ("ANY_ERRORS_FATAL", "ANSIBLE_ANY_ERRORS_FATAL", Kind::Truth, "False"),
    ("BECOME_ALLOW_SAME_USER", "ANSIBLE_BECOME_ALLOW_SAME_USER", Kind::Truth, "False"),
    ("CACHE_PLUGIN", "ANSIBLE_CACHE_PLUGIN", Kind::Text, "memory"),
    ("CACHE_PLUGIN_CONNECTION", "ANSIBLE_CACHE_PLUGIN_CONNECTION", Kind::None, ""),
    ("CACHE_PLUGIN_TIMEOUT", "ANSIBLE_CACHE_PLUGIN_TIMEOUT", Kind::Number, "86400"),
    ("COLLECTIONS_PATHS", "ANSIBLE_COLLECTIONS_PATH", Kind::Paths, "~/.ansible/collections:/usr/share/ansible/collections"),
    ("COLOR_CHANGED", "ANSIBLE_COLOR_CHANGED", Kind::Text, "yellow"),
    ("COLOR_ERROR", "ANSIBLE_COLOR_ERROR", Kind::Text, "red"),
    ("COLOR_OK", "ANSIBLE_COLOR_OK", Kind::Text, "green"),
    ("COLOR_SKIP", "ANSIBLE_COLOR_SKIP", Kind::Text, "cyan"),
    ("COLOR_WARN", "ANSIBLE_COLOR_WARN", Kind::Text, "bright purple"),
    ("COMMAND_WARNINGS", "ANSIBLE_COMMAND_WARNINGS", Kind::Truth, "False"),
    ("CONNECTION_PASSWORD_FILE", "ANSIBLE_CONNECTION_PASSWORD_FILE", Kind::None, ""),
    ("DEFAULT_ACTION_PLUGIN_PATH", "ANSIBLE_ACTION_PLUGINS", Kind::Paths, "~/.ansible/plugins/action:/usr/share/ansible/plugins/action"),
    ("DEFAULT_ASK_PASS", "ANSIBLE_ASK_PASS", Kind::Truth, "False"),
    ("DEFAULT_ASK_VAULT_PASS", "ANSIBLE_ASK_VAULT_PASS", Kind::Truth, "False"),
    ("DEFAULT_BECOME", "ANSIBLE_BECOME", Kind::Truth, "False"),
    ("DEFAULT_BECOME_ASK_PASS", "ANSIBLE_BECOME_ASK_PASS", Kind::Truth, "False"),
    ("DEFAULT_BECOME_EXE", "ANSIBLE_BECOME_EXE", Kind::None, ""),
    ("DEFAULT_BECOME_FLAGS", "ANSIBLE_BECOME_FLAGS", Kind::Text, ""),
    ("DEFAULT_BECOME_METHOD", "ANSIBLE_BECOME_METHOD", Kind::Text, "sudo"),
    ("DEFAULT_BECOME_USER", "ANSIBLE_BECOME_USER", Kind::Text, "root"),
    ("DEFAULT_DEBUG", "ANSIBLE_DEBUG", Kind::Truth, "False"),
    ("DEFAULT_EXECUTABLE", "ANSIBLE_EXECUTABLE", Kind::Text, "/bin/sh"),
    ("DEFAULT_FILTER_PLUGIN_PATH", "ANSIBLE_FILTER_PLUGINS", Kind::Paths, "~/.ansible/plugins/filter:/usr/share/ansible/plugins/filter"),
    ("DEFAULT_FORCE_HANDLERS", "ANSIBLE_FORCE_HANDLERS", Kind::Truth, "False"),
    ("DEFAULT_FORKS", "ANSIBLE_FORKS", Kind::Number, "5"),
    ("DEFAULT_GATHERING", "ANSIBLE_GATHERING", Kind::Text, "implicit"),
    ("DEFAULT_GATHER_SUBSET", "ANSIBLE_GATHER_SUBSET", Kind::None, ""),
    ("DEFAULT_GATHER_TIMEOUT", "ANSIBLE_GATHER_TIMEOUT", Kind::None, ""),
    ("DEFAULT_HANDLER_INCLUDES_STATIC", "ANSIBLE_HANDLER_INCLUDES_STATIC", Kind::Truth, "False"),
    ("DEFAULT_HASH_BEHAVIOUR", "ANSIBLE_HASH_BEHAVIOUR", Kind::Text, "replace"),
    ("DEFAULT_HOST_LIST", "ANSIBLE_INVENTORY", Kind::Paths, "/etc/ansible/hosts"),
    ("DEFAULT_JINJA2_EXTENSIONS", "ANSIBLE_JINJA2_EXTENSIONS", Kind::List, ""),
    ("DEFAULT_JINJA2_NATIVE", "ANSIBLE_JINJA2_NATIVE", Kind::Truth, "True"),
    ("DEFAULT_KEEP_REMOTE_FILES", "ANSIBLE_KEEP_REMOTE_FILES", Kind::Truth, "False"),
    ("DEFAULT_LOAD_CALLBACK_PLUGINS", "ANSIBLE_LOAD_CALLBACK_PLUGINS", Kind::Truth, "False"),
    ("DEFAULT_LOCAL_TMP", "ANSIBLE_LOCAL_TEMP", Kind::Text, "~/.ansible/tmp"),
    ("DEFAULT_LOG_PATH", "ANSIBLE_LOG_PATH", Kind::None, ""),
    ("DEFAULT_LOOKUP_PLUGIN_PATH", "ANSIBLE_LOOKUP_PLUGINS", Kind::Paths, "~/.ansible/plugins/lookup:/usr/share/ansible/plugins/lookup"),
    ("DEFAULT_MANAGED_STR", "", Kind::Text, "Ansible managed"),
    ("DEFAULT_MODULE_NAME", "", Kind::Text, "command"),
    ("DEFAULT_MODULE_PATH", "ANSIBLE_LIBRARY", Kind::Paths, "~/.ansible/plugins/modules:/usr/share/ansible/plugins/modules"),
    ("DEFAULT_NO_LOG", "ANSIBLE_NO_LOG", Kind::Truth, "False"),
    ("DEFAULT_NO_TARGET_SYSLOG", "ANSIBLE_NO_TARGET_SYSLOG", Kind::Truth, "False"),
    ("DEFAULT_POLL_INTERVAL", "ANSIBLE_POLL_INTERVAL", Kind::Number, "15"),
    ("DEFAULT_PRIVATE_KEY_FILE", "ANSIBLE_PRIVATE_KEY_FILE", Kind::None, ""),
    ("DEFAULT_PRIVATE_ROLE_VARS", "ANSIBLE_PRIVATE_ROLE_VARS", Kind::Truth, "False"),
    ("DEFAULT_REMOTE_PORT", "ANSIBLE_REMOTE_PORT", Kind::None, ""),
    ("DEFAULT_REMOTE_USER", "ANSIBLE_REMOTE_USER", Kind::None, ""),
    ("DEFAULT_ROLES_PATH", "ANSIBLE_ROLES_PATH", Kind::Paths, "~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles"),
    ("DEFAULT_STDOUT_CALLBACK", "ANSIBLE_STDOUT_CALLBACK", Kind::Text, "default"),
    ("DEFAULT_STRATEGY", "ANSIBLE_STRATEGY", Kind::Text, "linear"),
    ("DEFAULT_SYSLOG_FACILITY", "ANSIBLE_SYSLOG_FACILITY", Kind::Text, "LOG_USER"),
    ("DEFAULT_TIMEOUT", "ANSIBLE_TIMEOUT", Kind::Number, "10"),
    ("DEFAULT_TRANSPORT", "ANSIBLE_TRANSPORT", Kind::Text, "ssh"),
    ("DEFAULT_UNDEFINED_VAR_BEHAVIOR", "ANSIBLE_ERROR_ON_UNDEFINED_VARS", Kind::Truth, "True"),
    ("DEFAULT_VAULT_IDENTITY", "ANSIBLE_VAULT_IDENTITY", Kind::Text, "default"),
    ("DEFAULT_VAULT_IDENTITY_LIST", "ANSIBLE_VAULT_IDENTITY_LIST", Kind::List, ""),
    ("DEFAULT_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_PASSWORD_FILE", Kind::None, ""),
    ("DEFAULT_VERBOSITY", "ANSIBLE_VERBOSITY", Kind::Number, "0"),
    ("DEPRECATION_WARNINGS", "ANSIBLE_DEPRECATION_WARNINGS", Kind::Truth, "True"),
    ("DIFF_ALWAYS", "ANSIBLE_DIFF_ALWAYS", Kind::Truth, "False"),
    ("DIFF_CONTEXT", "ANSIBLE_DIFF_CONTEXT", Kind::Number, "3"),
    ("DISPLAY_ARGS_TO_STDOUT", "ANSIBLE_DISPLAY_ARGS_TO_STDOUT", Kind::Truth, "False"),
    ("DISPLAY_SKIPPED_HOSTS", "ANSIBLE_DISPLAY_SKIPPED_HOSTS", Kind::Truth, "True"),
    ("DUPLICATE_YAML_DICT_KEY", "ANSIBLE_DUPLICATE_YAML_DICT_KEY", Kind::Text, "warn"),
    ("ENABLE_TASK_DEBUGGER", "ANSIBLE_ENABLE_TASK_DEBUGGER", Kind::Truth, "False"),
    ("ERROR_ON_MISSING_HANDLER", "ANSIBLE_ERROR_ON_MISSING_HANDLER", Kind::Truth, "True"),
    ("GALAXY_SERVER", "ANSIBLE_GALAXY_SERVER", Kind::Text, "https://galaxy.ansible.com"),
    ("HOST_KEY_CHECKING", "ANSIBLE_HOST_KEY_CHECKING", Kind::Truth, "True"),
    ("INJECT_FACTS_AS_VARS", "ANSIBLE_INJECT_FACT_VARS", Kind::Truth, "True"),
    ("INTERPRETER_PYTHON", "ANSIBLE_PYTHON_INTERPRETER", Kind::Text, "auto"),
    ("INVENTORY_ENABLED", "ANSIBLE_INVENTORY_ENABLED", Kind::List, "host_list,script,auto,yaml,ini,toml"),
    ("INVENTORY_UNPARSED_IS_FAILED", "ANSIBLE_INVENTORY_UNPARSED_FAILED", Kind::Truth, "False"),
    ("LOCALHOST_WARNING", "ANSIBLE_LOCALHOST_WARNING", Kind::Truth, "True"),
    ("MAX_FILE_SIZE_FOR_DIFF", "ANSIBLE_MAX_DIFF_SIZE", Kind::Number, "104448"),
    ("PERSISTENT_COMMAND_TIMEOUT", "ANSIBLE_PERSISTENT_COMMAND_TIMEOUT", Kind::Number, "30"),
    ("PERSISTENT_CONNECT_TIMEOUT", "ANSIBLE_PERSISTENT_CONNECT_TIMEOUT", Kind::Number, "30"),
    ("PLAYBOOK_DIR", "ANSIBLE_PLAYBOOK_DIR", Kind::None, ""),
    ("PLAYBOOK_VARS_ROOT", "ANSIBLE_PLAYBOOK_VARS_ROOT", Kind::Text, "top"),
    ("RETRY_FILES_ENABLED", "ANSIBLE_RETRY_FILES_ENABLED", Kind::Truth, "False"),
    ("RETRY_FILES_SAVE_PATH", "ANSIBLE_RETRY_FILES_SAVE_PATH", Kind::None, ""),
    ("SHOW_CUSTOM_STATS", "ANSIBLE_SHOW_CUSTOM_STATS", Kind::Truth, "False"),
    ("STRING_CONVERSION_ACTION", "ANSIBLE_STRING_CONVERSION_ACTION", Kind::Text, "warn"),
    ("SYSTEM_WARNINGS", "ANSIBLE_SYSTEM_WARNINGS", Kind::Truth, "True"),
    ("TAGS_RUN", "ANSIBLE_RUN_TAGS", Kind::List, ""),
    ("TAGS_SKIP", "ANSIBLE_SKIP_TAGS", Kind::List, ""),
    ("TASK_TIMEOUT", "ANSIBLE_TASK_TIMEOUT", Kind::Number, "0"),
    ("TRANSFORM_INVALID_GROUP_CHARS", "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS", Kind::Text, "never"),
    ("VARIABLE_PRECEDENCE", "ANSIBLE_PRECEDENCE", Kind::List, "all_inventory,groups_inventory,all_plugins_inventory,all_plugins_play,groups_plugins_inventory,groups_plugins_play"),
    ("VAULT_ENCRYPT_SALT", "ANSIBLE_VAULT_ENCRYPT_SALT", Kind::None, ""),
    ("VERBOSE_TO_STDERR", "ANSIBLE_VERBOSE_TO_STDERR", Kind::Truth, "False"),
    ("WIN_ASYNC_STARTUP_TIMEOUT", "ANSIBLE_WIN_ASYNC_STARTUP_TIMEOUT", Kind::Number, "5"),
];

/// Options of connections, shells and ways to become another user: plug-in,
/// option, the variables that set it, default.
type PluginSetting = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
);

#[rustfmt::skip]
const PLUGIN_SETTINGS: &[PluginSetting] = &[
    ("connection", "ssh", "remote_user", &["ansible_user", "ansible_ssh_user"], ""),
    ("connection", "ssh", "port", &["ansible_port", "ansible_ssh_port"], ""),
    ("connection", "ssh", "host", &["inventory_hostname", "ansible_host", "ansible_ssh_host"], ""),
    ("connection", "ssh", "timeout", &["ansible_ssh_timeout"], "10"),
    ("connection", "ssh", "pipelining", &["ansible_pipelining", "ansible_ssh_pipelining"], "False"),
    ("connection", "ssh", "private_key_file", &["ansible_private_key_file", "ansible_ssh_private_key_file"], ""),
    ("connection", "ssh", "ssh_args", &["ansible_ssh_args"], "-C -o ControlMaster=auto -o ControlPersist=60s"),
    ("connection", "ssh", "host_key_checking", &["ansible_host_key_checking", "ansible_ssh_host_key_checking"], "True"),
    ("shell", "sh", "remote_tmp", &["ansible_remote_tmp"], "~/.ansible/tmp"),
    ("shell", "sh", "async_dir", &["ansible_async_dir"], "~/.ansible_async"),
    ("become", "sudo", "become_user", &["ansible_become_user", "ansible_sudo_user"], "root"),
    ("become", "sudo", "become_flags", &["ansible_become_flags", "ansible_sudo_flags"], "-H -S -n"),
    ("become", "sudo", "become_exe", &["ansible_become_exe", "ansible_sudo_exe"], "sudo"),
];

/// A setting's value of its kind.
fn shaped(call: &Call<'_>, kind: Kind, text: &str) -> Result<Jinja, Error> {
    let list = |mark: char, paths: bool| {
        python::list(
            text.split(mark)
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .map(|word| {
                    Jinja::from(if paths {
                        super::home(call.context, word)
                    } else {
                        word.to_owned()
                    })
                })
                .collect(),
        )
    };
    Ok(match kind {
        Kind::None if text.is_empty() => Jinja::from(()),
        Kind::Text | Kind::None => Jinja::from(super::home(call.context, text)),
        Kind::Truth => Jinja::from(filters::truth(&Jinja::from(text)).unwrap_or(false)),
        Kind::Number => text
            .trim()
            .parse::<i64>()
            .map(Jinja::from)
            .map_err(|_| call.fail(format!("'{text}' is no whole number")))?,
        Kind::List => list(',', false),
        Kind::Paths => list(':', true),
    })
}

pub(super) fn config(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let missing = call.text_option("on_missing", "error")?;
    let origin = call.flag("show_origin", false);
    let plugin = match (call.option("plugin_type"), call.option("plugin_name")) {
        (None, None) => None,
        (Some(kind), Some(name)) => Some((python::text(kind)?, python::text(name)?)),
        _ => {
            return Err(call.fail(
                "Both plugin_type and plugin_name are required, cannot use one without the other.",
            ));
        }
    };
    let mut found = Vec::new();
    for term in &call.terms {
        let Some(name) = term.as_str() else {
            return Err(call.fail(format!(
                "Invalid setting identifier, {} is not text but {}.",
                python::repr(term)?,
                python::type_name(term)
            )));
        };
        let value = match &plugin {
            Some((kind, plugin)) => of_plugin(call, kind, plugin, name)?,
            None => own(call, name)?,
        };
        match value {
            Some((value, from)) if origin => {
                found.push(python::list(vec![value, Jinja::from(from)]));
            }
            Some((value, _)) => found.push(value),
            None => {
                let message = format!("No config definition exists for '{name}'.");
                match missing.as_str() {
                    "skip" => {}
                    "warn" => call
                        .context
                        .templar
                        .warn(&format!("Skipping {name}. {message}")),
                    "error" => return Err(call.fail(message)),
                    other => {
                        return Err(call.fail(format!(
                            "Invalid value '{other}' for on_missing, it must be error, warn or skip."
                        )));
                    }
                }
            }
        }
    }
    Ok(found)
}

fn own(call: &Call<'_>, name: &str) -> Result<Option<(Jinja, String)>, Error> {
    let Some((_, variable, kind, default)) = SETTINGS.iter().find(|(known, ..)| *known == name)
    else {
        return Ok(None);
    };
    let given = if variable.is_empty() {
        None
    } else {
        call.context.templar.loader.setting(variable)
    };
    Ok(Some(match given {
        Some(text) => (shaped(call, *kind, &text)?, format!("env: {variable}")),
        None => (shaped(call, *kind, default)?, "default".to_owned()),
    }))
}

fn of_plugin(
    call: &Call<'_>,
    kind: &str,
    plugin: &str,
    name: &str,
) -> Result<Option<(Jinja, String)>, Error> {
    if !PLUGIN_SETTINGS
        .iter()
        .any(|(known, own, ..)| *known == kind && *own == plugin)
        && kind != "lookup"
    {
        return Err(call.fail(format!("Unable to load {kind} plugin '{plugin}'.")));
    }
    if kind == "lookup" && !super::known(plugin) {
        return Err(call.fail(format!("Unable to load lookup plugin '{plugin}'.")));
    }
    let Some((.., variables, default)) = PLUGIN_SETTINGS
        .iter()
        .find(|(known, own, option, ..)| *known == kind && *own == plugin && *option == name)
    else {
        return Ok(None);
    };
    for variable in variables.iter().rev() {
        if let Some(value) = call.context.variable(variable) {
            return Ok(Some((value, format!("var: {variable}"))));
        }
    }
    let value = if default.is_empty() {
        Jinja::from(())
    } else {
        Jinja::from(*default)
    };
    Ok(Some((value, "default".to_owned())))
}
