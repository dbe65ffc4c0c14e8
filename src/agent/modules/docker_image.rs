//! `docker_image`: build, pull, load, tag, push, save and remove images.

use std::path::PathBuf;

use ocplay_protocol::{Diff, arguments, choices};
use serde_json::{Value, json};

use super::{Module, Verdict};
use crate::docker::build::{self, Build};
use crate::docker::{Connection, Engine, Line, archive, complaint, docker_arguments, reference};
use crate::host::{Failure, Look, Output, Return, Touch};

choices! {
    /// Where the image comes from.
    pub(super) enum Source { Build = "build", Pull = "pull", Load = "load", Local = "local" }
}

choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

arguments! {
    /// How an image is pulled.
    pub(super) struct PullOptions {
        /// Platform, such as linux/amd64.
        platform: Option<String>,
    }
}

docker_arguments! {
    /// Builds, pulls, loads, tags, pushes, saves and removes Docker images. The docker command
    /// lines that do it are shown and returned.
    pub(super) struct Args {
        /// Name of the image, with or without a tag, or its number.
        name: String,
        /// Tag, if the name has none.
        tag: String = "latest".to_owned(),
        /// Where it comes from; needed for state present.
        source: Option<Source>,
        /// Wanted state.
        state: State = State::Present,
        /// How it is built.
        build: Option<Build>,
        /// How it is pulled.
        pull: Option<PullOptions>,
        /// Archive to load it from.
        load_path: Option<PathBuf>,
        /// Archive to save it to.
        archive_path: Option<PathBuf>,
        /// Another name that it gets.
        repository: Option<String>,
        /// Push it to the registry that its name says.
        push: bool = false,
        /// Build, pull or load it also if it is there.
        force_source: bool = false,
        /// Give it the other name also if another image has that.
        force_tag: bool = false,
        /// Remove it also if it has other names or a stopped container uses it.
        force_absent: bool = false,
    }
}

pub(super) struct DockerImage;

/// One thing to do.
pub(super) enum Act {
    /// Brings the image; what it brings decides whether something changed.
    Bring(Line, String),
    /// A line, what it does, and what is reported.
    Do(Line, String, String),
    /// Whether something changed is known by what the registry had.
    Push(Line, String),
}

pub(super) struct Plan {
    engine: Option<Engine>,
    name: String,
    before: Option<Value>,
    pub(super) acts: Vec<Act>,
    absent: bool,
}

/// The wish of a module that is a part of this one.
pub(super) fn wish(mut given: Value, connection: Connection) -> Result<Args, Failure> {
    use ocplay_protocol::Arguments;
    given["docker_host"] = json!(connection.host);
    given["api_version"] = json!(connection.api_version);
    given["timeout"] = json!(connection.timeout);
    let given = given.as_object().cloned().unwrap_or_default();
    let given = given.into_iter().filter(|(_, value)| !value.is_null());
    <Args as Arguments>::read(given.collect())
        .map_err(|problems| Failure::new(ocplay_protocol::catalogue::join(&problems)))
}

struct Job<'a> {
    args: &'a Args,
    look: &'a Look,
    engine: Option<&'a Engine>,
    name: String,
    image: Option<Value>,
    acts: Vec<Act>,
    warning: Option<String>,
}

impl Module for DockerImage {
    const NAME: &'static str = "docker_image";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        if args.name.is_empty() || args.name.starts_with('-') {
            return Err(Failure::new(format!(
                "'{}' is no name of an image",
                args.name
            )));
        }
        let engine = Engine::reach(look, &args.connection())?;
        let name = reference::with_tag(&args.name, &args.tag);
        let image = match &engine {
            Some(engine) => engine.image(&name)?,
            None => None,
        };
        let mut job = Job {
            args,
            look,
            engine: engine.as_ref(),
            name,
            image,
            acts: Vec::new(),
            warning: None,
        };
        if engine.is_none() {
            job.warning =
                Some("there is no Docker engine yet; an earlier task may install it".into());
        }
        match args.state {
            State::Absent => job.absent(),
            State::Present => job.present()?,
        }
        let Job {
            name,
            image,
            acts,
            warning,
            ..
        } = job;
        let mut foreseen = Return::new()
            .with("image", image.clone().unwrap_or_else(|| json!({})))
            .with("actions", acts.iter().map(Act::told).collect::<Vec<_>>())
            .with(
                "commands",
                acts.iter()
                    .map(|act| act.line().show(engine.as_ref()))
                    .collect::<Vec<_>>(),
            );
        if let Some(warning) = warning {
            foreseen = foreseen.warn(warning);
        }
        if acts.is_empty() {
            return Ok(Verdict::Same(foreseen));
        }
        let plan = Plan {
            engine,
            name,
            before: image,
            acts,
            absent: args.state == State::Absent,
        };
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let lines: String = plan
            .acts
            .iter()
            .map(|act| format!("run: {}\n", act.line().show(plan.engine.as_ref())))
            .collect();
        let before = match &plan.before {
            Some(image) => format!("id: {}\n", image["Id"].as_str().unwrap_or_default()),
            None => String::new(),
        };
        let brings = plan.acts.iter().any(|act| matches!(act, Act::Bring(..)));
        let after = match (plan.absent, brings) {
            (true, _) => String::new(),
            (false, true) => "id: what comes\n".to_owned(),
            (false, false) => before.clone(),
        };
        vec![
            Diff::text(&format!("image {}", plan.name), before, after),
            Diff::prepared(lines),
        ]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let Some(engine) = &plan.engine else {
            return Err("the Docker engine is gone; this is a bug of ocplay".into());
        };
        let (mut changed, mut actions, mut stdout) = (false, Vec::new(), String::new());
        let lines: Vec<String> = plan
            .acts
            .iter()
            .map(|act| act.line().show(Some(engine)))
            .collect();
        for act in &plan.acts {
            let done = act.run(engine, &plan, touch).map_err(|failure| Failure {
                changed: failure.changed || changed,
                ..failure
            })?;
            changed |= done.changed;
            actions.push(act.told());
            if let Act::Bring(..) = act {
                stdout.push_str(&done.output.out());
            }
        }
        let image = if plan.absent {
            json!({"state": "Deleted"})
        } else {
            engine.image(&plan.name)?.unwrap_or_else(|| json!({}))
        };
        Ok(Return::new()
            .with("image", image)
            .with("actions", actions)
            .with("commands", lines)
            .with("stdout", stdout)
            .changed(changed))
    }
}

impl Job<'_> {
    fn absent(&mut self) {
        if self.image.is_none() {
            return;
        }
        let mut line = Line::new(["rmi"]);
        if self.args.force_absent {
            line = line.with(["--force"]);
        }
        let told = format!("Removed image {}", self.name);
        let what = format!("remove the image {}", self.name);
        self.acts.push(Act::Do(line.with([&self.name]), what, told));
    }

    fn present(&mut self) -> Result<(), Failure> {
        let Some(source) = self.args.source else {
            return Err(
                "source must say where the image comes from: build, pull, load or local".into(),
            );
        };
        let wanted = self.image.is_none() || self.args.force_source;
        match source {
            Source::Build => self.build(wanted)?,
            Source::Pull => self.pull(wanted)?,
            Source::Load => self.load(wanted)?,
            Source::Local if self.image.is_some() => {}
            Source::Local if self.look.is_check() => {
                self.warning.get_or_insert_with(|| {
                    format!(
                        "there is no image {} yet; an earlier task may make it",
                        self.name
                    )
                });
            }
            Source::Local => {
                return Err(Failure::new(format!(
                    "there is no image {} on this host; build, pull or load it (source)",
                    self.name
                )));
            }
        }
        self.save()?;
        self.tag_and_push()
    }

    fn build(&mut self, wanted: bool) -> Result<(), Failure> {
        let Some(build) = &self.args.build else {
            return Err("source: build needs build with at least path".into());
        };
        if !wanted {
            return Ok(());
        }
        let path = &build.path;
        let local = path.is_absolute();
        if local && !self.look.stat(path)?.is_some_and(|found| found.is_dir()) {
            if !self.look.is_check() {
                return Err(Failure::new(format!(
                    "build.path: there is no directory {} on this host",
                    path.display()
                )));
            }
            self.warning.get_or_insert_with(|| {
                format!(
                    "there is no directory {} yet; an earlier task may make it",
                    path.display()
                )
            });
        }
        let builder = self
            .look
            .variable("DOCKER_BUILDKIT")
            .unwrap_or_else(|| "0".to_owned());
        let line = build::line(build, &self.name, &builder)?;
        let told = format!("Built image {} from {}", self.name, path.display());
        self.acts.push(Act::Bring(line, told));
        Ok(())
    }

    fn pull(&mut self, wanted: bool) -> Result<(), Failure> {
        if !wanted {
            return Ok(());
        }
        if reference::is_id(&self.name) {
            return Err("an image cannot be pulled by its number; name it".into());
        }
        let mut line = Line::new(["pull"]);
        if let Some(platform) = self
            .args
            .pull
            .as_ref()
            .and_then(|pull| pull.platform.as_ref())
        {
            line = line.with(["--platform", platform]);
        }
        let told = format!("Pulled image {}", self.name);
        self.acts
            .push(Act::Bring(line.with([&self.name]).live(), told));
        Ok(())
    }

    fn load(&mut self, wanted: bool) -> Result<(), Failure> {
        let Some(path) = &self.args.load_path else {
            return Err("source: load needs load_path".into());
        };
        if !wanted {
            return Ok(());
        }
        let shown = path.display();
        if self.look.stat(path)?.is_none() && !self.look.is_check() {
            return Err(Failure::new(format!(
                "load_path: there is no file {shown} on this host"
            )));
        }
        let line = Line::new(["load", "--input", &path.to_string_lossy()]);
        let told = format!("Loaded image {} from {shown}", self.name);
        self.acts.push(Act::Bring(line, told));
        Ok(())
    }

    fn save(&mut self) -> Result<(), Failure> {
        let Some(path) = &self.args.archive_path else {
            return Ok(());
        };
        let brought = self.acts.iter().any(|act| matches!(act, Act::Bring(..)));
        let id = self.image.as_ref().and_then(|image| image["Id"].as_str());
        if let (false, Some(id)) = (brought, id)
            && let Some(saved) = archive::images(path)
            && let [saved] = &saved[..]
        {
            let named = saved
                .names
                .iter()
                .any(|name| reference::canonical(name) == reference::canonical(&self.name));
            if id.strip_prefix("sha256:") == Some(&saved.id)
                && (named || reference::is_id(&self.name))
            {
                return Ok(());
            }
        }
        let line = Line::new(["save", "--output", &path.to_string_lossy(), &self.name]);
        let told = format!("Archived image {} to {}", self.name, path.display());
        let what = format!("save the image {} to {}", self.name, path.display());
        self.acts.push(Act::Do(line, what, told));
        Ok(())
    }

    fn tag_and_push(&mut self) -> Result<(), Failure> {
        let mut pushed = self.name.clone();
        if let Some(repository) = &self.args.repository {
            let tag = reference::split(&self.name).1.unwrap_or(&self.args.tag);
            pushed = reference::with_tag(repository, tag);
            let there = match self.engine {
                Some(engine) => engine.image(&pushed)?,
                None => None,
            };
            let brought = self.acts.iter().any(|act| matches!(act, Act::Bring(..)));
            let id = |image: &Option<Value>| image.as_ref().map(|image| image["Id"].clone());
            let same = !brought && id(&there) == id(&self.image);
            if there.is_none() || (self.args.force_tag && !same) {
                let line = Line::new(["tag", &self.name, &pushed]);
                let told = format!("Tagged image {} to {pushed}", self.name);
                let what = format!("give the image {} the name {pushed}", self.name);
                self.acts.push(Act::Do(line, what, told));
            }
        }
        if !self.args.push {
            return Ok(());
        }
        if reference::is_id(&pushed) {
            return Err("an image cannot be pushed by its number; name it".into());
        }
        // Whether the registry still has it is only known by pushing. A rehearsal
        // believes what the engine remembers.
        if self.look.is_check()
            && self.acts.is_empty()
            && digest_of(self.image.as_ref(), &pushed).is_some()
        {
            return Ok(());
        }
        self.acts
            .push(Act::Push(Line::new(["push", &pushed]).live(), pushed));
        Ok(())
    }
}

/// The digest under which the engine remembers an image in a registry.
fn digest_of(image: Option<&Value>, name: &str) -> Option<String> {
    let repository = reference::split(name).0;
    image?["RepoDigests"]
        .as_array()?
        .iter()
        .filter_map(|digest| digest.as_str()?.split_once('@'))
        .find(|(known, _)| reference::canonical(known) == reference::canonical(repository))
        .map(|(_, digest)| digest.to_owned())
}

struct Done {
    changed: bool,
    output: Output,
}

impl Act {
    fn line(&self) -> &Line {
        match self {
            Self::Bring(line, _) | Self::Do(line, _, _) | Self::Push(line, _) => line,
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Bring(_, told) | Self::Do(_, _, told) => told.clone(),
            Self::Push(_, name) => format!("Pushed image {name}"),
        }
    }

    fn run(&self, engine: &Engine, plan: &Plan, touch: &mut Touch) -> Result<Done, Failure> {
        match self {
            Self::Bring(line, told) => bring(line, told, engine, plan, touch),
            Self::Do(line, what, _) => {
                let output = line.must(engine, touch, what)?;
                Ok(Done {
                    changed: true,
                    output,
                })
            }
            Self::Push(line, name) => {
                let before = digest_of(engine.image(name)?.as_ref(), name);
                let output = line.must(engine, touch, &format!("push the image {name}"))?;
                let after = digest_of(engine.image(name)?.as_ref(), name);
                let sent = output.out().lines().any(|line| line.ends_with(": Pushed"));
                Ok(Done {
                    changed: sent || before != after,
                    output,
                })
            }
        }
    }
}

fn bring(
    line: &Line,
    told: &str,
    engine: &Engine,
    plan: &Plan,
    touch: &mut Touch,
) -> Result<Done, Failure> {
    let id = |image: &Option<Value>| image.as_ref().map(|image| image["Id"].clone());
    let output = line.run(engine, touch)?;
    if !output.ok() {
        // What went wrong stands at the end of the steps' own output.
        let out = output.out();
        let lines: Vec<&str> = out.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n");
        let mut message = format!("{} failed: {}", line.show(Some(engine)), complaint(&output));
        if !last.is_empty() && !output.stderr.trim_ascii().is_empty() {
            message.push_str("\nthe last lines before that:\n");
            message.push_str(&last);
        }
        return Err(output.failure(message).with("cmd", line.show(Some(engine))));
    }
    let after = engine.image(&plan.name)?;
    if after.is_none() {
        return Err(output.failure(format!(
            "{told}, but there is still no image {}; the archive or build has another name",
            plan.name
        )));
    }
    Ok(Done {
        changed: id(&plan.before) != id(&after),
        output,
    })
}
