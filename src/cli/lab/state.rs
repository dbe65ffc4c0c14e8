//! Where a lab keeps what, and which hosts its inventory wants.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::{self, Inventory, Options};
use ocplay_language::loader::{Loader, Machine};
use ocplay_language::value::Value;
use sha2::{Digest, Sha256};

use super::Outcome;
use super::network::Network;
use super::shell::{self, problem};

/// The account that every lab host has.
pub(crate) const USER: &str = "deploy";

/// One host to be made.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    /// It is in the group `registry`: image layers outlive the lab in the cache.
    pub(super) registry: bool,
    /// A virtual machine with a kernel of its own (`lab_vm`).
    pub(super) vm: bool,
    /// Megabytes of a virtual machine (`lab_memory`).
    pub(super) memory: Option<u64>,
}

/// A lab that belongs to a test and not to whoever works with an inventory.
#[derive(Debug)]
pub(crate) struct Scenery {
    pub(crate) name: String,
    /// What to type to have it started.
    pub(crate) hint: String,
    /// Another lab, whose cached image layers are taken to begin with.
    pub(crate) layers: Option<String>,
    /// Instead of the part of the range that the inventory chose.
    pub(crate) network: Option<String>,
}

/// The lab of one inventory.
#[derive(Debug)]
pub(crate) struct Lab {
    /// The inventory as the user wrote it, for hints.
    pub(super) given: String,
    /// Stem of the inventory's file name.
    pub(super) name: String,
    pub(super) inventory: PathBuf,
    pub(crate) nodes: Vec<Node>,
    pub(super) network: Network,
    /// Keys, facts and the engine's data.
    pub(super) state: PathBuf,
    /// Sockets and pids; gone after a reboot, as the hosts are.
    pub(super) run: PathBuf,
    pub(super) cache: PathBuf,
    /// Eight characters that tell this lab's interfaces and rules from others'.
    pub(super) id: String,
    scenery: Option<Scenery>,
}

impl Lab {
    pub(super) fn open(given: &str) -> Outcome<Self> {
        Self::read(given, None)
    }

    /// The lab of a test: the hosts of an inventory, beside whatever else that inventory is used for.
    pub(crate) fn of_test(given: &str, scenery: Scenery) -> Outcome<Self> {
        Self::read(given, Some(scenery))
    }

    fn read(given: &str, scenery: Option<Scenery>) -> Outcome<Self> {
        let path = find_inventory(given)?;
        let inventory = path
            .canonicalize()
            .map_err(|error| problem(format!("the inventory {given} cannot be read: {error}")))?;
        let stem = || {
            let stem = inventory.file_stem().unwrap_or_default();
            stem.to_string_lossy().into_owned()
        };
        let name = scenery
            .as_ref()
            .map_or_else(stem, |scenery| scenery.name.clone());
        let text = inventory.to_string_lossy().into_owned();
        let (graph, _warnings) =
            load(&text).map_err(|mut problems| Box::new(problems.remove(0)))?;
        let chosen = scenery.as_ref().and_then(|own| own.network.as_deref());
        let network = network(&graph, chosen, given)?;
        let nodes = nodes(&graph, network, given)?;
        let state = home("XDG_STATE_HOME", ".local/state")?
            .join("ocplay/lab")
            .join(&name);
        let digest = Sha256::digest(state.to_string_lossy().as_bytes());
        let id: String = digest
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self {
            given: given.to_owned(),
            run: Path::new("/run/ocplay-lab").join(&id),
            cache: home("XDG_CACHE_HOME", ".cache")?.join("ocplay/lab"),
            name,
            inventory,
            nodes,
            network,
            state,
            id,
            scenery,
        })
    }

    /// Its part of the range.
    pub(crate) fn range(&self) -> String {
        self.network.to_string()
    }

    /// Where hosts send what is not for their own network.
    pub(crate) fn gateway(&self) -> String {
        self.network.gateway().to_string()
    }

    /// What to type to have the lab started.
    pub(super) fn start_hint(&self) -> String {
        match &self.scenery {
            Some(scenery) => scenery.hint.clone(),
            None => format!("ocplay lab up -i {}", self.given),
        }
    }

    /// Where the registry's image layers outlive the lab. A test's begin as another lab's.
    pub(super) fn layers(&self) -> Outcome<PathBuf> {
        let layers = self.own_layers();
        match self.lent_layers() {
            Some(from) if !layers.exists() => {
                let part = layers.with_extension("part");
                shell::remove_folder(&part)?;
                shell::copy_tree(&from, &part)?;
                std::fs::rename(&part, &layers).map_err(|error| {
                    problem(format!("{} cannot be made: {error}", layers.display()))
                })?;
            }
            _ => shell::make_folder(&layers)?,
        }
        Ok(layers)
    }

    /// Takes a test's image layers away where they are a copy of another lab's, which
    /// the next test begins with again.
    pub(super) fn forget_lent_layers(&self) -> Outcome {
        match self.lent_layers() {
            Some(_) => shell::remove_folder(&self.own_layers()),
            None => Ok(()),
        }
    }

    fn own_layers(&self) -> PathBuf {
        self.cache.join("registry").join(&self.name)
    }

    /// The layers of the lab that a test's begin as, where that lab has some.
    fn lent_layers(&self) -> Option<PathBuf> {
        let from = self.scenery.as_ref()?.layers.as_ref()?;
        Some(self.cache.join("registry").join(from)).filter(|from| from.is_dir())
    }

    pub(crate) fn node(&self, name: &str) -> Outcome<&Node> {
        self.nodes
            .iter()
            .find(|node| node.name == name)
            .ok_or_else(|| {
                let known = self.nodes.iter().map(|node| &*node.name);
                problem(format!("lab '{}' has no host '{name}'", self.name))
                    .suggest(name, known.clone())
                    .help(format!(
                        "its hosts are: {}",
                        known.collect::<Vec<_>>().join(", ")
                    ))
                    .into()
            })
    }

    /// One command at a time may change a lab.
    pub(super) fn lock(&self) -> Outcome<File> {
        let folder = Path::new("/run/ocplay-lab");
        shell::make_folder(folder)?;
        let path = self.lock_file();
        let file = File::create(&path)
            .map_err(|error| problem(format!("{} cannot be made: {error}", path.display())))?;
        file.try_lock().map_err(|_busy| {
            problem(format!("another command is at work on lab '{}'", self.name))
                .help("wait for it to end")
        })?;
        Ok(file)
    }

    fn lock_file(&self) -> PathBuf {
        self.run.with_extension("lock")
    }

    /// Two inventories of one name would share a lab without knowing.
    pub(super) fn refuse_other_inventory(&self) -> Outcome {
        let Ok(facts) = std::fs::read_to_string(self.facts()) else {
            return Ok(());
        };
        let own = format!("inventory: {}", quoted(&self.inventory.to_string_lossy()));
        match facts.lines().find(|line| line.starts_with("inventory: ")) {
            Some(line) if line != own => {
                let other = line.trim_start_matches("inventory: ").trim_matches('"');
                if !Path::new(other).exists() {
                    return Ok(());
                }
                Err(problem(format!(
                    "a lab named '{}' is up for another inventory, {other}",
                    self.name
                ))
                .help(format!("take it down first: ocplay lab down -i {other}"))
                .into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn facts(&self) -> PathBuf {
        self.state.join("hosts.yml")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.state.join("id_ed25519")
    }

    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.state.join("known_hosts")
    }

    /// What is mounted into a host: its SSH key and who may come in.
    pub(super) fn host_folder(&self, node: &Node) -> PathBuf {
        self.state.join("hosts").join(&node.name)
    }

    pub(super) fn make_folders(&self) -> Outcome {
        for folder in [&self.state, &self.run, &self.cache] {
            shell::make_folder(folder)?;
        }
        for folder in [&self.state, &self.run] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(
                |error| {
                    problem(format!(
                        "{} cannot be closed to others: {error}",
                        folder.display()
                    ))
                },
            )?;
        }
        Ok(())
    }

    /// A key to come in with, and one per host to be known by.
    pub(super) fn make_keys(&self) -> Outcome {
        make_key(&self.key(), "ocplay-lab")?;
        let public = shell::read(&self.key().with_extension("pub"))?;
        let mut known = String::new();
        for node in &self.nodes {
            let folder = self.host_folder(node);
            shell::make_folder(&folder)?;
            let key = folder.join("ssh_host_ed25519_key");
            make_key(&key, &node.name)?;
            shell::write(&folder.join("authorized_keys"), &public)?;
            let host_key = shell::read(&key.with_extension("pub"))?;
            let words: Vec<_> = host_key.split_whitespace().take(2).collect();
            known.push_str(&format!("{} {}\n", node.address, words.join(" ")));
        }
        shell::write(&self.known_hosts(), &known)
    }

    /// Writes how to reach each host, where a run on the same inventory looks.
    pub(super) fn write_facts(&self) -> Outcome {
        let mut text = format!(
            "# Written by `ocplay lab up`; read by runs on this inventory.\ninventory: {}\nhosts:\n",
            quoted(&self.inventory.to_string_lossy())
        );
        let key = quoted(&self.key().to_string_lossy());
        let known_hosts = quoted(&self.known_hosts().to_string_lossy());
        for node in &self.nodes {
            text.push_str(&format!(
                "  {}:\n    ansible_host: {}\n    ansible_port: 22\n    ansible_user: {USER}\n    \
                 ansible_ssh_private_key_file: {key}\n    ansible_ssh_known_hosts_file: {known_hosts}\n",
                quoted(&node.name),
                quoted(&node.address.to_string()),
            ));
        }
        shell::write(&self.facts(), &text)
    }

    pub(super) fn ssh_options(&self) -> Vec<String> {
        let mut words = vec!["-i".to_owned(), self.key().to_string_lossy().into_owned()];
        for option in [
            format!("UserKnownHostsFile={}", self.known_hosts().display()),
            "StrictHostKeyChecking=yes".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "LogLevel=ERROR".to_owned(),
        ] {
            words.extend(["-o".to_owned(), option]);
        }
        words
    }

    /// Removes all files of the lab; the cache stays.
    pub(super) fn remove(&self) -> Outcome {
        shell::remove_folder(&self.state)?;
        shell::remove_folder(&self.run)?;
        // The parents go when this was the last lab.
        std::fs::remove_file(self.lock_file()).ok();
        for folder in [self.state.parent(), self.run.parent()]
            .into_iter()
            .flatten()
        {
            std::fs::remove_dir(folder).ok();
        }
        Ok(())
    }
}

/// A bare name that is not here is looked for in `inventories/`.
fn find_inventory(given: &str) -> Outcome<PathBuf> {
    let path = PathBuf::from(given);
    if path.exists() {
        return Ok(path);
    }
    let near = Path::new("inventories").join(given);
    if !given.contains('/') && near.exists() {
        return Ok(near);
    }
    Err(problem(format!("the inventory {given} does not exist"))
        .help("give an existing file, or the name of one in inventories/")
        .into())
}

/// Reads one inventory; what cannot be read is a mistake.
fn load(source: &str) -> Result<(Inventory, Vec<Diagnostic>), Vec<Diagnostic>> {
    let options = Options {
        any_unparsed_fails: true,
        ..Options::default()
    };
    let loader: Arc<dyn Loader> = Arc::new(Machine);
    inventory::load(&[source.to_owned()], &options, &loader)
}

/// The part of the range that was chosen, so that two labs can stand side by side.
fn network(graph: &Inventory, chosen: Option<&str>, given: &str) -> Outcome<Network> {
    let own = graph
        .group("all")
        .and_then(|all| all.vars.get("lab_network"));
    let Some(chosen) = chosen.or_else(|| own.and_then(Value::as_str)) else {
        return Ok(Network::WHOLE);
    };
    Network::parse(chosen).ok_or_else(|| {
        problem(format!(
            "lab_network of {given} is {chosen}, which is no part of {}",
            Network::WHOLE
        ))
        .help("write for example: lab_network=198.51.100.64/26")
        .into()
    })
}

fn nodes(graph: &Inventory, network: Network, given: &str) -> Outcome<Vec<Node>> {
    let registry = graph.hosts_of("registry");
    let mut nodes: Vec<Node> = Vec::new();
    for (name, host) in graph.hosts() {
        if host.vars.get("ansible_connection").and_then(Value::as_str) == Some("local") {
            continue;
        }
        let written = host
            .vars
            .get("ansible_host")
            .and_then(Value::as_str)
            .unwrap_or("");
        let address: Ipv4Addr = written.parse().map_err(|_not_an_address| {
            problem(format!(
                "host '{name}' of {given} has no address that a lab could give it"
            ))
            .help(format!("write: {name} ansible_host=198.51.100.N"))
        })?;
        if !network.has_room_for(address) {
            return Err(problem(format!(
                "host '{name}' of {given} has the address {address}"
            ))
            .help(format!(
                "the lab gives addresses of {network}, without its first two and last two"
            ))
            .into());
        }
        if let Some(other) = nodes.iter().find(|node| node.address == address) {
            return Err(problem(format!(
                "hosts '{}' and '{name}' of {given} share the address {address}",
                other.name
            ))
            .into());
        }
        nodes.push(Node {
            name: name.to_string(),
            address,
            registry: registry.contains(name),
            vm: yes(host.vars.get("lab_vm")),
            memory: host
                .vars
                .get("lab_memory")
                .and_then(|memory| ocplay_language::python::text(memory).parse().ok()),
        });
    }
    if nodes.is_empty() {
        return Err(problem(format!("{given} names no host that a lab could make")).into());
    }
    Ok(nodes)
}

/// Whether a variable says yes, as a truth or as a word.
fn yes(value: Option<&Value>) -> bool {
    value.is_some_and(|value| ocplay_protocol::coerce::boolean(&value.to_json()) == Ok(true))
}

fn make_key(path: &Path, comment: &str) -> Outcome {
    if path.exists() {
        return Ok(());
    }
    shell::run(
        shell::command("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
            .arg(path),
    )?;
    Ok(())
}

fn home(variable: &str, below: &str) -> Outcome<PathBuf> {
    match std::env::var_os(variable).map(PathBuf::from) {
        Some(path) if path.is_absolute() => Ok(path),
        _ => std::env::var_os("HOME")
            .map(|home| Path::new(&home).join(below))
            .ok_or_else(|| problem("HOME is not set").help("export HOME=/root").into()),
    }
}

/// A YAML scalar in double quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Outcome<Vec<Node>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.ini");
        std::fs::write(&path, text).unwrap();
        let (graph, _) = load(&path.to_string_lossy()).unwrap();
        nodes(&graph, Network::WHOLE, "lab.ini")
    }

    #[test]
    fn hosts_come_with_address_and_role() {
        let nodes = read(
            "ctl1 ansible_host=198.51.100.11\n[compute]\ncmp1 ansible_host=198.51.100.21\n[registry]\nctl1\n",
        );
        let nodes = nodes.unwrap();
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[0].address, Ipv4Addr::new(198, 51, 100, 11));
        assert!(nodes[0].registry && !nodes[1].registry);
    }

    #[test]
    fn addresses_of_others_are_refused() {
        for text in [
            "h1 ansible_host=10.0.0.1\n",
            "h1\n",
            "h1 ansible_host=198.51.100.1\n",
            "h1 ansible_host=198.51.100.254\n",
            "h1 ansible_host=198.51.100.9\nh2 ansible_host=198.51.100.9\n",
            "h1 ansible_connection=local\n",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_survive_quoting() {
        assert_eq!(quoted("a \"b\" \\c"), r#""a \"b\" \\c""#);
    }
}
