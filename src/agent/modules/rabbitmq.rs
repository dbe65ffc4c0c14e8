//! What the modules for RabbitMQ share: calls of its control program, whose
//! answers are asked for as JSON.

use serde_json::Value;

use super::acts::{command, need};
use crate::host::{Command, Failure, Look};

/// A node to be controlled.
#[derive(Clone)]
pub(super) struct Node {
    name: Option<String>,
}

impl Node {
    pub(super) fn new(look: &Look, name: &str) -> Result<Self, Failure> {
        need(look, "rabbitmqctl", "rabbitmq-server")?;
        // The default is the program's own, which knows the host's name.
        let name = (name != "rabbit" && !name.is_empty()).then(|| name.to_owned());
        Ok(Self { name })
    }

    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut argv = vec!["rabbitmqctl".to_owned(), "--quiet".to_owned()];
        if let Some(name) = &self.name {
            argv.extend(["--node".to_owned(), name.clone()]);
        }
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        command(argv)
    }

    /// A list of objects.
    pub(super) fn list(&self, look: &Look, words: &[&str]) -> Result<Vec<Value>, Failure> {
        let mut all = words.to_vec();
        all.extend(["--formatter", "json"]);
        let output = look.ask(&self.command(&all))?;
        if !output.ok() {
            let message = format!(
                "rabbitmqctl {} failed: {}",
                words.join(" "),
                output.complaint()
            );
            return Err(output.failure(message));
        }
        let text = output.out();
        // Notes may stand before the list.
        let start = text.find(['[', '{']).unwrap_or(0);
        match serde_json::from_str(text[start..].trim()) {
            Ok(Value::Array(list)) => Ok(list),
            Ok(other) => Ok(vec![other]),
            Err(_) if text.trim().is_empty() => Ok(Vec::new()),
            Err(error) => Err(output.failure(format!(
                "rabbitmqctl {} gave no JSON: {error}",
                words.join(" ")
            ))),
        }
    }
}

/// Values of the module may be numbers where RabbitMQ wants words.
pub(super) fn text(value: &Value) -> String {
    ocplay_protocol::coerce::text(value).unwrap_or_default()
}
