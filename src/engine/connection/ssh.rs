//! SSH in process.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use russh::client;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Preferred};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::known_hosts::{self, KeyVerdict};
use super::login::{Person, login};
use super::road::{self, Stream};
use super::{ConnectError, HostKeyPolicy, Pipe, Road, Target};

/// Bytes kept between the connection and whoever reads a stream.
const PIPE_BUFFER: usize = 256 * 1024;

/// Handshakes that begin at once: sshd lets ten strangers in at a time
/// (`MaxStartups`), and each costs the controller a key exchange.
const STRANGERS: usize = 10;
/// A handshake that takes longer makes room for others at the same server.
const STRANGER_TIME: Duration = Duration::from_secs(2);
/// And sooner for those at other servers.
const CROWD_TIME: Duration = Duration::from_millis(250);
/// How much longer a login may take when a person was asked; sshd itself waits
/// two minutes (`LoginGraceTime`).
const TYPING: Duration = Duration::from_secs(120);
/// How often a server that hung up on a stranger is tried again.
const ATTEMPTS: u32 = 6;

static CROWD: Semaphore = Semaphore::const_new(STRANGERS);

/// Who waits to be let in, by server.
static DOORS: Mutex<BTreeMap<(String, u16), Weak<Semaphore>>> = Mutex::new(BTreeMap::new());

/// The door of a server; it is forgotten when nobody waits there.
fn door(target: &Target) -> Arc<Semaphore> {
    let mut doors = DOORS.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (target.address.clone(), target.port);
    if let Some(door) = doors.get(&key).and_then(Weak::upgrade) {
        return door;
    }
    doors.retain(|_, door| door.strong_count() > 0);
    let door = Arc::new(Semaphore::new(STRANGERS));
    doors.insert(key, Arc::downgrade(&door));
    door
}

/// An open connection; channels are cheap.
pub(super) struct Session {
    handle: client::Handle<Verifier>,
    /// Programs of the host may ask the controller's ssh-agent.
    forwards: bool,
    /// The connection that this one goes over.
    _via: Option<Arc<Self>>,
}

/// Checks the host key and remembers why it was refused.
pub(super) struct Verifier {
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
        if self.target.host_keys == HostKeyPolicy::Off {
            return Ok(true);
        }
        let key = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => key,
            PublicKeyOrCertificate::Certificate(certificate) => {
                return Ok(self.certified(certificate));
            }
        };
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

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<client::Msg>,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        // Dropped, the handle says no: nobody allowed the host to ask.
        if let Some(socket) = self.target.forward_agent.clone() {
            reply.accept().await;
            tokio::spawn(ask_agent(channel, socket));
        }
        Ok(())
    }
}

/// Brings what a program of the host asks an ssh-agent to the agent itself.
async fn ask_agent(channel: Channel<client::Msg>, socket: PathBuf) {
    // Without an agent, or when it goes away, the channel ends.
    if let Ok(mut agent) = UnixStream::connect(socket).await {
        let mut asked = channel.into_stream();
        drop(tokio::io::copy_bidirectional(&mut asked, &mut agent).await);
    }
}

impl Verifier {
    /// Whether an authority on file vouches for the host, today and under
    /// this name.
    fn certified(&self, certificate: &Certificate) -> bool {
        let refuse = |reason: String| {
            let error = ConnectError::Handshake {
                address: self.target.address.clone(),
                port: self.target.port,
                reason,
            };
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            false
        };
        let bare = self.target.host_key_alias.as_ref();
        let bare = bare.unwrap_or(&self.target.address);
        let names = certificate.valid_principals();
        if !names.is_empty() && !names.iter().any(|name| known_hosts::wildcard(name, bare)) {
            return refuse(format!(
                "its certificate is for {}, not for {bare}",
                names.join(", ")
            ));
        }
        if !certificate.cert_type().is_host() {
            return refuse("it shows a certificate that is none for hosts".to_owned());
        }
        let authorities = known_hosts::authorities(&self.target.known_hosts, &self.name);
        let prints: Vec<_> = authorities
            .iter()
            .map(|key| key.fingerprint(HashAlg::Sha256))
            .collect();
        match certificate.validate(&prints) {
            Ok(()) => true,
            Err(error) => refuse(format!(
                "its certificate '{}' is not accepted by any @cert-authority on file: {error}",
                certificate.key_id()
            )),
        }
    }
}

impl Session {
    /// Connects, checks the host key and logs in; over another connection
    /// where the road says so.
    pub(super) async fn connect(
        target: &Target,
        via: Option<Arc<Self>>,
        person: &Person,
    ) -> Result<Self, ConnectError> {
        let mut wait = Duration::from_millis(100);
        for _ in 1..ATTEMPTS {
            match Self::attempt(target, via.clone(), person).await {
                Err(ConnectError::HungUp { .. }) => {
                    tokio::time::sleep(wait + jitter(wait)).await;
                    wait *= 2;
                }
                other => return other,
            }
        }
        Self::attempt(target, via, person).await
    }

    async fn attempt(
        target: &Target,
        via: Option<Arc<Self>>,
        person: &Person,
    ) -> Result<Self, ConnectError> {
        let timeout = || ConnectError::Timeout {
            address: target.address.clone(),
            port: target.port,
            seconds: target.timeout.as_secs(),
        };
        let opening = async {
            match (&target.road, &via) {
                (_, Some(via)) => via.forward(target).await,
                (Road::Command(line), None) => road::command(line),
                (_, None) => road::direct(target).await,
            }
        };
        let stream = tokio::time::timeout(target.timeout, opening)
            .await
            .map_err(|_| timeout())??;
        // A server may be slow to answer under load; the handshake gets more time.
        let limit = target.timeout.max(Duration::from_secs(10)) * 3;
        let asked = AtomicBool::new(false);
        let handshake = Self::handshake(target, stream, via, person, &asked);
        tokio::pin!(handshake);
        let limited = async {
            let door = door(target);
            let place = door.acquire().await;
            let room = CROWD.acquire().await;
            if let Ok(done) = tokio::time::timeout(CROWD_TIME, &mut handshake).await {
                return done;
            }
            // A host that hangs keeps no other from being let in.
            drop(room);
            if let Ok(done) = tokio::time::timeout(STRANGER_TIME, &mut handshake).await {
                return done;
            }
            drop(place);
            handshake.await
        };
        tokio::pin!(limited);
        if let Ok(done) = tokio::time::timeout(limit, &mut limited).await {
            return done;
        }
        // Somebody may be looking for their token.
        if !asked.load(Ordering::Relaxed) {
            return Err(timeout());
        }
        tokio::time::timeout(TYPING, limited)
            .await
            .map_err(|_| timeout())?
    }

    /// A stream to another host, from where this connection ends.
    async fn forward(&self, target: &Target) -> Result<Box<dyn Stream>, ConnectError> {
        let channel = self
            .handle
            .channel_open_direct_tcpip(
                target.address.clone(),
                u32::from(target.port),
                "127.0.0.1",
                0,
            )
            .await
            .map_err(|error| ConnectError::Network {
                address: target.address.clone(),
                port: target.port,
                reason: format!("the jump host cannot reach it: {error}"),
                hint: "Is the address right as seen from there, and AllowTcpForwarding on?",
            })?;
        Ok(Box::new(channel.into_stream()))
    }

    async fn handshake(
        target: &Target,
        stream: Box<dyn Stream>,
        via: Option<Arc<Self>>,
        person: &Person,
        asked: &AtomicBool,
    ) -> Result<Self, ConnectError> {
        let name = match &target.host_key_alias {
            Some(alias) => alias.clone(),
            None => known_hosts::host_name(&target.address, target.port),
        };
        let refused = Arc::new(Mutex::new(None));
        let verifier = Verifier {
            name: name.clone(),
            target: target.clone(),
            refused: Arc::clone(&refused),
        };
        let certified = !known_hosts::authorities(&target.known_hosts, &name).is_empty();
        let config = client::Config {
            nodelay: true,
            keepalive_interval: Some(Duration::from_secs(15)),
            keepalive_max: 3,
            window_size: 8 * 1024 * 1024,
            preferred: preferred(
                &known_hosts::algorithms(&target.known_hosts, &name),
                certified,
            ),
            ..client::Config::default()
        };
        let mut handle = client::connect_stream(Arc::new(config), stream, verifier)
            .await
            .map_err(|error| {
                let refused = refused
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take();
                refused.unwrap_or_else(|| strange(target, &error))
            })?;
        login(&mut handle, target, person, asked).await?;
        Ok(Self {
            handle,
            forwards: target.forward_agent.is_some(),
            _via: via,
        })
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

    /// Starts a command line on a new channel, with a terminal if need be.
    pub(super) async fn exec(&self, command: &str, terminal: bool) -> Result<Pipe, ConnectError> {
        let lost = |error: russh::Error| ConnectError::Lost(error.to_string());
        let channel = self.handle.channel_open_session().await.map_err(lost)?;
        if self.forwards {
            channel.agent_forward(false).await.map_err(lost)?;
        }
        if terminal {
            let asked = channel.request_pty(false, "dumb", 80, 24, 0, 0, &[]);
            asked.await.map_err(lost)?;
        }
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

/// The default preferences, with the kinds of key on file first.
fn preferred(on_file: &[Algorithm], certified: bool) -> Preferred {
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
    // Asked for only where an authority is on file: a host that has a
    // certificate would show that instead of its key.
    let certificates = if certified { keys.clone() } else { Vec::new() };
    Preferred {
        host_key_certificates: Cow::Owned(certificates),
        key: Cow::Owned(keys),
        cipher: Cow::Owned(ciphers),
        ..Preferred::DEFAULT
    }
}

/// Why a handshake failed. A server that hangs up before it has said anything
/// of weight may have too many strangers at its door.
fn strange(target: &Target, error: &russh::Error) -> ConnectError {
    let (address, port) = (target.address.clone(), target.port);
    let reason = error.to_string();
    let hung_up = match error {
        russh::Error::Disconnect | russh::Error::HUP | russh::Error::RecvError => true,
        russh::Error::IO(error) => matches!(
            error.kind(),
            std::io::ErrorKind::UnexpectedEof
                | std::io::ErrorKind::ConnectionReset
                | std::io::ErrorKind::BrokenPipe
        ),
        _ => false,
    };
    if hung_up {
        ConnectError::HungUp {
            address,
            port,
            reason,
        }
    } else {
        ConnectError::Handshake {
            address,
            port,
            reason,
        }
    }
}

/// Up to as long again, so that hosts do not come back all at once.
fn jitter(wait: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let part = RandomState::new().hash_one(wait) % 1000;
    wait * u32::try_from(part).unwrap_or(0) / 1000
}
