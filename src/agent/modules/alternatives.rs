//! `alternatives`: which of several programs a common name stands for.

use std::path::{Path, PathBuf};

use super::acts::{Acts, acting, command, state};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State {
        Present = "present",
        Selected = "selected",
        Auto = "auto",
        Absent = "absent",
    }
}

ocplay_protocol::arguments! {
    /// A further link that follows the alternative.
    pub(super) struct Subcommand {
        /// Its common name.
        name: String,
        /// The file that the link shall point to.
        path: PathBuf,
        /// The link.
        link: PathBuf,
    }
}

ocplay_protocol::arguments! {
    /// Registers alternatives and chooses between them (update-alternatives).
    pub(super) struct Args {
        /// The common name.
        name: String,
        /// The program that the name shall stand for.
        path: Option<PathBuf>,
        /// Group of alternatives that belong together (distributions of the RHEL family).
        family: Option<String>,
        /// The link of the common name; needed unless the name is known already.
        link: Option<PathBuf>,
        /// Priority; 50 for a new alternative, else as it is.
        priority: Option<i64>,
        /// Registered only, chosen too, left to the priorities, or not registered.
        state: State = State::Selected,
        /// Further links that follow it.
        subcommands: Option<Vec<Subcommand>> ["slaves"],
    }
}

pub(super) struct Alternatives;

/// What is known about a name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    link: String,
    auto: bool,
    value: String,
    /// Name and link of each follower.
    followers: Vec<(String, String)>,
    choices: Vec<Choice>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Choice {
    path: String,
    priority: i64,
    family: Option<String>,
    /// Name and file of each follower.
    followers: Vec<(String, String)>,
}

/// The answer of `update-alternatives --query`.
fn parse_query(text: &str) -> Known {
    let mut known = Known::default();
    for line in text.lines() {
        if let Some(follower) = line.strip_prefix(' ') {
            let Some((name, path)) = follower.split_once(' ') else {
                continue;
            };
            let entry = (name.to_owned(), path.to_owned());
            match known.choices.last_mut() {
                Some(choice) => choice.followers.push(entry),
                None => known.followers.push(entry),
            }
            continue;
        }
        let Some((key, value)) = line.split_once(": ") else {
            continue;
        };
        match key {
            "Link" => value.clone_into(&mut known.link),
            "Status" => known.auto = value == "auto",
            "Value" => value.clone_into(&mut known.value),
            "Alternative" => known.choices.push(Choice {
                path: value.to_owned(),
                ..Choice::default()
            }),
            "Priority" => {
                if let Some(choice) = known.choices.last_mut() {
                    choice.priority = value.trim().parse().unwrap_or(0);
                }
            }
            _ => {}
        }
    }
    known
}

/// The file that the tool of the RHEL family keeps about a name.
fn parse_file(text: &str, value: String) -> Option<Known> {
    let mut lines = text.lines();
    let mut known = Known {
        auto: lines.next()? == "auto",
        link: lines.next()?.to_owned(),
        value,
        ..Known::default()
    };
    loop {
        let name = lines.next()?;
        if name.is_empty() {
            break;
        }
        known
            .followers
            .push((name.to_owned(), lines.next()?.to_owned()));
    }
    while let Some(path) = lines.next().filter(|path| !path.is_empty()) {
        let rest = lines.next()?;
        let (family, rest) = match rest.strip_prefix('@').and_then(|rest| rest.split_once('@')) {
            Some((family, rest)) => (Some(family.to_owned()), rest),
            None => (None, rest),
        };
        let mut choice = Choice {
            path: path.to_owned(),
            priority: rest.split_whitespace().next()?.parse().ok()?,
            family,
            followers: Vec::new(),
        };
        for (name, _) in &known.followers {
            let file = lines.next()?;
            if !file.is_empty() {
                choice.followers.push((name.clone(), file.to_owned()));
            }
        }
        known.choices.push(choice);
    }
    Some(known)
}

fn known(look: &Look, tool: &str, name: &str) -> Result<Option<Known>, Failure> {
    let file = Path::new("/var/lib/alternatives").join(name);
    if tool == "alternatives" || file.exists() {
        let value = std::fs::read_link(Path::new("/etc/alternatives").join(name))
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default();
        return Ok(look
            .read_text(&file)?
            .and_then(|text| parse_file(&text, value)));
    }
    let output = look.query([tool, "--query", name])?;
    Ok(output.ok().then(|| parse_query(&output.out())))
}

impl Module for Alternatives {
    const NAME: &'static str = "alternatives";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let tool = ["update-alternatives", "alternatives"]
            .into_iter()
            .find(|tool| look.which(tool).is_some())
            .ok_or("neither update-alternatives nor alternatives is on this host")?;
        let known = known(look, tool, &args.name)?;
        let path = args
            .path
            .as_ref()
            .map(|path| path.to_string_lossy().into_owned());
        let is = path.as_ref().and_then(|path| {
            let choices = &known.as_ref()?.choices;
            choices.iter().find(|choice| choice.path == *path)
        });
        let mut acts = Acts::new(Return::new());
        let (mut before, mut after) = (String::new(), String::new());
        if args.state == State::Absent {
            let path = path.as_ref().ok_or("path is required with state: absent")?;
            if is.is_some() {
                acts.run(
                    command([tool, "--remove", &args.name, path]),
                    format!("remove the alternative {path}"),
                );
                acts.diff(state(&args.name, path, ""));
            }
            return Ok(acts.verdict());
        }
        let choose = path.as_ref().or(args.family.as_ref());
        if args.state != State::Auto && choose.is_none() {
            return Err("path is required (or family, for a choice by family)".into());
        }
        if let Some(path) = &path {
            let wanted: Option<Vec<(String, String)>> = args.subcommands.as_ref().map(|all| {
                all.iter()
                    .map(|sub| (sub.name.clone(), sub.path.to_string_lossy().into_owned()))
                    .collect()
            });
            let same = is.is_some_and(|is| {
                args.priority.is_none_or(|priority| priority == is.priority)
                    && (args.family.is_none() || args.family == is.family)
                    && wanted.as_ref().is_none_or(|wanted| {
                        let mut both = [wanted.clone(), is.followers.clone()];
                        both.iter_mut().for_each(|list| list.sort());
                        both[0] == both[1]
                    })
            });
            if !same {
                let link = match (&args.link, &known) {
                    (Some(link), _) => link.to_string_lossy().into_owned(),
                    (None, Some(known)) => known.link.clone(),
                    (None, None) => {
                        return Err(
                            "Needed to install the alternative, but unable to do so as we \
                                    are missing the link"
                                .into(),
                        );
                    }
                };
                if !args.path.as_ref().is_some_and(|path| path.exists()) && !look.is_check() {
                    return Err(Failure::new(format!(
                        "Specified path {path} does not exist"
                    )));
                }
                let priority = args.priority.or(is.map(|is| is.priority)).unwrap_or(50);
                let priority = priority.to_string();
                let mut words: Vec<String> =
                    [tool, "--install", &link, &args.name, path, &priority]
                        .map(str::to_owned)
                        .to_vec();
                if let Some(family) = &args.family {
                    words.extend(["--family".to_owned(), family.clone()]);
                }
                for sub in args.subcommands.iter().flatten() {
                    words.extend([
                        "--slave".to_owned(),
                        sub.link.to_string_lossy().into_owned(),
                        sub.name.clone(),
                        sub.path.to_string_lossy().into_owned(),
                    ]);
                }
                // Followers that were not named stay.
                if let (None, Some(is), Some(known)) = (&args.subcommands, is, &known) {
                    for (name, file) in &is.followers {
                        if let Some((_, link)) = known.followers.iter().find(|(n, _)| n == name) {
                            let slave = ["--slave", link, name, file].map(str::to_owned);
                            words.extend(slave);
                        }
                    }
                }
                acts.run(command(words), format!("register the alternative {path}"));
                before.push_str(&is.map_or_else(String::new, |is| {
                    format!("priority of {path}: {}\n", is.priority)
                }));
                after.push_str(&format!("priority of {path}: {priority}\n"));
            }
        }
        let selected = known.as_ref().map_or((true, String::new()), |known| {
            (known.auto, known.value.clone())
        });
        match (args.state, choose) {
            (State::Selected, Some(choice))
                if path.is_none() || selected.1 != *choice || selected.0 =>
            {
                // By family, what is chosen tells.
                let by_family = path.is_none()
                    && known.as_ref().is_some_and(|known| {
                        known.choices.iter().any(|found| {
                            found.path == known.value && found.family.as_ref() == Some(choice)
                        })
                    });
                if !by_family && (selected.1 != *choice) {
                    acts.run(
                        command([tool, "--set", &args.name, choice]),
                        format!("choose the alternative {choice}"),
                    );
                    before.push_str(&format!("selected: {}\n", selected.1));
                    after.push_str(&format!("selected: {choice}\n"));
                }
            }
            (State::Auto, _) if !selected.0 || known.is_none() => {
                acts.run(
                    command([tool, "--auto", &args.name]),
                    format!("leave {} to the priorities", args.name),
                );
                before.push_str("mode: manual\n");
                after.push_str("mode: auto\n");
            }
            _ => {}
        }
        if !acts.is_empty() {
            acts.diff(state(&args.name, &before, &after));
        }
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_say() {
        let text = "Name: editor\nLink: /usr/bin/editor\nSlaves:\n editor.1.gz /m/editor.1.gz\n\
                    Status: auto\nBest: /bin/nano\nValue: /bin/nano\n\nAlternative: /bin/nano\n\
                    Priority: 40\nSlaves:\n editor.1.gz /m/nano.1.gz\n\nAlternative: /bin/ed\n\
                    Priority: -100\n";
        let known = parse_query(text);
        assert!(known.auto);
        assert_eq!(known.followers.len(), 1);
        assert_eq!(known.choices[0].followers[0].1, "/m/nano.1.gz");
        assert_eq!(known.choices[1].priority, -100);
        let text = "manual\n/usr/bin/java\njre\n/usr/lib/jre\n\n/opt/j8/java\n@j8@1800 java\n\
                    /opt/j8\n/opt/j11/java\n1100\n/opt/j11\n";
        let known = parse_file(text, "/opt/j8/java".to_owned()).unwrap();
        assert!(!known.auto);
        assert_eq!(known.choices[0].family.as_deref(), Some("j8"));
        assert_eq!(known.choices[1].priority, 1100);
        assert_eq!(known.choices[1].followers[0].1, "/opt/j11");
    }
}
