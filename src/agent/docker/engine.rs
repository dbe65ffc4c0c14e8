//! The engine behind its socket. It is asked here; told only where the client's
//! answer would be text for people.

use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use super::http;
use crate::host::{Failure, Look, Touch};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// How to reach the engine, as the task says it.
pub(crate) struct Connection {
    pub(crate) host: Option<String>,
    pub(crate) api_version: String,
    pub(crate) timeout: i64,
}

/// An engine that answers.
pub(crate) struct Engine {
    socket: PathBuf,
    api_version: Option<String>,
    timeout: Duration,
}

/// Declares an argument struct with the arguments that all Docker modules
/// have, and a method `connection()` that gathers them.
macro_rules! docker_arguments {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident { $($body:tt)* }
    ) => {
        ocplay_protocol::arguments! {
            $(#[doc = $doc])*
            $vis struct $name {
                $($body)*
                /// Socket of the engine, as unix:///path. Default: DOCKER_HOST, else unix:///var/run/docker.sock.
                docker_host: Option<String> ["docker_url"],
                /// Version of the engine's interface that the client shall speak.
                api_version: String ["docker_api_version"] = "auto".to_owned(),
                /// How many seconds the engine may take to answer a question.
                timeout: i64 = 60,
                /// Accepted for old playbooks; -vvv shows more.
                debug: bool = false,
            }
        }

        impl $name {
            $vis fn connection(&self) -> $crate::docker::Connection {
                $crate::docker::Connection {
                    host: self.docker_host.clone(),
                    api_version: self.api_version.clone(),
                    timeout: self.timeout,
                }
            }
        }
    };
}
pub(crate) use docker_arguments;

/// A name as a part of a path of the interface.
pub(crate) fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:/@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

impl Engine {
    /// Connects. In check mode an engine that is not there yet is no failure:
    /// an earlier task may install it; then it is `None`.
    pub(crate) fn reach(look: &Look, connection: &Connection) -> Result<Option<Self>, Failure> {
        let host = connection
            .host
            .clone()
            .or_else(|| look.variable("DOCKER_HOST"))
            .filter(|host| !host.is_empty());
        let socket = match &host {
            None => PathBuf::from(DEFAULT_SOCKET),
            Some(host) => match host.strip_prefix("unix://") {
                Some(path) => PathBuf::from(path),
                None if host.starts_with('/') => PathBuf::from(host),
                None => {
                    return Err(Failure::new(format!(
                        "docker_host {host}: the engine is only reached through a socket of this \
                         host, unix:///path; run the task on the engine's host (delegate_to)"
                    )));
                }
            },
        };
        let engine = Self {
            socket,
            api_version: Some(connection.api_version.clone()).filter(|version| version != "auto"),
            timeout: Duration::from_secs(connection.timeout.max(1).unsigned_abs()),
        };
        match engine.ask("/_ping") {
            Ok(answer) if answer.status == 200 => Ok(Some(engine)),
            Ok(answer) => Err(engine.refused("answer", &answer)),
            Err(error) if look.is_check() && absent(&error) => Ok(None),
            Err(error) => Err(engine.unreachable(look, &error)),
        }
    }

    /// As the client takes it.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn api_version(&self) -> Option<&str> {
        self.api_version.as_deref()
    }

    pub(super) fn is_default(&self) -> bool {
        [DEFAULT_SOCKET, "/run/docker.sock"]
            .iter()
            .any(|known| self.socket == Path::new(known))
    }

    fn ask(&self, path: &str) -> io::Result<http::Response> {
        self.send(&http::get(path))
    }

    fn send(&self, request: &str) -> io::Result<http::Response> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        stream.write_all(request.as_bytes())?;
        http::read(&mut BufReader::new(stream))
    }

    /// What the engine says about something; `None` if there is no such thing.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Value>, Failure> {
        let answer = self.ask(path).map_err(|error| {
            Failure::new(format!(
                "the engine at {} gave no answer to {path}: {}",
                self.socket.display(),
                said(&error)
            ))
        })?;
        match answer.status {
            200..=299 => serde_json::from_slice(&answer.body)
                .map(Some)
                .map_err(|error| {
                    Failure::new(format!("the engine answered {path} with no JSON: {error}"))
                }),
            404 => Ok(None),
            _ => Err(self.refused(path, &answer)),
        }
    }

    /// Has the engine do something, with what it answers. Changes the host, so
    /// it needs a [`Touch`]; `what` reads on from "cannot".
    pub(crate) fn tell(
        &self,
        _: &mut Touch,
        method: &str,
        path: &str,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Value, Failure> {
        let failed = |reason: String| Failure::new(format!("cannot {what}: {reason}"));
        let answer = self
            .send(&http::request(method, path, body))
            .map_err(|error| failed(said(&error)))?;
        if !(200..=299).contains(&answer.status) {
            return Err(failed(message(&answer)).with("status_code", answer.status));
        }
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// Lists of the interface take filters as one JSON object.
    pub(crate) fn filters(filters: Option<&Map<String, Value>>) -> Result<String, Failure> {
        let Some(filters) = filters else {
            return Ok(String::new());
        };
        let mut all = Map::new();
        for (name, value) in filters {
            let values = match value {
                Value::Array(values) => values.clone(),
                one => vec![one.clone()],
            };
            let values: Vec<Value> = values
                .iter()
                .map(|value| match value {
                    Value::Bool(on) => Value::from(on.to_string()),
                    other => Value::from(ocplay_protocol::coerce::text(other).unwrap_or_default()),
                })
                .collect();
            all.insert(name.clone(), Value::Array(values));
        }
        let text = Value::Object(all).to_string();
        Ok(format!("filters={}", segment(&text)))
    }

    /// A container as `docker inspect` shows it.
    pub(crate) fn container(&self, name: &str) -> Result<Option<Value>, Failure> {
        self.get(&format!("/containers/{}/json", segment(name)))
    }

    /// An image as `docker image inspect` shows it.
    pub(crate) fn image(&self, name: &str) -> Result<Option<Value>, Failure> {
        self.get(&format!("/images/{}/json", segment(name)))
    }

    fn refused(&self, path: &str, answer: &http::Response) -> Failure {
        let text = message(answer);
        Failure::new(format!(
            "the engine at {} refused {path} ({}): {text}",
            self.socket.display(),
            answer.status
        ))
    }

    fn unreachable(&self, look: &Look, error: &io::Error) -> Failure {
        let socket = self.socket.display();
        let todo = match error.kind() {
            io::ErrorKind::NotFound if look.which("dockerd").is_none() => {
                "Docker is not installed: apt-get install docker.io"
            }
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                "is Docker running? systemctl start docker; journalctl -u docker says why it does \
                 not"
            }
            io::ErrorKind::PermissionDenied => {
                "this user may not use it: become: true, or put the user into the group docker"
            }
            _ => "is this the socket of a Docker engine?",
        };
        Failure::new(format!(
            "cannot reach the Docker engine at {socket} ({}); {todo}",
            said(error)
        ))
    }
}

/// What the engine says about its refusal.
fn message(answer: &http::Response) -> String {
    serde_json::from_slice::<Value>(&answer.body)
        .ok()
        .and_then(|body| Some(body.get("message")?.as_str()?.to_owned()))
        .unwrap_or_else(|| String::from_utf8_lossy(&answer.body).trim().to_owned())
}

fn absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            "it took too long; raise timeout if it is only slow".to_owned()
        }
        _ => crate::host::failure::reason(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths() {
        assert_eq!(segment("localhost:5100/a/b:1.0"), "localhost:5100/a/b:1.0");
        assert_eq!(segment("a b?c"), "a%20b%3Fc");
    }
}
