//! A project: how Compose is called for it, and what the engine has of it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Args, Build, Images, Pull, Recreate, State};
use crate::docker::{Engine, segment};
use crate::host::{Command, Failure, Look, Output, Touch};

const FILES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];

pub(in crate::modules) struct Project {
    engine: Engine,
    /// Name of the project as its containers' labels say it.
    name: String,
    directory: PathBuf,
    program: String,
    context: Option<String>,
    options: Vec<String>,
    definition: Option<String>,
}

/// What the engine has of a project.
#[derive(Default)]
pub(in crate::modules) struct Snapshot {
    pub(in crate::modules) containers: Vec<Value>,
    networks: Vec<Value>,
    volumes: Vec<Value>,
}

impl Snapshot {
    pub(in crate::modules) fn images(&self) -> Vec<Value> {
        let mut seen: Vec<&str> = Vec::new();
        let mut all = Vec::new();
        for container in &self.containers {
            let id = container["ImageID"].as_str().unwrap_or_default();
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            let (repository, tag) = container["Image"]
                .as_str()
                .unwrap_or_default()
                .rsplit_once(':')
                .unwrap_or((container["Image"].as_str().unwrap_or_default(), ""));
            all.push(json!({
                "ID": id, "ContainerName": container["Name"], "Repository": repository, "Tag": tag,
            }));
        }
        all
    }

    fn of_service<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Value> {
        self.containers
            .iter()
            .filter(move |container| container["Service"] == service)
    }
}

/// What happened between two looks.
pub(in crate::modules) fn actions(before: &Snapshot, after: &Snapshot) -> Vec<Value> {
    let mut all = Vec::new();
    let mut add = |what: &str, id: &Value, status: &str| {
        all.push(json!({"what": what, "id": id, "status": status}));
    };
    for old in &before.containers {
        match after.containers.iter().find(|new| new["ID"] == old["ID"]) {
            None => add("container", &old["Name"], "Removed"),
            Some(new) if new["State"] != old["State"] => {
                let status = match new["State"].as_str() {
                    Some("running") => "Started",
                    Some("paused") => "Paused",
                    _ => "Stopped",
                };
                add("container", &new["Name"], status);
            }
            Some(_) => {}
        }
    }
    for new in &after.containers {
        if before.containers.iter().all(|old| old["ID"] != new["ID"]) {
            add("container", &new["Name"], "Created");
        }
    }
    for (what, old, new) in [
        ("network", &before.networks, &after.networks),
        ("volume", &before.volumes, &after.volumes),
    ] {
        for name in old.iter().filter(|name| !new.contains(name)) {
            add(what, name, "Removed");
        }
        for name in new.iter().filter(|name| !old.contains(name)) {
            add(what, name, "Created");
        }
    }
    all
}

/// A directory's name as Compose makes a project's name of it.
fn project_name(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    name.to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-')
        .skip_while(|c| *c == '_' || *c == '-')
        .collect()
}

fn texts(map: Option<&Map<String, Value>>) -> Vec<(String, String)> {
    map.into_iter()
        .flatten()
        .map(|(name, value)| {
            let value = ocplay_protocol::coerce::text(value).unwrap_or_default();
            (name.clone(), value)
        })
        .collect()
}

impl Project {
    pub(super) fn find(args: &Args, look: &Look) -> Result<Option<Self>, Failure> {
        if args.definition.is_some() == args.project_src.is_some() {
            return Err("exactly one of project_src and definition is required".into());
        }
        if args.definition.is_some() && args.project_name.is_none() {
            return Err("definition needs project_name".into());
        }
        let engine = Engine::reach(look, &args.connection())?;
        let program = match &args.docker_cli {
            Some(path) => path.to_string_lossy().into_owned(),
            None => "docker".to_owned(),
        };
        let mut options: Vec<String> = Vec::new();
        let directory = match &args.project_src {
            Some(directory) => {
                if !look.stat(directory)?.is_some_and(|found| found.is_dir()) {
                    return Err(Failure::new(format!(
                        "\"{}\" is not a directory",
                        directory.display()
                    )));
                }
                let usual = FILES.iter().any(|name| directory.join(name).is_file());
                if args.files.is_none() && args.check_files_existing && !usual {
                    return Err(Failure::new(format!(
                        "\"{}\" does not contain compose.yaml, compose.yml, docker-compose.yaml, \
                         or docker-compose.yml",
                        directory.display()
                    )));
                }
                for file in args.files.iter().flatten() {
                    let path = directory.join(file);
                    if !path.is_file() {
                        return Err(Failure::new(format!(
                            "Cannot find Compose file \"{}\" relative to project directory \
                             \"{}\"",
                            file.display(),
                            directory.display()
                        )));
                    }
                    options.extend(["--file".to_owned(), path.to_string_lossy().into_owned()]);
                }
                directory.clone()
            }
            None => std::env::temp_dir(),
        };
        if let Some(name) = &args.project_name {
            options.extend(["--project-name".to_owned(), name.clone()]);
        }
        for file in args.env_files.iter().flatten() {
            let path = directory.join(file).to_string_lossy().into_owned();
            options.extend(["--env-file".to_owned(), path]);
        }
        for profile in args.profiles.iter().flatten() {
            options.extend(["--profile".to_owned(), profile.clone()]);
        }
        let Some(engine) = engine else {
            return Ok(None);
        };
        let mut project = Self {
            engine,
            name: args
                .project_name
                .clone()
                .unwrap_or_else(|| project_name(&directory)),
            directory,
            program,
            context: args.cli_context.clone(),
            options,
            definition: args
                .definition
                .clone()
                .map(|definition| Value::Object(definition).to_string()),
        };
        // A file may name the project itself.
        if args.project_name.is_none()
            && let Some(name) = project.config(look)?["name"].as_str()
        {
            name.clone_into(&mut project.name);
        }
        Ok(Some(project))
    }

    /// A call of Compose; a definition comes by its standard input.
    fn compose(&self, words: &[&str]) -> Command {
        let mut argv = vec![self.program.clone()];
        match &self.context {
            Some(context) => argv.extend(["--context".to_owned(), context.clone()]),
            None => argv.extend(["--host".to_owned(), self.engine.address()]),
        }
        argv.extend(["compose", "--ansi", "never"].map(str::to_owned));
        argv.extend([
            "--project-directory".to_owned(),
            self.directory.to_string_lossy().into_owned(),
        ]);
        if self.definition.is_some() {
            argv.extend(["--file".to_owned(), "-".to_owned()]);
        }
        argv.extend(self.options.iter().cloned());
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        let command = Command::new(argv);
        match &self.definition {
            Some(definition) => command.stdin(definition.clone()),
            None => command,
        }
    }

    fn ask(&self, look: &Look, words: &[&str]) -> Result<Output, Failure> {
        let output = look.ask(&self.compose(words))?;
        if output.ok() {
            return Ok(output);
        }
        let said = output.complaint();
        let message = if said.contains("'compose' is not a docker command")
            || said.contains("unknown command")
            || said.contains("unknown flag: --ansi")
        {
            "the docker client of this host has no compose plug-in; install the package \
             docker-compose-plugin (docker-compose on Debian 13 and newer)"
                .to_owned()
        } else {
            format!("docker compose refuses the project: {said}")
        };
        Err(output.failure(message))
    }

    fn config(&self, look: &Look) -> Result<Value, Failure> {
        let output = self.ask(look, &["config", "--format", "json"])?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure::new(format!("docker compose config gave no JSON: {error}")))
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot, Failure> {
        let label = format!("com.docker.compose.project={}", self.name);
        let filters = segment(&json!({ "label": [label] }).to_string());
        let get = |path: &str| self.engine.get(path).map(Option::unwrap_or_default);
        let list = get(&format!("/containers/json?all=1&filters={filters}"))?;
        let mut containers: Vec<Value> = list
            .as_array()
            .into_iter()
            .flatten()
            .map(container)
            .collect();
        containers.sort_by_key(|container| container["Name"].to_string());
        let names = |list: &Value| -> Vec<Value> {
            let list = list.as_array().into_iter().flatten();
            let mut names: Vec<Value> = list.map(|entry| entry["Name"].clone()).collect();
            names.sort_by_key(ToString::to_string);
            names
        };
        Ok(Snapshot {
            containers,
            networks: names(&get(&format!("/networks?filters={filters}"))?),
            volumes: names(&get(&format!("/volumes?filters={filters}"))?["Volumes"]),
        })
    }

    /// What will happen, one line each; nothing if all is as wanted.
    pub(super) fn foreseen(
        &self,
        args: &Args,
        look: &Look,
        is: &Snapshot,
    ) -> Result<Vec<String>, Failure> {
        let wanted = |service: &Value| {
            args.services
                .as_ref()
                .is_none_or(|only| only.iter().any(|name| service.as_str() == Some(name)))
        };
        let running = |container: &&Value| container["State"] == "running";
        let mut lines = Vec::new();
        match args.state {
            State::Absent => {
                for container in &is.containers {
                    lines.push(format!("remove the container {}", container["Name"]));
                }
                lines.extend(
                    is.networks
                        .iter()
                        .map(|name| format!("remove the network {name}")),
                );
                if args.remove_volumes {
                    lines.extend(
                        is.volumes
                            .iter()
                            .map(|name| format!("remove the volume {name}")),
                    );
                }
                return Ok(lines);
            }
            State::Restarted => {
                let containers = is.containers.iter();
                for container in containers.filter(|container| wanted(&container["Service"])) {
                    lines.push(format!("restart the container {}", container["Name"]));
                }
            }
            State::Stopped => {
                let containers = is.containers.iter().filter(running);
                for container in containers.filter(|container| wanted(&container["Service"])) {
                    lines.push(format!("stop the container {}", container["Name"]));
                }
            }
            State::Present => {}
        }
        let config = self.config(look)?;
        let hashes = self.ask(look, &["config", "--hash", "*"])?.out();
        let scale = texts(args.scale.as_ref());
        let services = config["services"].as_object().cloned().unwrap_or_default();
        for (service, about) in &services {
            let name = Value::from(service.as_str());
            let needed =
                wanted(&name) || (args.dependencies && self.is_needed(args, &services, service));
            if !needed {
                continue;
            }
            let count = scale
                .iter()
                .find(|(name, _)| name == service)
                .and_then(|(_, count)| count.parse().ok())
                .or_else(|| about["scale"].as_u64())
                .or_else(|| about["deploy"]["replicas"].as_u64())
                .unwrap_or(1);
            let there: Vec<&Value> = is.of_service(service).collect();
            let hash = hashes
                .lines()
                .filter_map(|line| line.split_once(' '))
                .find(|(name, _)| name == service)
                .map(|(_, hash)| hash.trim());
            let current = there.iter().all(|container| {
                container["Labels"]["com.docker.compose.config-hash"].as_str() == hash
            });
            if there.len() as u64 != count {
                lines.push(format!(
                    "{} containers of {service} instead of {}",
                    count,
                    there.len()
                ));
            } else if !current && args.recreate != Recreate::Never {
                lines.push(format!(
                    "make the containers of {service} anew: its definition changed"
                ));
            } else if args.recreate == Recreate::Always {
                lines.push(format!("make the containers of {service} anew"));
            } else if !self.images_are_current(&there)? {
                lines.push(format!(
                    "make the containers of {service} anew: its image changed"
                ));
            } else if args.state == State::Present && !there.iter().all(running) {
                lines.push(format!("start the containers of {service}"));
            }
            // What comes of these is seen afterwards.
            let builds = args.build == Build::Always && !about["build"].is_null();
            if builds {
                lines.push(format!("build the image of {service}"));
            }
            if args.pull == Pull::Always && !look.is_check() {
                lines.push(format!("look for a newer image of {service}"));
            }
        }
        if args.remove_orphans {
            for container in &is.containers {
                let service = container["Service"].as_str().unwrap_or_default();
                if !services.contains_key(service) {
                    lines.push(format!("remove the container {}", container["Name"]));
                }
            }
        }
        Ok(lines)
    }

    /// Whether a named service depends on this one, at whatever distance.
    fn is_needed(&self, args: &Args, services: &Map<String, Value>, service: &str) -> bool {
        let mut open: Vec<String> = args.services.clone().unwrap_or_default();
        let mut seen: Vec<String> = Vec::new();
        while let Some(name) = open.pop() {
            if seen.contains(&name) {
                continue;
            }
            let needs = services.get(&name).map(|about| &about["depends_on"]);
            if let Some(Value::Object(needs)) = needs {
                open.extend(needs.keys().cloned());
            }
            seen.push(name);
        }
        seen.iter().any(|name| name == service)
    }

    /// Whether the images' names still stand for what the containers were made of.
    fn images_are_current(&self, containers: &[&Value]) -> Result<bool, Failure> {
        for container in containers {
            let name = container["Image"].as_str().unwrap_or_default();
            if let Some(image) = self.engine.image(name)?
                && image["Id"] != container["ImageID"]
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Does what the task says.
    pub(super) fn act(&self, args: &Args, touch: &mut Touch) -> Result<Output, Failure> {
        let services: Vec<&str> = args.services.iter().flatten().map(String::as_str).collect();
        let timeout = args.stop_timeout.map(|seconds| seconds.to_string());
        let limit: Vec<&str> = match &timeout {
            Some(timeout) => vec!["--timeout", timeout],
            None => Vec::new(),
        };
        let what = |verb: &str| format!("{verb} the project {}", self.name);
        match args.state {
            State::Absent => {
                let mut words = vec!["down"];
                words.extend(&limit);
                if args.remove_orphans {
                    words.push("--remove-orphans");
                }
                match args.remove_images {
                    Some(Images::All) => words.extend(["--rmi", "all"]),
                    Some(Images::Local) => words.extend(["--rmi", "local"]),
                    None => {}
                }
                if args.remove_volumes {
                    words.push("--volumes");
                }
                words.extend(services);
                touch.must(&self.compose(&words), &what("remove"))
            }
            State::Restarted => {
                let mut words = vec!["restart"];
                words.extend(&limit);
                if !args.dependencies {
                    words.push("--no-deps");
                }
                words.extend(services);
                touch.must(&self.compose(&words), &what("restart"))
            }
            State::Stopped => {
                self.up(args, touch, &services, &["--no-start"], timeout.as_deref())?;
                let mut words = vec!["stop"];
                words.extend(&limit);
                words.extend(services);
                touch.must(&self.compose(&words), &what("stop"))
            }
            State::Present => self.up(args, touch, &services, &["--detach"], timeout.as_deref()),
        }
    }

    fn up(
        &self,
        args: &Args,
        touch: &mut Touch,
        services: &[&str],
        mode: &[&str],
        timeout: Option<&str>,
    ) -> Result<Output, Failure> {
        let mut words: Vec<String> = vec!["up".to_owned(), "--no-color".to_owned()];
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        add(mode);
        if args.pull != Pull::Policy {
            add(&["--pull", args.pull.word()]);
        }
        if args.remove_orphans {
            add(&["--remove-orphans"]);
        }
        match args.recreate {
            Recreate::Always => add(&["--force-recreate"]),
            Recreate::Never => add(&["--no-recreate"]),
            Recreate::Auto => {}
        }
        if args.renew_anon_volumes {
            add(&["--renew-anon-volumes"]);
        }
        if !args.dependencies {
            add(&["--no-deps"]);
        }
        if let Some(timeout) = timeout {
            add(&["--timeout", timeout]);
        }
        match args.build {
            Build::Always => add(&["--build"]),
            Build::Never => add(&["--no-build"]),
            Build::Policy => {}
        }
        for (service, count) in texts(args.scale.as_ref()) {
            add(&["--scale", &format!("{service}={count}")]);
        }
        if args.wait && mode == ["--detach"] {
            add(&["--wait"]);
            if let Some(seconds) = args.wait_timeout {
                add(&["--wait-timeout", &seconds.to_string()]);
            }
        }
        if args.assume_yes {
            add(&["--yes"]);
        }
        add(&["--"]);
        add(services);
        if services.is_empty() {
            words.pop();
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        touch.must(
            &self.compose(&words),
            &format!("start the project {}", self.name),
        )
    }
}

/// A container under the names that Compose lists it by.
fn container(about: &Value) -> Value {
    let names: Vec<&str> = about["Names"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| Some(name.as_str()?.trim_start_matches('/')))
        .collect();
    let ports: Vec<Value> = about["Ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| {
            json!({
                "URL": port["IP"], "TargetPort": port["PrivatePort"],
                "PublishedPort": port["PublicPort"].as_u64().unwrap_or(0),
                "Protocol": port["Type"],
            })
        })
        .collect();
    let status = about["Status"].as_str().unwrap_or_default();
    let health = ["healthy", "unhealthy", "starting"]
        .into_iter()
        .find(|word| {
            status.contains(&format!("({word})")) || status.contains(&format!("health: {word}"))
        });
    json!({
        "ID": about["Id"], "Name": names.first(), "Names": names, "Command": about["Command"],
        "Image": about["Image"], "ImageID": about["ImageID"], "Labels": about["Labels"],
        "Mounts": about["Mounts"], "State": about["State"], "Status": about["Status"],
        "Health": health.unwrap_or_default(), "Publishers": ports,
        "Project": about["Labels"]["com.docker.compose.project"],
        "Service": about["Labels"]["com.docker.compose.service"],
        "Networks": about["NetworkSettings"]["Networks"].as_object()
            .map(|networks| networks.keys().cloned().collect::<Vec<_>>()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_projects() {
        assert_eq!(project_name(Path::new("/srv/My App.2")), "myapp2");
        assert_eq!(project_name(Path::new("/srv/_x-y")), "x-y");
    }

    #[test]
    fn what_happened() {
        let container = |id: &str, state: &str| json!({"ID": id, "Name": id, "State": state});
        let before = Snapshot {
            containers: vec![container("a", "exited"), container("b", "running")],
            ..Snapshot::default()
        };
        let after = Snapshot {
            containers: vec![container("a", "running"), container("c", "running")],
            networks: vec![json!("n")],
            ..Snapshot::default()
        };
        let all: Vec<String> = actions(&before, &after)
            .iter()
            .map(|action| format!("{} {}", action["id"], action["status"]))
            .collect();
        assert_eq!(
            all,
            [
                "\"a\" \"Started\"",
                "\"b\" \"Removed\"",
                "\"c\" \"Created\"",
                "\"n\" \"Created\""
            ]
        );
        assert!(actions(&after, &after).is_empty());
    }
}
