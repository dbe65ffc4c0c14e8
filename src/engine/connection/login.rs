//! Logging in: keys of ssh-agent, keys of files, certificates, passwords,
//! prompts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};

use super::ssh::Verifier;
use super::{ConnectError, Target};
use crate::event::{self, Answer, Question, Sink};

/// Rounds of questions that a server may ask.
const ROUNDS: usize = 6;

/// Whoever sits at the terminal, for what only a person knows: one question
/// at a time.
pub(super) struct Person {
    events: Arc<dyn Sink>,
    asking: tokio::sync::Mutex<()>,
}

impl Person {
    pub(super) fn new(events: Arc<dyn Sink>) -> Self {
        Self {
            events,
            asking: tokio::sync::Mutex::new(()),
        }
    }

    /// The answer to a question of a server; `None` where nobody gives one.
    async fn ask(&self, target: &Target, prompt: &str, echo: bool) -> Option<String> {
        let _alone = self.asking.lock().await;
        let question = Question {
            text: format!("({}@{}) {}", target.user, target.address, harmless(prompt)),
            secret: !echo,
            ..Question::default()
        };
        match event::ask(&self.events, question).await {
            Answer::Text(text) => Some(text.reveal().to_owned()),
            Answer::Aborted | Answer::NobodyThere => None,
        }
    }
}

/// What a server says, without what would steer the terminal.
fn harmless(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .take(1024)
        .collect()
}

/// What was tried, for the message when nothing helped.
struct Login<'a> {
    handle: &'a mut client::Handle<Verifier>,
    target: &'a Target,
    person: &'a Person,
    /// Set when a person is asked.
    asked: &'a AtomicBool,
    /// A key was right, and is not enough.
    halfway: bool,
    tried: Vec<String>,
    accepted: MethodSet,
}

enum Attempt {
    In,
    Next,
}

pub(super) async fn login(
    handle: &mut client::Handle<Verifier>,
    target: &Target,
    person: &Person,
    asked: &AtomicBool,
) -> Result<(), ConnectError> {
    let mut login = Login {
        handle,
        target,
        person,
        asked,
        halfway: false,
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
    if let Some(password) = &target.password
        && login.accepted.contains(&MethodKind::Password)
    {
        let result = login
            .handle
            .authenticate_password(target.user.as_str(), password.reveal())
            .await;
        if let Attempt::In = login.judge(result, Some("password".to_owned()))? {
            return Ok(());
        }
    }
    // As with ssh's `BatchMode`, nobody is asked where a key should have done.
    let prompts = login.target.password.is_some() || login.halfway;
    if prompts
        && login.accepted.contains(&MethodKind::KeyboardInteractive)
        && let Attempt::In = login.with_prompts().await?
    {
        return Ok(());
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
                remaining_methods,
                partial_success,
            }) => {
                self.halfway |= partial_success;
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
        let passphrase = self.target.passphrase.as_ref();
        let passphrase = passphrase.map(crate::secret::Secret::reveal);
        let key = match russh::keys::load_secret_key(path, passphrase) {
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
                    reason: "it has a passphrase; add it to ssh-agent (ssh-add), or set ansible_ssh_private_key_passphrase".to_owned(),
                });
            }
            Err(error) => {
                return Err(ConnectError::Key {
                    path: path.to_owned(),
                    reason: error.to_string(),
                });
            }
        };
        let key = Arc::new(key);
        if let Attempt::In = self.with_certificates(path, &key).await? {
            return Ok(Attempt::In);
        }
        let hash = if key.algorithm().is_rsa() {
            self.rsa_hash().await
        } else {
            None
        };
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let result = self
            .handle
            .authenticate_publickey(self.target.user.as_str(), key)
            .await;
        self.judge(result, Some(path.display().to_string()))
    }

    /// Certificates of a key: the one beside it, and those that are named.
    async fn with_certificates(
        &mut self,
        path: &Path,
        key: &Arc<PrivateKey>,
    ) -> Result<Attempt, ConnectError> {
        let mut beside = path.as_os_str().to_owned();
        beside.push("-cert.pub");
        let mut files = vec![PathBuf::from(beside)];
        files.extend(self.target.certificates.iter().cloned());
        for file in files {
            let Ok(certificate) = russh::keys::load_openssh_certificate(&file) else {
                continue;
            };
            if certificate.public_key() != key.public_key().key_data() {
                continue;
            }
            let result = self
                .handle
                .authenticate_openssh_cert(self.target.user.as_str(), Arc::clone(key), certificate)
                .await;
            if let Attempt::In = self.judge(result, Some(file.display().to_string()))? {
                return Ok(Attempt::In);
            }
        }
        Ok(Attempt::Next)
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

    /// Answers a server's questions: the password where one is known, a person
    /// for everything else.
    async fn with_prompts(&mut self) -> Result<Attempt, ConnectError> {
        let user = self.target.user.as_str();
        let mut password = self.target.password.as_ref();
        let mut reply = self
            .handle
            .authenticate_keyboard_interactive_start(user, None::<String>)
            .await;
        self.tried.push("keyboard-interactive".to_owned());
        // A server may ask again and again.
        for _ in 0..ROUNDS {
            let Ok(KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. }) = reply else {
                break;
            };
            let mut answers = Vec::new();
            for prompt in &prompts {
                let known = password.take_if(|_| !prompt.echo);
                answers.push(match known {
                    Some(password) => password.reveal().to_owned(),
                    None => {
                        self.asked.store(true, Ordering::Relaxed);
                        let answer = self.person.ask(self.target, &prompt.prompt, prompt.echo);
                        let Some(answer) = answer.await else {
                            return Err(self.unanswered(&prompt.prompt));
                        };
                        answer
                    }
                });
            }
            reply = self
                .handle
                .authenticate_keyboard_interactive_respond(answers)
                .await;
        }
        Ok(match reply {
            Ok(KeyboardInteractiveAuthResponse::Success) => Attempt::In,
            _ => Attempt::Next,
        })
    }

    fn unanswered(&self, prompt: &str) -> ConnectError {
        ConnectError::Handshake {
            address: self.target.address.clone(),
            port: self.target.port,
            reason: format!(
                "it asks {} '{}', and nobody is there to answer; run ocplay at a terminal, or let \
                 this account in with a key alone",
                self.target.user,
                harmless(prompt).trim()
            ),
        }
    }
}
