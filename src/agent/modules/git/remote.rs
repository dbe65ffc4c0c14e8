//! What the remote has, and getting it.

use std::path::Path;

use super::Args;
use super::tool::Git;
use crate::host::{Explain, Failure, Look, Settled, Touch, parent};

/// The version as the remote knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) commit: String,
    pub(super) target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Branch(String),
    Tag(String),
    Commit,
}

fn is_hash(text: &str) -> bool {
    text.len() >= 7 && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Finds a version in what `git ls-remote --symref` lists.
fn resolve(listing: &str, version: &str) -> Option<Wanted> {
    let entries: Vec<(&str, &str)> = listing
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect();
    let commit = |name: &str| {
        entries
            .iter()
            .find(|(value, known)| *known == name && !value.starts_with("ref:"))
            .map(|(value, _)| (*value).to_owned())
    };
    let branch = |name: &str| {
        Some(Wanted {
            commit: commit(&format!("refs/heads/{name}"))?,
            target: Target::Branch(name.to_owned()),
        })
    };
    let tag = |name: &str| {
        let full = format!("refs/tags/{name}");
        Some(Wanted {
            // What an annotated tag points to comes with a mark of its own.
            commit: commit(&format!("{full}^{{}}")).or_else(|| commit(&full))?,
            target: Target::Tag(name.to_owned()),
        })
    };
    if version == "HEAD" {
        let head = entries.iter().find_map(|(value, name)| {
            (*name == "HEAD").then_some(())?;
            value.strip_prefix("ref: refs/heads/")
        });
        let target = match head {
            Some(name) => Target::Branch(name.to_owned()),
            None => Target::Commit,
        };
        return Some(Wanted {
            commit: commit("HEAD")?,
            target,
        });
    }
    if let Some(name) = version.strip_prefix("refs/heads/") {
        return branch(name);
    }
    if let Some(name) = version.strip_prefix("refs/tags/") {
        return tag(name);
    }
    branch(version).or_else(|| tag(version)).or_else(|| {
        Some(Wanted {
            commit: commit(version)?,
            target: Target::Commit,
        })
    })
}

/// What the task asks for. Only asks; a full commit needs no question.
pub(super) fn wanted(
    git: &Git,
    look: &Look,
    args: &Args,
    place: Option<&Path>,
) -> Result<Wanted, Failure> {
    let version = args.version.as_str();
    if version.len() >= 40 && is_hash(version) {
        return Ok(Wanted {
            commit: version.to_owned(),
            target: Target::Commit,
        });
    }
    let output = git.ask_anywhere(look, &["ls-remote", "--symref", &args.repo])?;
    if !output.ok() {
        let message = format!(
            "Could not determine remote revision for {version}: {}",
            output.complaint()
        );
        return Err(output.failure(message));
    }
    if let Some(wanted) = resolve(&output.out(), version) {
        return Ok(wanted);
    }
    // A short commit is only known to a clone.
    if is_hash(version) {
        let known = match place {
            Some(_) => {
                let name = format!("{version}^{{commit}}");
                git.ask(look, &["rev-parse", "--verify", "-q", &name])?
            }
            None => Default::default(),
        };
        let full = known.out().trim().to_owned();
        return Ok(Wanted {
            commit: if full.is_empty() {
                version.to_owned()
            } else {
                full
            },
            target: Target::Commit,
        });
    }
    Err(output.failure(format!(
        "Could not determine remote revision for {version}: the repository has no such branch or \
         tag"
    )))
}

fn depth(args: &Args) -> Option<String> {
    args.depth
        .filter(|depth| *depth > 0)
        .map(|depth| depth.to_string())
}

pub(super) fn clone(
    git: &Git,
    touch: &mut Touch,
    args: &Args,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let dest = args.dest.to_string_lossy().into_owned();
    touch.make_directories(parent(&args.dest), &Settled::default())?;
    let mut words: Vec<String> = vec!["clone".into(), "--origin".into(), args.remote.clone()];
    words.push(if args.bare { "--bare" } else { "--no-checkout" }.into());
    if let Some(depth) = depth(args) {
        let named = !matches!(wanted.target, Target::Commit);
        if named || args.refspec.is_some() {
            words.extend(["--depth".to_owned(), depth]);
        }
    }
    if args.single_branch {
        words.push("--single-branch".to_owned());
    } else if args.depth.is_some() {
        words.push("--no-single-branch".to_owned());
    }
    match &wanted.target {
        Target::Branch(name) | Target::Tag(name) => {
            words.extend(["--branch".to_owned(), name.clone()]);
        }
        Target::Commit => {}
    }
    if let Some(reference) = &args.reference {
        words.extend(["--reference".to_owned(), reference.clone()]);
    }
    if let Some(place) = &args.separate_git_dir {
        words.push(format!("--separate-git-dir={}", place.display()));
    }
    words.extend(["--".to_owned(), args.repo.clone(), dest]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    git.must_anywhere(touch, &words, &format!("clone {}", args.repo))?;
    if args.refspec.is_some() || !git.has(touch, &wanted.commit)? {
        fetch(git, touch, args, wanted)?;
    }
    Ok(())
}

/// Takes away what [`clone`] made; nothing is checked out yet.
pub(super) fn forget(touch: &mut Touch, args: &Args, existed: bool) -> Result<(), Failure> {
    if let Some(place) = &args.separate_git_dir {
        touch.remove(place)?;
    }
    if !existed {
        return touch.remove(&args.dest);
    }
    if args.bare {
        // It was empty: all that is there now is the repository.
        let entries = std::fs::read_dir(&args.dest);
        let what = format_args!("list {}", args.dest.display());
        for entry in entries.explain(what)?.flatten() {
            touch.remove(&entry.path())?;
        }
        return Ok(());
    }
    touch.remove(&args.dest.join(".git"))
}

pub(super) fn set_url(git: &Git, touch: &mut Touch, args: &Args) -> Result<(), Failure> {
    let verb = match git.url(touch, &args.remote)? {
        Some(url) if url == args.repo => return Ok(()),
        Some(_) => "set-url",
        None => "add",
    };
    let words = ["remote", verb, &args.remote, &args.repo];
    git.must(touch, &words, "set the address of the remote")
        .map(drop)
}

pub(super) fn fetch(
    git: &Git,
    touch: &mut Touch,
    args: &Args,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let remote = &args.remote;
    let heads = if args.bare {
        "refs/heads".to_owned()
    } else {
        format!("refs/remotes/{remote}")
    };
    let mut words: Vec<String> = vec!["fetch".into(), "--force".into()];
    let mut specs = Vec::new();
    match (depth(args), &wanted.target) {
        (Some(depth), target) => {
            words.extend(["--depth".to_owned(), depth]);
            specs.push(match target {
                Target::Branch(name) => format!("+refs/heads/{name}:{heads}/{name}"),
                Target::Tag(name) => format!("+refs/tags/{name}:refs/tags/{name}"),
                Target::Commit => wanted.commit.clone(),
            });
        }
        (None, _) => {
            let shallow = git.ask(touch, &["rev-parse", "--is-shallow-repository"])?;
            if shallow.out().trim() == "true" && args.depth.is_none() {
                words.push("--unshallow".to_owned());
            }
            specs.push(format!("+refs/heads/*:{heads}/*"));
            specs.push("+refs/tags/*:refs/tags/*".to_owned());
        }
    }
    if args.bare {
        words.push("--update-head-ok".to_owned());
    }
    specs.extend(args.refspec.clone());
    words.push(remote.clone());
    words.extend(specs);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let what = format!("download remote objects and refs from {}", args.repo);
    git.must(touch, &words, &what)?;
    if !git.has(touch, &wanted.commit)? {
        let words = ["fetch", remote, &wanted.commit];
        // Not every server gives out single commits.
        drop(touch.run(&git.command(&words))?);
    }
    Ok(())
}

pub(super) fn check_out(
    git: &Git,
    touch: &mut Touch,
    args: &Args,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let what = format!("check out {}", args.version);
    if let Target::Branch(name) = &wanted.target {
        let start = format!("{}/{name}", args.remote);
        let words = ["checkout", "--force", "-q", "-B", name, "--track", &start];
        return git.must(touch, &words, &what).map(drop);
    }
    let words = ["checkout", "--force", "-q", "--detach", &wanted.commit];
    git.must(touch, &words, &what).map(drop)
}

/// Brings submodules to what is recorded; true if one moved.
pub(super) fn submodules(git: &Git, touch: &mut Touch, args: &Args) -> Result<bool, Failure> {
    if touch.stat(&args.dest.join(".gitmodules"))?.is_none() {
        return Ok(false);
    }
    let status = |touch: &Touch| -> Result<String, Failure> {
        Ok(git
            .ask(touch, &["submodule", "status", "--recursive"])?
            .out())
    };
    let before = status(touch)?;
    git.must(
        touch,
        &["submodule", "sync", "--recursive"],
        "read the submodules",
    )?;
    let mut words = vec!["submodule", "update", "--init", "--recursive", "--force"];
    if args.track_submodules {
        words.push("--remote");
    }
    git.must(touch, &words, "init/update submodules")?;
    let after = status(touch)?;
    let plain = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| {
                let mut words = line[1..].split_whitespace();
                Some(format!("{}{} {}", &line[..1], words.next()?, words.next()?))
            })
            .collect()
    };
    Ok(plain(&before) != plain(&after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_a_listing() {
        let text = "ref: refs/heads/main\tHEAD\naaa\tHEAD\naaa\trefs/heads/main\n\
                    bbb\trefs/heads/x\nccc\trefs/tags/v1\nddd\trefs/tags/v1^{}\n";
        let found = |version| resolve(text, version).map(|wanted| (wanted.commit, wanted.target));
        let branch = |name: &str| Target::Branch(name.to_owned());
        assert_eq!(found("HEAD"), Some(("aaa".to_owned(), branch("main"))));
        assert_eq!(found("x"), Some(("bbb".to_owned(), branch("x"))));
        assert_eq!(
            found("v1"),
            Some(("ddd".to_owned(), Target::Tag("v1".to_owned())))
        );
        assert_eq!(found("nothing"), None);
    }
}
