//! One connection per host, one agent per user on it, for a whole run.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::bootstrap::NotStarted;
use super::login::Person;
use super::{
    AgentBinary, Become, ConnectError, Kind, Link, Pipe, Road, Target, bootstrap, local, ssh,
};
use crate::event::Sink;

/// How many times as long as for the connection is waited for a shell.
const START_PATIENCE: u32 = 3;

/// Connections of a run.
pub struct Pool {
    agent: AgentBinary,
    person: Person,
    hosts: Mutex<HashMap<Arc<str>, Arc<Host>>>,
    /// Connections that others go over, by user, address and port.
    jumps: Mutex<HashMap<(String, String, u16), Jump>>,
}

/// A connection that others go over; whoever comes first opens it.
type Jump = Arc<tokio::sync::Mutex<Option<Arc<ssh::Session>>>>;

type Jumping<'a> =
    Pin<Box<dyn Future<Output = Result<Arc<ssh::Session>, ConnectError>> + Send + 'a>>;

#[derive(Default)]
struct Host {
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    target: Option<Target>,
    session: Option<Arc<ssh::Session>>,
    /// By the user become, empty for the login user.
    links: HashMap<String, Arc<Link>>,
    /// A host that could not be reached is not tried again in this run.
    refused: Option<ConnectError>,
}

/// How an agent is to be started.
struct Start<'a> {
    target: &'a Target,
    becoming: Option<&'a Become>,
    /// What sudo asks with.
    prompt: String,
    /// The agent that lies on the host is not taken.
    fresh: bool,
    /// The channel has a terminal.
    terminal: bool,
}

impl Pool {
    #[must_use]
    pub fn new(agent: AgentBinary, events: Arc<dyn Sink>) -> Self {
        Self {
            agent,
            person: Person::new(events),
            hosts: Mutex::default(),
            jumps: Mutex::default(),
        }
    }

    fn host(&self, name: &Arc<str>) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(Arc::clone(name)).or_default())
    }

    /// The agent of a host for a user, connecting and starting as needed.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn link(
        &self,
        name: &Arc<str>,
        target: &Target,
        becoming: Option<&Become>,
    ) -> Result<Arc<Link>, ConnectError> {
        let host = self.host(name);
        let mut state = host.state.lock().await;
        if state.target.as_ref() != Some(target) {
            *state = State {
                target: Some(target.clone()),
                ..State::default()
            };
        }
        if let Some(refused) = &state.refused {
            return Err(refused.clone());
        }
        let user = becoming
            .map(|becoming| becoming.user.clone())
            .unwrap_or_default();
        if let Some(link) = state.links.get(&user)
            && !link.is_lost()
        {
            return Ok(Arc::clone(link));
        }
        let link = Arc::new(self.start(&mut state, target, becoming).await?);
        state.links.insert(user, Arc::clone(&link));
        Ok(link)
    }

    async fn start(
        &self,
        state: &mut State,
        target: &Target,
        becoming: Option<&Become>,
    ) -> Result<Link, ConnectError> {
        let mut start = Start {
            target,
            becoming,
            prompt: format!("[ocplay-sudo-{:x}]", std::process::id()),
            fresh: false,
            terminal: target.kind == Kind::Ssh && becoming.is_some_and(Become::needs_terminal),
        };
        loop {
            let failed = match self.attempt(state, &start).await {
                Ok(link) => return Ok(link),
                Err(failed) => failed,
            };
            let misses_terminal = matches!(&failed.error, ConnectError::Become(said) if Become::misses_terminal(said));
            if failed.cached && !start.fresh {
                // What lies on the host does not answer: it is replaced.
                start.fresh = true;
            } else if misses_terminal && target.kind == Kind::Ssh && !start.terminal {
                start.terminal = true;
            } else {
                return Err(failed.error);
            }
        }
    }

    async fn attempt(&self, state: &mut State, start: &Start<'_>) -> Result<Link, NotStarted> {
        let mut pipe = self
            .channel(state, start)
            .await
            .map_err(|error| NotStarted {
                error,
                cached: false,
            })?;
        let hello = bootstrap::start(
            &mut pipe,
            &self.agent,
            start.becoming,
            &start.prompt,
            start.terminal,
            start.target.timeout * START_PATIENCE,
        )
        .await?;
        Ok(Link::new(hello, pipe))
    }

    /// A channel on which the agent is being started.
    async fn channel(&self, state: &mut State, start: &Start<'_>) -> Result<Pipe, ConnectError> {
        let command = bootstrap::command_line(
            &self.agent,
            start.becoming,
            &start.prompt,
            start.fresh,
            start.terminal,
        )?;
        match &start.target.kind {
            Kind::Local => local::exec(&[], &command),
            Kind::Inside(before) => local::exec(before, &command),
            Kind::Ssh => {
                if state
                    .session
                    .as_ref()
                    .is_none_or(|session| session.is_closed())
                {
                    state.links.clear();
                    state.session = None;
                    match self.connect(start.target).await {
                        Ok(session) => state.session = Some(Arc::new(session)),
                        Err(error) => {
                            state.refused = Some(error.clone());
                            return Err(error);
                        }
                    }
                }
                match &state.session {
                    Some(session) => session.exec(&command, start.terminal).await,
                    None => Err(ConnectError::Lost("no connection".to_owned())),
                }
            }
        }
    }

    async fn connect(&self, target: &Target) -> Result<ssh::Session, ConnectError> {
        let via = match &target.road {
            Road::Jump(hop) => Some(self.jump(hop).await?),
            Road::Direct | Road::Command(_) => None,
        };
        ssh::Session::connect(target, via, &self.person).await
    }

    /// The connection to a jump host, shared by all that go over it. Boxed,
    /// since a jump host may be reached over another one.
    fn jump<'a>(&'a self, hop: &'a Target) -> Jumping<'a> {
        Box::pin(async move {
            let key = (hop.user.clone(), hop.address.clone(), hop.port);
            let jump = {
                let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(jumps.entry(key).or_default())
            };
            let mut open = jump.lock().await;
            if let Some(session) = open.as_ref().filter(|session| !session.is_closed()) {
                return Ok(Arc::clone(session));
            }
            let session = self.connect(hop).await;
            let session = session
                .map_err(|error| ConnectError::Jump(hop.address.clone(), Box::new(error)))?;
            let session = Arc::new(session);
            *open = Some(Arc::clone(&session));
            Ok(session)
        })
    }

    /// As [`Self::link`], for a host whose connection was lost: it may need a
    /// while to come back.
    ///
    /// # Errors
    /// Why the last attempt failed.
    pub async fn relink(
        &self,
        name: &Arc<str>,
        target: &Target,
        becoming: Option<&Become>,
        patience: Duration,
    ) -> Result<Arc<Link>, ConnectError> {
        let deadline = Instant::now() + patience;
        let mut wait = Duration::from_millis(200);
        loop {
            self.host(name).state.lock().await.refused = None;
            let error = match self.link(name, target, becoming).await {
                Ok(link) => return Ok(link),
                Err(error) => error,
            };
            if !error.may_pass() || Instant::now() + wait > deadline {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(3));
        }
    }

    /// Ends all that runs on the hosts.
    pub async fn abort(&self) {
        let hosts: Vec<Arc<Host>> = {
            let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.values().cloned().collect()
        };
        for host in hosts {
            // One that is being connected to runs nothing yet.
            if let Ok(state) = host.state.try_lock() {
                for link in state.links.values() {
                    link.abort().await;
                }
            }
        }
    }

    /// Forgets a host's connection, so that the next task opens a new one.
    pub async fn reset(&self, name: &Arc<str>) {
        let host = self.host(name);
        let mut state = host.state.lock().await;
        for (_, link) in state.links.drain() {
            link.goodbye().await;
        }
        if let Some(session) = state.session.take() {
            session.close().await;
        }
        *state = State::default();
    }

    /// Ends the agent that runs as a user, who may be about to be removed.
    pub async fn leave(&self, name: &Arc<str>, user: &str) {
        let host = self.host(name);
        host.state.lock().await.links.remove(user);
    }

    /// Ends all connections politely.
    pub async fn close(&self) {
        let hosts: Vec<Arc<Host>> = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.drain().map(|(_, host)| host).collect()
        };
        let jumps: Vec<Jump> = {
            let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
            jumps.drain().map(|(_, jump)| jump).collect()
        };
        let mut closing = tokio::task::JoinSet::new();
        for host in hosts {
            closing.spawn(async move {
                let mut state = host.state.lock().await;
                for (_, link) in state.links.drain() {
                    link.goodbye().await;
                }
                if let Some(session) = state.session.take() {
                    session.close().await;
                }
            });
        }
        while closing.join_next().await.is_some() {}
        for jump in jumps {
            if let Some(session) = jump.lock().await.take() {
                session.close().await;
            }
        }
    }
}
