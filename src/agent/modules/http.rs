//! HTTP for the modules that speak it: names by the host's own resolver, the
//! host's certificates, redirects and authentication as playbooks expect them.

use std::fmt;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::config::Config;
use ureq::http::{Request, Uri};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, Either, LazyBuffers, NextTimeout,
    Transport,
};

use crate::host::{Explain, Failure, Look, net};

/// Where hosts keep the certificates of authorities that they trust.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
];

/// A request with everything that playbooks can say about one.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    /// A file of this host as the body.
    pub(super) file: Option<PathBuf>,
    pub(super) timeout: Duration,
    pub(super) follow: bool,
    pub(super) validate: bool,
    pub(super) authorities: Option<PathBuf>,
    pub(super) client_certificate: Option<PathBuf>,
    pub(super) client_key: Option<PathBuf>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// Send the password at once, not only when asked.
    pub(super) force_auth: bool,
    pub(super) use_proxy: bool,
    pub(super) socket: Option<PathBuf>,
    pub(super) agent: String,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            url: String::new(),
            headers: Vec::new(),
            body: None,
            file: None,
            timeout: Duration::from_secs(10),
            follow: true,
            validate: true,
            authorities: None,
            client_certificate: None,
            client_key: None,
            user: None,
            password: None,
            force_auth: false,
            use_proxy: true,
            socket: None,
            agent: "ansible-httpget".to_owned(),
        }
    }
}

/// The answer's head, with its body still to be read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    /// Lower-case names, in order.
    pub(super) headers: Vec<(String, String)>,
    /// Where redirects led.
    pub(super) url: String,
    pub(super) body: Box<dyn Read>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Call {
    /// Sends the request. A status of any kind is an answer; a failure means
    /// that there was none.
    pub(super) fn send(&self, look: &Look) -> Result<Answer, Failure> {
        if let Some(path) = self.url.strip_prefix("file://") {
            return local_file(path);
        }
        let (url, user, password) = (&self.url, self.user.clone(), self.password.clone());
        let agent = self.agent(look)?;
        let basic = user.map(|user| {
            let pair = format!("{user}:{}", password.unwrap_or_default());
            format!("Basic {}", STANDARD.encode(pair))
        });
        let first = self.force_auth.then_some(basic.as_deref()).flatten();
        let answer = self.once(&agent, url, first)?;
        if answer.status == 401
            && first.is_none()
            && let Some(basic) = basic.as_deref()
        {
            return self.once(&agent, url, Some(basic));
        }
        Ok(answer)
    }

    /// Moves a user and password out of the URL, so that no result and no
    /// message shows them.
    #[must_use]
    pub(super) fn discreet(mut self) -> Self {
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return self;
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let Some((user, host)) = rest[..end].rsplit_once('@') else {
            return self;
        };
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        self.user.get_or_insert_with(|| user.to_owned());
        self.password.get_or_insert_with(|| password.to_owned());
        self.url = format!("{scheme}://{host}{}", &rest[end..]);
        self
    }

    fn once(
        &self,
        agent: &ureq::Agent,
        url: &str,
        authorization: Option<&str>,
    ) -> Result<Answer, Failure> {
        let method = self.method.to_uppercase();
        let mut request = Request::builder().method(method.as_str()).uri(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let wrong = |error: &dyn fmt::Display| {
            Failure::new(format!("the request to {url} cannot be made: {error}"))
        };
        let response = match &self.body {
            _ if self.file.is_some() => {
                let path = self.file.clone().unwrap_or_default();
                let what = || format!("read {}", path.display());
                let file = std::fs::File::open(&path).explain(what())?;
                let size = file.metadata().explain(what())?.len();
                let request = request
                    .header("content-length", size.to_string())
                    .body(ureq::SendBody::from_owned_reader(file))
                    .map_err(|error| wrong(&error))?;
                agent.run(request)
            }
            Some(body) => {
                let request = request.body(&body[..]).map_err(|error| wrong(&error))?;
                agent.run(request)
            }
            None => {
                let request = request.body(()).map_err(|error| wrong(&error))?;
                agent.run(request)
            }
        };
        let response = response.map_err(|error| self.explain(url, &error))?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_ascii_lowercase(), value)
            })
            .collect();
        use ureq::ResponseExt;
        Ok(Answer {
            status: response.status().as_u16(),
            reason: response.status().canonical_reason().unwrap_or(""),
            headers,
            url: response.get_uri().to_string(),
            body: Box::new(response.into_body().into_reader()),
        })
    }

    fn agent(&self, look: &Look) -> Result<ureq::Agent, Failure> {
        let mut tls = TlsConfig::builder()
            .disable_verification(!self.validate)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        if self.url.starts_with("https") {
            let certificates = if self.validate {
                self.authorities(look)?
            } else {
                Vec::new()
            };
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
            tls = tls.client_cert(self.client_certificate(look)?);
        }
        let config = Config::builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_connect(Some(self.timeout))
            .timeout_recv_response(Some(self.timeout))
            .timeout_resolve(Some(self.timeout))
            .timeout_per_read(Some(self.timeout))
            .max_redirects(if self.follow { 10 } else { 0 })
            .max_redirects_will_error(false)
            .user_agent(self.agent.as_str())
            .proxy(self.proxy(look)?)
            .tls_config(tls.build())
            .build();
        let resolver = HostResolver(look.clone());
        Ok(match &self.socket {
            Some(socket) => {
                ureq::Agent::with_parts(config, SocketConnector(socket.clone()), resolver)
            }
            None => ureq::Agent::with_parts(config, DefaultConnector::new(), resolver),
        })
    }

    /// The certificates to trust.
    fn authorities(&self, look: &Look) -> Result<Vec<Certificate<'static>>, Failure> {
        let path = match &self.authorities {
            Some(path) => Some(path.clone()),
            None => look
                .variable("SSL_CERT_FILE")
                .map(PathBuf::from)
                .into_iter()
                .chain(BUNDLES.map(PathBuf::from))
                .find(|path| path.is_file()),
        };
        let Some(path) = path else {
            return Err(
                "this host has no list of certificate authorities; install the package \
                 ca-certificates, give a file in ca_path, or set validate_certs: false"
                    .into(),
            );
        };
        let pem = std::fs::read(&path).explain(format_args!("read {}", path.display()))?;
        Ok(certificates(&pem))
    }

    fn client_certificate(&self, look: &Look) -> Result<Option<ClientCert>, Failure> {
        let Some(path) = &self.client_certificate else {
            return Ok(None);
        };
        let read = |path: &Path| {
            look.read(path)?
                .ok_or_else(|| Failure::new(format!("{} does not exist", path.display())))
        };
        let chain = certificates(&read(path)?);
        let key_path = self.client_key.as_ref().unwrap_or(path);
        let key = PrivateKey::from_pem(&read(key_path)?).map_err(|error| {
            Failure::new(format!(
                "{} holds no private key that can be used: {error}",
                key_path.display()
            ))
        })?;
        Ok(Some(ClientCert::new_with_certs(&chain, key)))
    }

    fn proxy(&self, look: &Look) -> Result<Option<ureq::Proxy>, Failure> {
        if !self.use_proxy || self.socket.is_some() {
            return Ok(None);
        }
        let variable = |name: &str| {
            look.variable(name)
                .or_else(|| look.variable(&name.to_uppercase()))
                .filter(|value| !value.is_empty())
        };
        let scheme = if self.url.starts_with("https") {
            "https_proxy"
        } else {
            "http_proxy"
        };
        let Some(proxy) = variable(scheme) else {
            return Ok(None);
        };
        let host = host_of(&self.url);
        let exempt = variable("no_proxy").unwrap_or_default();
        if exempt.split(',').any(|entry| spared(entry.trim(), host)) {
            return Ok(None);
        }
        ureq::Proxy::new(&proxy)
            .map(Some)
            .map_err(|error| Failure::new(format!("{scheme}={proxy} cannot be used: {error}")))
    }

    fn explain(&self, url: &str, error: &ureq::Error) -> Failure {
        let text = match error {
            ureq::Error::Io(error) => crate::host::failure::reason(error),
            ureq::Error::HostNotFound => format!(
                "the name {} has no address; check the name servers of the host",
                host_of(url)
            ),
            ureq::Error::Timeout(_) => format!(
                "no answer within {} seconds (timeout)",
                self.timeout.as_secs()
            ),
            other => {
                let text = other.to_string();
                certificate_trouble(&text).map_or(text, str::to_owned)
            }
        };
        Failure::new(format!(
            "{} {url} failed: {text}",
            self.method.to_uppercase()
        ))
    }
}

/// A small file such as a key; only an answer of 200 is one.
pub(super) fn small_file(look: &Look, url: &str, validate: bool) -> Result<Vec<u8>, Failure> {
    const MOST: u64 = 16 << 20;
    let call = Call {
        url: url.to_owned(),
        validate,
        timeout: Duration::from_secs(30),
        ..Call::default()
    }
    .discreet();
    let answer = call.send(look)?;
    if answer.status != 200 {
        return Err(Failure::new(format!(
            "Failed to download {}: it answered {} {}",
            call.url, answer.status, answer.reason
        ))
        .with("status_code", answer.status));
    }
    let mut data = Vec::new();
    answer
        .body
        .take(MOST + 1)
        .read_to_end(&mut data)
        .explain(format_args!("read {}", call.url))?;
    if data.len() as u64 > MOST {
        return Err(Failure::new(format!("{} is larger than 16 MiB", call.url)));
    }
    Ok(data)
}

/// What is wrong with a certificate, in words that help.
fn certificate_trouble(text: &str) -> Option<&'static str> {
    let known = [
        (
            "UnknownIssuer",
            "the server's certificate is signed by an authority that this host does not trust; \
             give the authority's certificate in ca_path, or set validate_certs: false if you \
             trust the network",
        ),
        (
            "CaUsedAsEndEntity",
            "the server shows an authority's certificate (made by openssl req -x509) as its own; \
             have it sign a server certificate, or set validate_certs: false if you trust the \
             network",
        ),
        (
            "NotValidForName",
            "the server's certificate is for another name than that in the URL; use the right \
             name, or set validate_certs: false if you trust the network",
        ),
        (
            "Expired",
            "the server's certificate has expired (or this host's clock is wrong)",
        ),
        (
            "NotValidYet",
            "the server's certificate is not valid yet (or this host's clock is wrong)",
        ),
    ];
    known
        .iter()
        .find(|(word, _)| text.contains(word))
        .map(|(_, trouble)| *trouble)
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    ureq::tls::parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect()
}

fn local_file(path: &str) -> Result<Answer, Failure> {
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let file = std::fs::File::open(path).explain(format_args!("read {path}"))?;
    let size = file.metadata().map(|found| found.len()).unwrap_or_default();
    Ok(Answer {
        status: 200,
        reason: "OK",
        headers: vec![("content-length".to_owned(), size.to_string())],
        url: format!("file://{path}"),
        body: Box::new(file),
    })
}

/// The host of a URL, without port and user.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    if let Some(inner) = host.strip_prefix('[') {
        return inner.split(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

/// Whether an entry of no_proxy names the host.
fn spared(entry: &str, host: &str) -> bool {
    let entry = entry.split(':').next().unwrap_or_default();
    if entry == "*" {
        return true;
    }
    let suffix = entry.trim_start_matches('*').trim_start_matches('.');
    !suffix.is_empty() && (host == suffix || host.ends_with(&format!(".{suffix}")))
}

/// The last part of a URL's path, as a file name.
pub(super) fn file_name(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let (_, name) = path.rsplit_once('/')?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Text with everything but letters, digits and `-._~` in percent form.
pub(super) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Resolves names without the C library.
struct HostResolver(Look);

impl fmt::Debug for HostResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostResolver")
    }
}

impl Resolver for HostResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default();
        let default = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(default);
        let mut found = self.empty();
        let addresses = net::resolve(&self.0, host).map_err(|_| ureq::Error::HostNotFound)?;
        for address in addresses.into_iter().take(16) {
            found.push(SocketAddr::new(address, port));
        }
        Ok(found)
    }
}

/// Connects every request to one local socket.
#[derive(Debug)]
struct SocketConnector(PathBuf);

impl Connector<()> for SocketConnector {
    type Out = Either<(), SocketTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let stream = UnixStream::connect(&self.0)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(SocketTransport { stream, buffers })))
    }
}

struct SocketTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl fmt::Debug for SocketTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocketTransport")
    }
}

impl Transport for SocketTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let output = &self.buffers.output()[..amount];
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let limit = timeout
            .not_zero()
            .map(|limit| Duration::from_secs_f64(limit.as_secs_f64()));
        self.stream.set_read_timeout(limit)?;
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input).map_err(|error| {
            if error.kind() == std::io::ErrorKind::WouldBlock {
                ureq::Error::Timeout(timeout.reason)
            } else {
                ureq::Error::Io(error)
            }
        })?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_urls() {
        assert_eq!(host_of("http://u:p@h.example:80/x"), "h.example");
        assert_eq!(host_of("https://[::1]:5/x"), "::1");
        assert_eq!(file_name("http://h/a/b.tar?x=/y").as_deref(), Some("b.tar"));
        assert_eq!(file_name("http://h"), None);
        assert_eq!(percent("a b&ü"), "a+b%26%C3%BC");
        assert!(spared(".lab", "h.lab"));
        assert!(spared("*", "x"));
        assert!(!spared("lab", "notlab"));
        let call = Call {
            url: "http://u:p@h/x".to_owned(),
            ..Call::default()
        }
        .discreet();
        assert_eq!(call.url, "http://h/x");
        assert_eq!(
            (call.user.as_deref(), call.password.as_deref()),
            (Some("u"), Some("p"))
        );
    }
}
