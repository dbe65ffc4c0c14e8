//! Where a host is and how to get in, read from its variables and OpenSSH's
//! configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ocplay_language::value::Value;

use super::ConnectError;
use super::openssh::expand_home;
use super::ssh_args::Said;
use super::ssh_config::ConfigFiles;
use crate::secret::Secret;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Ssh,
    Local,
    /// A program that starts a shell where the work is: in a container, or
    /// below another root. Its words; the shell's follow.
    Inside(Vec<String>),
}

/// How the bytes of a connection get to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Road {
    Direct,
    /// `ProxyJump`: over a connection to another host.
    Jump(Box<Target>),
    /// `ProxyCommand`: over the streams of a program.
    Command(String),
}

/// What to do with a host key that is not on file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKeyPolicy {
    /// Refuse it.
    #[default]
    Strict,
    /// Take it the first time, refuse a changed one.
    AcceptNew,
    /// Take anything.
    Off,
}

/// What the command line and the environment say for all hosts; variables of
/// a host win over it.
#[derive(Debug, Clone)]
pub struct SshOptions {
    pub user: Option<String>,
    pub private_key: Option<PathBuf>,
    pub password: Option<Secret>,
    pub become_password: Option<Secret>,
    pub timeout: Duration,
    pub connection: Option<String>,
    pub common_args: Option<String>,
    pub host_keys: Option<HostKeyPolicy>,
    /// The controller's home and user, and the socket of its ssh-agent.
    pub home: PathBuf,
    pub login: String,
    pub agent_socket: Option<PathBuf>,
    /// OpenSSH's files, the user's before the system's.
    pub config_files: Vec<PathBuf>,
    /// Their content, read once.
    pub config: Arc<ConfigFiles>,
}

/// One host, ready to be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub kind: Kind,
    pub address: String,
    pub port: u16,
    pub user: String,
    pub password: Option<Secret>,
    pub keys: Vec<PathBuf>,
    /// Keys that were not named by anybody may be missing.
    pub default_keys: bool,
    pub agent_socket: Option<PathBuf>,
    /// The socket of an ssh-agent that programs of the host may ask.
    pub forward_agent: Option<PathBuf>,
    /// Certificates to log in with, besides those that lie beside a key.
    pub certificates: Vec<PathBuf>,
    /// Opens keys that are encrypted.
    pub passphrase: Option<Secret>,
    pub host_keys: HostKeyPolicy,
    /// The name under which the host's key is on file, if not its address.
    pub host_key_alias: Option<String>,
    pub known_hosts: Vec<PathBuf>,
    pub road: Road,
    pub timeout: Duration,
}

/// Becoming another user on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Become {
    pub method: String,
    pub user: String,
    pub password: Option<Secret>,
    pub flags: String,
    pub exe: String,
}

/// Reads one variable of the host, rendered.
pub trait Variables {
    /// # Errors
    /// The variable's template fails.
    fn get(&self, name: &str) -> Result<Option<Value>, ConnectError>;

    /// # Errors
    /// The variable's template fails or gives no text.
    fn text(&self, names: &[&str]) -> Result<Option<String>, ConnectError> {
        for name in names {
            let Some(value) = self.get(name)? else {
                continue;
            };
            if value.is_null() || matches!(value, Value::Omit) {
                continue;
            }
            let text = ocplay_protocol::coerce::text(&value.to_json()).map_err(|reason| {
                ConnectError::Variable {
                    name: (*name).to_owned(),
                    reason,
                }
            })?;
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }
}

impl Target {
    /// Reads a host's connection variables.
    ///
    /// # Errors
    /// A variable with a wrong value, or an SSH option that is not understood.
    pub fn from_variables(
        host: &str,
        vars: &dyn Variables,
        options: &SshOptions,
        keyword_user: Option<String>,
        keyword_connection: Option<String>,
        keyword_port: Option<u16>,
    ) -> Result<Self, ConnectError> {
        let kind = vars
            .text(&["ansible_connection"])?
            .or(keyword_connection)
            .or_else(|| options.connection.clone())
            .unwrap_or_else(|| "ssh".to_owned());
        let address = vars
            .text(&["ansible_ssh_host", "ansible_host"])?
            .unwrap_or_else(|| host.to_owned());
        let user = vars
            .text(&["ansible_ssh_user", "ansible_user"])?
            .or(keyword_user)
            .or_else(|| options.user.clone());
        let mut target = Self::new(&address, options);
        target.kind = kind_of(&kind, &address, user.as_deref(), vars)?;
        if target.kind != Kind::Ssh {
            target.user = match target.kind {
                Kind::Inside(_) => user.unwrap_or_else(|| "root".to_owned()),
                _ => target.user,
            };
            return Ok(target);
        }
        let port = match vars.text(&["ansible_ssh_port", "ansible_port"])? {
            Some(text) => Some(number("ansible_port", &text)?),
            None => keyword_port,
        };
        target.password = vars
            .text(&[
                "ansible_ssh_pass",
                "ansible_ssh_password",
                "ansible_password",
            ])?
            .map(Secret::new)
            .or_else(|| options.password.clone());
        target.passphrase = vars
            .text(&[
                "ansible_ssh_private_key_passphrase",
                "ansible_private_key_passphrase",
            ])?
            .map(Secret::new);
        let key = vars
            .text(&["ansible_ssh_private_key_file", "ansible_private_key_file"])?
            .map(|path| expand_home(&path, options))
            .or_else(|| options.private_key.clone());
        // Variables and keywords win over arguments of ssh, arguments over
        // files.
        let mut said = Said::default();
        let mut wish = |name: &str, value: Option<String>| {
            said.wishes
                .extend(value.map(|value| (name.to_owned(), value)));
        };
        wish("port", port.map(|port| port.to_string()));
        wish("user", user);
        wish(
            "identityfile",
            key.map(|key| key.to_string_lossy().into_owned()),
        );
        wish("stricthostkeychecking", checking(vars, options)?);
        wish(
            "userknownhostsfile",
            vars.text(&["ansible_ssh_known_hosts_file"])?,
        );
        for line in lines(vars, options)? {
            said.add(&line)?;
        }
        target.settle(&address, &said, options, 0)?;
        Ok(target)
    }

    /// A host that nothing is said about.
    pub(super) fn new(address: &str, options: &SshOptions) -> Self {
        Self {
            kind: Kind::Ssh,
            address: address.to_owned(),
            port: 22,
            user: options.login.clone(),
            password: None,
            keys: Vec::new(),
            default_keys: true,
            agent_socket: options.agent_socket.clone(),
            forward_agent: None,
            certificates: Vec::new(),
            passphrase: None,
            host_keys: options.host_keys.unwrap_or_default(),
            host_key_alias: None,
            known_hosts: vec![
                options.home.join(".ssh/known_hosts"),
                options.home.join(".ssh/known_hosts2"),
                PathBuf::from("/etc/ssh/ssh_known_hosts"),
            ],
            road: Road::Direct,
            timeout: options.timeout,
        }
    }
}

/// What kind of connection a word means.
fn kind_of(
    kind: &str,
    address: &str,
    user: Option<&str>,
    vars: &dyn Variables,
) -> Result<Kind, ConnectError> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Ok(match kind.rsplit('.').next().unwrap_or(kind) {
        "ssh" | "smart" | "paramiko" | "paramiko_ssh" => Kind::Ssh,
        "local" => Kind::Local,
        engine @ ("docker" | "podman") => {
            let program =
                vars.text(&[&format!("ansible_{engine}_exe"), "ansible_docker_command"])?;
            let mut all: Vec<String> = vec![program.unwrap_or_else(|| engine.to_owned())];
            if let Some(more) = vars.text(&[&format!("ansible_{engine}_extra_args")])? {
                all.extend(super::ssh_args::words(&more));
            }
            all.extend::<Vec<String>>(words(&["exec", "-i"]));
            if let Some(user) = user {
                all.extend::<Vec<String>>(words(&["-u", user]));
            }
            all.push(address.to_owned());
            Kind::Inside(all)
        }
        "chroot" => {
            let program = vars.text(&["ansible_chroot_exe"])?;
            let program = program.unwrap_or_else(|| "chroot".to_owned());
            Kind::Inside(words(&[&program, address]))
        }
        _ => return Err(ConnectError::Kind(kind.to_owned())),
    })
}

/// `ansible_host_key_checking`, as ssh's own word for it.
fn checking(vars: &dyn Variables, options: &SshOptions) -> Result<Option<String>, ConnectError> {
    let names = ["ansible_ssh_host_key_checking", "ansible_host_key_checking"];
    if let Some(text) = vars.text(&names)? {
        let checked = ocplay_protocol::coerce::boolean(&text.into()).map_err(|reason| {
            ConnectError::Variable {
                name: "ansible_host_key_checking".to_owned(),
                reason,
            }
        })?;
        return Ok(Some(if checked { "yes" } else { "no" }.to_owned()));
    }
    // What the settings say stands behind arguments, before files only where
    // it switches something off.
    Ok(match options.host_keys {
        Some(HostKeyPolicy::Off) => Some("no".to_owned()),
        Some(HostKeyPolicy::AcceptNew) => Some("accept-new".to_owned()),
        Some(HostKeyPolicy::Strict) | None => None,
    })
}

/// Lines of ssh's arguments, in the order in which they count.
fn lines(vars: &dyn Variables, options: &SshOptions) -> Result<Vec<String>, ConnectError> {
    let mut lines = Vec::new();
    for name in [
        "ansible_ssh_args",
        "ansible_ssh_common_args",
        "ansible_ssh_extra_args",
    ] {
        lines.extend(vars.text(&[name])?);
    }
    if lines.is_empty() {
        lines.extend(options.common_args.clone());
    }
    Ok(lines)
}

fn number(name: &str, text: &str) -> Result<u16, ConnectError> {
    text.parse().map_err(|_| ConnectError::Variable {
        name: name.to_owned(),
        reason: format!("'{text}' is not a port number"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    struct Vars(HashMap<&'static str, Value>);
    impl Variables for Vars {
        fn get(&self, name: &str) -> Result<Option<Value>, ConnectError> {
            Ok(self.0.get(name).cloned())
        }
    }

    fn options() -> SshOptions {
        SshOptions {
            user: None,
            private_key: None,
            password: None,
            become_password: None,
            timeout: Duration::from_secs(10),
            connection: None,
            common_args: None,
            host_keys: None,
            home: "/home/me".into(),
            login: "me".into(),
            agent_socket: Some("/agent".into()),
            config_files: Vec::new(),
            config: Arc::default(),
        }
    }

    fn target(vars: &[(&'static str, Value)]) -> Result<Target, ConnectError> {
        let vars = Vars(vars.iter().cloned().collect());
        Target::from_variables("h1", &vars, &options(), None, None, None)
    }

    #[test]
    fn defaults() {
        let target = target(&[]).unwrap();
        assert_eq!(
            (target.address.as_str(), target.port, target.user.as_str()),
            ("h1", 22, "me")
        );
        assert_eq!(target.keys[0], PathBuf::from("/home/me/.ssh/id_ed25519"));
        assert_eq!(target.host_keys, HostKeyPolicy::Strict);
    }

    #[test]
    fn common_args_and_variables() {
        let target = target(&[
            (
                "ansible_ssh_common_args",
                "-o StrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -i ~/k -p 23".into(),
            ),
            ("ansible_port", Value::Int(24)),
        ])
        .unwrap();
        assert_eq!(target.port, 24);
        assert_eq!(target.keys, [PathBuf::from("/home/me/k")]);
        assert_eq!(target.known_hosts[0], PathBuf::from("/dev/null"));
        assert_eq!(target.host_keys, HostKeyPolicy::Off);
    }

    #[test]
    fn an_option_that_is_not_understood_is_named() {
        let error = target(&[("ansible_ssh_common_args", "-o ProxyFoo=x".into())]).unwrap_err();
        assert!(error.to_string().contains("-o ProxyFoo=x"), "{error}");
        assert!(target(&[("ansible_port", "twentytwo".into())]).is_err());
        assert!(target(&[("ansible_connection", "winrm".into())]).is_err());
    }
}
