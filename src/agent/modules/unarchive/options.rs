//! Options of tar and unzip that playbooks give along.

use crate::host::{Failure, glob};
use crate::modules::pattern::Pattern;

#[derive(Default)]
pub(super) struct Options {
    /// How many leading parts of a name are cut off.
    pub(super) strip: usize,
    /// Only the last part of a name is kept.
    pub(super) junk_paths: bool,
    pub(super) same_owner: Option<bool>,
    pub(super) same_permissions: Option<bool>,
    pub(super) numeric_owner: bool,
    pub(super) keep_newer: bool,
    /// Files that are there stay.
    pub(super) keep_old: bool,
    /// Times are those of the unpacking.
    pub(super) touch: bool,
    pub(super) exclude: Vec<String>,
    transforms: Vec<Transform>,
}

/// `s/expression/replacement/`.
struct Transform {
    pattern: Pattern,
    replacement: String,
}

impl Transform {
    fn read(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::new(format!(
                "extra_opts: the transformation {text} is not of the form s/expression/text/"
            ))
        };
        let rest = text.strip_prefix('s').ok_or_else(wrong)?;
        let separator = rest.chars().next().ok_or_else(wrong)?;
        let parts: Vec<&str> = rest[separator.len_utf8()..].split(separator).collect();
        let [expression, replacement, flags] = parts[..] else {
            return Err(wrong());
        };
        if !flags.chars().all(|flag| "gxi".contains(flag)) {
            return Err(wrong());
        }
        let flags = if flags.contains('i') { "i" } else { "" };
        Ok(Self {
            pattern: Pattern::with_flags(flags, expression)?,
            replacement: replacement.replace('&', "\\g<0>"),
        })
    }
}

/// Whether a name is the pattern, matches it, or lies below it.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    let name = name.trim_end_matches('/');
    if name == pattern
        || name
            .strip_prefix(pattern)
            .is_some_and(|rest| rest.starts_with('/'))
    {
        return true;
    }
    if !pattern.contains(['*', '?', '[']) {
        return false;
    }
    // Any part of the path may match, as with tar's exclusions.
    let mut starts = vec![0];
    starts.extend(name.match_indices('/').map(|(at, _)| at + 1));
    let mut ends: Vec<usize> = name.match_indices('/').map(|(at, _)| at).collect();
    ends.push(name.len());
    starts.iter().any(|start| {
        ends.iter()
            .filter(|end| *end > start)
            .any(|end| glob::matches(pattern, &name[*start..*end]))
    })
}

impl Options {
    pub(super) fn read(words: &[String]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut words = words.iter().filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            let mut value = || {
                value
                    .clone()
                    .or_else(|| words.next().cloned())
                    .ok_or_else(|| Failure::new(format!("extra_opts: {word} needs a value")))
            };
            match name {
                "--strip-components" | "--strip" | "--strip-path" => {
                    let value = value()?;
                    options.strip = value.parse().map_err(|_| {
                        Failure::new(format!("extra_opts: {value} is no number of parts"))
                    })?;
                }
                "--transform" | "--xform" => {
                    options.transforms.push(Transform::read(&value()?)?);
                }
                "--exclude" | "-x" => options.exclude.push(value()?),
                "--no-same-owner" => options.same_owner = Some(false),
                "--same-owner" => options.same_owner = Some(true),
                "--no-same-permissions" => options.same_permissions = Some(false),
                "-p" | "--same-permissions" | "--preserve-permissions" => {
                    options.same_permissions = Some(true);
                }
                "--numeric-owner" => options.numeric_owner = true,
                "--keep-newer-files" => options.keep_newer = true,
                "-k" | "--keep-old-files" | "--skip-old-files" | "-n" => options.keep_old = true,
                "-m" | "--touch" => options.touch = true,
                "-j" => options.junk_paths = true,
                // This is how it is done in any case.
                "--overwrite"
                | "--no-overwrite-dir"
                | "-o"
                | "-q"
                | "--verbose"
                | "-v"
                | "--no-acls"
                | "--no-selinux"
                | "--no-xattrs"
                | "--warning"
                | "--wildcards"
                | "--delay-directory-restore" => {}
                _ => {
                    return Err(Failure::new(format!(
                        "extra_opts: {word} is not supported; archives are unpacked without the \
                         host's tar or unzip. Run those with the command module if you need it"
                    )));
                }
            }
        }
        Ok(options)
    }

    /// The name after all transformations.
    pub(super) fn rename(&self, name: &str) -> Result<String, Failure> {
        let mut name = name.to_owned();
        for transform in &self.transforms {
            name = transform
                .pattern
                .replace_all(&name, &transform.replacement)?
                .0;
        }
        if self.junk_paths {
            name = name.rsplit('/').next().unwrap_or_default().to_owned();
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_entries() {
        assert!(matches("a", "a/b"));
        assert!(matches("a/b", "a/b"));
        assert!(matches("*.txt", "x/y.txt"));
        assert!(!matches("b", "a/b"));
        assert!(!matches("a", "ab"));
    }

    #[test]
    fn options_are_known_or_refused() {
        let read =
            |words: &[&str]| Options::read(&words.iter().map(|w| (*w).into()).collect::<Vec<_>>());
        let options = read(&["--strip-components=2", "--transform", "s,^a/,b/,"]).unwrap();
        assert_eq!(options.strip, 2);
        assert_eq!(options.rename("a/x").unwrap(), "b/x");
        assert!(read(&["--checkpoint-action=exec=sh"]).is_err());
        assert!(read(&["--strip"]).is_err());
    }
}
