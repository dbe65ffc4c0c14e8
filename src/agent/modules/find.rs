//! `find`: files by name, age, size, content.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ocplay_protocol::Diff;
use serde_json::{Map, Value, json};

use super::pattern::Pattern;
use super::stat::{self, Algorithm};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Mode, Return, Touch, glob};

ocplay_protocol::choices! {
    /// What is looked for.
    pub(super) enum Kind {
        Any = "any",
        Directory = "directory",
        File = "file",
        Link = "link",
    }
}

ocplay_protocol::choices! {
    /// Which time age means.
    pub(super) enum Stamp { Access = "atime", Change = "ctime", Modification = "mtime" }
}

ocplay_protocol::arguments! {
    /// Lists files that meet conditions.
    pub(super) struct Args {
        /// Directories to look in.
        paths: Vec<PathBuf> ["name", "path"],
        /// Patterns of names, or expressions with use_regex.
        patterns: Vec<String> ["pattern"] = Vec::new(),
        /// Patterns of names to leave out.
        excludes: Vec<String> ["exclude"] = Vec::new(),
        /// Expression that a line of the file must match from its start.
        contains: Option<String>,
        /// Match contains against the whole file at once.
        read_whole_file: bool = false,
        /// What is looked for.
        file_type: Kind = Kind::File,
        /// Look in directories below too.
        recurse: bool = false,
        /// How many levels below.
        depth: Option<i64>,
        /// Find hidden files too.
        hidden: bool = false,
        /// Follow symbolic links to directories.
        follow: bool = false,
        /// Size at least, such as 10m; at most with a minus.
        size: Option<String>,
        /// Age at least, such as 2d; at most with a minus.
        age: Option<String>,
        /// Which time age means.
        age_stamp: Stamp = Stamp::Modification,
        /// Patterns are regular expressions for the whole name.
        use_regex: bool = false,
        /// Return a hash of each file.
        get_checksum: bool = false,
        /// Which hash.
        checksum_algorithm: Algorithm ["checksum", "checksum_algo"] = Algorithm::Sha1,
        /// Mode that files must have.
        mode: Option<Mode>,
        /// The mode must be exactly so, not only include it.
        exact_mode: bool = true,
        /// Stop after so many.
        limit: Option<i64>,
        /// Encoding of the files, for contains.
        encoding: Option<String>,
    }
}

pub(super) struct Find;

impl Module for Find {
    const NAME: &'static str = "find";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let mut search = Search {
            args,
            look,
            names: Names::new(args)?,
            contains: args
                .contains
                .as_deref()
                .map(|text| match args.read_whole_file {
                    true => Pattern::across("", text),
                    false => Pattern::new(&format!("^(?:{text})")),
                })
                .transpose()?,
            size: args.size.as_deref().map(size).transpose()?,
            age: args.age.as_deref().map(age).transpose()?,
            now: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs() as i64),
            files: Vec::new(),
            examined: 0,
            skipped: Map::new(),
        };
        if let Some(limit) = args.limit.filter(|limit| *limit <= 0) {
            return Err(Failure::new(format!(
                "limit cannot be {limit} (use None for unlimited)"
            )));
        }
        let mut warnings = Vec::new();
        for path in &args.paths {
            let shown = path.to_string_lossy().into_owned();
            let walked = match look.stat(path)?.is_some_and(|found| found.is_dir()) {
                true => search.directory(path, 1),
                false => Err(Failure::new(format!("'{shown}' is not a directory"))),
            };
            if let Err(failure) = walked {
                look.sleep(std::time::Duration::ZERO)?;
                warnings.push(format!(
                    "Skipped '{shown}' path due to this access issue: {}",
                    failure.message
                ));
                search.skipped.insert(shown, failure.message.into());
            }
        }
        let message = if !warnings.is_empty() {
            "Not all paths examined, check warnings for details"
        } else if search.is_full() {
            "Limit of matches reached"
        } else {
            "All paths examined"
        };
        let mut result = Return::new()
            .with("matched", search.files.len())
            .with("examined", search.examined)
            .with("files", search.files)
            .with("skipped_paths", search.skipped)
            .with("msg", message);
        for warning in warnings {
            result = result.warn(warning);
        }
        Ok(Verdict::Same(result))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}

/// Which names are wanted.
enum Names {
    Globs(Vec<String>, Vec<String>),
    Expressions(Vec<Pattern>, Vec<Pattern>),
}

impl Names {
    fn new(args: &Args) -> Result<Self, Failure> {
        if !args.use_regex {
            return Ok(Self::Globs(args.patterns.clone(), args.excludes.clone()));
        }
        let compile = |texts: &[String]| {
            texts
                .iter()
                .map(|text| Pattern::new(&format!("^(?:{text})")))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self::Expressions(
            compile(&args.patterns)?,
            compile(&args.excludes)?,
        ))
    }

    fn wants(&self, name: &str) -> Result<bool, Failure> {
        let any = |patterns: &[Pattern]| -> Result<bool, Failure> {
            for pattern in patterns {
                if pattern.is_match(name)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        Ok(match self {
            Self::Globs(wanted, not) => {
                (wanted.is_empty() || wanted.iter().any(|glob| glob::matches(glob, name)))
                    && !not.iter().any(|glob| glob::matches(glob, name))
            }
            Self::Expressions(wanted, not) => (wanted.is_empty() || any(wanted)?) && !any(not)?,
        })
    }
}

/// A number with a unit; negative means "at most".
fn measure(text: &str, units: &[(char, i64)], what: &str) -> Result<i64, Failure> {
    let wrong = || {
        let known: Vec<String> = units.iter().map(|(unit, _)| unit.to_string()).collect();
        Failure::new(format!(
            "failed to process {what}: '{text}' is not a number with one of the units {}",
            known.join(", ")
        ))
        .with(what, text)
    };
    let lower = text.trim().to_lowercase();
    let end = lower
        .char_indices()
        .find(|(_, c)| !c.is_ascii_digit() && *c != '-')
        .map_or(lower.len(), |(at, _)| at);
    let number: i64 = lower[..end].parse().map_err(|_| wrong())?;
    let unit = match lower[end..].chars().next() {
        None => 1,
        Some(unit) => units
            .iter()
            .find(|(known, _)| *known == unit)
            .map(|(_, factor)| *factor)
            .ok_or_else(wrong)?,
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

fn size(text: &str) -> Result<i64, Failure> {
    let units = [
        ('b', 1),
        ('k', 1 << 10),
        ('m', 1 << 20),
        ('g', 1 << 30),
        ('t', 1 << 40),
    ];
    measure(text, &units, "size")
}

fn age(text: &str) -> Result<i64, Failure> {
    let units = [
        ('s', 1),
        ('m', 60),
        ('h', 3600),
        ('d', 86_400),
        ('w', 604_800),
    ];
    measure(text, &units, "age")
}

/// At least `limit`, or at most when it is negative.
fn within(value: i64, limit: i64) -> bool {
    if limit >= 0 {
        value >= limit
    } else {
        value <= -limit
    }
}

struct Search<'a> {
    args: &'a Args,
    look: &'a Look,
    names: Names,
    contains: Option<Pattern>,
    size: Option<i64>,
    age: Option<i64>,
    now: i64,
    files: Vec<Value>,
    examined: usize,
    skipped: Map<String, Value>,
}

impl Search<'_> {
    fn is_full(&self) -> bool {
        self.args
            .limit
            .is_some_and(|limit| self.files.len() as i64 >= limit)
    }

    fn directory(&mut self, directory: &Path, level: i64) -> Result<(), Failure> {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                let shown = directory.to_string_lossy().into_owned();
                let why = crate::host::failure::reason(&error);
                self.skipped.insert(shown, json!(why));
                return Ok(());
            }
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        self.examined += paths.len();
        // What lies one level too deep was looked at, but is no result.
        let too_deep = self
            .args
            .depth
            .is_some_and(|depth| depth > 0 && level > depth);
        if too_deep {
            return Ok(());
        }
        // Files first, then directories, then what is in them.
        paths.sort_by_key(|path| path.is_dir());
        let mut below = Vec::new();
        for path in paths {
            if self.is_full() {
                return Ok(());
            }
            let Some(metadata) = self.look.lstat(&path)? else {
                continue;
            };
            if self.wants(&path, &metadata)? {
                let mut facts = stat::common(self.look, &path, &metadata);
                for name in ["pw_name", "gr_name"] {
                    facts.entry(name).or_insert_with(|| json!(""));
                }
                if self.args.get_checksum && metadata.is_file() {
                    let sum = stat::checksum(&path, self.args.checksum_algorithm)?;
                    facts.insert("checksum".to_owned(), json!(sum));
                }
                self.files.push(Value::Object(facts));
            }
            if metadata.is_dir() || (self.args.follow && metadata.is_symlink() && path.is_dir()) {
                below.push(path);
            }
        }
        if self.args.recurse && level < 200 {
            for path in below {
                self.directory(&path, level + 1)?;
            }
        }
        Ok(())
    }

    fn wants(&self, path: &Path, metadata: &Metadata) -> Result<bool, Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = match self.args.file_type {
            Kind::Any => true,
            Kind::Directory => metadata.is_dir(),
            Kind::File => metadata.is_file(),
            Kind::Link => metadata.is_symlink(),
        };
        if !kind || (name.starts_with('.') && !self.args.hidden) || !self.names.wants(&name)? {
            return Ok(false);
        }
        let time = match self.args.age_stamp {
            Stamp::Access => metadata.atime(),
            Stamp::Change => metadata.ctime(),
            Stamp::Modification => metadata.mtime(),
        };
        if self.age.is_some_and(|age| !within(self.now - time, age)) {
            return Ok(false);
        }
        let length = i64::try_from(metadata.len()).unwrap_or(i64::MAX);
        if metadata.is_file() && self.size.is_some_and(|size| !within(length, size)) {
            return Ok(false);
        }
        if let Some(mode) = &self.args.mode {
            let is = metadata.permissions().mode() & 0o7777;
            let wanted = mode.bits(0, metadata.is_dir(), 0);
            let fits = if self.args.exact_mode {
                is == wanted
            } else {
                is & wanted != 0
            };
            if !fits {
                return Ok(false);
            }
        }
        match &self.contains {
            Some(pattern) if self.args.file_type == Kind::File => {
                let text = self.text(path)?;
                if self.args.read_whole_file {
                    return pattern.is_match(&text);
                }
                for line in text.lines() {
                    if pattern.is_match(line)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    /// A file's text in its encoding; without one, whatever is no UTF-8 is
    /// replaced. Rare encodings are the host's `iconv`'s affair.
    fn text(&self, path: &Path) -> Result<String, Failure> {
        let Ok(Some(bytes)) = self.look.read(path) else {
            return Ok(String::new());
        };
        let Some(encoding) = self.args.encoding.as_deref() else {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        };
        let wrong = || {
            Failure::new(format!(
                "Failed to read the file {} due to an encoding error. current encoding: {encoding}",
                path.display()
            ))
        };
        match encoding.to_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" => return String::from_utf8(bytes).map_err(|_| wrong()),
            "latin-1" | "latin1" | "iso-8859-1" => {
                return Ok(bytes.into_iter().map(char::from).collect());
            }
            _ => {}
        }
        let argv = ["iconv", "-f", encoding, "-t", "UTF-8"];
        let output = self.look.ask(&Command::new(argv).stdin(bytes))?;
        if output.ok() {
            return Ok(output.out());
        }
        if ["supported", "unknown", "failed to start"]
            .iter()
            .any(|word| output.err().contains(word))
        {
            return Err(Failure::new(format!("unknown encoding: {encoding}")));
        }
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures() {
        assert_eq!(size("10m").unwrap(), 10 << 20);
        assert_eq!(age("-2d").unwrap(), -172_800);
        assert_eq!(age("90").unwrap(), 90);
        assert!(age("2y").is_err());
        assert!(within(5, 5) && within(4, -5) && !within(6, -5));
    }
}
