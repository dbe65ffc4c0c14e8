//! MySQL and MariaDB: the client's half of their protocol, as far as modules
//! need it. Answers come as text with the types of their columns.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::Stream;
use crate::host::{Explain, Failure, Look};

/// Where servers put their sockets.
const SOCKETS: [&str; 5] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/run/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

/// Declares an argument struct with the arguments that all MySQL modules have,
/// and a method `login()` that gathers them.
macro_rules! mysql_arguments {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident { $($body:tt)* }
    ) => {
        ocplay_protocol::arguments! {
            $(#[doc = $doc])*
            $vis struct $name {
                $($body)*
                /// User to log in as; by default what config_file says, else the task's user.
                login_user: Option<String>,
                /// That user's password.
                login_password: Option<String>,
                /// Host of the server; localhost stands for its socket where there is one.
                login_host: String = "localhost".to_owned(),
                /// Port of the server.
                login_port: i64 = 3306,
                /// Socket of the server.
                login_unix_socket: Option<String>,
                /// Seconds to wait for a connection.
                connect_timeout: i64 = 30,
                /// File that may hold user and password, in its section [client].
                config_file: std::path::PathBuf = std::path::PathBuf::from("~/.my.cnf"),
                /// What config_file says wins over the defaults of host and port.
                config_overrides_defaults: bool = false,
                /// Try root without a password first.
                check_implicit_admin: bool = false,
                /// Authority of the server's certificate. Not supported: connections are not encrypted.
                ca_cert: Option<std::path::PathBuf> ["ssl_ca"],
                /// Certificate of this host. Not supported.
                client_cert: Option<std::path::PathBuf> ["ssl_cert"],
                /// Key of that certificate. Not supported.
                client_key: Option<std::path::PathBuf> ["ssl_key"],
                /// Check the name in the server's certificate. Not supported.
                check_hostname: Option<bool>,
            }
        }

        impl $name {
            $vis fn login(&self) -> $crate::sql::mysql::Login {
                $crate::sql::mysql::Login {
                    user: self.login_user.clone(),
                    password: self.login_password.clone(),
                    host: self.login_host.clone(),
                    port: self.login_port,
                    socket: self.login_unix_socket.clone(),
                    timeout: self.connect_timeout,
                    config_file: self.config_file.clone(),
                    config_first: self.config_overrides_defaults,
                    implicit_admin: self.check_implicit_admin,
                    encrypted: self.ca_cert.is_some()
                        || self.client_cert.is_some()
                        || self.client_key.is_some(),
                }
            }
        }
    };
}
pub(crate) use mysql_arguments;

/// How to get in.
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: i64,
    pub(crate) socket: Option<String>,
    pub(crate) timeout: i64,
    pub(crate) config_file: PathBuf,
    pub(crate) config_first: bool,
    pub(crate) implicit_admin: bool,
    pub(crate) encrypted: bool,
}

/// One result of a query.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Map<String, Value>>,
    /// Rows found or changed.
    pub(crate) count: u64,
}

impl Answer {
    /// The first column of all rows, as text.
    pub(crate) fn column(&self) -> Vec<String> {
        self.rows
            .iter()
            .filter_map(|row| row.values().next())
            .map(|value| ocplay_protocol::coerce::text(value).unwrap_or_default())
            .collect()
    }
}

/// An error of the server, with its number.
#[derive(Debug)]
pub(crate) enum Error {
    Server(u16, String),
    Other(Failure),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Server(number, text) => {
                Self::new(format!("({number}, \"{text}\")")).with("errno", number)
            }
            Error::Other(failure) => failure,
        }
    }
}

/// A connection that is logged in.
pub(crate) struct Server {
    stream: Stream,
    sequence: u8,
    pub(crate) version: String,
}

/// A value in single quotes; SQL's own escapes.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A name in backticks.
pub(crate) fn name(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

/// What a file of options says in a section.
fn option(text: &str, wanted: &str) -> Option<String> {
    let mut inside = false;
    let mut found = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end_matches(']') == "client";
        } else if inside
            && let Some((name, value)) = line.split_once('=')
            && name.trim().replace('_', "-") == wanted
        {
            let value = value.trim();
            let bare = ['"', '\'']
                .iter()
                .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            found = Some(bare.unwrap_or(value).to_owned());
        }
    }
    found
}

impl Login {
    /// Connects and logs in.
    pub(crate) fn connect(&self, look: &Look) -> Result<Server, Failure> {
        if self.encrypted {
            return Err(
                "ca_cert, client_cert and client_key are not supported: the connection to the \
                 server is not encrypted. Run the task on the database's own host, over its socket"
                    .into(),
            );
        }
        if self.implicit_admin
            && let Ok(server) = self.attempt(look, "root", "")
        {
            return Ok(server);
        }
        let path = PathBuf::from(look.expand(&self.config_file.to_string_lossy()));
        let file = look.read_text(&path)?.unwrap_or_default();
        let said = |name: &str| option(&file, name);
        let user = self.user.clone().or_else(|| said("user")).or_else(|| {
            look.user_of(rustix::process::geteuid().as_raw())
                .map(|user| user.name)
        });
        let password = self.password.clone().or_else(|| said("password"));
        let mut login = Self {
            user: None,
            password: None,
            host: self.host.clone(),
            socket: self.socket.clone().or_else(|| said("socket")),
            config_file: path,
            ..*self
        };
        if self.config_first || self.host == "localhost" {
            if let Some(host) = said("host") {
                login.host = host;
            }
            if let Some(port) = said("port").and_then(|port| port.parse().ok()) {
                login.port = port;
            }
        }
        login
            .attempt(
                look,
                user.as_deref().unwrap_or("root"),
                password.as_deref().unwrap_or_default(),
            )
            .map_err(|failure| Failure {
                message: format!(
                    "unable to connect to database, check login_user and login_password are \
                     correct or {} has the credentials. Exception message: {}",
                    self.config_file.display(),
                    failure.message
                ),
                ..failure
            })
    }

    fn attempt(&self, look: &Look, user: &str, password: &str) -> Result<Server, Failure> {
        let limit = Duration::from_secs(self.timeout.max(1).unsigned_abs());
        let socket = match &self.socket {
            Some(path) => Some(PathBuf::from(path)),
            None if self.host == "localhost" => {
                SOCKETS.iter().map(PathBuf::from).find(|path| path.exists())
            }
            None => None,
        };
        let stream = match socket {
            Some(path) => Stream::local(&path, limit)?,
            None => {
                let port = u16::try_from(self.port).map_err(|_| "login_port is no port")?;
                Stream::remote(look, &self.host, port, limit)?
            }
        };
        Ok(Server::log_in(stream, user, password)?)
    }
}

/// A cursor over the bytes of a packet.
struct Packet<'a>(&'a [u8]);

impl<'a> Packet<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        if self.0.len() < count {
            return Err(broken());
        }
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    fn short(&mut self) -> Result<u16, Error> {
        let bytes = self.take(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// Up to the next zero, which is left out.
    fn text(&mut self) -> Result<&'a [u8], Error> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.0.len());
        let text = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Ok(text)
    }

    /// A number of one to nine bytes; `None` stands for NULL.
    fn length(&mut self) -> Result<Option<u64>, Error> {
        let count = match self.byte()? {
            0xfb => return Ok(None),
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            value => return Ok(Some(u64::from(value))),
        };
        let bytes = self.take(count)?;
        Ok(Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        ))
    }

    fn string(&mut self) -> Result<Option<&'a [u8]>, Error> {
        match self.length()? {
            None => Ok(None),
            Some(length) => {
                let length = usize::try_from(length).map_err(|_| broken())?;
                self.take(length).map(Some)
            }
        }
    }
}

fn broken() -> Error {
    Error::Other("the database server sent something that is not its protocol".into())
}

/// The server's own words about an error.
fn refusal(packet: &[u8]) -> Error {
    let mut packet = Packet(packet.get(1..).unwrap_or_default());
    let number = packet.short().unwrap_or(0);
    let mut text = String::from_utf8_lossy(packet.0).into_owned();
    if text.starts_with('#') && text.len() >= 6 {
        text.drain(..6);
    }
    Error::Server(number, text)
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}

/// What proves the password without saying it.
fn proof(plugin: &str, password: &str, salt: &[u8]) -> Option<Vec<u8>> {
    if password.is_empty() {
        return Some(Vec::new());
    }
    let password = password.as_bytes();
    match plugin {
        "mysql_native_password" => {
            let once = Sha1::digest(password);
            let twice = Sha1::digest(once);
            let mixed = Sha1::new()
                .chain_update(salt)
                .chain_update(twice)
                .finalize();
            Some(xor(&once, &mixed))
        }
        "caching_sha2_password" => {
            let once = Sha256::digest(password);
            let twice = Sha256::digest(once);
            let mixed = Sha256::new()
                .chain_update(twice)
                .chain_update(salt)
                .finalize();
            Some(xor(&once, &mixed))
        }
        _ => None,
    }
}

const PROTOCOL_41: u32 = 0x200;
const SECURE: u32 = 0x8000;
const PLUGIN: u32 = 0x8_0000;
const MULTI: u32 = 0x1_0000 | 0x2_0000;
const LONG_PASSWORD: u32 = 1;
const FOUND_ROWS: u32 = 2;
const TRANSACTIONS: u32 = 0x2000;
const MORE_RESULTS: u16 = 8;

impl Server {
    fn log_in(stream: Stream, user: &str, password: &str) -> Result<Self, Error> {
        let mut server = Self {
            stream,
            sequence: 0,
            version: String::new(),
        };
        let greeting = server.receive()?;
        if greeting.first() == Some(&0xff) {
            return Err(refusal(&greeting));
        }
        let mut packet = Packet(&greeting);
        if packet.byte()? != 10 {
            return Err(broken());
        }
        server.version = String::from_utf8_lossy(packet.text()?).into_owned();
        packet.take(4)?;
        let mut salt = packet.take(8)?.to_vec();
        packet.take(1)?;
        packet.take(2 + 1 + 2 + 2)?;
        let length = usize::from(packet.byte()?);
        packet.take(10)?;
        let more = length.saturating_sub(8).max(13).min(packet.0.len());
        salt.extend(packet.take(more)?);
        salt.truncate(20);
        let plugin = String::from_utf8_lossy(packet.text()?).into_owned();
        let plugin = if proof(&plugin, "x", &salt).is_some() {
            plugin
        } else {
            "mysql_native_password".to_owned()
        };
        let flags =
            PROTOCOL_41 | SECURE | PLUGIN | MULTI | LONG_PASSWORD | FOUND_ROWS | TRANSACTIONS;
        let mut hello = flags.to_le_bytes().to_vec();
        hello.extend((1u32 << 30).to_le_bytes());
        // utf8mb4
        hello.push(45);
        hello.extend([0; 23]);
        hello.extend(user.as_bytes());
        hello.push(0);
        let proven = proof(&plugin, password, &salt).unwrap_or_default();
        hello.push(proven.len() as u8);
        hello.extend(proven);
        hello.extend(plugin.as_bytes());
        hello.push(0);
        server.send(&hello)?;
        server.authenticate(&plugin, password)?;
        Ok(server)
    }

    fn authenticate(&mut self, plugin: &str, password: &str) -> Result<(), Error> {
        let mut plugin = plugin.to_owned();
        loop {
            let answer = self.receive()?;
            match answer.first() {
                Some(0) => return Ok(()),
                Some(0xff) => return Err(refusal(&answer)),
                Some(0xfe) => {
                    let mut packet = Packet(&answer[1..]);
                    plugin = String::from_utf8_lossy(packet.text()?).into_owned();
                    let salt = &packet.0[..packet.0.len().min(20)];
                    let reply = match plugin.as_str() {
                        "mysql_clear_password" | "dialog" if self.stream.is_local() => {
                            [password.as_bytes(), &[0]].concat()
                        }
                        // These ask the kernel who is there.
                        "auth_socket" | "unix_socket" => Vec::new(),
                        other => proof(other, password, salt).ok_or_else(|| {
                            Error::Other(Failure::new(format!(
                                "the server wants the authentication plug-in {other}, which is \
                                 not supported"
                            )))
                        })?,
                    };
                    self.send(&reply)?;
                }
                // caching_sha2_password: 3 is fine, 4 wants the password itself.
                Some(1) => match answer.get(1) {
                    Some(3) => {}
                    Some(4) if self.stream.is_local() => {
                        self.send(&[password.as_bytes(), &[0]].concat())?;
                    }
                    _ => {
                        return Err(Error::Other(Failure::new(format!(
                            "the server wants the password of the plug-in {plugin} itself, which \
                             is not sent over an unencrypted connection; use the server's socket \
                             (login_unix_socket) on its own host"
                        ))));
                    }
                },
                _ => return Err(broken()),
            }
        }
    }

    fn receive(&mut self) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        loop {
            let mut head = [0u8; 4];
            let lost = "read the answer of the database server";
            self.stream.read_exact(&mut head).explain(lost)?;
            let length =
                usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
            self.sequence = head[3].wrapping_add(1);
            let start = all.len();
            all.resize(start + length, 0);
            self.stream.read_exact(&mut all[start..]).explain(lost)?;
            if length < 0xff_ffff {
                return Ok(all);
            }
        }
    }

    fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut chunks = data.chunks(0xff_ffff).collect::<Vec<_>>();
        if data.is_empty() || data.len().is_multiple_of(0xff_ffff) {
            chunks.push(&[]);
        }
        for chunk in chunks {
            let length = (chunk.len() as u32).to_le_bytes();
            let mut packet = length[..3].to_vec();
            packet.push(self.sequence);
            packet.extend(chunk);
            self.sequence = self.sequence.wrapping_add(1);
            self.stream
                .write_all(&packet)
                .explain("ask the database server")?;
        }
        Ok(())
    }

    /// Runs one statement.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Answer, Error> {
        self.sequence = 0;
        let mut packet = vec![3];
        packet.extend(sql.as_bytes());
        self.send(&packet)?;
        let (mut answer, mut status) = self.result()?;
        // Procedures give several results; the first that has rows counts.
        while status & MORE_RESULTS != 0 {
            let (next, after) = self.result()?;
            if answer.rows.is_empty() {
                answer = next;
            }
            status = after;
        }
        Ok(answer)
    }

    fn result(&mut self) -> Result<(Answer, u16), Error> {
        let head = self.receive()?;
        match head.first() {
            Some(0) => {
                let mut packet = Packet(&head[1..]);
                let count = packet.length()?.unwrap_or(0);
                packet.length()?;
                let status = packet.short()?;
                return Ok((
                    Answer {
                        rows: Vec::new(),
                        count,
                    },
                    status,
                ));
            }
            Some(0xff) => return Err(refusal(&head)),
            // LOAD DATA LOCAL: files of this host are not given out.
            Some(0xfb) => {
                self.send(&[])?;
                return self.result();
            }
            _ => {}
        }
        let columns = Packet(&head).length()?.unwrap_or(0);
        let mut kinds = Vec::new();
        for _ in 0..columns {
            let packet = self.receive()?;
            let mut packet = Packet(&packet);
            for _ in 0..4 {
                packet.string()?;
            }
            let name = packet.string()?.unwrap_or_default();
            packet.string()?;
            packet.length()?;
            packet.take(2 + 4)?;
            kinds.push((String::from_utf8_lossy(name).into_owned(), packet.byte()?));
        }
        // The end of the columns.
        self.receive()?;
        let mut answer = Answer::default();
        loop {
            let packet = self.receive()?;
            match packet.first() {
                Some(0xff) => return Err(refusal(&packet)),
                Some(0xfe) if packet.len() < 9 => {
                    let mut packet = Packet(&packet[1..]);
                    packet.short()?;
                    let status = packet.short()?;
                    answer.count = answer.rows.len() as u64;
                    return Ok((answer, status));
                }
                _ => {}
            }
            let mut packet = Packet(&packet);
            let mut row = Map::new();
            for (name, kind) in &kinds {
                row.insert(name.clone(), value(*kind, packet.string()?));
            }
            answer.rows.push(row);
        }
    }
}

/// Whole numbers and fractions as such, everything else as text.
fn value(kind: u8, text: Option<&[u8]>) -> Value {
    let Some(text) = text else {
        return Value::Null;
    };
    let text = String::from_utf8_lossy(text).into_owned();
    match kind {
        1 | 2 | 3 | 8 | 9 | 13 => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<u64>().map(Value::from))
            .unwrap_or(Value::String(text)),
        4 | 5 => text
            .parse::<f64>()
            .map(Value::from)
            .unwrap_or(Value::String(text)),
        _ => Value::String(text),
    }
}

/// The socket, for programs that are handed it.
pub(crate) fn socket(given: Option<&str>) -> Option<PathBuf> {
    match given {
        Some(path) => Some(PathBuf::from(path)),
        None => SOCKETS
            .iter()
            .map(Path::new)
            .find(|path| path.exists())
            .map(Path::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_sql() {
        assert_eq!(quote("it's \\"), "'it''s \\\\'");
        assert_eq!(name("a`b"), "`a``b`");
        let text = "[mysqld]\nuser=x\n[client]\nuser = me\npassword='a b'\n";
        assert_eq!(option(text, "user").as_deref(), Some("me"));
        assert_eq!(option(text, "password").as_deref(), Some("a b"));
        assert_eq!(option(text, "port"), None);
    }

    #[test]
    fn numbers_of_packets() {
        let mut packet = Packet(&[0xfc, 1, 2, 0xfb, 5, b'a']);
        assert_eq!(packet.length().unwrap(), Some(0x201));
        assert_eq!(packet.length().unwrap(), None);
        assert!(packet.string().is_err());
        assert_eq!(value(3, Some(b"5")), Value::from(5));
        assert_eq!(value(253, Some(b"5")), Value::from("5"));
        assert_eq!(value(3, None), Value::Null);
    }

    #[test]
    fn a_proof() {
        let salt = [7u8; 20];
        let proven = proof("mysql_native_password", "secret", &salt).unwrap();
        let once = Sha1::digest(b"secret");
        let twice = Sha1::digest(once);
        let mixed = Sha1::new()
            .chain_update(salt)
            .chain_update(twice)
            .finalize();
        assert_eq!(Sha1::digest(xor(&proven, &mixed)), twice);
    }
}
