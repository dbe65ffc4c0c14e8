//! `git`: a repository is there, at a given version.

mod archive;
mod remote;
mod tool;

use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;
use serde_json::Value;

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch};
use remote::{Target, Wanted};
use tool::Git;

ocplay_protocol::arguments! {
    /// Clones a repository, or brings a clone to the wanted version.
    pub(super) struct Args {
        /// Address of the repository.
        repo: String ["name"],
        /// Where the clone shall be.
        dest: PathBuf,
        /// Branch, tag or commit; HEAD is the remote's own branch.
        version: String = "HEAD".to_owned(),
        /// Name of the remote.
        remote: String = "origin".to_owned(),
        /// A further refspec to fetch; needed for commits that no branch or tag reaches.
        refspec: Option<String>,
        /// Existing repository to take objects from (--reference).
        reference: Option<String>,
        /// Throw local changes away.
        force: bool = false,
        /// Only the last so many commits.
        depth: Option<i64>,
        /// Clone if there is no clone.
        clone: bool = true,
        /// Bring an existing clone up to date.
        update: bool = true,
        /// The git program to use.
        executable: Option<PathBuf>,
        /// A repository without files.
        bare: bool = false,
        /// Umask during the task, as octal text.
        umask: Option<Value>,
        /// Submodules, too.
        recursive: bool = true,
        /// Only the wanted branch.
        single_branch: bool = false,
        /// Submodules at the newest commit of their branch.
        track_submodules: bool = false,
        /// Check the signature of the commit or tag.
        verify_commit: bool = false,
        /// Fingerprints of keys that may have signed it; all that gpg trusts by default.
        gpg_allowlist: Vec<String> ["gpg_whitelist"] = Vec::new(),
        /// Accept any host key (StrictHostKeyChecking=no).
        accept_hostkey: bool = false,
        /// Accept the key of a host that is not known yet (StrictHostKeyChecking=accept-new).
        accept_newhostkey: bool = false,
        /// Private key to log in with.
        key_file: Option<PathBuf>,
        /// Further options for ssh.
        ssh_opts: Option<String>,
        /// Archive of the files to make; .zip, .gz, .tar, .tgz or .tar.gz.
        archive: Option<PathBuf>,
        /// Text before each path in the archive.
        archive_prefix: Option<String>,
        /// Where the repository shall be, if not in dest.
        separate_git_dir: Option<PathBuf>,
    }
}

pub(super) struct GitModule;

pub(super) struct Plan {
    args: Args,
    git: Git,
    before: Option<String>,
    wanted: Option<Wanted>,
    /// There is no clone yet.
    fresh: bool,
    modified: bool,
    url_changed: bool,
    /// Only the archive, the signature or the place of the repository.
    update: bool,
}

/// Where the repository itself is; `None` if there is none.
fn repository(args: &Args, look: &Look) -> Result<Option<PathBuf>, Failure> {
    if args.bare {
        let config = args.dest.join("config");
        return Ok(look.stat(&config)?.is_some().then(|| args.dest.clone()));
    }
    let path = args.dest.join(".git");
    match look.stat(&path)? {
        None => Ok(None),
        Some(metadata) if metadata.is_dir() => Ok(Some(path)),
        Some(_) => {
            let text = look.read_text(&path)?.unwrap_or_default();
            let place = text
                .trim()
                .strip_prefix("gitdir:")
                .unwrap_or_default()
                .trim();
            let place = args.dest.join(place);
            if place.is_dir() {
                return Ok(Some(place));
            }
            Err(Failure::new(format!(
                "Current repo does not have a valid reference to a separate Git dir or it refers \
                 to the invalid path: {}",
                path.display()
            )))
        }
    }
}

fn check_words(args: &Args) -> Result<(), Failure> {
    if args.accept_hostkey && args.accept_newhostkey {
        return Err("accept_hostkey and accept_newhostkey are mutually exclusive".into());
    }
    if args.archive_prefix.is_some() && args.archive.is_none() {
        return Err("archive_prefix needs archive".into());
    }
    if args.separate_git_dir.is_some() && args.bare {
        return Err("parameters are mutually exclusive: separate_git_dir|bare".into());
    }
    for (name, word) in [
        ("version", &args.version),
        ("repo", &args.repo),
        ("remote", &args.remote),
    ] {
        if word.starts_with('-') || word.is_empty() {
            return Err(Failure::new(format!("{name} cannot be '{word}'")));
        }
    }
    if let Some(archive) = &args.archive {
        archive::format(archive)?;
    }
    Ok(())
}

impl Module for GitModule {
    const NAME: &'static str = "git";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        check_words(args)?;
        let git = Git::new(args, look)?;
        let place = repository(args, look)?;
        let plan = |before: Option<String>, wanted| Plan {
            args: args.clone(),
            git: git.clone(),
            before,
            wanted,
            fresh: false,
            modified: false,
            url_changed: false,
            update: true,
        };
        let Some(place) = place else {
            return fresh(args, look, &git, plan(None, None));
        };
        let before = git.head(look)?;
        let mut result = Return::new()
            .with("before", before.as_deref())
            .with("remote_url_changed", false);
        let relocated = args.separate_git_dir.as_ref().filter(|wanted| {
            let real = |path: &Path| std::fs::canonicalize(path).unwrap_or(path.to_owned());
            real(wanted) != real(&place)
        });
        if let Some(new) = relocated {
            if look.stat(new)?.is_some() {
                return Err(Failure::new(format!(
                    "Separate-git-dir path {} already exists.",
                    new.display()
                )));
            }
            result = result
                .with("git_dir_before", place.to_string_lossy())
                .with("git_dir_now", new.to_string_lossy());
        }
        let missing_archive = match &args.archive {
            Some(archive) => look.stat(archive)?.is_none(),
            None => false,
        };
        if !args.update {
            result = result.with("after", before.as_deref());
            let mut plan = plan(before, None);
            plan.update = false;
            if relocated.is_none() && args.archive.is_none() && !args.verify_commit {
                return Ok(Verdict::Same(result));
            }
            let changed = relocated.is_some() || missing_archive;
            return Ok(Verdict::Change(plan, result.changed(changed)));
        }
        let modified = !args.bare && git.is_modified(look)?;
        if modified && !args.force {
            return Err(Failure::new(format!(
                "Local modifications exist in the destination: {} (force=no).",
                args.dest.display()
            ))
            .with("before", before.as_deref()));
        }
        let url_changed = git.url(look, &args.remote)?.as_deref() != Some(&*args.repo);
        let wanted = remote::wanted(&git, look, args, Some(&place))?;
        let same_commit = before.as_deref() == Some(&*wanted.commit);
        let submodules = args.recursive && !args.bare && git.submodules_differ(look)?;
        let on_branch = args.bare || wanted.is_checked_out(&git, look)?;
        let idle = same_commit && on_branch && !modified && !url_changed && !submodules;
        let tracks = args.track_submodules && look.stat(&args.dest.join(".gitmodules"))?.is_some();
        if idle && relocated.is_none() && args.archive.is_none() && !args.verify_commit && !tracks {
            return Ok(Verdict::Same(result.with("after", before.as_deref())));
        }
        let changed = !same_commit
            || modified
            || url_changed
            || submodules
            || relocated.is_some()
            || missing_archive;
        let foreseen = result
            .with("after", wanted.commit.as_str())
            .with("remote_url_changed", url_changed)
            .changed(changed);
        let mut plan = plan(before, Some(wanted));
        plan.modified = modified;
        plan.url_changed = url_changed;
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let line = |commit: Option<&String>| commit.map_or_else(String::new, |c| format!("{c}\n"));
        let after = plan.wanted.as_ref().map(|wanted| &wanted.commit);
        vec![Diff::text(
            &plan.args.dest.display().to_string(),
            line(plan.before.as_ref()),
            line(after.or(plan.before.as_ref())),
        )]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let Plan { args, git, .. } = &plan;
        let mut changed = plan.fresh || plan.modified || plan.url_changed;
        let mut result = Return::new()
            .with("before", plan.before.as_deref())
            .with("remote_url_changed", plan.url_changed);
        if let (false, Some(place)) = (plan.fresh, &args.separate_git_dir)
            && let Some(old) = repository(args, touch)?
            && std::fs::canonicalize(&old).ok() != std::fs::canonicalize(place).ok()
        {
            git.must(
                touch,
                &["init", "-q", "--separate-git-dir", &place.to_string_lossy()],
                "move the repository",
            )?;
            result = result
                .with("git_dir_before", old.to_string_lossy())
                .with("git_dir_now", place.to_string_lossy());
            changed = true;
        }
        if let Some(wanted) = &plan.wanted {
            let existed = touch.stat(&args.dest)?.is_some();
            if plan.fresh {
                remote::clone(git, touch, args, wanted)?;
            } else {
                if plan.modified {
                    git.must(
                        touch,
                        &["reset", "--hard", "HEAD"],
                        "throw local changes away",
                    )?;
                }
                remote::set_url(git, touch, args)?;
                remote::fetch(git, touch, args, wanted)?;
            }
            // Before any of its files are there.
            if args.verify_commit {
                let verified = git.verify(touch, args, wanted);
                if verified.is_err() && plan.fresh {
                    remote::forget(touch, args, existed)?;
                }
                verified?;
            }
            if !args.bare {
                remote::check_out(git, touch, args, wanted)?;
            }
            if args.recursive && !args.bare {
                changed |= remote::submodules(git, touch, args)?;
            }
        } else if args.verify_commit {
            git.verify_head(touch, args)?;
        }
        let after = if args.bare && plan.update {
            plan.wanted.as_ref().map(|wanted| wanted.commit.clone())
        } else {
            git.head(touch)?
        };
        changed |= after != plan.before;
        if let Some(archive) = &args.archive {
            changed |= archive::make(git, touch, args, archive)?;
            result = result.with("archive", archive.to_string_lossy());
        }
        Ok(result.with("after", after).changed(changed))
    }
}

/// There is no clone yet.
fn fresh(args: &Args, look: &Look, git: &Git, mut plan: Plan) -> Result<Verdict<Plan>, Failure> {
    if let Some(place) = &args.separate_git_dir
        && look.stat(place)?.is_some()
    {
        return Err(Failure::new(format!(
            "Separate-git-dir path {} already exists.",
            place.display()
        )));
    }
    let wanted = remote::wanted(git, look, args, None)?;
    let result = Return::new()
        .with("before", Value::Null)
        .with("after", wanted.commit.as_str());
    if !args.clone {
        return Ok(Verdict::Same(result.changed(true)));
    }
    plan.fresh = true;
    plan.wanted = Some(wanted);
    Ok(Verdict::Change(plan, result))
}

impl Wanted {
    /// The clone stands on the right branch, or on none where none is meant.
    fn is_checked_out(&self, git: &Git, look: &Look) -> Result<bool, Failure> {
        let branch = git.branch(look)?;
        Ok(match &self.target {
            Target::Branch(name) => branch.as_deref() == Some(name),
            Target::Tag(_) | Target::Commit => branch.is_none(),
        })
    }
}
