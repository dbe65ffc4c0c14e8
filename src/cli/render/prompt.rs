//! Asking people: a line, a secret, or a pause that can be cut short.

use std::io::{IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use ocplay_engine::event::{Answer, Question};
use ocplay_engine::secret::Secret;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

/// What Ctrl-C sends while it does not interrupt.
const INTERRUPT: u8 = 3;
const END_OF_INPUT: u8 = 4;

/// Puts a question to whoever sits at the terminal.
pub(crate) fn ask(question: &Question) -> Answer {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        if let Some(time) = question.timeout {
            show(&question.text);
            std::thread::sleep(time);
            return Answer::Text(Secret::new(String::new()));
        }
        return if question.piped {
            line(question)
        } else {
            Answer::NobodyThere
        };
    }
    show(&question.text);
    let Ok(before) = tcgetattr(&stdin) else {
        return Answer::NobodyThere;
    };
    let mut raw = before.clone();
    raw.local_modes
        .remove(LocalModes::ICANON | LocalModes::ECHO);
    if question.pause {
        raw.local_modes.remove(LocalModes::ISIG);
    }
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    if tcsetattr(&stdin, OptionalActions::Now, &raw).is_err() {
        return Answer::NobodyThere;
    }
    let answer = Reading {
        question,
        erase: before.special_codes[SpecialCodeIndex::VERASE],
        line: Vec::new(),
        until: question.timeout.map(|time| Instant::now() + time),
    }
    .run();
    restore(&before);
    answer
}

/// A line of an input that is no terminal; none is left at its end.
fn line(question: &Question) -> Answer {
    show(&question.text);
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    show("\n");
    match read {
        Ok(1..) => Answer::Text(Secret::new(line.trim_end_matches(['\n', '\r']).to_owned())),
        _ => Answer::NobodyThere,
    }
}

fn restore(before: &Termios) {
    // The terminal may be gone; nothing is left to restore then.
    tcsetattr(std::io::stdin(), OptionalActions::Now, before).unwrap_or_default();
    show("\n");
}

fn show(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody can be asked on a terminal that is gone.
    drop(out.write_all(text.as_bytes()));
    drop(out.flush());
}

struct Reading<'a> {
    question: &'a Question,
    erase: u8,
    line: Vec<u8>,
    until: Option<Instant>,
}

impl Reading<'_> {
    fn run(mut self) -> Answer {
        loop {
            let Some(byte) = self.byte() else {
                // The time is over: what was typed meanwhile was no answer.
                return Answer::Text(Secret::new(String::new()));
            };
            match byte {
                // Only Ctrl-C cuts a pause of a given time short.
                b'\r' | b'\n' if self.question.timeout.is_some() => {}
                b'\r' | b'\n' => return self.text(),
                END_OF_INPUT if self.line.is_empty() => return self.text(),
                INTERRUPT if self.question.pause => {
                    show("\nPress 'C' to continue the play or 'A' to abort \r");
                    // However long the decision takes.
                    self.until = None;
                    loop {
                        match self.byte() {
                            Some(b'c' | b'C') | None => return self.text(),
                            Some(b'a' | b'A') => return Answer::Aborted,
                            Some(_) => {}
                        }
                    }
                }
                byte if byte == self.erase || byte == 8 || byte == 127 => {
                    // One character, which may be several bytes.
                    while self.line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                    if !self.question.secret {
                        show("\u{8} \u{8}");
                    }
                }
                byte if byte < 32 && byte != b'\t' => {}
                byte => {
                    self.line.push(byte);
                    if !self.question.secret && self.question.timeout.is_none() {
                        let mut out = std::io::stdout().lock();
                        drop(out.write_all(&[byte]));
                        drop(out.flush());
                    }
                }
            }
        }
    }

    fn text(&self) -> Answer {
        if self.question.timeout.is_some() {
            return Answer::Text(Secret::new(String::new()));
        }
        Answer::Text(Secret::new(
            String::from_utf8_lossy(&self.line).into_owned(),
        ))
    }

    /// The next byte, or nothing when the time is over or the terminal gone.
    fn byte(&self) -> Option<u8> {
        let stdin = std::io::stdin();
        if let Some(until) = self.until {
            let left = until.saturating_duration_since(Instant::now());
            let time = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
            if left == Duration::ZERO || poll(&mut fds, Some(&time)).ok()? == 0 {
                return None;
            }
        }
        let mut byte = [0];
        stdin.lock().read_exact(&mut byte).ok()?;
        Some(byte[0])
    }
}
