//! `subversion`: a working copy is there, at a given revision.

use std::path::PathBuf;

use super::acts::{Acts, acting, need};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Settled, Touch, parent};

ocplay_protocol::arguments! {
    /// Checks a Subversion repository out, or brings a working copy up to date.
    pub(super) struct Args {
        /// Address of the repository.
        repo: String ["name", "repository"],
        /// Where the working copy shall be.
        dest: Option<PathBuf>,
        /// Revision.
        revision: String ["rev", "version"] = "HEAD".to_owned(),
        /// Throw local changes away.
        force: bool = false,
        /// Check out over files that are there.
        in_place: bool = false,
        /// User.
        username: Option<String>,
        /// Password; it never shows in the process list.
        password: Option<String>,
        /// The svn program to use.
        executable: Option<PathBuf>,
        /// Check out if there is no working copy.
        checkout: bool = true,
        /// Bring an existing working copy up to date.
        update: bool = true,
        /// Only the files, without what makes them a working copy.
        export: bool = false,
        /// Switch to another address first.
        switch: bool = true,
        /// Check the server's certificate.
        validate_certs: bool = false,
    }
}

pub(super) struct Subversion;

fn svn(args: &Args, words: &[&str]) -> Command {
    let program = args.executable.as_ref().map_or_else(
        || "svn".to_owned(),
        |path| path.to_string_lossy().into_owned(),
    );
    let mut argv = vec![
        program,
        "--non-interactive".to_owned(),
        "--no-auth-cache".to_owned(),
    ];
    if !args.validate_certs {
        argv.push("--trust-server-cert".to_owned());
    }
    if let Some(user) = &args.username {
        argv.extend(["--username".to_owned(), user.clone()]);
    }
    if args.password.is_some() {
        argv.push("--password-from-stdin".to_owned());
    }
    argv.extend(words.iter().map(|word| (*word).to_owned()));
    let command = Command::new(argv);
    match &args.password {
        Some(password) => command.stdin(password.clone()),
        None => command,
    }
}

/// One fact about a path or address; `None` where svn knows nothing of it.
fn item(args: &Args, look: &Look, target: &str, item: &str) -> Result<Option<String>, Failure> {
    let words = ["info", "--no-newline", "--show-item", item, "--", target];
    let output = look.ask(&svn(args, &words))?;
    Ok(output.ok().then(|| output.out().trim().to_owned()))
}

fn lines(args: &Args, look: &Look, dest: &str) -> Result<Vec<String>, Failure> {
    let revision = item(args, look, dest, "revision")?.unwrap_or_default();
    let url = item(args, look, dest, "url")?.unwrap_or_default();
    Ok(vec![format!("Revision: {revision}"), format!("URL: {url}")])
}

/// Files under version control were changed.
fn is_modified(args: &Args, look: &Look, dest: &str) -> Result<bool, Failure> {
    let output = look.ask(&svn(
        args,
        &["status", "--xml", "--quiet", "--ignore-externals", dest],
    ))?;
    let text = output.out();
    let marks = [
        "modified",
        "added",
        "deleted",
        "conflicted",
        "replaced",
        "missing",
    ];
    Ok(marks
        .iter()
        .any(|mark| text.contains(&format!("item=\"{mark}\"")))
        || text.contains("props=\"modified\""))
}

impl Module for Subversion {
    const NAME: &'static str = "subversion";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.executable.is_none() {
            need(look, "svn", "subversion")?;
        }
        let needs_dest = args.checkout || args.update || args.export;
        let Some(path) = &args.dest else {
            if needs_dest {
                return Err(
                    "the destination directory must be specified unless checkout=no, \
                            update=no, and export=no"
                        .into(),
                );
            }
            let revision = item(args, look, &args.repo, "revision")?;
            let result = Return::new().with("after", revision);
            return Ok(Acts::new(result).verdict());
        };
        let dest = path.to_string_lossy().into_owned();
        let there = look.stat(path)?.is_some();
        let is_copy = there && item(args, look, &dest, "wc-root")?.is_some();
        if args.export || !there || (args.in_place && !is_copy) {
            if args.export && there && !args.force {
                return Err(Failure::new(format!(
                    "{dest} is there already; set force: true to export over it"
                )));
            }
            let mut acts = Acts::new(Return::new());
            if !args.checkout && !args.export {
                return Ok(acts.verdict());
            }
            acts.diff(super::acts::state(&dest, "", &args.repo));
            let args = args.clone();
            acts.body(move |touch| fetch(&args, touch));
            return Ok(acts.verdict());
        }
        if !is_copy {
            return Err(Failure::new(format!(
                "ERROR: {dest} folder already exists, but its not a subversion repository."
            )));
        }
        let before = lines(args, look, &dest)?;
        let result = Return::new()
            .with("before", before.clone())
            .with("after", before.clone());
        let mut acts = Acts::new(result);
        if !args.update {
            return Ok(acts.verdict());
        }
        let modified = is_modified(args, look, &dest)?;
        if modified && !args.force {
            return Err("ERROR: modified files exist in the repository.".into());
        }
        let url = item(args, look, &dest, "url")?.unwrap_or_default();
        let target = args.repo.trim_end_matches('/');
        let moves = args.switch && url != target;
        let source = if moves { target } else { &url };
        let pegged = format!("{source}@{}", args.revision);
        let newest = item(args, look, &pegged, "revision")?.ok_or_else(|| {
            Failure::new(format!(
                "the repository {source} has no revision {}",
                args.revision
            ))
        })?;
        let newest = if args.revision.bytes().all(|byte| byte.is_ascii_digit()) {
            args.revision.clone()
        } else {
            newest
        };
        let is = item(args, look, &dest, "revision")?.unwrap_or_default();
        if !modified && !moves && is == newest {
            return Ok(acts.verdict());
        }
        acts.diff(super::acts::state(
            &dest,
            &before.join("\n"),
            &format!("Revision: {newest}\nURL: {source}"),
        ));
        let args = args.clone();
        acts.body(move |touch| {
            let revision = args.revision.clone();
            if modified {
                touch.must(
                    &svn(&args, &["revert", "-R", &dest]),
                    "throw local changes away",
                )?;
            }
            if moves {
                let words = ["switch", "--revision", &revision, &args.repo, &dest];
                touch.must(&svn(&args, &words), "switch to the other address")?;
            }
            touch.must(
                &svn(&args, &["update", "--revision", &revision, &dest]),
                "update the working copy",
            )?;
            let after = lines(&args, touch, &dest)?;
            let changed = after != before || modified;
            Ok(Return::new().with("after", after).changed(changed))
        });
        Ok(acts.verdict())
    }
}

fn fetch(args: &Args, touch: &mut Touch) -> Result<Return, Failure> {
    let Some(path) = &args.dest else {
        return Ok(Return::new());
    };
    let dest = path.to_string_lossy();
    touch.make_directories(parent(path), &Settled::default())?;
    let verb = if args.export { "export" } else { "checkout" };
    let mut words = vec![verb, "--revision", &args.revision];
    if args.force || args.in_place {
        words.push("--force");
    }
    words.extend([args.repo.as_str(), &dest]);
    touch.must(&svn(args, &words), &format!("{verb} {}", args.repo))?;
    if args.export {
        return Ok(Return::new());
    }
    Ok(Return::new().with("after", lines(args, touch, &dest)?))
}
