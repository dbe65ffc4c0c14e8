//! `docs/compatibility.md`: every word that Ansible knows, and what becomes
//! of it here.
//!
//! `words.txt` holds the words by kind. Behind a word stands what is to be
//! said of it: `~` begins how it differs, `!` why it is absent. Whether a word
//! without `!` is really there is looked up, not believed.

use std::collections::BTreeSet;

use clap::CommandFactory;
use ocplay_language::catalogue::STRUCTURAL;
use ocplay_language::vocabulary::Vocabulary;

use crate::args::{DocArgs, InventoryArgs, RunArgs};
use crate::commands::adhoc::AdhocArgs;
use crate::commands::config::ConfigArgs;
use crate::commands::pull::PullArgs;
use crate::commands::vault::VaultCommandArgs;
use crate::helper;

const WORDS: &str = include_str!("words.txt");

const HEAD: &str = "\
# Compatibility with Ansible

What ansible-core 2.19 knows, word by word: **same**, **different** (how), or **absent** (why, and what to use). What older
releases knew and 2.19 dropped is accepted with a warning that names today's form; it stands at the end. Settings have a page of
their own, [configuration.md](configuration.md); so do the reasons, [decisions.md](decisions.md).

This page is made by `ocplay doc --compatibility` from the program's own tables and `src/cli/compatibility/words.txt`. A test
fails when a word that is called same or different is not known to the program, or one that is called absent is.
";

const OLDER: &str = "
## Of older releases

| word | here |
| --- | --- |
| `include:` | an import where its name is the same for all hosts, an include otherwise, as in 2.9 |
| `with_*` | every lookup as a loop, as today |
| `result \\| success`, `x \\| version_compare(...)` and other tests written as filters | accepted |
| bare variables in `when` | accepted |
| text as a condition (`when: \"'yes'\"`) | an error as in 2.19, unless `ALLOW_BROKEN_CONDITIONALS` is set |
| `sudo:`, `sudo_user:`, `su:` | read as `become` |
| `docker_service`, `docker_compose` | said to be old |
| `static:`, `accelerate`, `always_run` | an error that names today's form |
";

/// A kind of words: its heading in `words.txt`, and in the page.
const KINDS: &[(&str, &str)] = &[
    ("keyword play", "Keywords of plays"),
    ("keyword task", "Keywords of tasks"),
    ("keyword block", "Keywords of blocks"),
    ("keyword handler", "Keywords of handlers"),
    ("keyword role", "Keywords of entries of `roles:`"),
    ("keyword loop_control", "`loop_control`"),
    ("filter", "Filters"),
    ("test", "Tests"),
    ("lookup", "Lookups"),
    ("module", "Modules of ansible.builtin"),
    ("strategy", "Strategies"),
    ("callback", "Callbacks"),
    ("connection", "Connections"),
    ("become", "Becoming another user"),
    ("inventory", "Sources of inventories"),
    ("cache", "Caches of facts"),
    ("vars", "Sources of variables"),
    ("command", "Commands"),
];

/// What becomes of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Same,
    Different(&'static str),
    Absent(&'static str),
}

#[derive(Debug)]
struct Section {
    kind: &'static str,
    rows: Vec<(&'static str, Fate)>,
}

fn sections() -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    for line in WORDS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(kind) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            out.push(Section {
                kind,
                rows: Vec::new(),
            });
        } else if let Some(section) = out.last_mut() {
            section.rows.push(row(line));
        }
    }
    out
}

fn row(line: &'static str) -> (&'static str, Fate) {
    if let Some((word, how)) = line.split_once(" ~ ") {
        (word, Fate::Different(how))
    } else if let Some((word, why)) = line.split_once(" ! ") {
        (word, Fate::Absent(why))
    } else {
        (line, Fate::Same)
    }
}

/// The whole page.
pub(crate) fn page() -> String {
    let sections = sections();
    let mut out = HEAD.to_owned();
    out.push_str(
        "\n## At a glance\n\n| what | same | different | absent |\n| --- | --- | --- | --- |\n",
    );
    for section in &sections {
        let count = |wanted: fn(&Fate) -> bool| {
            let rows = section.rows.iter();
            rows.filter(|(_, fate)| wanted(fate)).count()
        };
        line(
            &mut out,
            format_args!(
                "| {} | {} | {} | {} |",
                title(section.kind),
                count(|fate| *fate == Fate::Same),
                count(|fate| matches!(fate, Fate::Different(_))),
                count(|fate| matches!(fate, Fate::Absent(_))),
            ),
        );
    }
    for section in &sections {
        line(
            &mut out,
            format_args!(
                "\n## {}\n\n| word | here |\n| --- | --- |",
                title(section.kind)
            ),
        );
        for (word, fate) in &section.rows {
            let word = word.replace('|', "\\|");
            match fate {
                Fate::Same => line(&mut out, format_args!("| `{word}` | same |")),
                Fate::Different(how) => {
                    line(&mut out, format_args!("| `{word}` | different: {how} |"));
                }
                Fate::Absent(why) => line(&mut out, format_args!("| `{word}` | absent: {why} |")),
            }
        }
        let more = more(section);
        if !more.is_empty() {
            line(&mut out, format_args!("\nBesides: {}.", more.join(", ")));
        }
    }
    out.push_str(OLDER);
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&format!("{text}\n"));
}

fn title(kind: &str) -> String {
    if let Some(command) = kind.strip_prefix("flag ") {
        return format!("Options of `{command}`");
    }
    KINDS
        .iter()
        .find(|(known, _)| *known == kind)
        .map_or_else(|| kind.to_owned(), |(_, title)| (*title).to_owned())
}

/// What is known here beyond Ansible's own words.
fn more(section: &Section) -> Vec<String> {
    if !matches!(section.kind, "filter" | "test" | "lookup" | "module") {
        return Vec::new();
    }
    let theirs: BTreeSet<&str> = section.rows.iter().map(|(word, _)| *word).collect();
    let ours = known(section.kind).unwrap_or_default();
    ours.iter()
        .filter(|word| !theirs.contains(word.rsplit('.').next().unwrap_or_default()))
        .map(|word| format!("`{word}`"))
        .collect()
}

/// The words that the program knows of a kind; nothing for kinds that are no
/// table of it.
fn known(kind: &str) -> Option<BTreeSet<String>> {
    let all = Vocabulary::here();
    let owned = |words: Vec<&'static str>| words.into_iter().map(str::to_owned).collect();
    if let Some(command) = kind.strip_prefix("flag ") {
        return flags(command);
    }
    Some(match kind {
        "keyword play" => owned(all.play),
        "keyword task" | "keyword handler" => {
            let mut words: BTreeSet<String> = owned(all.task);
            words.extend(all.block.into_iter().map(str::to_owned));
            words
        }
        "keyword block" => owned(all.block),
        "keyword role" => owned(all.role),
        "filter" => all.filters.into_iter().collect(),
        "test" => owned(all.tests),
        "lookup" => owned(all.lookups),
        "module" => helper::catalogue()
            .iter()
            .map(|info| format!("{}.{}", info.collection, info.name))
            .chain(STRUCTURAL.map(str::to_owned))
            .chain(["import_playbook".to_owned()])
            .collect(),
        _ => return None,
    })
}

/// The options of one of the commands, `-x` and `--long`.
fn flags(command: &str) -> Option<BTreeSet<String>> {
    let mut words = command.split_whitespace();
    let mut found = match words.next()? {
        "ansible-playbook" => RunArgs::command(),
        "ansible" => AdhocArgs::command(),
        "ansible-inventory" => InventoryArgs::command(),
        "ansible-pull" => PullArgs::command(),
        "ansible-doc" => DocArgs::command(),
        "ansible-vault" => VaultCommandArgs::command(),
        "ansible-config" => ConfigArgs::command(),
        _ => return None,
    }
    .version("0");
    found.build();
    if let Some(word) = words.next() {
        found = found.find_subcommand(word).cloned().unwrap_or_default();
    }
    let mut out = BTreeSet::new();
    for argument in found.get_arguments() {
        out.extend(
            argument
                .get_short_and_visible_aliases()
                .unwrap_or_default()
                .into_iter()
                .chain(argument.get_all_short_aliases().unwrap_or_default())
                .map(|letter| format!("-{letter}")),
        );
        out.extend(argument.get_long().map(|long| format!("--{long}")));
        out.extend(
            argument
                .get_all_aliases()
                .unwrap_or_default()
                .into_iter()
                .map(|long| format!("--{long}")),
        );
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "docs/compatibility.md";

    #[test]
    fn the_page_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(PAGE);
        let found = std::fs::read_to_string(path).unwrap();
        assert!(
            found == page(),
            "{PAGE} is not current: cargo run -- doc --compatibility > {PAGE}"
        );
    }

    #[test]
    fn what_is_called_there_is_there_and_what_is_called_absent_is_not() {
        let mut wrong = Vec::new();
        for section in sections() {
            let Some(known) = known(section.kind) else {
                continue;
            };
            let short: BTreeSet<&str> = known
                .iter()
                .map(|word| word.rsplit('.').next().unwrap_or_default())
                .collect();
            for (word, fate) in &section.rows {
                let there = known.contains(*word) || short.contains(word);
                if there == matches!(fate, Fate::Absent(_)) {
                    wrong.push(format!("{}: {word} is called {fate:?}", section.kind));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_section_has_a_title_and_rows() {
        for section in sections() {
            assert!(!section.rows.is_empty(), "{}", section.kind);
            assert!(
                section.kind.starts_with("flag ") || title(section.kind) != section.kind,
                "{}",
                section.kind
            );
        }
    }
}
