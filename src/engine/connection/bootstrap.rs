//! Puts the agent on a host and starts it.
//!
//! One shell script does it, over the very channel on which the agent will
//! speak: it looks for the agent in a cache of the user's own and starts it. Only when it is not there does the script ask for it;
//! then the body is sent once. Nothing but a POSIX shell is expected there.

use std::io::{Read, Write};
use std::sync::OnceLock;
use std::time::Duration;

use ocplay_protocol::{Hello, MARKER, PROTOCOL_VERSION};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::{Become, ConnectError, Pipe};

/// The agent as it is sent.
#[derive(Debug, Clone, Copy)]
pub struct AgentBinary {
    /// SHA-256 of the program, lower-case hex.
    pub sha256: &'static str,
    /// The program, compressed by xz.
    pub xz: &'static [u8],
    /// Size of the program in bytes.
    pub size: usize,
    /// Machine that it runs on, as `uname -m` names it.
    pub arch: &'static str,
}

/// How everything begins that the script and the agent print.
const TAG: &[u8] = b"<ocplay-agent-";
/// Printed by the script when it wants the body, with the form wanted.
const WANTED: &str = "<ocplay-agent-wanted ";
/// Printed by the script when the agent is there already.
const CACHED: &str = "<ocplay-agent-cached>";
/// Printed by the script when no folder would do, with the reasons.
const FAILED: &str = "<ocplay-agent-failed>";
/// More noise than this before the agent answers is no login banner.
const NOISE_LIMIT: usize = 256 * 1024;
/// Largest first message of an agent.
const HELLO_LIMIT: usize = 64 * 1024;
/// Bytes of the agent sent at once.
const PIECE: usize = 64 * 1024;

/// The command line that starts the agent, as some user.
///
/// The script stands in single quotes and in one line, so that any login
/// shell hands it on unchanged. With `fresh` it does not look for an agent
/// that is there already. With `terminal` the channel has one.
///
/// # Errors
/// The method of becoming is not known.
pub(super) fn command_line(
    agent: &AgentBinary,
    becoming: Option<&Become>,
    prompt: &str,
    fresh: bool,
    terminal: bool,
) -> Result<String, ConnectError> {
    let script = script(agent, fresh);
    let Some(becoming) = becoming else {
        return Ok(format!("exec sh -c '{script}'"));
    };
    if !terminal {
        return becoming.command_line(&script, prompt);
    }
    // Frames go over the terminal as they are, and its end ends nobody.
    let line = becoming.command_line(&format!("trap \"\" HUP; {script}"), prompt)?;
    Ok(format!("stty raw -echo; {line}"))
}

fn script(agent: &AgentBinary, fresh: bool) -> String {
    let AgentBinary { sha256, arch, .. } = agent;
    let own = r#""${XDG_CACHE_HOME:-$HOME/.cache}/ocplay" "$HOME/.ocplay""#;
    // `U` makes folders outside the home the user's own.
    let others = "/var/tmp/ocplay-$U /tmp/ocplay-$U /dev/shm/ocplay-$U";
    // What the script makes is the user's alone; the agent keeps the umask of
    // the login, which is that of every command and file of a task.
    let mut lines = vec!["E=".to_owned()];
    if !fresh {
        // Already there: start it, without any other program. Its name holds
        // its hash; nobody but the user can have written it.
        lines.push(format!("go() {{ for D do F=$D/agent-{sha256}; if [ -O \"$D\" ] && [ ! -L \"$D\" ] && [ -O \"$F\" ] && [ -f \"$F\" ] && [ -x \"$F\" ]; then printf \"\\n{CACHED}\\n\"; exec \"$F\"; fi; done; }}"));
        lines.push(format!("go {own}"));
    }
    lines.push("U=$(id -u)".to_owned());
    if !fresh {
        lines.push(format!("go {others}"));
    }
    lines.extend([
        format!("A=$(uname -m); if [ \"$A\" != {arch} ]; then printf \"\\n{FAILED}this ocplay carries no helper for %s hosts, only for {arch}\\n\" \"$A\"; exit 1; fi"),
        format!("set -- {own} {others}"),
        // A word that says how long it is comes before the body.
        "M=raw; C=cat; if command -v gzip >/dev/null 2>&1; then M=gzip; C=\"gzip -dc\"; fi".to_owned(),
        // That of busybox knows no filters.
        "case $(xz --version 2>/dev/null) in *liblzma*) M=xz; C=\"xz -dc\";; esac".to_owned(),
        // Receive it into the first folder that takes it and lets it run. What
        // a failed attempt did not read is read away, the next asks anew.
        format!("for D in \"$@\"; do if (umask 077; mkdir -p \"$D\") 2>/dev/null && [ -O \"$D\" ] && [ -w \"$D\" ] && [ ! -L \"$D\" ]; then P=$D/.new-$$; F=$D/agent-{sha256}; printf \"\\n{WANTED}%s>\\n\" $M; read -r K"),
        "R=$( umask 077; { head -c $K | { $C >\"$P\" || { cat >/dev/null; false; }; }; } 2>&1 ) && chmod 700 \"$P\" && R=$(\"$P\" --probe 2>&1) && mv -f \"$P\" \"$F\" && exec \"$F\"".to_owned(),
        "rm -f \"$P\"; E=\"$E $D: ${R:-cannot be written or run};\"; else E=\"$E $D: not writable;\"; fi; done".to_owned(),
        format!("printf \"\\n{FAILED}%s\\n\" \"$(echo $E)\"; exit 1"),
    ]);
    lines.join("; ")
}

/// Why the agent did not start.
pub(super) struct NotStarted {
    pub(super) error: ConnectError,
    /// One that was there already did not answer: it may be damaged.
    pub(super) cached: bool,
}

/// Sends what is asked for until the agent says hello. `limit` is the longest
/// wait for the shell, for each piece of the agent to go, and for its hello.
///
/// # Errors
/// The script, sudo or the agent failed; the message says what to do.
pub(super) async fn start(
    pipe: &mut Pipe,
    agent: &AgentBinary,
    becoming: Option<&Become>,
    prompt: &str,
    terminal: bool,
    limit: Duration,
) -> Result<Hello, NotStarted> {
    let mut session = Start {
        pipe,
        seen: Vec::new(),
        errors: Vec::new(),
        asked: 0,
        looked: 0,
        terminal,
        limit,
        deadline: Instant::now() + limit,
    };
    session
        .run(agent, becoming, prompt)
        .await
        .map_err(|error| NotStarted {
            error,
            cached: find(&session.seen, CACHED.as_bytes()).is_some(),
        })
}

struct Start<'a> {
    pipe: &'a mut Pipe,
    /// Output that is not yet understood.
    seen: Vec<u8>,
    errors: Vec<u8>,
    /// How often sudo asked for the password.
    asked: usize,
    /// So much of `seen` holds none of the script's words.
    looked: usize,
    /// Questions come with the output.
    terminal: bool,
    limit: Duration,
    /// When the next word must have come.
    deadline: Instant,
}

impl Start<'_> {
    async fn run(
        &mut self,
        agent: &AgentBinary,
        becoming: Option<&Become>,
        prompt: &str,
    ) -> Result<Hello, ConnectError> {
        let mut errors_open = true;
        let (mut chunk, mut error_chunk) = (vec![0u8; 4096], vec![0u8; 1024]);
        loop {
            if let Some(hello) = self.understand(agent).await? {
                return Ok(hello);
            }
            tokio::select! {
                read = self.pipe.output.read(&mut chunk) => match read {
                    Ok(0) | Err(_) => return Err(self.ended(becoming).await),
                    Ok(count) => {
                        self.seen.extend_from_slice(&chunk[..count]);
                        if self.terminal {
                            self.answer_prompt(becoming, prompt).await?;
                        }
                    }
                },
                read = self.pipe.errors.read(&mut error_chunk), if errors_open => match read {
                    Ok(0) | Err(_) => errors_open = false,
                    Ok(count) => {
                        self.errors.extend_from_slice(&error_chunk[..count]);
                        self.answer_prompt(becoming, prompt).await?;
                    }
                },
                () = tokio::time::sleep_until(self.deadline) => return Err(self.silent()),
            }
            if self.seen.len() > NOISE_LIMIT || self.errors.len() > NOISE_LIMIT {
                return Err(ConnectError::Bootstrap(
                    "the login shell prints without end; make its start-up files silent for non-interactive use".to_owned(),
                ));
            }
        }
    }

    fn silent(&self) -> ConnectError {
        ConnectError::Bootstrap(format!(
            "no answer from the host's shell within {} s",
            self.limit.as_secs()
        ))
    }

    /// Sends the agent; a slow line may take as long as it likes, one that
    /// stands still may not.
    async fn send(&mut self, body: &[u8]) -> Result<(), ConnectError> {
        for piece in body.chunks(PIECE) {
            tokio::time::timeout(self.limit, self.pipe.input.write_all(piece))
                .await
                .map_err(|_| self.silent())?
                .map_err(|error| ConnectError::Lost(error.to_string()))?;
        }
        self.deadline = Instant::now() + self.limit;
        let flushed = self.pipe.input.flush().await;
        flushed.map_err(|error| ConnectError::Lost(error.to_string()))
    }

    /// Acts on whole lines of output.
    async fn understand(&mut self, agent: &AgentBinary) -> Result<Option<Hello>, ConnectError> {
        // What was looked at is not looked at again.
        let fresh = self.looked.min(self.seen.len());
        if find(&self.seen[fresh..], TAG).is_none() {
            self.looked = self.seen.len().saturating_sub(TAG.len());
            return Ok(None);
        }
        if let Some(at) = find(&self.seen, MARKER) {
            let rest = self.seen.split_off(at + MARKER.len());
            return self.hello(rest).await.map(Some);
        }
        let text = String::from_utf8_lossy(&self.seen).into_owned();
        if let Some((_, reason)) = text.split_once(FAILED)
            && let Some((reason, _)) = reason.split_once('\n')
        {
            return Err(ConnectError::Bootstrap(format!(
                "{reason}. Free some space, or make one of these folders writable and not noexec"
            )));
        }
        if let Some((_, form)) = text.split_once(WANTED)
            && let Some((form, _)) = form.split_once(">\n")
        {
            self.seen.clear();
            self.looked = 0;
            let form = form.to_owned();
            let body = tokio::task::spawn_blocking({
                let agent = *agent;
                move || body(&agent, &form)
            });
            let body = body
                .await
                .map_err(|error| ConnectError::Bootstrap(error.to_string()))??;
            self.send(format!("{}\n", body.len()).as_bytes()).await?;
            self.send(body).await?;
        }
        Ok(None)
    }

    /// The first frame behind the marker.
    async fn hello(&mut self, mut bytes: Vec<u8>) -> Result<Hello, ConnectError> {
        let broken = |reason: String| ConnectError::Bootstrap(reason);
        let late = self.silent();
        let output = &mut self.pipe.output;
        let frame = async {
            let failed = |error: std::io::Error| broken(error.to_string());
            read_at_least(output, &mut bytes, 4).await.map_err(failed)?;
            let mut prefix = [0; 4];
            prefix.copy_from_slice(&bytes[..4]);
            let length = u32::from_be_bytes(prefix) as usize;
            if length > HELLO_LIMIT {
                return Err(broken(format!(
                    "its first message would be {length} bytes long; what answers there is no helper of ocplay"
                )));
            }
            read_at_least(output, &mut bytes, 4 + length)
                .await
                .map_err(failed)?;
            if bytes.len() > 4 + length {
                return Err(broken("it goes on talking before it is asked".to_owned()));
            }
            Ok(4..4 + length)
        };
        let frame = tokio::time::timeout_at(self.deadline, frame)
            .await
            .map_err(|_| late)??;
        match ocplay_protocol::frame::decode(&bytes[frame]) {
            Ok(ocplay_protocol::FromAgent::Hello(hello)) if hello.protocol == PROTOCOL_VERSION => {
                Ok(hello)
            }
            Ok(_) => Err(broken("its first message is no greeting".to_owned())),
            Err(error) => Err(broken(error.to_string())),
        }
    }

    async fn answer_prompt(
        &mut self,
        becoming: Option<&Become>,
        prompt: &str,
    ) -> Result<(), ConnectError> {
        let Some(becoming) = becoming else {
            return Ok(());
        };
        let said = if self.terminal {
            &self.seen
        } else {
            &self.errors
        };
        let asked = becoming.asked(&String::from_utf8_lossy(said), prompt);
        if asked <= self.asked {
            return Ok(());
        }
        self.asked = asked;
        let Some(password) = &becoming.password else {
            return Ok(());
        };
        if asked > 1 {
            return Err(ConnectError::Become(format!(
                "the {} password was not accepted. Give the right one with -K or ansible_become_password",
                becoming.method
            )));
        }
        let line = format!("{}\n", password.reveal());
        let sent = self.pipe.input.write_all(line.as_bytes()).await;
        sent.and(self.pipe.input.flush().await)
            .map_err(|error| ConnectError::Lost(error.to_string()))
    }

    /// The channel closed before the agent spoke: why?
    async fn ended(&mut self, becoming: Option<&Become>) -> ConnectError {
        let mut rest = Vec::new();
        let reading = (&mut self.pipe.errors).take(NOISE_LIMIT as u64);
        let read = tokio::time::timeout(Duration::from_secs(1), {
            let mut reading = reading;
            async move { reading.read_to_end(&mut rest).await.map(|_| rest) }
        })
        .await;
        if let Ok(Ok(rest)) = read {
            self.errors.extend(rest);
        }
        let text = String::from_utf8_lossy(&self.errors).trim().to_owned();
        let text = if text.is_empty() {
            String::from_utf8_lossy(&self.seen).trim().to_owned()
        } else {
            text
        };
        let Some(becoming) = becoming else {
            return ConnectError::Bootstrap(match text.as_str() {
                "" => "the host closed the channel without a word; is the account's shell usable?"
                    .to_owned(),
                text => text.to_owned(),
            });
        };
        if self.asked > 0 && becoming.password.is_some() {
            return ConnectError::Become(format!(
                "the {} password was not accepted. Give the right one with -K or ansible_become_password",
                becoming.method
            ));
        }
        if becoming.wants_password(&text) {
            return ConnectError::Become(format!(
                "{} asks for a password to become {}. Give it with -K or ansible_become_password",
                becoming.method, becoming.user,
            ));
        }
        ConnectError::Become(format!("becoming {} failed: {text}", becoming.user))
    }
}

/// The program in the form that a host can unpack. Others than the one that
/// is carried are made when the first host asks for them.
fn body(agent: &AgentBinary, form: &str) -> Result<&'static [u8], ConnectError> {
    static RAW: OnceLock<Vec<u8>> = OnceLock::new();
    static GZIP: OnceLock<Vec<u8>> = OnceLock::new();
    let failed = |error: std::io::Error| ConnectError::Bootstrap(error.to_string());
    if form == "xz" {
        return Ok(agent.xz);
    }
    if RAW.get().is_none() {
        let raw = unpacked(agent).map_err(failed)?;
        RAW.get_or_init(|| raw);
    }
    let raw = RAW.get().map(Vec::as_slice).unwrap_or_default();
    if form != "gzip" {
        return Ok(raw);
    }
    if GZIP.get().is_none() {
        let packed = packed(raw).map_err(failed)?;
        GZIP.get_or_init(|| packed);
    }
    Ok(GZIP.get().map(Vec::as_slice).unwrap_or_default())
}

fn unpacked(agent: &AgentBinary) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::with_capacity(agent.size);
    lzma_rust2::XzReader::new(agent.xz, false).read_to_end(&mut raw)?;
    Ok(raw)
}

fn packed(raw: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(raw)?;
    gzip.finish()
}

async fn read_at_least(
    input: &mut (dyn AsyncRead + Send + Unpin),
    bytes: &mut Vec<u8>,
    wanted: usize,
) -> std::io::Result<()> {
    while bytes.len() < wanted {
        let missing = wanted - bytes.len();
        let mut chunk = vec![0; missing.min(64 * 1024)];
        match input.read(&mut chunk).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    const AGENT: AgentBinary = AgentBinary {
        sha256: "abc",
        xz: b"",
        size: 0,
        arch: "x86_64",
    };

    #[test]
    fn the_script_survives_any_login_shell() {
        let script = [false, true].map(|fresh| script(&AGENT, fresh)).concat();
        assert!(!script.contains('\''), "{script}");
        assert!(!script.contains('\n'));
        // History expansion of csh spares a `!` before a blank or `=`.
        assert!(
            script
                .split('!')
                .skip(1)
                .all(|rest| rest.starts_with([' ', '='])),
            "{script}"
        );
    }

    #[test]
    fn the_password_is_never_on_the_command_line() {
        let becoming = Become {
            method: "sudo".into(),
            user: "root".into(),
            password: Some(Secret::new("hunter2")),
            flags: "-H -S".into(),
            exe: "sudo".into(),
        };
        let line = command_line(&AGENT, Some(&becoming), "[p]", false, false).unwrap();
        assert!(!line.contains("hunter2"));
        assert!(!line.contains("-n "));
        assert!(!format!("{becoming:?}").contains("hunter2"));
    }
}
