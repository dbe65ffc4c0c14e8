//! `archive`: files of the host in one archive.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;

use super::acts::{command, need};
use super::{Module, Verdict};
use crate::archive::{Kind, Zip};
use crate::host::attributes::{describe, file_arguments};
use crate::host::{Command, Failure, Look, Return, Settled, Touch, glob, parent};

ocplay_protocol::choices! {
    /// Kinds of archives.
    pub(super) enum Format { Bz2 = "bz2", Gz = "gz", Tar = "tar", Xz = "xz", Zip = "zip" }
}

file_arguments! {
    /// Puts files of the host into an archive, or packs a single file.
    pub(super) struct Args {
        /// Files and directories, also as patterns.
        path: Vec<PathBuf>,
        /// Kind of archive.
        format: Format = Format::Gz,
        /// The archive; needed for more than one file.
        dest: Option<PathBuf>,
        /// Files and directories to leave out, also as patterns.
        exclude_path: Vec<PathBuf> = Vec::new(),
        /// Patterns of names within the archive to leave out.
        exclusion_patterns: Option<Vec<PathBuf>>,
        /// Make an archive also of a single file.
        force_archive: bool = false,
        /// Remove what was put into the archive.
        remove: bool = false,
    }
}

pub(super) struct Archive;

pub(super) struct Plan {
    args: Args,
    wanted: Settled,
    dest: PathBuf,
    root: PathBuf,
    /// Names below the root, directories before what is in them.
    members: Vec<String>,
    /// A single file that is packed as it is.
    single: Option<PathBuf>,
    paths: Vec<PathBuf>,
    result: Return,
    same: bool,
}

impl Format {
    /// The program that packs, with the options that make it repeatable.
    fn packer(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Gz => Some(&["gzip", "-n", "-c"]),
            Self::Bz2 => Some(&["bzip2", "-c"]),
            Self::Xz => Some(&["xz", "-c"]),
            Self::Tar | Self::Zip => None,
        }
    }
}

fn expand(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for path in paths {
        let text = path.to_string_lossy();
        if glob::is_pattern(&text) {
            found.extend(glob::expand(&text));
        } else if path.symlink_metadata().is_ok() {
            found.push(path.clone());
        } else {
            missing.push(path.clone());
        }
    }
    (found, missing)
}

/// The directory that all paths are below.
fn common_root(paths: &[PathBuf]) -> PathBuf {
    let mut root = match paths.first() {
        Some(first) => parent(first).to_owned(),
        None => return PathBuf::from("/"),
    };
    for path in paths {
        while !path.starts_with(&root) {
            if !root.pop() {
                return PathBuf::from("/");
            }
        }
    }
    root
}

struct Collector<'a> {
    args: &'a Args,
    root: &'a Path,
    dest: &'a Path,
    excluded: BTreeSet<PathBuf>,
    members: Vec<String>,
}

impl Collector<'_> {
    fn add(&mut self, look: &Look, path: &Path) -> Result<(), Failure> {
        look.go_on()?;
        let Some(metadata) = look.lstat(path)? else {
            return Ok(());
        };
        let Ok(name) = path.strip_prefix(self.root) else {
            return Ok(());
        };
        let name = name.to_string_lossy().into_owned();
        let patterns = self.args.exclusion_patterns.iter().flatten();
        let left_out = path == self.dest
            || self.excluded.contains(path)
            || patterns
                .map(|pattern| pattern.to_string_lossy())
                .any(|pattern| glob::matches(&pattern, &name));
        if left_out {
            return Ok(());
        }
        if !name.is_empty() {
            self.members.push(name);
        }
        if metadata.is_dir() {
            let mut inside: Vec<PathBuf> = std::fs::read_dir(path)
                .map(|entries| {
                    entries
                        .filter_map(|entry| Some(entry.ok()?.path()))
                        .collect()
                })
                .unwrap_or_default();
            inside.sort();
            for path in inside {
                self.add(look, &path)?;
            }
        }
        Ok(())
    }
}

impl Module for Archive {
    const NAME: &'static str = "archive";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let (paths, missing) = expand(&args.path);
        let (excluded, _) = expand(&args.exclude_path);
        let paths: Vec<PathBuf> = paths
            .into_iter()
            .filter(|path| !excluded.contains(path))
            .collect();
        let shown = |list: &[PathBuf]| -> Vec<String> {
            list.iter()
                .map(|path| path.to_string_lossy().into_owned())
                .collect()
        };
        let single = match &paths[..] {
            [one] if !args.force_archive && args.path.len() == 1 => look
                .stat(one)?
                .filter(|found| found.is_file() && args.format.packer().is_some())
                .map(|_| one.clone()),
            _ => None,
        };
        let pattern = |path: &PathBuf| glob::is_pattern(&path.to_string_lossy());
        let many = paths.len() > 1
            || args.path.iter().any(pattern)
            || paths.first().is_some_and(|path| path.is_dir());
        let dest = match &args.dest {
            Some(dest) => dest.clone(),
            None if many || args.path.len() != 1 => {
                return Err(
                    "Error, must specify \"dest\" when archiving multiple files or trees".into(),
                );
            }
            None => {
                let mut name = args.path[0].as_os_str().to_owned();
                name.push(format!(".{}", args.format.word()));
                PathBuf::from(name)
            }
        };
        let there = look.stat(&dest)?.is_some();
        let root = common_root(&paths);
        let mut collector = Collector {
            args,
            root: &root,
            dest: &dest,
            excluded: excluded.iter().cloned().collect(),
            members: Vec::new(),
        };
        for path in &paths {
            collector.add(look, path)?;
        }
        let members = collector.members;
        let kind = |done: bool| match (done, &single, missing.is_empty()) {
            (false, ..) => "absent",
            (true, _, false) => "incomplete",
            (true, Some(_), true) => "compress",
            (true, None, true) => "archive",
        };
        let archived: Vec<String> = members
            .iter()
            .map(|name| root.join(name))
            .filter(|path| !path.is_dir())
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        let mut arcroot = root.to_string_lossy().into_owned();
        if !arcroot.ends_with('/') {
            arcroot.push('/');
        }
        let result = Return::new()
            .with("archived", archived)
            .with("dest", dest.to_string_lossy())
            .with("arcroot", arcroot)
            .with("missing", shown(&missing))
            .with("expanded_paths", shown(&paths))
            .with("expanded_exclude_paths", shown(&excluded));
        if paths.is_empty() {
            // What was removed into the archive by an earlier run is in it.
            let state = if there { kind(true) } else { "absent" };
            if !there && args.path.iter().all(|path| !pattern(path)) {
                return Err(Failure::new(format!(
                    "Error, no source paths were found: {}",
                    shown(&args.path).join(", ")
                )));
            }
            let result = result.with("state", "absent").with("dest_state", state);
            return Ok(Verdict::Same(describe_dest(look, &dest, there, result)));
        }
        let mut plan = Plan {
            args: args.clone(),
            wanted: args.attributes().settle(look)?,
            result: result
                .with("state", kind(true))
                .with("dest_state", kind(true)),
            dest,
            root,
            members,
            single,
            paths,
            same: false,
        };
        plan.same = there && plan.is_current(look)?;
        let settled = !there || {
            let metadata = look.lstat(&plan.dest)?;
            metadata.is_some_and(|metadata| {
                plan.wanted
                    .difference(look, &plan.dest, &metadata)
                    .is_some()
            })
        };
        if plan.same && !args.remove && !settled {
            let result = describe_dest(look, &plan.dest, true, plan.result.clone());
            return Ok(Verdict::Same(result));
        }
        let foreseen = plan.result.clone();
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let lines: String = plan
            .members
            .iter()
            .map(|name| format!("{name}\n"))
            .collect();
        vec![Diff::text(&plan.dest.display().to_string(), "", lines)]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        if !plan.same {
            let staged = touch.stage(parent(&plan.dest))?;
            let target = staged.path().to_string_lossy().into_owned();
            plan.pack(touch, &target)?;
            touch.place(staged, &plan.dest, &plan.wanted)?;
        } else {
            touch.settle(&plan.dest, &plan.wanted)?;
        }
        let mut result = plan.result;
        if plan.args.remove {
            for path in &plan.paths {
                if *path != plan.dest && !plan.dest.starts_with(path) {
                    touch.remove(path)?;
                }
            }
            result = result.with("state", "absent");
        }
        Ok(describe_dest(touch, &plan.dest, true, result))
    }
}

/// The attributes of the archive; its `state` says something else here.
fn describe_dest(look: &Look, dest: &Path, there: bool, result: Return) -> Return {
    if !there {
        return result;
    }
    let state = result.values.get("state").cloned();
    describe(look, dest, result).maybe("state", state)
}

impl Plan {
    /// The names, one a line, for a program's standard input.
    fn list(&self, end: char) -> String {
        self.members
            .iter()
            .map(|name| format!("{name}{end}"))
            .collect()
    }

    fn shell(&self, script: &str, words: &[&str]) -> Command {
        let mut argv = vec!["sh", "-c", script, "sh"];
        argv.extend(words);
        let mut command = command(argv);
        command.directory = Some(self.root.clone());
        command
    }

    /// Writes the archive.
    fn pack(&self, touch: &mut Touch, target: &str) -> Result<(), Failure> {
        let what = format!("make the archive {}", self.dest.display());
        if let (Some(single), Some(packer)) = (&self.single, self.args.format.packer()) {
            need(touch, packer[0], packer[0])?;
            let script = format!("exec {} -- \"$1\" > \"$2\"", packer.join(" "));
            let source = single.to_string_lossy();
            let command = self.shell(&script, &[&source, target]);
            return touch.must(&command, &what).map(drop);
        }
        if self.args.format == Format::Zip {
            need(touch, "zip", "zip")?;
            // It insists on the name's end, and adds to a file that is there.
            let command = self
                .shell("rm -f -- \"$1\"; zip -q -y -X - -@ > \"$1\"", &[target])
                .stdin(self.list('\n'));
            return touch.must(&command, &what).map(drop);
        }
        need(touch, "tar", "tar")?;
        let tar = "tar --null --no-recursion -T - -cf -";
        let script = match self.args.format.packer() {
            Some(packer) => {
                need(touch, packer[0], packer[0])?;
                format!(
                    "set -e; {tar} > \"$1.tar\"; {} < \"$1.tar\" > \"$1\" || e=$?; rm -f \"$1.tar\"; exit ${{e:-0}}",
                    packer.join(" ")
                )
            }
            None => format!("{tar} > \"$1\""),
        };
        let command = self.shell(&script, &[target]).stdin(self.list('\0'));
        touch.must(&command, &what).map(drop)
    }

    /// Whether the archive holds just what it shall.
    fn is_current(&self, look: &Look) -> Result<bool, Failure> {
        let dest = self.dest.to_string_lossy();
        if let (Some(single), Some(packer)) = (&self.single, self.args.format.packer()) {
            let mut same = false;
            let unpack = command([packer[0], "-dc", "--", &dest]);
            let compared = look.stream(&unpack, &mut |pipe| {
                same = same_content(single, pipe);
                Ok(())
            });
            return Ok(compared.is_ok() && same);
        }
        if self.args.format == Format::Zip {
            return Ok(self.zip_is_current());
        }
        let listing = look.ask(&command(["tar", "--quoting-style=literal", "-tf", &dest]))?;
        if !listing.ok() {
            return Ok(false);
        }
        let text = listing.out();
        let is: BTreeSet<&str> = text
            .lines()
            .map(|name| name.trim_end_matches('/'))
            .collect();
        let wanted: BTreeSet<&str> = self.members.iter().map(String::as_str).collect();
        if is != wanted {
            return Ok(false);
        }
        let mut compare = command(["tar", "--compare", "-f", &dest]);
        compare.directory = Some(self.root.clone());
        Ok(look.ask(&compare)?.ok())
    }

    fn zip_is_current(&self) -> bool {
        let Ok(file) = std::fs::File::open(&self.dest) else {
            return false;
        };
        let mut is = BTreeSet::new();
        let visited = Zip::new(file).visit(&mut |entry, content| {
            let name = entry.name.trim_end_matches('/').to_owned();
            let path = self.root.join(&name);
            let same = match &entry.kind {
                Kind::Directory => path.is_dir(),
                Kind::Link(target) => {
                    std::fs::read_link(&path).is_ok_and(|is| is == Path::new(target))
                }
                _ => same_content(&path, content),
            };
            is.insert(name);
            if same { Ok(()) } else { Err(String::new()) }
        });
        visited.is_ok() && is.iter().eq(self.members.iter().collect::<BTreeSet<_>>())
    }
}

fn same_content(path: &Path, content: &mut dyn Read) -> bool {
    let Ok(mut file) = std::fs::File::open(path) else {
        return false;
    };
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        match content.read(&mut left) {
            Ok(0) => return matches!(file.read(&mut right[..1]), Ok(0)),
            Ok(count) => {
                if file.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count]
                {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_directory() {
        let root =
            |paths: &[&str]| common_root(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(root(&["/a/b/c", "/a/b/d"]), Path::new("/a/b"));
        assert_eq!(root(&["/a/b/c", "/a/x"]), Path::new("/a"));
        assert_eq!(root(&["/a"]), Path::new("/"));
    }
}
