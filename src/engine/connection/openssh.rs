//! What OpenSSH's options mean for a target.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use super::ConnectError;
use super::ssh_args::Said;
use super::ssh_config::{Query, Tokens, Wish};
use super::target::{HostKeyPolicy, Road, SshOptions, Target};

/// Jumps on the way to a host, at most.
const JUMPS: usize = 8;

impl Target {
    /// Applies what was said, then what OpenSSH's files say.
    pub(super) fn settle(
        &mut self,
        original: &str,
        said: &Said,
        options: &SshOptions,
        depth: usize,
    ) -> Result<(), ConnectError> {
        let files = match &said.config {
            Some(file) if file.as_os_str() == "none" => Vec::new(),
            Some(file) => vec![expand_home(&file.to_string_lossy(), options)],
            None => options.config_files.clone(),
        };
        let query = Query {
            original,
            login: &options.login,
            home: &options.home,
            said: &said.wishes,
        };
        let on_file = options.config.lookup(&files, &query);
        let mut seen = HashSet::new();
        let mut road = None;
        let mut forward = None;
        let mut agent = options.agent_socket.clone();
        for wish in said.wishes.iter().chain(&on_file) {
            let name = &wish.0;
            let adds_up = matches!(&**name, "identityfile" | "certificatefile");
            if !seen.insert(name.as_str()) && !adds_up {
                continue;
            }
            match name.as_str() {
                // Whichever of the two comes first counts.
                "proxyjump" | "proxycommand" => {
                    road.get_or_insert(wish);
                }
                "forwardagent" => forward = Some(&wish.1),
                name => {
                    self.apply(wish, original, options)?;
                    if name == "identityagent" {
                        agent = self.agent_socket.clone();
                    }
                }
            }
        }
        self.forward_agent = match forward.map(String::as_str) {
            None | Some("no") => None,
            Some("yes") => agent,
            Some(named) => match named.strip_prefix('$') {
                Some(variable) => std::env::var_os(variable).map(PathBuf::from),
                None => {
                    let path = self.tokens(original, options).expand(named);
                    Some(expand_home(&path, options))
                }
            },
        };
        if self.default_keys {
            for name in ["id_ed25519", "id_ecdsa", "id_rsa"] {
                self.keys.push(options.home.join(".ssh").join(name));
            }
        }
        if let Some((name, value)) = road
            && value != "none"
        {
            self.road = if name == "proxycommand" {
                Road::Command(self.tokens(original, options).expand(value))
            } else {
                let value = self.tokens(original, options).expand(value);
                jumps(&value, said.config.clone(), options, depth)?
            };
        }
        Ok(())
    }

    fn tokens<'a>(&'a self, original: &'a str, options: &'a SshOptions) -> PortTokens<'a> {
        PortTokens {
            target: self,
            original,
            options,
        }
    }

    fn add_key(&mut self, path: PathBuf) {
        self.default_keys = false;
        if !self.keys.contains(&path) {
            self.keys.push(path);
        }
    }

    /// One option; those that are not known have no effect.
    fn apply(
        &mut self,
        (name, value): &Wish,
        original: &str,
        options: &SshOptions,
    ) -> Result<(), ConnectError> {
        let unknown = || ConnectError::Option(format!("{name}={value}"));
        let path = |target: &Self, text: &str| {
            expand_home(&target.tokens(original, options).expand(text), options)
        };
        let off = value.eq_ignore_ascii_case("no");
        match name.as_str() {
            "hostname" => self.address = value.replace("%h", original).replace("%%", "%"),
            "stricthostkeychecking" => {
                self.host_keys = match value.as_str() {
                    "yes" | "ask" => HostKeyPolicy::Strict,
                    "accept-new" => HostKeyPolicy::AcceptNew,
                    "no" | "off" => HostKeyPolicy::Off,
                    _ => return Err(unknown()),
                }
            }
            "hostkeyalias" => self.host_key_alias = Some(value.clone()),
            "userknownhostsfile" => {
                let global = self.known_hosts.pop();
                self.known_hosts = value
                    .split_whitespace()
                    .map(|text| path(self, text))
                    .chain(global)
                    .collect();
            }
            "globalknownhostsfile" => {
                self.known_hosts.pop();
                let files: Vec<PathBuf> = value
                    .split_whitespace()
                    .map(|text| path(self, text))
                    .collect();
                self.known_hosts.extend(files);
            }
            "identityfile" => {
                let key = path(self, value);
                self.add_key(key);
            }
            "certificatefile" => self.certificates.push(path(self, value)),
            "identityagent" => {
                self.agent_socket = match value.as_str() {
                    "none" => None,
                    "SSH_AUTH_SOCK" => options.agent_socket.clone(),
                    text => Some(path(self, text)),
                };
            }
            "identitiesonly" if !off => self.agent_socket = None,
            "pubkeyauthentication" if off => {
                self.agent_socket = None;
                self.keys.clear();
                self.default_keys = false;
            }
            "port" => self.port = value.parse().map_err(|_| unknown())?,
            "user" => self.user.clone_from(value),
            "connecttimeout" => {
                if let Ok(seconds @ 1..) = value.parse() {
                    self.timeout = Duration::from_secs(seconds);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether an option means something here, or is known to mean nothing.
pub(super) fn is_known(name: &str) -> bool {
    WITH_EFFECT.contains(&name) || WITHOUT_EFFECT.contains(&name)
}

const WITH_EFFECT: [&str; 16] = [
    "certificatefile",
    "connecttimeout",
    "forwardagent",
    "globalknownhostsfile",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "port",
    "proxycommand",
    "proxyjump",
    "pubkeyauthentication",
    "stricthostkeychecking",
    "user",
    "userknownhostsfile",
];

/// These tune OpenSSH's own client; here they have nothing to do.
const WITHOUT_EFFECT: [&str; 23] = [
    "addkeystoagent",
    "addressfamily",
    "batchmode",
    "checkhostip",
    "compression",
    "connectionattempts",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "forwardx11",
    "gssapiauthentication",
    "hashknownhosts",
    "kbdinteractiveauthentication",
    "loglevel",
    "numberofpasswordprompts",
    "passwordauthentication",
    "preferredauthentications",
    "requesttty",
    "serveralivecountmax",
    "serveraliveinterval",
    "tcpkeepalive",
    "updatehostkeys",
    "visualhostkey",
];

/// The tokens of a target, whose port is a number.
struct PortTokens<'a> {
    target: &'a Target,
    original: &'a str,
    options: &'a SshOptions,
}

impl PortTokens<'_> {
    fn expand(&self, text: &str) -> String {
        Tokens {
            host: &self.target.address,
            original: self.original,
            port: &self.target.port.to_string(),
            user: &self.target.user,
            login: &self.options.login,
            home: &self.options.home,
        }
        .expand(text)
    }
}

/// `ProxyJump`: hosts between commas, the nearest first.
fn jumps(
    list: &str,
    config: Option<PathBuf>,
    options: &SshOptions,
    depth: usize,
) -> Result<Road, ConnectError> {
    let mut road = None;
    for hop in list.split(',').map(str::trim) {
        if depth >= JUMPS {
            return Err(ConnectError::Option(format!(
                "ProxyJump={list} (more than {JUMPS} jumps; does it lead back to itself?)"
            )));
        }
        let place = hop.strip_prefix("ssh://").unwrap_or(hop);
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, place),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (place, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let mut said = Said {
            config: config.clone(),
            ..Said::default()
        };
        let mut wish = |name: &str, value: Option<&str>| {
            said.wishes
                .extend(value.map(|value| (name.to_owned(), value.to_owned())));
        };
        wish("user", user);
        wish("port", port);
        let mut target = Target::new(host, options);
        target.settle(host, &said, options, depth + 1)?;
        // The way to the first may be long; the others are reached from it.
        if let Some(road) = road.take() {
            target.road = road;
        }
        road = Some(Road::Jump(Box::new(target)));
    }
    road.ok_or_else(|| ConnectError::Option(format!("ProxyJump={list}")))
}

pub(super) fn expand_home(path: &str, options: &SshOptions) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => options.home.join(rest),
        None => PathBuf::from(path),
    }
}
