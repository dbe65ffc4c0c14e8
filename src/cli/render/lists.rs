//! `--list-tasks`, `--list-hosts`, `--list-tags`.

use std::collections::BTreeSet;

use ocplay_language::plan::tags::TagSelection;
use ocplay_language::plan::{PlannedPlay, PlannedTask};

/// What a listing shows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) tasks: bool,
    pub(crate) hosts: bool,
    pub(crate) tags: bool,
}

/// One play of a listing.
pub(crate) fn play(
    number: usize,
    play: &PlannedPlay,
    pattern: &str,
    hosts: &[std::sync::Arc<str>],
    wanted: Wanted,
    selection: &TagSelection,
) -> String {
    let name = play
        .play
        .name
        .as_ref()
        .and_then(|name| name.value.as_str())
        .unwrap_or(pattern);
    let mut own: Vec<&str> = play
        .context
        .own()
        .tags
        .iter()
        .filter_map(|tag| tag.value.as_str())
        .collect();
    own.dedup();
    let mut out = format!(
        "\n  play #{number} ({pattern}): {name}\tTAGS: [{}]\n",
        own.join(",")
    );
    if wanted.hosts {
        out.push_str(&format!(
            "    pattern: ['{pattern}']\n    hosts ({}):\n",
            hosts.len()
        ));
        for host in hosts {
            out.push_str(&format!("      {host}\n"));
        }
    }
    let mut all_tags = BTreeSet::new();
    if wanted.tasks {
        out.push_str("    tasks:\n");
    }
    for node in play
        .pre_tasks
        .iter()
        .chain(&play.tasks)
        .chain(&play.post_tasks)
    {
        node.each_task(&mut |task| {
            let tags = tags(task);
            if !selection.selects(tags.iter().copied()) || task.module() == "meta" {
                return;
            }
            if wanted.tasks {
                let title = task.title(task.written_name());
                out.push_str(&format!(
                    "      {title}\tTAGS: [{}]\n",
                    tags.iter().copied().collect::<Vec<_>>().join(", ")
                ));
            }
            all_tags.extend(tags.into_iter().map(str::to_owned));
        });
    }
    if wanted.tags {
        let tags: Vec<String> = all_tags.into_iter().collect();
        out.push_str(&format!("      TASK TAGS: [{}]\n", tags.join(", ")));
    }
    out
}

fn tags(task: &PlannedTask) -> BTreeSet<&str> {
    task.context
        .tags()
        .iter()
        .filter_map(|tag| tag.value.as_str())
        .collect()
}
