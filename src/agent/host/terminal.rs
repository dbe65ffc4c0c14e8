//! Running a program that believes it speaks with a person: a terminal of its
//! own, answers to its questions.
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::channel::kill_group;
use super::process::{find_program, prepare};
use super::{Command, Explain, Failure, Look, Touch};

/// More output than this without a question in it is forgotten at its start.
const MOST_UNREAD: usize = 1 << 20;

/// What came of it.
pub(crate) struct Talk {
    pub(crate) output: Vec<u8>,
    /// `None`: it was ended, since it asked nothing that has an answer for
    /// too long, or by a signal.
    pub(crate) code: Option<i32>,
}

/// Finds a question in what was printed since the last one: where it ends, and
/// the answer.
pub(crate) type Answer<'a> = dyn FnMut(&str) -> Result<Option<(usize, Vec<u8>)>, Failure> + 'a;

impl Touch {
    /// Runs a program on a terminal of its own.
    pub(crate) fn converse(
        &mut self,
        command: &Command,
        echo: bool,
        patience: Option<Duration>,
        answer: &mut Answer<'_>,
    ) -> Result<Talk, Failure> {
        let what = "open a terminal for the program";
        let controller =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).explain(what)?;
        grantpt(&controller).explain(what)?;
        unlockpt(&controller).explain(what)?;
        let name = ptsname(&controller, Vec::new()).explain(what)?;
        let flags =
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let terminal =
            rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty()).explain(what)?;
        if !echo {
            let mut settings = tcgetattr(&terminal).explain(what)?;
            settings.local_modes.remove(LocalModes::ECHO);
            tcsetattr(&terminal, OptionalActions::Now, &settings).explain(what)?;
        }
        let mut child = self.start(command, &terminal)?;
        drop(terminal);
        let group = i32::try_from(child.id()).unwrap_or(0);
        self.leash().hold(group);
        let talk = talk(self, &controller, patience, answer);
        drop(controller);
        if !matches!(talk, Ok((_, true))) {
            kill_group(group);
        }
        let status = child.wait().explain("wait for the program");
        self.leash().release(group);
        let (output, ended) = talk?;
        let status = status?;
        Ok(Talk {
            output,
            code: status.code().filter(|_| ended && status.signal().is_none()),
        })
    }

    fn start(&self, command: &Command, terminal: &OwnedFd) -> Result<Child, Failure> {
        let path = self.variable("PATH").unwrap_or_default();
        let name = command.argv.first().map(|name| name.to_string_lossy());
        let name = name.unwrap_or_default();
        if find_program(&name, &path).is_none() {
            return Err(Failure::new(format!(
                "The command was not found or was not executable: {name}."
            )));
        }
        let mut command = command.clone();
        // The terminal becomes the one that /dev/tty stands for.
        if find_program("setsid", &path).is_some() {
            command.argv.splice(0..0, ["setsid".into(), "-c".into()]);
        }
        let stdio = || terminal.try_clone().map(Stdio::from);
        let mut process = prepare(self.context(), &command)?;
        process
            .stdin(stdio().explain("hand over a terminal")?)
            .stdout(stdio().explain("hand over a terminal")?)
            .stderr(stdio().explain("hand over a terminal")?);
        process.spawn().explain(format_args!("run {name}"))
    }
}

/// Reads until the end, answering; true when the end came by itself.
fn talk(
    look: &Look,
    controller: &OwnedFd,
    patience: Option<Duration>,
    answer: &mut Answer<'_>,
) -> Result<(Vec<u8>, bool), Failure> {
    let mut all = Vec::new();
    let mut unread = 0;
    let mut asked = Instant::now();
    let mut buffer = vec![0; 16 << 10];
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    loop {
        look.go_on()?;
        if patience.is_some_and(|limit| asked.elapsed() > limit) {
            return Ok((all, false));
        }
        let limit = Timespec::try_from(Duration::from_millis(200)).unwrap_or_default();
        let mut ready = [PollFd::from_borrowed_fd(controller.as_fd(), PollFlags::IN)];
        match poll(&mut ready, Some(&limit)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error).explain("wait for the program"),
        }
        match rustix::io::read(controller, &mut *buffer) {
            // A terminal whose program has gone says so by an error.
            Ok(0) | Err(rustix::io::Errno::IO) => return Ok((all, true)),
            Ok(length) => all.extend_from_slice(&buffer[..length]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
            Err(error) => return Err(error).explain("read from the program"),
        }
        unread = unread.max(all.len().saturating_sub(MOST_UNREAD));
        loop {
            let pending = text(&all[unread..]);
            let Some((end, reply)) = answer(&pending)? else {
                break;
            };
            // Counted in bytes of what really came.
            unread += pending[..end].len().min(all.len() - unread);
            asked = Instant::now();
            write_all(controller, &reply)?;
            if end == 0 {
                break;
            }
        }
    }
}

fn write_all(controller: &OwnedFd, mut data: &[u8]) -> Result<(), Failure> {
    while !data.is_empty() {
        match rustix::io::write(controller, data) {
            Ok(count) => data = &data[count..],
            Err(rustix::io::Errno::INTR) => {}
            // The program is gone; its end is read next.
            Err(rustix::io::Errno::IO) => return Ok(()),
            Err(error) => {
                return Err(io::Error::from(error)).explain("answer the program");
            }
        }
    }
    Ok(())
}
