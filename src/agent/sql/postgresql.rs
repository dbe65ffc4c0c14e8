//! PostgreSQL: the client's half of its protocol, as far as modules need it.

mod message;
mod scram;
mod tls;
mod values;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};
use ocplay_protocol::coerce;
use serde_json::{Map, Value};

use super::Stream;
use crate::host::{Explain, Failure, Look, hex};
use message::{Body, broken, columns, error_of, row};
pub(crate) use values::typed;

/// Where servers put their sockets.
const SOCKETS: [&str; 3] = ["/run/postgresql", "/var/run/postgresql", "/tmp"];

ocplay_protocol::choices! {
    /// Whether a connection is encrypted, and whether the server's certificate counts.
    pub(crate) enum Encryption {
        Allow = "allow",
        Disable = "disable",
        Prefer = "prefer",
        Require = "require",
        VerifyCa = "verify-ca",
        VerifyFull = "verify-full",
    }
}

/// Declares an argument struct with the arguments that all PostgreSQL modules
/// have, and a method `login()` that gathers them.
macro_rules! postgresql_arguments {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident { $($body:tt)* }
    ) => {
        ocplay_protocol::arguments! {
            $(#[doc = $doc])*
            $vis struct $name {
                $($body)*
                /// User to log in as.
                login_user: String ["login"] = "postgres".to_owned(),
                /// That user's password.
                login_password: String = String::new(),
                /// Host of the server; without one its socket is taken.
                login_host: String ["host"] = String::new(),
                /// Port of the server, also a part of its socket's name.
                login_port: i64 ["port"] = 5432,
                /// Folder of the server's socket.
                login_unix_socket: String ["unix_socket"] = String::new(),
                /// Whether the connection is encrypted, and whether the server's certificate counts.
                ssl_mode: $crate::sql::postgresql::Encryption = $crate::sql::postgresql::Encryption::Prefer,
                /// File of the authorities that may have signed the server's certificate.
                ca_cert: Option<std::path::PathBuf> ["ssl_rootcert"],
                /// Certificate of this host. Not supported.
                ssl_cert: Option<std::path::PathBuf>,
                /// Key of that certificate. Not supported.
                ssl_key: Option<std::path::PathBuf>,
                /// Further settings of the connection: connect_timeout, application_name and options.
                connect_params: Option<ocplay_protocol::serde_json::Map<String, ocplay_protocol::serde_json::Value>>,
                /// Role to take on after logging in.
                session_role: Option<String>,
                /// Without effect: names and values are always quoted.
                trust_input: bool = true,
            }
        }

        impl $name {
            /// Everything for a connection to a database; an empty name is the user's own.
            $vis fn login(&self, database: &str) -> $crate::sql::postgresql::Login {
                $crate::sql::postgresql::Login {
                    user: self.login_user.clone(),
                    password: self.login_password.clone(),
                    host: self.login_host.clone(),
                    port: self.login_port,
                    socket: self.login_unix_socket.clone(),
                    database: database.to_owned(),
                    encryption: self.ssl_mode,
                    authorities: self.ca_cert.clone(),
                    certificate: self.ssl_cert.is_some() || self.ssl_key.is_some(),
                    settings: self.connect_params.clone().unwrap_or_default(),
                    role: self.session_role.clone(),
                }
            }
        }
    };
}
pub(crate) use postgresql_arguments;

/// How to reach a server.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) host: String,
    pub(crate) port: i64,
    pub(crate) socket: String,
    /// Empty: the one of the user's name.
    pub(crate) database: String,
    pub(crate) encryption: Encryption,
    pub(crate) authorities: Option<PathBuf>,
    /// A certificate of this host is asked for.
    pub(crate) certificate: bool,
    pub(crate) settings: Map<String, Value>,
    pub(crate) role: Option<String>,
}

/// What the server, or the way to it, had to say.
#[derive(Debug)]
pub(crate) enum Error {
    Server {
        /// Five letters, such as 42501.
        code: String,
        message: String,
    },
    Other(Failure),
}

impl Error {
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Server { code, .. } => code,
            Self::Other(_) => "",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Server { message, .. } => Self::new(message),
            Error::Other(failure) => failure,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

/// What one statement gave.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Names and types of columns.
    pub(crate) columns: Vec<(String, u32)>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// Such as `SELECT 1` or `CREATE TABLE`.
    pub(crate) status: String,
}

impl Answer {
    /// The first column of the first row.
    pub(crate) fn value(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }

    /// The first column.
    pub(crate) fn column(self) -> Vec<String> {
        let first = |row: Vec<Option<String>>| row.into_iter().next().flatten();
        self.rows.into_iter().filter_map(first).collect()
    }

    /// The first row as texts; empty ones for what is null.
    pub(crate) fn row(self) -> Option<Vec<String>> {
        let row = self.rows.into_iter().next()?;
        Some(row.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// How many rows the status tells of.
    pub(crate) fn count(&self) -> i64 {
        self.status
            .rsplit(' ')
            .next()
            .and_then(|last| last.parse().ok())
            .unwrap_or(0)
    }
}

/// A connection that is logged in.
pub(crate) struct Server {
    stream: Stream,
    /// Such as `15.18 (Debian …)`.
    pub(crate) version: String,
}

/// A name in quotes.
pub(crate) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A name with dots, each part in quotes; parts that are quoted stay whole.
pub(crate) fn dotted(text: &str) -> String {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            letter => {
                if let Some(last) = parts.last_mut() {
                    last.push(letter);
                }
            }
        }
    }
    let parts: Vec<String> = parts.iter().map(|part| name(part)).collect();
    parts.join(".")
}

/// A text in quotes.
pub(crate) fn quote(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') {
        return format!("E'{}'", doubled.replace('\\', "\\\\"));
    }
    format!("'{doubled}'")
}

/// Whether a password is the one that the server keeps.
pub(crate) fn is_password(user: &str, password: &str, kept: &str) -> bool {
    // As others give it when it is hashed already.
    if kept == password {
        return true;
    }
    if kept.starts_with("md5") {
        return kept == md5(user, password);
    }
    scram::matches(password, kept)
}

fn md5(user: &str, password: &str) -> String {
    format!("md5{}", hex(&Md5::digest(format!("{password}{user}"))))
}

impl Login {
    /// Where the server is, in words.
    pub(crate) fn place(&self, look: &Look) -> String {
        if !self.host.is_empty() && !self.host.starts_with('/') {
            return self.host.clone();
        }
        self.folder(look)
    }

    fn folder(&self, look: &Look) -> String {
        let given = [&self.socket, &self.host]
            .into_iter()
            .find(|text| text.starts_with('/'));
        if let Some(given) = given {
            return given.clone();
        }
        let there = |folder: &&&str| {
            let file = Path::new(folder).join(format!(".s.PGSQL.{}", self.port));
            look.stat(&file).ok().flatten().is_some()
        };
        let found = SOCKETS.iter().find(there).unwrap_or(&SOCKETS[0]);
        (*found).to_owned()
    }

    /// The password: given, of the environment, or of the file for passwords.
    pub(crate) fn secret(&self, look: &Look) -> String {
        if !self.password.is_empty() {
            return self.password.clone();
        }
        if let Some(text) = look.variable("PGPASSWORD") {
            return text;
        }
        let file = PathBuf::from(look.expand("~/.pgpass"));
        let text = look.read_text(&file).ok().flatten().unwrap_or_default();
        let host = if self.host.is_empty() {
            "localhost"
        } else {
            &self.host
        };
        let port = self.port.to_string();
        let wanted = [host, &port, self.database(), &self.user];
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .find_map(|line| {
                let fields = password_line(line);
                let (password, fields) = fields.split_last()?;
                let fits = fields.len() == 4
                    && fields
                        .iter()
                        .zip(wanted)
                        .all(|(field, wanted)| field == "*" || field == wanted);
                fits.then(|| password.clone())
            })
            .unwrap_or_default()
    }

    pub(crate) fn database(&self) -> &str {
        if self.database.is_empty() {
            &self.user
        } else {
            &self.database
        }
    }

    fn setting(&self, wanted: &str) -> Result<Option<String>, Failure> {
        self.settings
            .get(wanted)
            .map(coerce::text)
            .transpose()
            .map_err(Failure::from)
    }

    pub(crate) fn connect(&self, look: &Look) -> Result<Server, Failure> {
        if self.certificate {
            return Err(
                "ssl_cert and ssl_key are not supported; log in with a password or over the socket"
                    .into(),
            );
        }
        let known = [
            "connect_timeout",
            "application_name",
            "options",
            "dbname",
            "sslmode",
        ];
        if let Some(other) = self
            .settings
            .keys()
            .find(|key| !known.contains(&key.as_str()))
        {
            return Err(Failure::new(format!(
                "connect_params: '{other}' is not supported; known are connect_timeout, application_name and options"
            )));
        }
        let limit = match self.setting("connect_timeout")? {
            Some(text) => text
                .parse()
                .map_err(|_| Failure::new("connect_params: connect_timeout is no number"))?,
            None => 30,
        };
        let limit = Duration::from_secs(limit);
        let stream = if !self.host.is_empty() && !self.host.starts_with('/') {
            let port = u16::try_from(self.port)
                .map_err(|_| Failure::new(format!("login_port: {} is no port", self.port)))?;
            let stream = Stream::remote(look, &self.host, port, limit)?;
            tls::secured(self, look, stream)?
        } else {
            let file = Path::new(&self.folder(look)).join(format!(".s.PGSQL.{}", self.port));
            Stream::local(&file, limit).map_err(|failure| {
                Failure::new(format!(
                    "{}; does the server run, and is login_unix_socket its folder?",
                    failure.message
                ))
            })?
        };
        let mut server = Server {
            stream,
            version: String::new(),
        };
        server.log_in(self, look).map_err(|error| match error {
            Error::Server { message, .. } => Failure::new(format!(
                "unable to connect to database {}: {message}",
                self.database()
            )),
            Error::Other(failure) => failure,
        })?;
        if let Some(role) = &self.role {
            server.query(&format!("SET ROLE {}", name(role)))?;
        }
        Ok(server)
    }
}

/// Fields between colons; a backslash takes the next letter as it is.
fn password_line(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let last = fields.len() - 1;
        match letter {
            '\\' => fields[last].extend(letters.next()),
            ':' => fields.push(String::new()),
            letter => fields[last].push(letter),
        }
    }
    fields
}

/// Longer messages are no answer to anything that is asked here.
const LONGEST: usize = 256 << 20;

impl Server {
    fn send(&mut self, kind: u8, body: &[u8]) -> Result<(), Failure> {
        let length =
            u32::try_from(body.len() + 4).map_err(|_| Failure::new("the statement is too long"))?;
        let mut message = Vec::with_capacity(body.len() + 5);
        if kind != 0 {
            message.push(kind);
        }
        message.extend(length.to_be_bytes());
        message.extend(body);
        self.stream
            .write_all(&message)
            .explain("talk to the server")?;
        self.stream.flush().explain("talk to the server")
    }

    fn receive(&mut self) -> Result<(u8, Vec<u8>), Error> {
        let mut head = [0; 5];
        self.stream
            .read_exact(&mut head)
            .explain("hear from the server")?;
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if !(4..LONGEST).contains(&length) {
            return Err(broken());
        }
        let mut body = vec![0; length - 4];
        self.stream
            .read_exact(&mut body)
            .explain("hear from the server")?;
        Ok((kind, body))
    }

    fn log_in(&mut self, login: &Login, look: &Look) -> Result<(), Error> {
        let application = login
            .setting("application_name")?
            .unwrap_or_else(|| "ocplay".to_owned());
        let mut hello = 196_608_u32.to_be_bytes().to_vec();
        let options = login.setting("options")?.unwrap_or_default();
        for (key, value) in [
            ("user", login.user.as_str()),
            ("database", login.database()),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("application_name", &application),
            ("options", &options),
        ] {
            if value.contains('\0') {
                return Err(Failure::new("names cannot hold a zero byte").into());
            }
            if !value.is_empty() {
                hello.extend([key.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
            }
        }
        hello.push(0);
        self.send(0, &hello)?;
        let mut exchange = None;
        loop {
            let (kind, body) = self.receive()?;
            let mut body = Body(&body);
            match kind {
                b'E' => return Err(error_of(body)),
                b'R' => self.prove(login, look, &mut body, &mut exchange)?,
                b'S' => {
                    let (key, value) = (
                        body.text().ok_or_else(broken)?,
                        body.text().ok_or_else(broken)?,
                    );
                    if key == "server_version" {
                        self.version = value;
                    }
                }
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }

    /// Answers what the server asks about who one is.
    fn prove(
        &mut self,
        login: &Login,
        look: &Look,
        body: &mut Body,
        exchange: &mut Option<scram::Exchange>,
    ) -> Result<(), Error> {
        let asked = body.long().ok_or_else(broken)?;
        let zero = |text: &str| [text.as_bytes(), &[0]].concat();
        let no_password = || {
            Failure::new(format!(
                "the server wants a password for {} and there is none; set login_password, or become the user \
                 that the server knows (become_user: postgres)",
                login.user
            ))
        };
        let secret = || match login.secret(look) {
            text if text.is_empty() => Err(no_password()),
            text => Ok(text),
        };
        match asked {
            0 => {}
            3 => self.send(b'p', &zero(&secret()?))?,
            5 => {
                let salt = body.bytes(4).ok_or_else(broken)?;
                let inner = md5(&login.user, &secret()?);
                let outer = Md5::digest([&inner.as_bytes()[3..], salt].concat());
                self.send(b'p', &zero(&format!("md5{}", hex(&outer))))?;
            }
            10 => {
                let mut offered = Vec::new();
                while let Some(text) = body.text().filter(|text| !text.is_empty()) {
                    offered.push(text);
                }
                if !offered.iter().any(|text| text == scram::MECHANISM) {
                    return Err(Failure::new(format!(
                        "the server wants one of {}, none of which is known",
                        offered.join(", ")
                    ))
                    .into());
                }
                let begun = scram::Exchange::new(&secret()?)?;
                let first = begun.first();
                let length = u32::try_from(first.len()).unwrap_or(0).to_be_bytes();
                let message = [&zero(scram::MECHANISM)[..], &length, first.as_bytes()].concat();
                self.send(b'p', &message)?;
                *exchange = Some(begun);
            }
            11 => {
                let begun = exchange.as_mut().ok_or_else(broken)?;
                let answer = begun
                    .last(&String::from_utf8_lossy(body.0))
                    .ok_or_else(broken)?;
                self.send(b'p', answer.as_bytes())?;
            }
            12 => {
                let begun = exchange.as_ref().ok_or_else(broken)?;
                if !begun.is_server(&String::from_utf8_lossy(body.0)) {
                    return Err(Failure::new("the server does not know the password itself; it is not the one it seems to be").into());
                }
            }
            other => {
                return Err(Failure::new(format!(
                    "the server wants a proof of kind {other}, which is not known; passwords and peer are"
                ))
                .into());
            }
        }
        Ok(())
    }

    /// Runs statements; gives what each gave.
    pub(crate) fn all(&mut self, sql: &str) -> Result<Vec<Answer>, Error> {
        if sql.contains('\0') {
            return Err(Failure::new("a statement cannot hold a zero byte").into());
        }
        self.send(b'Q', &[sql.as_bytes(), &[0]].concat())?;
        let (mut answers, mut answer, mut failed) = (Vec::new(), Answer::default(), None);
        loop {
            let (kind, body) = self.receive()?;
            let mut body = Body(&body);
            match kind {
                b'T' => answer.columns = columns(&mut body).ok_or_else(broken)?,
                b'D' => answer.rows.push(row(&mut body).ok_or_else(broken)?),
                b'C' => {
                    answer.status = body.text().ok_or_else(broken)?;
                    answers.push(std::mem::take(&mut answer));
                }
                b'I' => answers.push(std::mem::take(&mut answer)),
                b'E' => failed = Some(error_of(body)),
                // It wants rows from us.
                b'G' => self.send(b'f', b"there is nothing to copy\0")?,
                b'Z' => return failed.map_or(Ok(answers), Err),
                _ => {}
            }
        }
    }

    /// Runs one statement.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Answer, Error> {
        Ok(self.all(sql)?.pop().unwrap_or_default())
    }

    /// Major and minor version.
    pub(crate) fn version_numbers(&self) -> (u32, u32) {
        let number = self.version.split(' ').next().unwrap_or_default();
        let mut parts = number.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }

    /// Runs statements as one: all of them or none takes effect.
    pub(crate) fn together(&mut self, statements: &[(String, String)]) -> Result<(), Failure> {
        self.query("BEGIN")?;
        for (sql, shown) in statements {
            self.query(sql).map_err(|error| {
                let failure = Failure::from(error);
                Failure {
                    message: format!("{shown}: {}", failure.message),
                    ..failure
                }
            })?;
        }
        self.query("COMMIT")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_in_quotes() {
        assert_eq!(name("a\"b"), "\"a\"\"b\"");
        assert_eq!(dotted("s1.t"), "\"s1\".\"t\"");
        assert_eq!(dotted("\"a.b\".t"), "\"a.b\".\"t\"");
        assert_eq!(quote("it's"), "'it''s'");
        assert_eq!(quote("a\\'b"), "E'a\\\\''b'");
    }

    #[test]
    fn passwords_as_servers_keep_them() {
        assert!(is_password("bob", "x", &md5("bob", "x")));
        assert!(!is_password("bob", "y", &md5("bob", "x")));
        assert!(is_password("bob", "md5abc", "md5abc"));
    }

    #[test]
    fn lines_of_the_file_for_passwords() {
        assert_eq!(
            password_line("h:1:*:u:a\\:b\\\\c"),
            ["h", "1", "*", "u", "a:b\\c"]
        );
    }
}
