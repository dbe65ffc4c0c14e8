//! Where a host is and how to get in, read from its variables.

use std::path::PathBuf;
use std::time::Duration;

use ocplay_language::value::Value;

use super::ConnectError;
use crate::secret::Secret;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ssh,
    Local,
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
    pub host_keys: HostKeyPolicy,
    pub known_hosts: Vec<PathBuf>,
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
        let kind = match kind.rsplit('.').next().unwrap_or(&kind) {
            "ssh" | "smart" | "paramiko" | "paramiko_ssh" => Kind::Ssh,
            "local" => Kind::Local,
            _ => return Err(ConnectError::Kind(kind)),
        };
        let address = vars
            .text(&["ansible_ssh_host", "ansible_host"])?
            .unwrap_or_else(|| host.to_owned());
        let port = match vars.text(&["ansible_ssh_port", "ansible_port"])? {
            Some(text) => Some(text.parse().map_err(|_| ConnectError::Variable {
                name: "ansible_port".to_owned(),
                reason: format!("'{text}' is not a port number"),
            })?),
            None => keyword_port,
        };
        let user = vars
            .text(&["ansible_ssh_user", "ansible_user"])?
            .or(keyword_user)
            .or_else(|| options.user.clone());
        let key = vars
            .text(&["ansible_ssh_private_key_file", "ansible_private_key_file"])?
            .map(|path| expand_home(&path, options))
            .or_else(|| options.private_key.clone());
        let password = vars
            .text(&[
                "ansible_ssh_pass",
                "ansible_ssh_password",
                "ansible_password",
            ])?
            .map(Secret::new)
            .or_else(|| options.password.clone());
        let checking =
            match vars.text(&["ansible_ssh_host_key_checking", "ansible_host_key_checking"])? {
                Some(text) => Some(ocplay_protocol::coerce::boolean(&text.into()).map_err(
                    |reason| ConnectError::Variable {
                        name: "ansible_host_key_checking".to_owned(),
                        reason,
                    },
                )?),
                None => None,
            };
        let mut target = Self {
            kind,
            address,
            port: 22,
            user: options.login.clone(),
            password,
            keys: key.iter().cloned().collect(),
            default_keys: key.is_none(),
            agent_socket: options.agent_socket.clone(),
            host_keys: match checking {
                Some(false) => HostKeyPolicy::Off,
                Some(true) => HostKeyPolicy::Strict,
                None => options.host_keys.unwrap_or_default(),
            },
            known_hosts: vec![
                options.home.join(".ssh/known_hosts"),
                PathBuf::from("/etc/ssh/ssh_known_hosts"),
            ],
            timeout: options.timeout,
        };
        let mut lines: Vec<String> = Vec::new();
        for name in [
            "ansible_ssh_common_args",
            "ansible_ssh_extra_args",
            "ansible_ssh_args",
        ] {
            lines.extend(vars.text(&[name])?);
        }
        if lines.is_empty() {
            lines.extend(options.common_args.clone());
        }
        for line in lines {
            target.apply_arguments(&line, options)?;
        }
        if let Some(file) = vars.text(&["ansible_ssh_known_hosts_file"])? {
            target.known_hosts.insert(0, expand_home(&file, options));
        }
        // Variables and keywords win over ssh options.
        if let Some(port) = port {
            target.port = port;
        }
        if let Some(user) = user {
            target.user = user;
        }
        if target.default_keys {
            for name in ["id_ed25519", "id_ecdsa", "id_rsa"] {
                target.keys.push(options.home.join(".ssh").join(name));
            }
        }
        Ok(target)
    }

    /// The part of ssh's command line that people put into variables.
    fn apply_arguments(&mut self, line: &str, options: &SshOptions) -> Result<(), ConnectError> {
        let words = shell_words(line);
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let (flag, joined) = word.split_at(word.len().min(2));
            let mut value = || {
                if joined.is_empty() {
                    words.next().map(str::to_owned)
                } else {
                    Some(joined.to_owned())
                }
                .ok_or_else(|| ConnectError::Option(word.to_owned()))
            };
            match flag {
                "-o" => {
                    let option = value()?;
                    self.apply_option(&option, options)?;
                }
                "-i" => {
                    let path = value()?;
                    self.add_key(expand_home(&path, options));
                }
                "-p" => {
                    let text = value()?;
                    self.port = text
                        .parse()
                        .map_err(|_| ConnectError::Option(format!("-p {text}")))?;
                }
                "-l" => self.user = value()?,
                // No effect here: one connection is kept anyway, no terminal is
                // asked for, and compression costs more than it saves.
                "-C" | "-q" | "-T" | "-t" | "-4" | "-6" => {}
                _ => return Err(ConnectError::Option(word.to_owned())),
            }
        }
        Ok(())
    }

    fn add_key(&mut self, path: PathBuf) {
        if self.default_keys {
            self.keys.clear();
            self.default_keys = false;
        }
        self.keys.push(path);
    }

    fn apply_option(&mut self, option: &str, options: &SshOptions) -> Result<(), ConnectError> {
        let unknown = || ConnectError::Option(format!("-o {option}"));
        let (name, value) = option.split_once(['=', ' ']).ok_or_else(unknown)?;
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "stricthostkeychecking" => {
                self.host_keys = match value {
                    "yes" | "ask" => HostKeyPolicy::Strict,
                    "accept-new" => HostKeyPolicy::AcceptNew,
                    "no" | "off" => HostKeyPolicy::Off,
                    _ => return Err(unknown()),
                }
            }
            "userknownhostsfile" => {
                self.known_hosts = value
                    .split_whitespace()
                    .map(|path| expand_home(path, options))
                    .collect();
            }
            "globalknownhostsfile" => {}
            "identityfile" => self.add_key(expand_home(value, options)),
            "identityagent" => {
                self.agent_socket = (value != "none").then(|| expand_home(value, options));
            }
            "identitiesonly" => {
                if value == "yes" {
                    self.agent_socket = None;
                }
            }
            "port" => self.port = value.parse().map_err(|_| unknown())?,
            "user" => self.user = value.to_owned(),
            "connecttimeout" => {
                self.timeout = Duration::from_secs(value.parse().map_err(|_| unknown())?);
            }
            // These tune OpenSSH's own client; here they have nothing to do.
            "controlmaster"
            | "controlpersist"
            | "controlpath"
            | "loglevel"
            | "preferredauthentications"
            | "passwordauthentication"
            | "pubkeyauthentication"
            | "kbdinteractiveauthentication"
            | "batchmode"
            | "compression"
            | "serveraliveinterval"
            | "serveralivecountmax"
            | "tcpkeepalive"
            | "forwardagent"
            | "addkeystoagent"
            | "updatehostkeys"
            | "checkhostip"
            | "hashknownhosts" => {}
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

fn expand_home(path: &str, options: &SshOptions) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => options.home.join(rest),
        None => PathBuf::from(path),
    }
}

/// Splits at blanks outside quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => out.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    out
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
        assert_eq!(target.known_hosts, [PathBuf::from("/dev/null")]);
        assert_eq!(target.host_keys, HostKeyPolicy::Off);
    }

    #[test]
    fn an_option_that_is_not_understood_is_named() {
        let error = target(&[("ansible_ssh_common_args", "-o ProxyFoo=x".into())]).unwrap_err();
        assert!(error.to_string().contains("ProxyFoo"), "{error}");
        assert!(target(&[("ansible_port", "twentytwo".into())]).is_err());
        assert!(target(&[("ansible_connection", "winrm".into())]).is_err());
    }
}
