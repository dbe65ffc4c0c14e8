//! `docker_login`: a registry's password for the docker client.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::acts::{Acts, acting, command, state};
use super::{Module, Verdict};
use crate::docker::{Engine, docker_arguments};
use crate::host::{Failure, Look, Mode, Return, Settled, Touch, parent};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

docker_arguments! {
    /// Logs a user in to a registry, or out of it. The password is checked by the engine and kept
    /// where the docker client keeps it: in its file of settings, or with its helper.
    pub(super) struct Args {
        /// Address of the registry.
        registry_url: String ["registry", "url"] = "https://index.docker.io/v1/".to_owned(),
        /// User.
        username: Option<String>,
        /// Password.
        password: Option<String>,
        /// Log in again also if the same is noted already.
        reauthorize: bool ["reauth"] = false,
        /// The client's file of settings.
        config_path: PathBuf ["dockercfg_path"] = PathBuf::from("~/.docker/config.json"),
        /// Logged in or out.
        state: State = State::Present,
    }
}

pub(super) struct DockerLogin;

/// The client's settings.
struct Settings {
    path: PathBuf,
    values: Map<String, Value>,
}

impl Settings {
    fn read(look: &Look, path: &Path) -> Result<Self, Failure> {
        let text = look.read_text(path)?.unwrap_or_default();
        let values = if text.trim().is_empty() {
            Map::new()
        } else {
            serde_json::from_str(&text).map_err(|error| {
                Failure::new(format!("{} is no JSON object: {error}", path.display()))
            })?
        };
        Ok(Self {
            path: path.to_owned(),
            values,
        })
    }

    /// The program that keeps the password of this registry.
    fn helper(&self, registry: &str) -> Option<String> {
        let of = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        of(self
            .values
            .get("credHelpers")
            .and_then(|all| all.get(registry)))
        .or_else(|| of(self.values.get("credsStore")))
        .filter(|name| !name.is_empty())
        .map(|name| format!("docker-credential-{name}"))
    }

    fn write(&self, touch: &mut Touch) -> Result<(), Failure> {
        let folder = Settled {
            mode: Some(Mode::Bits(0o700)),
            ..Settled::default()
        };
        touch.make_directories(parent(&self.path), &folder)?;
        let text = serde_json::to_string_pretty(&self.values).unwrap_or_default() + "\n";
        let wanted = Settled {
            mode: Some(Mode::Bits(0o600)),
            ..Settled::default()
        };
        touch.write(&self.path, text.as_bytes(), &wanted)
    }
}

/// What is noted for a registry: user and password.
fn noted(look: &Look, settings: &Settings, registry: &str) -> Option<(String, String)> {
    if let Some(helper) = settings.helper(registry) {
        let output = look.ask(&command([&helper, "get"]).stdin(registry)).ok()?;
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        let text = |name: &str| Some(answer[name].as_str()?.to_owned());
        return Some((text("Username")?, text("Secret")?));
    }
    let auth = settings.values.get("auths")?.get(registry)?.get("auth")?;
    let plain = STANDARD.decode(auth.as_str()?).ok()?;
    let plain = String::from_utf8(plain).ok()?;
    let (user, password) = plain.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

impl Module for DockerLogin {
    const NAME: &'static str = "docker_login";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let path = PathBuf::from(look.expand(&args.config_path.to_string_lossy()));
        let registry = args.registry_url.clone();
        let settings = Settings::read(look, &path)?;
        let is = noted(look, &settings, &registry);
        if args.state == State::Absent {
            return Ok(log_out(settings, registry, is).verdict());
        }
        let (Some(user), Some(password)) = (&args.username, &args.password) else {
            return Err(
                "state is present but all of the following are missing: username, password".into(),
            );
        };
        let wanted = (user.clone(), password.clone());
        let mut acts = Acts::new(Return::new().with("login_result", json!({})));
        if is.as_ref() == Some(&wanted) && !args.reauthorize {
            return Ok(acts.verdict());
        }
        let engine = Engine::reach(look, &args.connection())?;
        let before = is
            .as_ref()
            .map_or_else(String::new, |(user, _)| user.clone());
        let changed = is.as_ref() != Some(&wanted);
        acts.diff(state(&format!("login to {registry}"), &before, user));
        acts.result(|result| result.changed(changed));
        acts.body(move |touch| {
            let Some(engine) = engine else {
                return Err("there is no Docker engine".into());
            };
            let (user, password) = &wanted;
            let body = json!({
                "username": user, "password": password, "serveraddress": registry,
            });
            let what = format!("log {user} in to {registry}");
            let answer = engine.tell(touch, "POST", "/auth", Some(&body), &what)?;
            note(settings, touch, &registry, user, password)?;
            Ok(Return::new().with("login_result", answer).changed(changed))
        });
        Ok(acts.verdict())
    }
}

fn note(
    mut settings: Settings,
    touch: &mut Touch,
    registry: &str,
    user: &str,
    password: &str,
) -> Result<(), Failure> {
    let auth = match settings.helper(registry) {
        Some(helper) => {
            let entry = json!({"ServerURL": registry, "Username": user, "Secret": password});
            let store = command([&helper, "store"]).stdin(entry.to_string());
            touch.must(&store, "hand the password to the client's helper")?;
            json!({})
        }
        None => json!({ "auth": STANDARD.encode(format!("{user}:{password}")) }),
    };
    let auths = settings
        .values
        .entry("auths")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(auths) = auths {
        auths.insert(registry.to_owned(), auth);
    }
    settings.write(touch)
}

fn log_out(mut settings: Settings, registry: String, is: Option<(String, String)>) -> Acts {
    let mut acts = Acts::new(Return::new().with("login_result", Value::Null));
    let listed = settings
        .values
        .get("auths")
        .is_some_and(|auths| auths.get(&registry).is_some());
    if !listed && is.is_none() {
        return acts;
    }
    let user = is.map_or_else(|| "present".to_owned(), |(user, _)| user);
    acts.diff(state(&format!("login to {registry}"), &user, ""));
    acts.body(move |touch| {
        if let Some(helper) = settings.helper(&registry) {
            let erase = command([&helper, "erase"]).stdin(registry.clone());
            touch.must(&erase, "remove the password from the client's helper")?;
        }
        if let Some(Value::Object(auths)) = settings.values.get_mut("auths") {
            auths.remove(&registry);
        }
        settings.write(touch)?;
        Ok(Return::new())
    });
    acts
}
