//! SSH in process.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, MethodKind, MethodSet, Preferred};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::net::TcpStream;

use super::known_hosts::{self, KeyVerdict};
use super::{ConnectError, HostKeyPolicy, Pipe, Target};

/// Bytes kept between the connection and whoever reads a stream.
const PIPE_BUFFER: usize = 256 * 1024;

/// An open connection; channels are cheap.
pub(super) struct Session {
    handle: client::Handle<Verifier>,
}

/// Checks the host key and remembers why it was refused.
struct Verifier {
    name: String,
    target: Target,
    refused: Arc<Mutex<Option<ConnectError>>>,
}

impl client::Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            return Ok(self.target.host_keys == HostKeyPolicy::Off);
        };
        if self.target.host_keys == HostKeyPolicy::Off {
            return Ok(true);
        }
        let files = &self.target.known_hosts;
        let algorithm = key.algorithm().to_string();
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let first = files
            .first()
            .map(|file| file.display().to_string())
            .unwrap_or_default();
        let name = self.name.clone();
        let error = match known_hosts::verify(files, &self.name, key) {
            KeyVerdict::Known => return Ok(true),
            KeyVerdict::Unknown if self.target.host_keys == HostKeyPolicy::AcceptNew => {
                if let Some(file) = files.first() {
                    known_hosts::learn(file, &self.name, key)?;
                }
                return Ok(true);
            }
            KeyVerdict::Unknown => ConnectError::UnknownHostKey {
                name,
                address: self.target.address.clone(),
                port: self.target.port,
                algorithm,
                fingerprint,
                file: first,
            },
            KeyVerdict::Changed { file, line } => ConnectError::ChangedHostKey {
                name,
                algorithm,
                fingerprint,
                file: file.display().to_string(),
                line,
            },
            KeyVerdict::Revoked { file, line } => ConnectError::RevokedHostKey {
                name,
                file: file.display().to_string(),
                line,
            },
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Ok(false)
    }
}

impl Session {
    /// Connects, checks the host key and logs in.
    pub(super) async fn connect(target: &Target) -> Result<Self, ConnectError> {
        let timeout = || ConnectError::Timeout {
            address: target.address.clone(),
            port: target.port,
            seconds: target.timeout.as_secs(),
        };
        let socket = tokio::time::timeout(target.timeout, open_socket(target))
            .await
            .map_err(|_| timeout())??;
        // A server may be slow to answer under load; the handshake gets more time.
        let handshake = target.timeout.max(Duration::from_secs(10)) * 3;
        tokio::time::timeout(handshake, Self::handshake(target, socket))
            .await
            .map_err(|_| timeout())?
    }

    async fn handshake(target: &Target, socket: TcpStream) -> Result<Self, ConnectError> {
        let name = known_hosts::host_name(&target.address, target.port);
        let refused = Arc::new(Mutex::new(None));
        let verifier = Verifier {
            name: name.clone(),
            target: target.clone(),
            refused: Arc::clone(&refused),
        };
        let config = client::Config {
            nodelay: true,
            keepalive_interval: Some(Duration::from_secs(15)),
            keepalive_max: 3,
            window_size: 8 * 1024 * 1024,
            preferred: preferred(&known_hosts::algorithms(&target.known_hosts, &name)),
            ..client::Config::default()
        };
        let mut handle = client::connect_stream(Arc::new(config), socket, verifier)
            .await
            .map_err(|error| {
                let refused = refused
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take();
                refused.unwrap_or_else(|| ConnectError::Handshake {
                    address: target.address.clone(),
                    port: target.port,
                    reason: error.to_string(),
                })
            })?;
        login(&mut handle, target).await?;
        Ok(Self { handle })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Ends the connection politely.
    pub(super) async fn close(&self) {
        let done = self
            .handle
            .disconnect(russh::Disconnect::ByApplication, "", "en")
            .await;
        // The other side may be gone already.
        drop(done);
    }

    /// Starts a command line on a new channel.
    pub(super) async fn exec(&self, command: &str) -> Result<Pipe, ConnectError> {
        let lost = |error: russh::Error| ConnectError::Lost(error.to_string());
        let channel = self.handle.channel_open_session().await.map_err(lost)?;
        channel.exec(false, command).await.map_err(lost)?;
        let (mut incoming, outgoing) = channel.split();
        let (output, mut output_end) = duplex(PIPE_BUFFER);
        let (errors, mut errors_end) = duplex(PIPE_BUFFER);
        let input = outgoing.make_writer();
        tokio::spawn(async move {
            // Kept here: the channel closes when its writing half is dropped.
            let _outgoing = outgoing;
            while let Some(message) = incoming.wait().await {
                let written = match message {
                    ChannelMsg::Data { data } => output_end.write_all(&data).await,
                    ChannelMsg::ExtendedData { data, .. } => errors_end.write_all(&data).await,
                    ChannelMsg::Close => break,
                    _ => Ok(()),
                };
                // Nobody reads this stream any more; the other may be wanted.
                drop(written);
            }
        });
        Ok(Pipe {
            input: Box::new(Box::pin(input)),
            output: Box::new(output),
            errors: Box::new(errors),
        })
    }
}

async fn open_socket(target: &Target) -> Result<TcpStream, ConnectError> {
    let addresses: Vec<_> = tokio::net::lookup_host((target.address.as_str(), target.port))
        .await
        .map_err(|error| ConnectError::Resolve(target.address.clone(), error.to_string()))?
        .collect();
    let socket = TcpStream::connect(&addresses[..]).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                "Nothing listens there: is sshd running, and is ansible_port right?"
            }
            std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable => {
                "Is the host up, and the address right?"
            }
            _ => "Check the address and the network",
        };
        ConnectError::Network {
            address: target.address.clone(),
            port: target.port,
            reason: error.to_string(),
            hint,
        }
    })?;
    socket
        .set_nodelay(true)
        .map_err(|error| ConnectError::Lost(error.to_string()))?;
    Ok(socket)
}

/// The default preferences, with the kinds of key on file first.
fn preferred(on_file: &[Algorithm]) -> Preferred {
    let mut keys: Vec<Algorithm> = Vec::new();
    for algorithm in on_file {
        match algorithm {
            Algorithm::Rsa { .. } => keys.extend(
                [Some(HashAlg::Sha512), Some(HashAlg::Sha256)].map(|hash| Algorithm::Rsa { hash }),
            ),
            other => keys.push(other.clone()),
        }
    }
    for algorithm in Preferred::DEFAULT.key.iter() {
        if !keys.contains(algorithm) {
            keys.push(algorithm.clone());
        }
    }
    // AES-GCM is the quickest cipher where both ends have it.
    let mut ciphers = vec![russh::cipher::AES_256_GCM];
    ciphers.extend(
        Preferred::DEFAULT
            .cipher
            .iter()
            .filter(|name| **name != russh::cipher::AES_256_GCM),
    );
    Preferred {
        key: Cow::Owned(keys),
        cipher: Cow::Owned(ciphers),
        ..Preferred::DEFAULT
    }
}

/// What was tried, for the message when nothing helped.
struct Login<'a> {
    handle: &'a mut client::Handle<Verifier>,
    target: &'a Target,
    tried: Vec<String>,
    accepted: MethodSet,
}

enum Attempt {
    In,
    Next,
}

async fn login(handle: &mut client::Handle<Verifier>, target: &Target) -> Result<(), ConnectError> {
    let mut login = Login {
        handle,
        target,
        tried: Vec::new(),
        accepted: MethodSet::empty(),
    };
    let first = login.handle.authenticate_none(target.user.as_str()).await;
    if let Attempt::In = login.judge(first, None)? {
        return Ok(());
    }
    if login.accepted.contains(&MethodKind::PublicKey) {
        if let Attempt::In = login.with_agent().await? {
            return Ok(());
        }
        for path in &target.keys {
            if let Attempt::In = login.with_key(path).await? {
                return Ok(());
            }
        }
    }
    if let Some(password) = &target.password {
        if login.accepted.contains(&MethodKind::Password) {
            let result = login
                .handle
                .authenticate_password(target.user.as_str(), password.reveal())
                .await;
            if let Attempt::In = login.judge(result, Some("password".to_owned()))? {
                return Ok(());
            }
        }
        if login.accepted.contains(&MethodKind::KeyboardInteractive)
            && let Attempt::In = login.with_prompts(password.reveal()).await?
        {
            return Ok(());
        }
    }
    Err(login.refused())
}

impl Login<'_> {
    fn judge(
        &mut self,
        result: Result<AuthResult, russh::Error>,
        what: Option<String>,
    ) -> Result<Attempt, ConnectError> {
        self.tried.extend(what);
        match result {
            Ok(AuthResult::Success) => Ok(Attempt::In),
            Ok(AuthResult::Failure {
                remaining_methods, ..
            }) => {
                if !remaining_methods.is_empty() {
                    self.accepted = remaining_methods;
                }
                Ok(Attempt::Next)
            }
            Err(error) => Err(ConnectError::Handshake {
                address: self.target.address.clone(),
                port: self.target.port,
                reason: format!("{error} while logging in as {}", self.target.user),
            }),
        }
    }

    fn refused(&self) -> ConnectError {
        let accepted: Vec<&str> = self.accepted.iter().map(<&str>::from).collect();
        let none = |text: String| {
            if text.is_empty() {
                "nothing".to_owned()
            } else {
                text
            }
        };
        ConnectError::Refused {
            user: self.target.user.clone(),
            address: self.target.address.clone(),
            tried: none(self.tried.join(", ")),
            accepted: none(accepted.join(", ")),
        }
    }

    async fn rsa_hash(&self) -> Option<HashAlg> {
        self.handle
            .best_supported_rsa_hash()
            .await
            .ok()
            .flatten()
            .flatten()
    }

    async fn with_key(&mut self, path: &Path) -> Result<Attempt, ConnectError> {
        if self.target.default_keys && !path.exists() {
            return Ok(Attempt::Next);
        }
        let key = match russh::keys::load_secret_key(path, None) {
            Ok(key) => key,
            Err(_) if self.target.default_keys => {
                self.tried.push(format!(
                    "{} (cannot be read, or needs a passphrase: use ssh-agent)",
                    path.display()
                ));
                return Ok(Attempt::Next);
            }
            Err(russh::keys::Error::KeyIsEncrypted) => {
                return Err(ConnectError::Key {
                    path: path.to_owned(),
                    reason: "it has a passphrase; add it to ssh-agent: ssh-add".to_owned(),
                });
            }
            Err(error) => {
                return Err(ConnectError::Key {
                    path: path.to_owned(),
                    reason: error.to_string(),
                });
            }
        };
        let hash = if key.algorithm().is_rsa() {
            self.rsa_hash().await
        } else {
            None
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let result = self
            .handle
            .authenticate_publickey(self.target.user.as_str(), key)
            .await;
        self.judge(result, Some(path.display().to_string()))
    }

    async fn with_agent(&mut self) -> Result<Attempt, ConnectError> {
        let Some(socket) = &self.target.agent_socket else {
            return Ok(Attempt::Next);
        };
        let Ok(mut agent) = AgentClient::connect_uds(socket).await else {
            self.tried.push("ssh-agent (does not answer)".to_owned());
            return Ok(Attempt::Next);
        };
        for identity in agent.request_identities().await.unwrap_or_default() {
            let AgentIdentity::PublicKey { key, comment } = identity else {
                continue;
            };
            let hash = if key.algorithm().is_rsa() {
                self.rsa_hash().await
            } else {
                None
            };
            let result = self
                .handle
                .authenticate_publickey_with(self.target.user.as_str(), key, hash, &mut agent)
                .await;
            let name = format!("ssh-agent key '{comment}'");
            match result {
                Ok(result) => {
                    if let Attempt::In = self.judge(Ok(result), Some(name))? {
                        return Ok(Attempt::In);
                    }
                }
                Err(error) => self.tried.push(format!("{name} ({error})")),
            }
        }
        Ok(Attempt::Next)
    }

    async fn with_prompts(&mut self, password: &str) -> Result<Attempt, ConnectError> {
        let user = self.target.user.as_str();
        let mut reply = self
            .handle
            .authenticate_keyboard_interactive_start(user, None::<String>)
            .await;
        self.tried.push("keyboard-interactive".to_owned());
        // A server may ask again and again; three rounds are enough.
        for _ in 0..3 {
            match reply {
                Ok(KeyboardInteractiveAuthResponse::Success) => return Ok(Attempt::In),
                Ok(KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. }) => {
                    let answers = prompts.iter().map(|_| password.to_owned()).collect();
                    reply = self
                        .handle
                        .authenticate_keyboard_interactive_respond(answers)
                        .await;
                }
                _ => break,
            }
        }
        Ok(
            if matches!(reply, Ok(KeyboardInteractiveAuthResponse::Success)) {
                Attempt::In
            } else {
                Attempt::Next
            },
        )
    }
}
