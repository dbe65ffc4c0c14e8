//! The options one by one: what is wanted, what is, and the words by which
//! the client's command line says it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::args::{Args, HealthCheck, RestartPolicy};
use super::compare::{Field, Kind};
use crate::docker::units;
use crate::host::words;

/// What was found out about the surroundings.
#[derive(Debug, Default, Clone)]
pub(crate) struct Facts {
    /// The container as it is; null if there is none.
    pub(crate) container: Value,
    /// The image whose settings come along.
    pub(crate) image: Value,
    /// Numbers of containers that options name.
    pub(crate) ids: BTreeMap<String, String>,
    /// Contents of seccomp profiles.
    pub(crate) profiles: BTreeMap<String, Value>,
}

/// All options together.
pub(super) struct Table<'a> {
    pub(super) args: &'a Args,
    pub(super) facts: &'a Facts,
    pub(super) fields: Vec<Field>,
    pub(super) flags: Vec<String>,
    /// Environment of the client, for what its line must not hold.
    pub(super) secrets: Vec<(String, String)>,
    /// What comes after the image.
    pub(super) tail: Vec<String>,
}

/// Fills the table from arguments and facts.
pub(super) fn table<'a>(args: &'a Args, facts: &'a Facts) -> Result<Table<'a>, String> {
    let mut table = Table {
        args,
        facts,
        fields: Vec::new(),
        flags: Vec::new(),
        secrets: Vec::new(),
        tail: Vec::new(),
    };
    table.process()?;
    table.network()?;
    table.storage()?;
    table.isolation()?;
    table.limits()?;
    table.health()?;
    table.command()?;
    Ok(table)
}

/// Whether a variable of this name or value should not be seen.
pub(crate) fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let named = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "key",
        "credential",
    ]
    .iter()
    .any(|word| name.contains(word));
    // A user and a password in an address: scheme://user:password@host
    let inside = value.split_once("://").is_some_and(|(_, rest)| {
        rest.split('/')
            .next()
            .and_then(|host| host.split_once('@'))
            .is_some_and(|(login, _)| login.contains(':'))
    });
    named || inside
}

/// Values of a mapping as texts. YAML's booleans are refused: what the program
/// reads would depend on who writes them.
pub(crate) fn texts(name: &str, map: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    map.iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key.clone(), text.clone())),
            Value::Number(number) => Ok((key.clone(), number.to_string())),
            Value::Null => Ok((key.clone(), String::new())),
            other => Err(format!(
                "{name}.{key}: {} is no text; put it in quotes",
                ocplay_protocol::coerce::describe(other)
            )),
        })
        .collect()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| text(item).to_owned())
        .collect()
}

/// Lines `name=value` as a mapping.
fn pairs(value: &Value) -> Value {
    let map: Map<String, Value> = list(value)
        .iter()
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            (name.to_owned(), Value::from(value))
        })
        .collect();
    Value::Object(map)
}

/// A mapping with all values as texts.
pub(super) fn as_texts(value: &Value) -> Value {
    let map: Map<String, Value> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), Value::from(text(value))))
        .collect();
    Value::Object(map)
}

pub(super) fn dict(pairs: &[(String, String)]) -> Value {
    let map = pairs
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(value.clone())));
    Value::Object(map.collect())
}

impl Table<'_> {
    pub(super) fn config(&self, key: &str) -> Value {
        self.facts.container["Config"][key].clone()
    }

    pub(super) fn host(&self, key: &str) -> Value {
        self.facts.container["HostConfig"][key].clone()
    }

    pub(super) fn image(&self, key: &str) -> Value {
        self.facts.image["Config"][key].clone()
    }

    pub(super) fn flag(&mut self, flag: &str, value: impl Into<String>) {
        self.flags.push(flag.to_owned());
        self.flags.push(value.into());
    }

    pub(super) fn field(&mut self, name: &'static str, kind: Kind, wanted: Value, actual: Value) {
        self.fields.push(Field {
            name,
            kind,
            wanted,
            actual,
            brought: Value::Null,
            update: false,
        });
    }

    pub(super) fn brought(&mut self, value: Value) {
        if let Some(field) = self.fields.last_mut() {
            field.brought = value;
        }
    }

    pub(super) fn updatable(&mut self) {
        if let Some(field) = self.fields.last_mut() {
            field.update = true;
        }
    }

    pub(super) fn word(
        &mut self,
        name: &'static str,
        wanted: Option<&str>,
        flag: &str,
        actual: Value,
    ) {
        if let Some(wanted) = wanted {
            if !wanted.is_empty() {
                self.flag(flag, wanted);
            }
            self.field(name, Kind::Value, json!(wanted), json!(text(&actual)));
        }
    }

    pub(super) fn switch(
        &mut self,
        name: &'static str,
        wanted: Option<bool>,
        flag: &str,
        actual: Value,
    ) {
        if let Some(wanted) = wanted {
            if wanted {
                self.flags.push(flag.to_owned());
            }
            let actual = actual.as_bool().unwrap_or(false);
            self.field(name, Kind::Value, json!(wanted), json!(actual));
        }
    }

    pub(super) fn number(
        &mut self,
        name: &'static str,
        wanted: Option<i64>,
        flag: &str,
        actual: Value,
    ) {
        if let Some(wanted) = wanted {
            self.flag(flag, wanted.to_string());
            let actual = actual.as_i64().unwrap_or(0);
            self.field(name, Kind::Value, json!(wanted), json!(actual));
        }
    }

    pub(super) fn size(
        &mut self,
        name: &'static str,
        wanted: Option<&str>,
        flag: &str,
        actual: Value,
    ) -> Result<(), String> {
        if let Some(wanted) = wanted {
            let bytes = units::bytes(wanted).map_err(|reason| format!("{name}: {reason}"))?;
            // 0 is how one says "no limit", and the client wants nothing said then.
            if bytes != 0 {
                self.flag(flag, bytes.to_string());
            }
            let actual = actual.as_i64().unwrap_or(0);
            self.field(name, Kind::Value, json!(bytes), json!(actual));
        }
        Ok(())
    }

    /// A list in any order, in the spelling that `same` gives it.
    pub(super) fn set(
        &mut self,
        name: &'static str,
        wanted: Option<&Vec<String>>,
        flag: &str,
        actual: Value,
        same: impl Fn(&str) -> String,
    ) {
        if let Some(wanted) = wanted {
            for item in wanted {
                self.flag(flag, item.clone());
            }
            let wanted: Vec<String> = wanted.iter().map(|item| same(item)).collect();
            let actual: Vec<String> = list(&actual).iter().map(|item| same(item)).collect();
            self.field(name, Kind::Set, json!(wanted), json!(actual));
        }
    }

    fn process(&mut self) -> Result<(), String> {
        let args = self.args;
        self.switch(
            "auto_remove",
            args.auto_remove,
            "--rm",
            self.host("AutoRemove"),
        );
        self.word(
            "hostname",
            args.hostname.as_deref(),
            "--hostname",
            self.config("Hostname"),
        );
        self.word(
            "domainname",
            args.domainname.as_deref(),
            "--domainname",
            self.config("Domainname"),
        );
        self.word("user", args.user.as_deref(), "--user", self.config("User"));
        self.word(
            "working_dir",
            args.working_dir.as_deref(),
            "--workdir",
            self.config("WorkingDir"),
        );
        self.switch(
            "interactive",
            args.interactive,
            "--interactive",
            self.config("OpenStdin"),
        );
        self.switch("tty", args.tty, "--tty", self.config("Tty"));
        self.switch("init", args.init, "--init", self.host("Init"));
        self.switch(
            "privileged",
            args.privileged,
            "--privileged",
            self.host("Privileged"),
        );
        self.switch(
            "read_only",
            args.read_only,
            "--read-only",
            self.host("ReadonlyRootfs"),
        );
        self.word(
            "stop_signal",
            args.stop_signal.as_deref(),
            "--stop-signal",
            self.config("StopSignal"),
        );
        self.number(
            "stop_timeout",
            args.stop_timeout,
            "--stop-timeout",
            self.config("StopTimeout"),
        );
        if let Some(groups) = &args.groups {
            self.set(
                "groups",
                Some(groups),
                "--group-add",
                self.host("GroupAdd"),
                str::to_owned,
            );
        }
        self.restart();
        if let Some(labels) = &args.labels {
            let labels = texts("labels", labels)?;
            for (key, value) in &labels {
                self.flag("--label", format!("{key}={value}"));
            }
            let actual = as_texts(&self.config("Labels"));
            self.field("labels", Kind::Dict, dict(&labels), actual);
            self.brought(as_texts(&self.image("Labels")));
        }
        if let Some(env) = &args.env {
            let env = texts("env", env)?;
            for (name, value) in &env {
                if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                    return Err(format!("env: '{name}' is no name of a variable"));
                }
                if is_secret(name, value) {
                    self.flag("--env", name.clone());
                    self.secrets.push((name.clone(), value.clone()));
                } else {
                    self.flag("--env", format!("{name}={value}"));
                }
            }
            let actual = pairs(&self.config("Env"));
            self.field("env", Kind::Dict, dict(&env), actual);
            self.brought(pairs(&self.image("Env")));
        }
        if let Some(driver) = &args.log_driver {
            let actual = text(&self.host("LogConfig")["Type"]).to_owned();
            self.word("log_driver", Some(driver), "--log-driver", json!(actual));
        }
        if let Some(options) = &args.log_options {
            let options = texts("log_options", options)?;
            for (key, value) in &options {
                self.flag("--log-opt", format!("{key}={value}"));
            }
            let actual = as_texts(&self.host("LogConfig")["Config"]);
            self.field("log_options", Kind::Dict, dict(&options), actual);
        }
        Ok(())
    }

    fn restart(&mut self) {
        let Some(policy) = self.args.restart_policy else {
            return;
        };
        let retries = self.args.restart_retries;
        let word = match (policy, retries) {
            (RestartPolicy::OnFailure, Some(retries)) if retries > 0 => {
                format!("on-failure:{retries}")
            }
            _ => policy.word().to_owned(),
        };
        let actual = self.host("RestartPolicy");
        let name = match text(&actual["Name"]) {
            "" => "no",
            name => name,
        };
        let actual = match actual["MaximumRetryCount"].as_i64() {
            Some(count) if count > 0 && retries.is_some() => format!("{name}:{count}"),
            _ => name.to_owned(),
        };
        self.flag("--restart", word.clone());
        self.field("restart_policy", Kind::Value, json!(word), json!(actual));
        self.updatable();
    }

    fn health(&mut self) -> Result<(), String> {
        let Some(check) = &self.args.healthcheck else {
            return Ok(());
        };
        let duration = |text: &Option<String>| match text {
            Some(text) => units::nanoseconds(text)
                .map(|nanoseconds| json!(nanoseconds))
                .map_err(|reason| format!("healthcheck: {reason}")),
            None => Ok(Value::Null),
        };
        let command = health_command(check)?;
        let mut wanted = Map::new();
        match &command {
            Some(None) => self.flags.push("--no-healthcheck".to_owned()),
            Some(Some(line)) => self.flag("--health-cmd", line.clone()),
            None => {}
        }
        if let Some(command) = &command {
            wanted.insert(
                "test".to_owned(),
                json!(command.clone().unwrap_or_else(|| "NONE".to_owned())),
            );
        }
        if command != Some(None) {
            for (name, given, flag) in [
                ("interval", &check.interval, "--health-interval"),
                ("timeout", &check.timeout, "--health-timeout"),
                ("start_period", &check.start_period, "--health-start-period"),
                (
                    "start_interval",
                    &check.start_interval,
                    "--health-start-interval",
                ),
            ] {
                if let Some(given) = given {
                    self.flag(flag, given.clone());
                    wanted.insert(name.to_owned(), duration(&Some(given.clone()))?);
                }
            }
            if let Some(retries) = check.retries {
                self.flag("--health-retries", retries.to_string());
                wanted.insert("retries".to_owned(), json!(retries));
            }
        }
        let found = self.config("Healthcheck");
        let mut actual = Map::new();
        for (name, key) in [
            ("interval", "Interval"),
            ("timeout", "Timeout"),
            ("start_period", "StartPeriod"),
            ("start_interval", "StartInterval"),
            ("retries", "Retries"),
        ] {
            if wanted.contains_key(name) {
                actual.insert(name.to_owned(), json!(found[key].as_i64().unwrap_or(0)));
            }
        }
        if wanted.contains_key("test") {
            actual.insert("test".to_owned(), json!(shell_line(&list(&found["Test"]))));
        }
        self.field(
            "healthcheck",
            Kind::Dict,
            Value::Object(wanted),
            Value::Object(actual),
        );
        Ok(())
    }

    fn command(&mut self) -> Result<(), String> {
        let command = match &self.args.command {
            None | Some(Value::Null) => None,
            Some(Value::String(line)) => {
                Some(words::split(line).map_err(|reason| format!("command: {reason}"))?)
            }
            Some(Value::Array(words)) => Some(
                words
                    .iter()
                    .map(ocplay_protocol::coerce::text)
                    .collect::<Result<Vec<String>, String>>()?,
            ),
            Some(other) => {
                return Err(format!(
                    "command: {} is neither a text nor a list",
                    ocplay_protocol::coerce::describe(other)
                ));
            }
        };
        let actual = list(&self.config("Cmd"));
        let Some(entrypoint) = &self.args.entrypoint else {
            if let Some(command) = command {
                self.tail = command.clone();
                // Nothing said means what the image says.
                let wanted = if command.is_empty() {
                    list(&self.image("Cmd"))
                } else {
                    command
                };
                self.field("command", Kind::Value, json!(wanted), json!(actual));
            }
            return Ok(());
        };
        // The client takes one word as entrypoint; the others go in front of the command.
        let command = command.unwrap_or_default();
        let first = entrypoint.first().cloned().unwrap_or_default();
        self.flag("--entrypoint", first);
        self.tail = entrypoint.iter().skip(1).chain(&command).cloned().collect();
        let join = |entrypoint: &[String], command: &[String]| {
            let words = entrypoint.iter().chain(command);
            words
                .filter(|word| !word.is_empty())
                .cloned()
                .collect::<Vec<_>>()
        };
        let found = list(&self.config("Entrypoint"));
        let (all, found) = (join(entrypoint, &command), join(&found, &actual));
        if found.starts_with(entrypoint) {
            let rest = &found[entrypoint.len()..];
            self.field("command", Kind::Value, json!(command), json!(rest));
        } else {
            self.field("entrypoint", Kind::Value, json!(all), json!(found));
        }
        Ok(())
    }
}

/// The shell line of a test; `Some(None)` for no check at all.
fn health_command(check: &HealthCheck) -> Result<Option<Option<String>>, String> {
    let words = match &check.test {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(line)) => return Ok(Some(Some(line.clone()))),
        Some(Value::Array(words)) => words
            .iter()
            .map(ocplay_protocol::coerce::text)
            .collect::<Result<Vec<String>, String>>()?,
        Some(other) => {
            return Err(format!(
                "healthcheck: test is {}; write a text or a list",
                ocplay_protocol::coerce::describe(other)
            ));
        }
    };
    match words.first().map(String::as_str) {
        Some("NONE") => Ok(Some(None)),
        Some("CMD" | "CMD-SHELL") if words.len() > 1 => Ok(Some(Some(shell_line(&words)))),
        _ => {
            Err("healthcheck: a test that is a list begins with CMD, CMD-SHELL or NONE".to_owned())
        }
    }
}

/// A test as the shell line that the client can say.
fn shell_line(test: &[String]) -> String {
    match test.split_first() {
        Some((kind, words)) if kind == "CMD" => words::join(words),
        Some((kind, words)) if kind == "CMD-SHELL" => words.join(" "),
        Some((kind, _)) => kind.clone(),
        None => String::new(),
    }
}
