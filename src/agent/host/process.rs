//! Running other programs: own process group, captured output, live frames.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place that starts processes"
)]

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ocplay_protocol::{FromAgent, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::channel::{Context, cancelled};
use super::failure::reason;
use super::{Explain, Failure};

/// Output beyond this is cut in the middle; it was streamed live anyway.
const KEEP_HEAD: usize = 6 << 20;
const KEEP_TAIL: usize = 2 << 20;
/// How long output may stay quiet after the program's end before a background
/// child that holds the pipe open is left behind.
const LINGER: Duration = Duration::from_millis(100);

/// A program to run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Command {
    pub(crate) argv: Vec<OsString>,
    pub(crate) directory: Option<PathBuf>,
    /// On top of the agent's environment and the task's.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) stdin: Option<Vec<u8>>,
    /// Send the output to the controller while it comes.
    pub(crate) live: bool,
    /// Messages in English, as for a program whose output we read.
    pub(crate) plain_locale: bool,
    pub(crate) timeout: Option<Duration>,
}

impl Command {
    /// A program whose output we read: English messages, nothing live.
    pub(crate) fn new<S: Into<OsString>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            plain_locale: true,
            ..Self::default()
        }
    }

    #[must_use]
    pub(crate) fn stdin(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(data.into());
        self
    }

    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub(crate) fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// The command as a shell line, for messages.
    pub(crate) fn line(&self) -> String {
        let words: Vec<_> = self
            .argv
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        super::words::join(&words)
    }
}

/// What a program left behind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    /// Exit code; `-n` for a program that signal n ended.
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Output {
    pub(crate) fn ok(&self) -> bool {
        self.code == 0
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// What the program said about its failure, on one line if it can be.
    pub(crate) fn complaint(&self) -> String {
        let text = if self.stderr.trim_ascii().is_empty() {
            self.out()
        } else {
            self.err()
        };
        let text = text.trim();
        if text.is_empty() {
            match self.code {
                code if code < 0 => format!("it was ended by signal {}", -code),
                code => format!("it exited with {code} and said nothing"),
            }
        } else {
            text.to_owned()
        }
    }

    /// A failure with the usual return values.
    pub(crate) fn failure(&self, message: impl Into<String>) -> Failure {
        Failure::new(message)
            .with("rc", self.code)
            .with("stdout", self.out())
            .with("stderr", self.err())
    }
}

/// Why a program did not start.
#[derive(Debug)]
pub(crate) enum Spawn {
    /// No such program, with the places that were searched.
    NotFound(String),
    Failed(Failure),
}

impl From<Spawn> for Failure {
    fn from(error: Spawn) -> Self {
        match error {
            Spawn::NotFound(message) => Self::new(message).with("rc", 2),
            Spawn::Failed(failure) => failure,
        }
    }
}

/// Where administration programs live, also when PATH does not say so.
const SYSTEM_PATHS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The file of a program: PATH first, then the administration directories.
pub(crate) fn find_program(name: &str, path: &str) -> Option<PathBuf> {
    let runnable = |file: &Path| {
        file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
    };
    if name.contains('/') {
        let file = PathBuf::from(name);
        return runnable(&file).then_some(file);
    }
    path.split(':')
        .filter(|directory| !directory.is_empty())
        .chain(SYSTEM_PATHS)
        .chain(["/usr/bin", "/bin"])
        .map(|directory| Path::new(directory).join(name))
        .find(|file| runnable(file))
}

/// Runs a program to its end.
pub(crate) fn run(context: &Context, command: &Command) -> Result<Output, Spawn> {
    context.go_on().map_err(Spawn::Failed)?;
    let mut child = spawn(context, command)?;
    let group = i32::try_from(child.id()).unwrap_or(0);
    context.leash.hold(group);
    if let (Some(data), Some(mut pipe)) = (command.stdin.clone(), child.stdin.take()) {
        // A program may end without reading; that is its business.
        std::thread::spawn(move || drop(pipe.write_all(&data)));
    }
    let collected = collect(context, command, &mut child);
    if collected.is_err() {
        super::channel::kill_group(group);
        drop(child.wait());
    }
    context.leash.release(group);
    let output = collected.map_err(Spawn::Failed)?;
    if context.leash.is_cancelled() {
        return Err(Spawn::Failed(output.failure(cancelled().message)));
    }
    Ok(output)
}

/// Runs a program whose output is too much to keep: it is read while it comes.
pub(crate) fn stream(
    context: &Context,
    command: &Command,
    read: &mut dyn FnMut(&mut dyn Read) -> Result<(), Failure>,
) -> Result<(), Failure> {
    const MOST_SAID: u64 = 64 << 10;
    context.go_on()?;
    let mut child = spawn(context, command)?;
    let group = i32::try_from(child.id()).unwrap_or(0);
    context.leash.hold(group);
    let said = child.stderr.take().map(|pipe| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let mut pipe = pipe;
            // A part is enough to say what is wrong; the rest must not block it.
            if (&mut pipe).take(MOST_SAID).read_to_end(&mut text).is_ok() {
                drop(io::copy(&mut pipe, &mut io::sink()));
            }
            text
        })
    });
    let done = match child.stdout.take() {
        Some(mut pipe) => read(&mut pipe),
        None => Ok(()),
    };
    if done.is_err() {
        super::channel::kill_group(group);
    }
    let status = child.wait();
    context.leash.release(group);
    let stderr = said
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    if context.leash.is_cancelled() {
        return Err(cancelled());
    }
    let status = status.explain("wait for a program")?;
    if !status.success() {
        let text = String::from_utf8_lossy(&stderr);
        if !text.trim().is_empty() {
            return Err(Failure::new(format!("{}: {}", command.line(), text.trim())));
        }
    }
    done
}

/// The program with its arguments, environment and directory set.
pub(super) fn prepare(
    context: &Context,
    command: &Command,
) -> Result<std::process::Command, Spawn> {
    let Some(name) = command.argv.first() else {
        return Err(Spawn::Failed("no command was given".into()));
    };
    let mut process = std::process::Command::new(name);
    let variables = || context.environment.iter().chain(&command.environment);
    let text = name.to_string_lossy();
    let path = variables()
        .rfind(|(key, _)| key == "PATH")
        .map(|(_, value)| value.clone())
        .or_else(|| std::env::var("PATH").ok())
        .unwrap_or_default();
    if !text.contains('/') {
        let Some(file) = find_program(&text, &path) else {
            return Err(Spawn::NotFound(format!(
                "the program '{text}' is not on this host (neither in PATH nor in the sbin \
                 directories); install it or give its full path"
            )));
        };
        process = std::process::Command::new(file);
        process.arg0(name);
    }
    process.args(&command.argv[1..]);
    if command.plain_locale {
        process.env("LC_ALL", "C").env("LANGUAGE", "C");
    }
    process.envs(variables().map(|(key, value)| (key, value)));
    if let Some(directory) = &command.directory {
        process.current_dir(directory);
    }
    Ok(process)
}

fn spawn(context: &Context, command: &Command) -> Result<Child, Spawn> {
    let mut process = prepare(context, command)?;
    let text = command
        .argv
        .first()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    process
        .process_group(0)
        .stdin(if command.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut attempts = 0;
    loop {
        match process.spawn() {
            Ok(child) => return Ok(child),
            // Another thread's fork may still hold a just written program open.
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) && attempts < 20 => {
                attempts += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = command.directory.as_deref();
                let message = match directory {
                    Some(directory) if !directory.is_dir() => format!(
                        "cannot run '{text}': the directory {} does not exist",
                        directory.display()
                    ),
                    _ if Path::new(&*text).exists() => format!(
                        "cannot run '{text}': the interpreter named in its first line is missing"
                    ),
                    _ => format!("cannot run '{text}': there is no such file"),
                };
                return Err(Spawn::NotFound(message));
            }
            Err(error) => {
                return Err(Spawn::Failed(Failure::new(format!(
                    "cannot run '{text}': {}",
                    reason(&error)
                ))));
            }
        }
    }
}

/// One captured stream: a head, a tail, and how much is missing between.
#[derive(Default)]
struct Capture {
    head: Vec<u8>,
    tail: Vec<u8>,
    left_out: u64,
}

impl Capture {
    fn add(&mut self, mut data: &[u8]) {
        let room = KEEP_HEAD.saturating_sub(self.head.len()).min(data.len());
        self.head.extend_from_slice(&data[..room]);
        data = &data[room..];
        self.tail.extend_from_slice(data);
        if self.tail.len() > 2 * KEEP_TAIL {
            let surplus = self.tail.len() - KEEP_TAIL;
            self.tail.drain(..surplus);
            self.left_out += surplus as u64;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.left_out > 0 {
            let note = format!("\n[... {} bytes left out here ...]\n", self.left_out);
            self.head.extend_from_slice(note.as_bytes());
        }
        self.head.append(&mut self.tail);
        self.head
    }
}

fn collect(context: &Context, command: &Command, child: &mut Child) -> Result<Output, Failure> {
    let started = Instant::now();
    let mut pipes: [Option<OwnedFd>; 2] = [
        child.stdout.take().map(OwnedFd::from),
        child.stderr.take().map(OwnedFd::from),
    ];
    let mut captures = [Capture::default(), Capture::default()];
    let pid = rustix::process::Pid::from_child(child);
    let ended = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok();
    let mut status: Option<ExitStatus> = None;
    let mut buffer = vec![0; 64 << 10];
    while status.is_none() || pipes.iter().any(Option::is_some) {
        let wait = match (&status, &ended) {
            (Some(_), _) => LINGER,
            (None, Some(_)) => Duration::from_millis(500),
            (None, None) => Duration::from_millis(20),
        };
        let ready = ready(
            &pipes,
            status.is_none().then_some(ended.as_ref()).flatten(),
            wait,
        )?;
        let mut quiet = true;
        for (index, ready) in ready.into_iter().enumerate() {
            if !ready {
                continue;
            }
            quiet = false;
            let Some(pipe) = &pipes[index] else { continue };
            match rustix::io::read(pipe, &mut *buffer) {
                Ok(0) => pipes[index] = None,
                Ok(length) => {
                    captures[index].add(&buffer[..length]);
                    if command.live {
                        context.channel.send(&FromAgent::Output {
                            task: context.task,
                            stream: [Stream::Stdout, Stream::Stderr][index],
                            data: buffer[..length].to_vec(),
                        });
                    }
                }
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => {
                    return Err(error)
                        .explain(format_args!("read the output of {}", command.line()));
                }
            }
        }
        if status.is_some() && quiet {
            // A background child keeps the pipe; the program itself is done.
            break;
        }
        if status.is_none() {
            status = child.try_wait().explain("wait for a program")?;
        }
        if let Some(limit) = command.timeout
            && started.elapsed() > limit
        {
            return Err(Failure::new(format!(
                "{} was ended after {} seconds without coming to an end",
                command.line(),
                limit.as_secs()
            )));
        }
    }
    let status = match status {
        Some(status) => status,
        None => child.wait().explain("wait for a program")?,
    };
    let [stdout, stderr] = captures.map(Capture::finish);
    Ok(Output {
        code: status
            .code()
            .unwrap_or_else(|| -status.signal().unwrap_or(1)),
        stdout,
        stderr,
    })
}

/// Waits until a pipe has something to say or the program has ended.
fn ready(
    pipes: &[Option<OwnedFd>; 2],
    ended: Option<&OwnedFd>,
    wait: Duration,
) -> Result<[bool; 2], Failure> {
    let mut index = [None; 2];
    let mut fds = Vec::with_capacity(3);
    for (at, pipe) in pipes.iter().enumerate() {
        if let Some(pipe) = pipe {
            index[at] = Some(fds.len());
            fds.push(PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN));
        }
    }
    if let Some(ended) = ended {
        fds.push(PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN));
    }
    let limit = Timespec::try_from(wait).unwrap_or_default();
    match poll(&mut fds, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error).explain("wait for a program's output"),
    }
    Ok(index.map(|at| at.is_some_and(|at| !fds[at].revents().is_empty())))
}

/// Below what the C library takes from the system each time anew.
const PIECE: usize = 64 << 10;

/// Reads all of a reader in bounded pieces.
pub(crate) fn pieces(
    reader: &mut impl Read,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut buffer = vec![0; PIECE];
    let mut total = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(length) => {
                total += length as u64;
                take(&buffer[..length])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).explain("read on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_keeps_head_and_tail() {
        let mut capture = Capture::default();
        for _ in 0..200 {
            capture.add(&[b'x'; 1 << 16]);
        }
        capture.add(b"the end");
        let kept = capture.finish();
        assert!(kept.len() < KEEP_HEAD + 2 * KEEP_TAIL + 100);
        assert!(kept.ends_with(b"the end"));
        assert!(String::from_utf8_lossy(&kept).contains("bytes left out"));
    }

    #[test]
    fn programs_are_found_outside_path() {
        assert!(find_program("sh", "").is_some());
        assert!(find_program("no-such-program", "/bin").is_none());
        assert!(find_program("/bin/sh", "").is_some());
        assert!(find_program("/etc/passwd", "").is_none());
    }
}
