//! OpenSSH's client configuration, by the rules of ssh_config(5): the first
//! value of an option wins, `Host` and `Match` say for whom the options behind
//! them are, `Include` reads other files in place.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::known_hosts::wildcard;

/// Files inside files, at most.
const DEPTH: usize = 16;

/// An option as it was written, its name in lower case.
pub(super) type Wish = (String, String);

/// Files that were read, and what programs of `Match exec` answered.
#[derive(Debug, Default)]
pub struct ConfigFiles {
    files: Mutex<HashMap<PathBuf, Arc<Vec<Block>>>>,
    answers: Mutex<HashMap<String, bool>>,
}

/// Options that share a condition.
#[derive(Debug)]
struct Block {
    conditions: Vec<Condition>,
    options: Vec<Wish>,
}

#[derive(Debug, Clone)]
enum Condition {
    /// `Host`: patterns, of which none with `!` may match.
    Host(Vec<String>),
    /// `Match`: criteria, all of which must hold.
    Match(Vec<Criterion>),
}

#[derive(Debug, Clone)]
struct Criterion {
    negated: bool,
    name: String,
    value: String,
}

/// Who asks, and what is known before any file is read.
#[derive(Debug)]
pub(super) struct Query<'a> {
    /// The host as it was named.
    pub(super) original: &'a str,
    /// The controller's user.
    pub(super) login: &'a str,
    pub(super) home: &'a Path,
    /// What was said on the command line; it comes before every file.
    pub(super) said: &'a [Wish],
}

impl ConfigFiles {
    /// Every option that concerns a host, in the order in which they count.
    pub(super) fn lookup(&self, files: &[PathBuf], query: &Query<'_>) -> Vec<Wish> {
        let mut found = Found {
            query,
            wishes: Vec::new(),
        };
        for file in files {
            for block in self.read(file, query.home).iter() {
                let holds = block
                    .conditions
                    .iter()
                    .all(|condition| self.holds(condition, &found));
                if holds {
                    found.wishes.extend(block.options.iter().cloned());
                }
            }
        }
        found.wishes
    }

    fn read(&self, file: &Path, home: &Path) -> Arc<Vec<Block>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let known = files.entry(file.to_owned()).or_insert_with(|| {
            let mut blocks = Vec::new();
            parse_file(file, home, &[], &mut blocks, 0);
            Arc::new(blocks)
        });
        Arc::clone(known)
    }

    fn holds(&self, condition: &Condition, found: &Found<'_>) -> bool {
        match condition {
            Condition::Host(patterns) => among(patterns, found.query.original),
            Condition::Match(criteria) => criteria
                .iter()
                .all(|criterion| self.meets(criterion, found) != criterion.negated),
        }
    }

    fn meets(&self, criterion: &Criterion, found: &Found<'_>) -> bool {
        let query = found.query;
        let list = |text: &str| -> bool {
            let patterns: Vec<String> = criterion.value.split(',').map(str::to_owned).collect();
            among(&patterns, text)
        };
        match criterion.name.as_str() {
            // Names are not rewritten here, so every pass is the final one.
            "all" | "final" => true,
            "host" => list(&found.host()),
            "originalhost" => list(query.original),
            "user" => list(&found.user()),
            "localuser" => list(query.login),
            "exec" => self.answers(&found.expand(&criterion.value)),
            // `canonical`, `tagged`, `localnetwork`, and what comes.
            _ => false,
        }
    }

    /// Whether a program ends well; each is run once.
    fn answers(&self, command: &str) -> bool {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers.get(command) {
            return *known;
        }
        let status = Command::new("/bin/sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let well = status.is_ok_and(|status| status.success());
        answers.insert(command.to_owned(), well);
        well
    }
}

/// What is known so far.
struct Found<'a> {
    query: &'a Query<'a>,
    wishes: Vec<Wish>,
}

impl Found<'_> {
    fn first(&self, name: &str) -> Option<&str> {
        let mut all = self.query.said.iter().chain(&self.wishes);
        all.find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn host(&self) -> String {
        match self.first("hostname") {
            Some(name) => name.replace("%h", self.query.original).replace("%%", "%"),
            None => self.query.original.to_owned(),
        }
    }

    fn user(&self) -> String {
        self.first("user").unwrap_or(self.query.login).to_owned()
    }

    fn expand(&self, text: &str) -> String {
        Tokens {
            host: &self.host(),
            original: self.query.original,
            port: self.first("port").unwrap_or("22"),
            user: &self.user(),
            login: self.query.login,
            home: self.query.home,
        }
        .expand(text)
    }
}

/// Values of the `%` tokens of ssh_config(5).
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    pub(super) host: &'a str,
    pub(super) original: &'a str,
    pub(super) port: &'a str,
    pub(super) user: &'a str,
    pub(super) login: &'a str,
    pub(super) home: &'a Path,
}

impl Tokens<'_> {
    pub(super) fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            if char != '%' {
                out.push(char);
                continue;
            }
            match chars.next() {
                Some('h') => out.push_str(self.host),
                Some('n' | 'k') => out.push_str(self.original),
                Some('p') => out.push_str(self.port),
                Some('r') => out.push_str(self.user),
                Some('u') => out.push_str(self.login),
                Some('d') => out.push_str(&self.home.to_string_lossy()),
                Some('i') => out.push_str(&own_uid().to_string()),
                Some('l' | 'L') => out.push_str(&local_name()),
                Some('%') => out.push('%'),
                Some(other) => out.extend(['%', other]),
                None => out.push('%'),
            }
        }
        out
    }
}

/// The user that this process runs as.
fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map_or(0, |found| found.uid())
}

fn local_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.unwrap_or_default().trim().to_owned()
}

/// Whether a name is meant by patterns; one with `!` excludes it.
fn among(patterns: &[String], name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut found = false;
    for pattern in patterns {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix('!') {
            Some(pattern) if wildcard(pattern, &name) => return false,
            Some(_) => {}
            None => found |= wildcard(&pattern, &name),
        }
    }
    found
}

/// A file that is not there, or cannot be read, says nothing.
fn parse_file(
    file: &Path,
    home: &Path,
    outer: &[Condition],
    blocks: &mut Vec<Block>,
    depth: usize,
) {
    let Ok(text) = std::fs::read_to_string(file) else {
        return;
    };
    let mut conditions = outer.to_vec();
    blocks.push(Block {
        conditions: conditions.clone(),
        options: Vec::new(),
    });
    for line in text.lines() {
        let Some((name, words)) = split(line) else {
            continue;
        };
        match name.as_str() {
            "host" | "match" => {
                conditions = outer.to_vec();
                conditions.push(if name == "host" {
                    Condition::Host(words)
                } else {
                    Condition::Match(criteria(words))
                });
            }
            "include" => {
                if depth < DEPTH {
                    for word in &words {
                        for file in included(word, file, home) {
                            parse_file(&file, home, &conditions, blocks, depth + 1);
                        }
                    }
                }
            }
            _ => {
                if let Some(block) = blocks.last_mut() {
                    block.options.push((name, words.join(" ")));
                }
                continue;
            }
        }
        blocks.push(Block {
            conditions: conditions.clone(),
            options: Vec::new(),
        });
    }
}

fn criteria(words: Vec<String>) -> Vec<Criterion> {
    let mut out = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let negated = word.starts_with('!');
        let word = word.trim_start_matches('!');
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let name = name.to_ascii_lowercase();
        let value = if matches!(name.as_str(), "all" | "canonical" | "final") {
            String::new()
        } else {
            value.or_else(|| words.next()).unwrap_or_default()
        };
        out.push(Criterion {
            negated,
            name,
            value,
        });
    }
    out
}

/// Files that an `Include` names. Relative ones lie beside the user's or the
/// system's own file.
fn included(word: &str, file: &Path, home: &Path) -> Vec<PathBuf> {
    let path = match word.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None if word.starts_with('/') => PathBuf::from(word),
        None if file.starts_with("/etc/ssh") => Path::new("/etc/ssh").join(word),
        None => home.join(".ssh").join(word),
    };
    let mut found = vec![PathBuf::from("/")];
    for part in path.components().skip(1) {
        let part = part.as_os_str().to_string_lossy().into_owned();
        found = if part.contains(['*', '?']) {
            let mut next: Vec<PathBuf> = found
                .iter()
                .filter_map(|folder| std::fs::read_dir(folder).ok())
                .flatten()
                .filter_map(|entry| entry.ok())
                .filter(|entry| wildcard(&part, &entry.file_name().to_string_lossy()))
                .map(|entry| entry.path())
                .collect();
            next.sort();
            next
        } else {
            found.into_iter().map(|folder| folder.join(&part)).collect()
        };
    }
    found
}

/// A line's name and words: `Name value`, `Name=value`, with quotes.
fn split(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line
        .find(|char: char| char.is_whitespace() || char == '=')
        .unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim();
    let name = name.to_ascii_lowercase();
    // A command goes to a shell as it is written.
    let words = if matches!(
        name.as_str(),
        "proxycommand" | "localcommand" | "remotecommand"
    ) {
        vec![rest.to_owned()]
    } else {
        super::ssh_args::words(rest)
    };
    Some((name, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(text: &str, host: &str, said: &[(&str, &str)]) -> HashMap<String, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".ssh")).unwrap();
        std::fs::write(
            folder.path().join(".ssh/more.conf"),
            "User more\nHost inner\n  Port 7\n",
        )
        .unwrap();
        let file = folder.path().join(".ssh/config");
        std::fs::write(&file, text).unwrap();
        let said: Vec<Wish> = said
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let wishes = ConfigFiles::default().lookup(
            &[file],
            &Query {
                original: host,
                login: "me",
                home: folder.path(),
                said: &said,
            },
        );
        let mut out = HashMap::new();
        for (name, value) in wishes {
            out.entry(name).or_insert(value);
        }
        out
    }

    #[test]
    fn the_first_value_wins() {
        let text = "Host web*\n  Port 1\n  User=\"a b\"\nHost *\n  Port 2\n  HostName x-%h\n";
        let found = lookup(text, "web1", &[]);
        assert_eq!(
            (&*found["port"], &*found["user"], &*found["hostname"]),
            ("1", "a b", "x-%h")
        );
        assert_eq!(lookup(text, "db", &[])["port"], "2");
    }

    #[test]
    fn a_negated_pattern_excludes() {
        let text = "Host * !web1\n  Port 1\n";
        assert!(lookup(text, "web1", &[]).is_empty());
        assert_eq!(lookup(text, "WEB2", &[])["port"], "1");
    }

    #[test]
    fn match_sees_what_was_found_before() {
        let text = "Host short\n  HostName long.example.org\nMatch host *.example.org user root\n  Port 5\nMatch !localuser me\n  Port 6\nMatch originalhost short exec \"test %p = 5\"\n  ProxyJump gate\n";
        let found = lookup(text, "short", &[("user", "root")]);
        assert_eq!((&*found["port"], &*found["proxyjump"]), ("5", "gate"));
        assert!(!lookup(text, "short", &[]).contains_key("port"));
    }

    #[test]
    fn an_include_keeps_its_condition() {
        let text = "Host a inner\n  Include mo*.conf\n  Port 9\n";
        assert_eq!(lookup(text, "a", &[])["user"], "more");
        assert_eq!(lookup(text, "a", &[])["port"], "9");
        assert_eq!(lookup(text, "inner", &[])["port"], "7");
        assert!(lookup(text, "b", &[]).is_empty());
    }

    #[test]
    fn a_command_is_kept_as_it_is_written() {
        let text = "ProxyCommand ssh -W \"%h:%p\"  gate\n";
        assert_eq!(
            lookup(text, "a", &[])["proxycommand"],
            "ssh -W \"%h:%p\"  gate"
        );
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        assert_eq!(lookup("Include config\nPort 3\n", "a", &[])["port"], "3");
    }
}
